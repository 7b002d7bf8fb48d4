//! The last session of each user that was ended, to be told of at the next login, once.
//!
//! Whoever comes back to an ended session finds nothing: the terminal is closed, the screen is
//! that of the login. So the next login says what happened. A login without a terminal, such as a
//! transfer, shows nobody anything, and does not use it up.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_timeout_config::duration::for_people;
use session_timeout_policy::{Uid, WallTime};

use crate::replace::{Outlives, replace};
use crate::text::harmless;

/// What is older has nothing to say to anybody.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Users that are kept in mind; the oldest is forgotten first.
const USERS_MAX: usize = 4096;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What became of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// Where it was: a terminal or a seat.
    place: Option<String>,
    /// When it was ended, on the wall clock, in microseconds.
    at: u64,
    /// Why, to follow "was ended".
    reason: String,
}

impl Ending {
    pub(crate) fn new(place: Option<String>, at: WallTime, reason: String) -> Self {
        Self {
            place,
            at: at.as_micros(),
            reason,
        }
    }

    /// The sentence about it.
    fn told(&self, now: WallTime) -> String {
        let place = self.place.as_deref().map(harmless);
        let place = place.map(|place| format!(" on {place}"));
        let age = now.since(WallTime::from_micros(self.at)).as_secs();
        format!(
            "Your last session{} was ended {}, {}.",
            place.unwrap_or_default(),
            ago(age),
            harmless(&self.reason)
        )
    }

    fn is_old(&self, now: WallTime) -> bool {
        now.since(WallTime::from_micros(self.at)) > KEPT
    }
}

/// As exact as anybody wants to know it.
fn ago(seconds: u64) -> String {
    let whole = match seconds {
        0..MINUTE => return "less than a minute ago".to_owned(),
        MINUTE..HOUR => seconds - seconds % MINUTE,
        HOUR..DAY => seconds - seconds % HOUR,
        _ => {
            let days = seconds / DAY;
            return format!("{days} {} ago", if days == 1 { "day" } else { "days" });
        }
    };
    format!("{} ago", for_people(Duration::from_secs(whole)))
}

/// The endings that somebody has yet to be told of. Clones are the same.
#[derive(Clone)]
pub(crate) struct Endings(Arc<Mutex<Kept>>);

struct Kept {
    path: PathBuf,
    by_user: BTreeMap<u32, Ending>,
}

impl Endings {
    /// Those in this file; where it cannot be understood, none.
    pub(crate) fn load(path: PathBuf) -> Self {
        let by_user = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                log::warn!("cannot use {}: {error}", path.display());
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        Self(Arc::new(Mutex::new(Kept { path, by_user })))
    }

    /// A session of this user was ended.
    pub(crate) fn add(&self, user: Uid, ending: Ending, now: WallTime) {
        let mut kept = self.kept();
        kept.by_user.retain(|_, other| !other.is_old(now));
        // The next stage of the same end: its terminals may be closed by now.
        let known = kept.by_user.get(&user.as_raw());
        if known.is_some_and(|known| ending.place.is_none() && known.reason == ending.reason) {
            return;
        }
        while kept.by_user.len() >= USERS_MAX {
            let oldest = kept.by_user.iter().min_by_key(|(_, other)| other.at);
            let Some(oldest) = oldest.map(|(user, _)| *user) else {
                break;
            };
            kept.by_user.remove(&oldest);
        }
        kept.by_user.insert(user.as_raw(), ending);
        kept.save();
    }

    /// What this user is to be told, if anything.
    pub(crate) fn line(&self, user: Uid, now: WallTime) -> Option<String> {
        let kept = self.kept();
        let ending = kept.by_user.get(&user.as_raw())?;
        (!ending.is_old(now)).then(|| ending.told(now))
    }

    /// This user has been told.
    pub(crate) fn told(&self, user: Uid) {
        let mut kept = self.kept();
        if kept.by_user.remove(&user.as_raw()).is_some() {
            kept.save();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Nothing depends on it but a line for a user.
    fn save(&self) {
        let text = serde_json::to_vec(&self.by_user).map_err(io::Error::from);
        let kept = text.and_then(|text| replace(&self.path, &text, Outlives::Daemon));
        if let Err(error) = kept {
            log::warn!("cannot keep {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Uid = Uid::new(1000);

    fn wall(secs: u64) -> WallTime {
        WallTime::from_micros((1_800_000_000 + secs) * 1_000_000)
    }

    fn ending(secs: u64) -> Ending {
        let reason = "after 15 min without input".to_owned();
        Ending::new(Some("pts/3".to_owned()), wall(secs), reason)
    }

    #[test]
    fn the_next_login_is_told_where_when_and_why_and_the_one_after_it_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("endings.json");
        let endings = Endings::load(path.clone());
        endings.add(ALICE, ending(0), wall(0));
        // The daemon may have been restarted meanwhile.
        let endings = Endings::load(path.clone());
        assert_eq!(
            endings.line(ALICE, wall(2 * HOUR + 500)).as_deref(),
            Some("Your last session on pts/3 was ended 2 h ago, after 15 min without input.")
        );
        assert_eq!(endings.line(Uid::new(1001), wall(0)), None);
        endings.told(ALICE);
        assert_eq!(Endings::load(path).line(ALICE, wall(0)), None);
    }

    #[test]
    fn the_time_is_told_as_exactly_as_anybody_wants_it() {
        let told = [
            (5, "less than a minute ago"),
            (61, "1 min ago"),
            (2 * HOUR - 1, "1 h ago"),
            (5 * HOUR + 70, "5 h ago"),
            (DAY, "1 day ago"),
            (9 * DAY + HOUR, "9 days ago"),
        ];
        for (seconds, words) in told {
            assert_eq!(ago(seconds), words);
        }
    }

    #[test]
    fn what_is_a_month_old_is_not_told_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let endings = Endings::load(dir.path().join("endings.json"));
        endings.add(ALICE, ending(0), wall(0));
        assert!(endings.line(ALICE, wall(29 * DAY)).is_some());
        assert_eq!(endings.line(ALICE, wall(31 * DAY)), None);
    }

    #[test]
    fn a_file_that_cannot_be_understood_tells_nobody_anything() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("endings.json");
        fs::write(&path, "{").unwrap();
        assert_eq!(Endings::load(path).line(ALICE, wall(0)), None);
    }

    #[test]
    fn no_more_users_are_kept_than_fit() {
        let dir = tempfile::tempdir().unwrap();
        let endings = Endings::load(dir.path().join("endings.json"));
        {
            let mut kept = endings.kept();
            for user in 0..u32::try_from(USERS_MAX).unwrap() {
                kept.by_user.insert(user, ending(u64::from(user)));
            }
        }
        endings.add(Uid::new(100_000), ending(9999), wall(9999));
        assert_eq!(endings.kept().by_user.len(), USERS_MAX);
        assert_eq!(endings.line(Uid::new(0), wall(9999)), None);
    }
}
