//! When the user last did something, worked out from readings that lie a little.
//!
//! The kernel stamps a terminal when somebody reads input from it, with the wall clock, and at
//! most once in each aligned window of eight seconds (`tty_update_time()` in
//! `drivers/tty/tty_io.c`). So a stamp by itself says little: the clock may have been stepped
//! since. A *change* of a stamp between two readings says for certain that there was input
//! between them, and the stamp only helps to say when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{ActivityKind, BootTime, WallTime};

/// Two clocks drift apart by less than this between two readings unless one was stepped. NTP
/// slews by at most 500 ppm, which is 1.8 s in an hour.
const STEP: Duration = Duration::from_secs(2);

/// The time of a hint is worked out anew at each look, from clocks that are not read at the same
/// instant.
const HINT_JITTER: Duration = Duration::from_secs(1);

/// What one look at a session found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock at the time of the look.
    pub wall: WallTime,
    /// When each terminal was last read from, or written to. A stamp of zero says nothing and is not listed.
    pub stamps: BTreeMap<StampSource, WallTime>,
    /// What the desktop has told logind, if it ever told anything.
    pub hint: Option<Hint>,
    /// The inhibitor lock on `idle` that the user holds, by who holds it, if there is one.
    pub inhibitor: Option<String>,
    /// Whether the screen is locked, where anybody tells.
    pub locked: Option<bool>,
}

/// Where a stamp comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StampSource {
    /// logind's `IdleSinceHint` of a session on a terminal.
    Logind,
    /// The modification time of a terminal of the session, by its device number: output of
    /// programs, less what the daemon itself has written there.
    Output(u64),
    /// The access time of a terminal of the session, by its device number.
    Terminal(u64),
}

/// logind's `IdleHint` of a desktop session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The desktop says that the user is there.
    Active,
    /// The desktop says that the user has been away at least since then.
    IdleSince(BootTime),
}

/// Who knows the idle time of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleSource {
    /// logind.
    Logind,
    /// The terminals of the session.
    Terminals,
    /// Nobody.
    Unknown,
}

impl IdleSource {
    /// The word for it in `status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logind => "logind",
            Self::Terminals => "terminals",
            Self::Unknown => "unknown",
        }
    }
}

/// The last activity of one session, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The last activity; the login, until some is seen.
    pub last: BootTime,
    /// When the session was last looked at; the login, before the first look.
    pub sampled: BootTime,
    /// Who knew, at the last look.
    pub source: IdleSource,
    /// The newest stamp of every terminal that was ever seen; Linux has at most 4096 ptys.
    pub stamps: BTreeMap<StampSource, WallTime>,
    /// Both clocks at the last look that read them: what shows a step of the wall clock.
    pub clocks: Option<(BootTime, WallTime)>,
    /// Whether the user held an inhibitor lock at the last look.
    pub inhibited: bool,
}

impl Activity {
    /// Nothing is known but the login.
    pub(crate) fn since_login(started: BootTime) -> Self {
        Self {
            last: started,
            sampled: started,
            source: IdleSource::Unknown,
            stamps: BTreeMap::new(),
            clocks: None,
            inhibited: false,
        }
    }

    /// Input was seen right now.
    pub(crate) fn seen(&mut self, now: BootTime) {
        self.last = self.last.max(now);
    }

    /// Takes a reading, of which this counts; whether it shows activity that was not known is
    /// seen in `last`.
    pub(crate) fn observe(
        &mut self,
        now: BootTime,
        reading: Reading,
        counted: &BTreeSet<ActivityKind>,
    ) {
        let counts = |source: &StampSource| match source {
            StampSource::Logind | StampSource::Terminal(_) => true,
            StampSource::Output(_) => counted.contains(&ActivityKind::Output),
        };
        let stamped = reading
            .stamps
            .iter()
            .filter(|(source, _)| counts(source))
            .filter_map(|(source, stamp)| self.news(now, reading.wall, *source, *stamp))
            .max();
        if let Some(stamped) = stamped {
            // No input before the last look can be news now, and none is later than now. (Looks
            // that failed were none.)
            let looked = self.clocks.map(|(then, _)| then).unwrap_or_default();
            self.last = self.last.max(stamped.clamp(looked.min(now), now));
        }
        match reading.hint {
            Some(Hint::Active) => self.seen(now),
            // A hint that stands tells of the same moment at every look, give or take a little. What
            // comes after a look that found the user there is another.
            Some(Hint::IdleSince(since))
                if since > self.last.saturating_add(HINT_JITTER)
                    || (self.last == self.sampled && since > self.last) =>
            {
                self.seen(since.min(now));
            }
            Some(Hint::IdleSince(_)) | None => {}
        }
        let inhibited = reading.inhibitor.is_some();
        // One that was released since the last look may have been so just now.
        if counted.contains(&ActivityKind::Inhibitor) && (inhibited || self.inhibited) {
            self.seen(now);
        }
        self.inhibited = inhibited;
        self.source = source_of(&reading);
        self.sampled = self.sampled.max(now);
        // Stamps of terminals that are gone are kept: one that comes back unchanged is no news.
        self.stamps.extend(reading.stamps);
        self.clocks = Some((now, reading.wall));
    }

    /// Nobody could be asked, for so long that the idle time counts as unknown.
    pub(crate) fn lose_track(&mut self, now: BootTime) {
        self.source = IdleSource::Unknown;
        self.sampled = self.sampled.max(now);
    }

    /// The latest time at which input can have come that the last look did not know of, if this
    /// stamp tells of any.
    fn news(
        &self,
        now: BootTime,
        wall: WallTime,
        source: StampSource,
        stamp: WallTime,
    ) -> Option<BootTime> {
        let stepped = self.stepped(now, wall);
        let placed = placed(now, wall, stamp);
        match self.stamps.get(&source) {
            // The last look fell into the window of the stamp, and input in what was left of it
            // cannot have changed the stamp again.
            Some(known) if *known == stamp => {
                let still_open = |(_, before)| stamp <= before && before < window_end(stamp);
                (!stepped && self.clocks.is_some_and(still_open)).then_some(placed)
            }
            // It changed after the last look. Where it says otherwise, the clock was stepped in
            // between, there and back. (logind's stamp may not have been part of that look.)
            Some(_)
                if source != StampSource::Logind
                    && self.looked_after(placed.saturating_add(STEP)) =>
            {
                Some(now)
            }
            Some(_) | None => Some(if stepped { now } else { placed }),
        }
    }

    fn looked_after(&self, time: BootTime) -> bool {
        self.clocks.is_some_and(|(then, _)| then > time)
    }

    /// Whether the wall clock was stepped since it was last read.
    fn stepped(&self, now: BootTime, wall: WallTime) -> bool {
        self.clocks.is_some_and(|(then, before)| {
            let expected = before.as_micros().saturating_add(micros(now.since(then)));
            wall.as_micros().abs_diff(expected) > micros(STEP)
        })
    }
}

/// The latest time at which the input behind `stamp` can have come.
fn placed(now: BootTime, wall: WallTime, stamp: WallTime) -> BootTime {
    now.saturating_sub(wall.since(window_end(stamp).min(wall)))
}

/// The last second in which input leaves a terminal at this stamp.
fn window_end(stamp: WallTime) -> WallTime {
    const SECOND: u64 = 1_000_000;
    let end = ((stamp.as_micros() / SECOND) | 7).saturating_mul(SECOND);
    stamp.max(WallTime::from_micros(end))
}

fn source_of(reading: &Reading) -> IdleSource {
    let terminals = reading
        .stamps
        .keys()
        .any(|source| matches!(source, StampSource::Output(_) | StampSource::Terminal(_)));
    if terminals {
        IdleSource::Terminals
    } else if reading.hint.is_some() || !reading.stamps.is_empty() {
        IdleSource::Logind
    } else {
        IdleSource::Unknown
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTS: StampSource = StampSource::Terminal(0x8803);
    /// A whole number of eight-second windows, as the wall clock shows it.
    const EPOCH: u64 = 1_800_000_000;

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    fn wall(secs: u64) -> WallTime {
        WallTime::from_micros(secs * 1_000_000)
    }

    /// A look at `now` seconds after `EPOCH` at a terminal that was read `stamp` seconds after it.
    fn look(now: u64, stamp: u64) -> Reading {
        Reading {
            wall: wall(EPOCH + now),
            stamps: BTreeMap::from([(PTS, wall(EPOCH + stamp))]),
            ..Reading::default()
        }
    }

    fn observe(activity: &mut Activity, now: BootTime, reading: Reading) {
        activity.observe(now, reading, &BTreeSet::from([ActivityKind::Input]));
    }

    #[test]
    fn a_changed_stamp_is_activity_at_the_end_of_its_window() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), look(100, 40));
        assert_eq!(activity.last, at(47));
        assert_eq!(activity.source, IdleSource::Terminals);
    }

    #[test]
    fn an_unchanged_stamp_is_no_activity_whatever_the_clock_says() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), look(100, 40));
        observe(&mut activity, at(200), look(200_000, 40));
        assert_eq!(activity.last, at(47));
    }

    #[test]
    fn input_in_the_current_window_is_never_in_the_future() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(42), look(42, 40));
        assert_eq!(activity.last, at(42));
    }

    #[test]
    fn after_a_step_of_the_wall_clock_a_changed_stamp_counts_as_now() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), look(100, 40));
        // One hour forward: the stamp, set before the step, looks an hour old.
        observe(&mut activity, at(200), look(200 + 3600, 150));
        assert_eq!(activity.last, at(200));
    }

    #[test]
    fn activity_is_never_placed_before_the_last_look() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), look(100, 40));
        let mut second = look(200, 40);
        second
            .stamps
            .insert(StampSource::Terminal(0x8804), wall(EPOCH + 8));
        observe(&mut activity, at(200), second);
        assert_eq!(activity.last, at(100));
    }

    #[test]
    fn a_first_look_never_reaches_back_before_the_login() {
        let mut activity = Activity::since_login(at(90));
        observe(&mut activity, at(100), look(100, 8));
        assert_eq!(activity.last, at(90));
    }

    #[test]
    fn an_empty_reading_is_unknown_and_no_activity() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(50), look(50, 40));
        observe(
            &mut activity,
            at(100),
            Reading {
                wall: wall(EPOCH + 100),
                ..Reading::default()
            },
        );
        assert_eq!(activity.last, at(47));
        assert_eq!(activity.source, IdleSource::Unknown);
    }

    #[test]
    fn a_desktop_that_is_idle_counts_from_its_hint() {
        let mut activity = Activity::since_login(at(0));
        let hint = |hint| Reading {
            wall: wall(EPOCH),
            hint: Some(hint),
            ..Reading::default()
        };
        observe(&mut activity, at(50), hint(Hint::Active));
        assert_eq!(
            (activity.last, activity.source),
            (at(50), IdleSource::Logind)
        );
        observe(&mut activity, at(100), hint(Hint::IdleSince(at(70))));
        assert_eq!(activity.last, at(70));
    }

    #[test]
    fn a_hint_that_stands_is_no_news_however_often_it_is_seen() {
        let mut activity = Activity::since_login(at(0));
        // The same moment, as it is worked out from clocks that are read one after the other.
        for (now, jitter) in [(100, 0), (200, 3), (300, 1), (400, 7)] {
            let since = BootTime::from_micros(70_000_000 + jitter);
            let reading = Reading {
                wall: wall(EPOCH + now),
                hint: Some(Hint::IdleSince(since)),
                ..Reading::default()
            };
            observe(&mut activity, at(now), reading);
            assert_eq!(activity.last, at(70), "at {now}");
        }
    }

    #[test]
    fn a_hint_right_after_the_last_activity_is_news_at_once_and_never_again() {
        let mut activity = Activity::since_login(at(0));
        let mut look = |now: u64, hint| {
            let reading = Reading {
                wall: wall(EPOCH + now),
                hint: Some(hint),
                ..Reading::default()
            };
            observe(&mut activity, at(now), reading);
            activity.last
        };
        assert_eq!(look(70, Hint::Active), at(70));
        let since = |millis: u64| Hint::IdleSince(BootTime::from_micros(millis * 1000));
        let first = look(100, since(70_900));
        assert_eq!(first, BootTime::from_micros(70_900_000));
        assert_eq!(look(200, since(71_300)), first);
    }

    #[test]
    fn a_clock_stepped_back_and_forth_between_two_looks_hides_no_input() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(1000), look(1000, 40));
        // Input at 1500, when the clock was an hour behind.
        let mut second = look(2000, 0);
        second.stamps.insert(PTS, wall(EPOCH + 1500 - 3600));
        observe(&mut activity, at(2000), second);
        assert_eq!(activity.last, at(2000));
    }

    #[test]
    fn input_in_the_rest_of_a_window_that_was_looked_into_still_counts() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(42), look(42, 40));
        assert_eq!(activity.last, at(42));
        observe(&mut activity, at(100), look(100, 40));
        assert_eq!(activity.last, at(47));
        observe(&mut activity, at(200), look(200, 40));
        assert_eq!(activity.last, at(47));
    }

    #[test]
    fn output_counts_only_where_the_policy_says_so() {
        let written = |stamp| {
            let mut reading = look(200, 40);
            let source = StampSource::Output(0x8803);
            reading.stamps.insert(source, wall(EPOCH + stamp));
            reading
        };
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), look(100, 40));
        observe(&mut activity, at(200), written(160));
        assert_eq!(activity.last, at(47));

        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), look(100, 40));
        let counted = BTreeSet::from([ActivityKind::Input, ActivityKind::Output]);
        activity.observe(at(200), written(160), &counted);
        assert_eq!(activity.last, at(167));
    }

    #[test]
    fn an_inhibitor_counts_up_to_the_look_that_misses_it_first() {
        let counted = BTreeSet::from([ActivityKind::Input, ActivityKind::Inhibitor]);
        let reading = |now, inhibitor: Option<&str>| Reading {
            inhibitor: inhibitor.map(str::to_owned),
            ..look(now, 40)
        };
        let mut activity = Activity::since_login(at(0));
        activity.observe(at(100), reading(100, Some("mpv")), &counted);
        assert_eq!(activity.last, at(100));
        activity.observe(at(200), reading(200, None), &counted);
        assert_eq!(activity.last, at(200));
        activity.observe(at(300), reading(300, None), &counted);
        assert_eq!(activity.last, at(200));

        let mut ignored = Activity::since_login(at(0));
        observe(&mut ignored, at(100), reading(100, Some("mpv")));
        assert_eq!(ignored.last, at(47));
    }
}
