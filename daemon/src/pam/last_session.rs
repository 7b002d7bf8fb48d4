//! Records the last ended session of each user, to report it once at the user's next login.
//!
//! A user who returns to an ended session sees a closed terminal or the login screen, so the next
//! login shows the reason. A login without a terminal, such as a file transfer, shows no text, and
//! the report is kept. A desktop's agent asks for the report, and confirms when it has shown it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_timeout_policy::{SessionFacts, Uid, WallTime};
use session_timeout_protocol::bus::last_ending;
use session_timeout_texts::{Cause, Language, Sentence, When, sanitize};
use zbus::wire::Variant;

use crate::sys::atomic_file::{Outlives, replace};

/// Older records are dropped.
const AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Maximum number of users with a record; the oldest record is dropped first.
const USERS_MAX: usize = 4096;

/// The record as an agent receives it.
pub(crate) type Dict = HashMap<&'static str, Variant<'static>>;

/// The place of a session as logind knows it: its terminal or its seat. The terminal of a desktop
/// is not the place that its user knows.
pub(crate) fn place(session: &SessionFacts) -> Option<String> {
    let terminal = session.terminal.clone();
    let terminal = terminal.filter(|_| !session.session_type.is_graphical());
    terminal.or_else(|| session.seat.clone())
}

/// Whether the terminals of its processes are the place that its user knows. On a seat that is the
/// virtual terminal of the login, also if `startx`, tmux or script(1) has opened others since.
pub(crate) fn is_known_by_its_terminals(session: &SessionFacts) -> bool {
    let on_console = session.seat.is_some() && session.terminal.is_some();
    !session.session_type.is_graphical() && !on_console
}

/// How and when a session was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastSession {
    /// Its terminal or seat.
    place: Option<String>,
    /// The time of its end on the wall clock, in microseconds.
    at: u64,
    #[serde(with = "CauseWord")]
    cause: Cause,
    /// The length of the limit.
    length: Duration,
}

/// The words for the cause in the file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Cause", rename_all = "kebab-case")]
enum CauseWord {
    Login,
    Unlock,
    Input,
}

impl LastSession {
    pub(crate) fn new(place: Option<String>, at: WallTime, cause: Cause, length: Duration) -> Self {
        Self {
            place,
            at: at.as_micros(),
            cause,
            length,
        }
    }

    /// The record for an agent, by key.
    fn dict(&self, now: WallTime) -> Dict {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let cause = match self.cause {
            Cause::Login => "login",
            Cause::Unlock => "unlock",
            Cause::Input => "input",
        };
        let ago = now.since(WallTime::from_micros(self.at));
        let mut row = HashMap::from([
            (last_ending::AGO_USEC, Variant::from(micros(ago))),
            (last_ending::CAUSE, Variant::from(cause)),
            (last_ending::LENGTH_USEC, Variant::from(micros(self.length))),
        ]);
        let place = self.place.as_deref().map(sanitize);
        row.extend(place.map(|place| (last_ending::PLACE, Variant::from(place))));
        row
    }

    /// The sentence about the record.
    fn sentence(&self, now: WallTime) -> Sentence<'_> {
        Sentence::LastEnding {
            place: self.place.as_deref(),
            when: When::Ago(now.since(WallTime::from_micros(self.at))),
            cause: self.cause,
            length: self.length,
        }
    }

    fn is_old(&self, now: WallTime) -> bool {
        now.since(WallTime::from_micros(self.at)) > AGE_MAX
    }
}

/// The records that were not shown yet. Clones share them.
#[derive(Clone)]
pub(crate) struct LastSessions(Arc<Mutex<Table>>);

struct Table {
    path: PathBuf,
    by_user: BTreeMap<Uid, LastSession>,
    /// Whether there are changes that are not in the file.
    unsaved: bool,
}

impl LastSessions {
    /// Loads the records from this file; none if it is invalid.
    pub(crate) fn load(path: PathBuf) -> Self {
        let stored: BTreeMap<u32, LastSession> = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                log::warn!("cannot use {}: {error}", path.display());
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        let by_user = stored.into_iter().map(|(uid, last)| (Uid::new(uid), last));
        Self(Arc::new(Mutex::new(Table {
            path,
            by_user: by_user.collect(),
            unsaved: false,
        })))
    }

    /// Adds the record of an ended session. The caller saves: thousands of sessions may end at the
    /// same time, and are written together.
    pub(crate) fn add(&self, user: Uid, ending: LastSession, now: WallTime) {
        let mut table = self.table();
        table.by_user.retain(|_, other| !other.is_old(now));
        // A later stage of the same end: the session's terminals may be closed by now.
        let known = table.by_user.get(&user);
        if known.is_some_and(|known| ending.place.is_none() && known.cause == ending.cause) {
            return;
        }
        while table.by_user.len() >= USERS_MAX {
            let oldest = table.by_user.iter().min_by_key(|(_, other)| other.at);
            let Some(oldest) = oldest.map(|(user, _)| *user) else {
                break;
            };
            table.by_user.remove(&oldest);
        }
        table.by_user.insert(user, ending);
        table.unsaved = true;
    }

    /// Sets the terminal of this user's ending at this time, which is known only after the ending
    /// was recorded. The caller saves.
    pub(crate) fn set_place(&self, user: Uid, at: WallTime, place: String) {
        let mut table = self.table();
        let ending = table.by_user.get_mut(&user);
        if let Some(ending) = ending.filter(|ending| ending.at == at.as_micros()) {
            ending.place = Some(place);
            table.unsaved = true;
        }
    }

    /// Writes the records to the file, if they have changed.
    pub(crate) fn save(&self) {
        let mut table = self.table();
        if table.unsaved {
            table.save();
        }
    }

    /// The line for this user at a login, if there is a record.
    pub(crate) fn line(&self, language: Language, user: Uid, now: WallTime) -> Option<String> {
        let table = self.table();
        let ending = table.by_user.get(&user)?;
        (!ending.is_old(now)).then(|| language.say(ending.sentence(now)))
    }

    /// The record for an agent of this user; empty if there is none.
    pub(crate) fn dict_for(&self, user: Uid, now: WallTime) -> Dict {
        let table = self.table();
        let ending = table.by_user.get(&user);
        let ending = ending.filter(|ending| !ending.is_old(now));
        ending.map(|ending| ending.dict(now)).unwrap_or_default()
    }

    /// Removes the record of this user, which was shown.
    pub(crate) fn mark_shown(&self, user: Uid) {
        let mut table = self.table();
        if table.by_user.remove(&user).is_some() {
            table.save();
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// A failure is only logged: no enforcement depends on the file.
    fn save(&mut self) {
        self.unsaved = false;
        let users = self.by_user.iter();
        let stored: BTreeMap<u32, &LastSession> =
            users.map(|(user, last)| (user.as_raw(), last)).collect();
        let text = serde_json::to_vec(&stored).map_err(io::Error::from);
        let table = text.and_then(|text| replace(&self.path, &text, Outlives::Daemon));
        if let Err(error) = table {
            log::warn!("cannot keep {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::SessionType;

    use super::*;
    use crate::fixtures::session;

    const DAY: u64 = 24 * 3600;
    const ALICE: Uid = Uid::new(1000);

    fn wall(secs: u64) -> WallTime {
        WallTime::from_micros((1_800_000_000 + secs) * 1_000_000)
    }

    fn ending(secs: u64) -> LastSession {
        let length = Duration::from_secs(900);
        LastSession::new(Some("pts/3".to_owned()), wall(secs), Cause::Input, length)
    }

    #[test]
    fn the_next_login_shows_where_when_and_why_and_the_one_after_it_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last_sessions.json");
        let last_sessions = LastSessions::load(path.clone());
        last_sessions.add(ALICE, ending(0), wall(0));
        last_sessions.save();
        // The daemon may have been restarted meanwhile.
        let last_sessions = LastSessions::load(path.clone());
        assert_eq!(
            last_sessions
                .line(Language::English, ALICE, wall(7700))
                .as_deref(),
            Some("Your last session on pts/3 was ended 2 h ago, after 15 min without input.")
        );
        assert_eq!(
            last_sessions.line(Language::English, Uid::new(1001), wall(0)),
            None
        );
        last_sessions.mark_shown(ALICE);
        assert_eq!(
            LastSessions::load(path).line(Language::English, ALICE, wall(0)),
            None
        );
    }

    #[test]
    fn where_an_ending_was_may_be_known_later_and_is_that_endings_alone() {
        let dir = tempfile::tempdir().unwrap();
        let last_sessions = LastSessions::load(dir.path().join("last_sessions.json"));
        let length = Duration::from_secs(900);
        last_sessions.add(
            ALICE,
            LastSession::new(None, wall(0), Cause::Input, length),
            wall(0),
        );
        last_sessions.set_place(ALICE, wall(1), "pts/4".to_owned());
        let line = || {
            last_sessions
                .line(Language::English, ALICE, wall(0))
                .unwrap()
        };
        assert!(!line().contains("pts/"), "{}", line());
        last_sessions.set_place(ALICE, wall(0), "pts/4".to_owned());
        assert!(line().contains("pts/4"), "{}", line());
    }

    #[test]
    fn a_login_on_a_virtual_terminal_is_known_by_it_whatever_runs_there() {
        let on = |session_type, terminal: Option<&str>, seat: Option<&str>| {
            let session = SessionFacts {
                session_type,
                terminal: terminal.map(str::to_owned),
                seat: seat.map(str::to_owned),
                ..session()
            };
            (place(&session), is_known_by_its_terminals(&session))
        };
        let named = |name: &str| Some(name.to_owned());
        // `startx` leaves the type of the session.
        let console = on(SessionType::Tty, Some("tty13"), Some("seat0"));
        assert_eq!(console, (named("tty13"), false));
        let desktop = on(SessionType::X11, Some("tty2"), Some("seat0"));
        assert_eq!(desktop, (named("seat0"), false));
        let ssh = on(SessionType::Tty, Some("pts/1"), None);
        assert_eq!(ssh, (named("pts/1"), true));
        assert_eq!(on(SessionType::Tty, None, None), (None, true));
        let without_console = on(SessionType::Tty, None, Some("seat0"));
        assert_eq!(without_console, (named("seat0"), true));
    }

    #[test]
    fn a_record_that_is_a_month_old_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let last_sessions = LastSessions::load(dir.path().join("last_sessions.json"));
        last_sessions.add(ALICE, ending(0), wall(0));
        assert!(
            last_sessions
                .line(Language::English, ALICE, wall(29 * DAY))
                .is_some()
        );
        assert_eq!(
            last_sessions.line(Language::English, ALICE, wall(31 * DAY)),
            None
        );
    }

    #[test]
    fn an_invalid_file_has_no_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last_sessions.json");
        fs::write(&path, "{").unwrap();
        assert_eq!(
            LastSessions::load(path).line(Language::English, ALICE, wall(0)),
            None
        );
    }

    #[test]
    fn no_more_users_are_kept_than_fit() {
        let dir = tempfile::tempdir().unwrap();
        let last_sessions = LastSessions::load(dir.path().join("last_sessions.json"));
        {
            let mut table = last_sessions.table();
            for user in 0..u32::try_from(USERS_MAX).unwrap() {
                let last = ending(u64::from(user));
                table.by_user.insert(Uid::new(user), last);
            }
        }
        last_sessions.add(Uid::new(100_000), ending(9999), wall(9999));
        assert_eq!(last_sessions.table().by_user.len(), USERS_MAX);
        assert_eq!(
            last_sessions.line(Language::English, Uid::new(0), wall(9999)),
            None
        );
    }
}
