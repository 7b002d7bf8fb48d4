//! The last user activity of a session, computed from the readings of imprecise sources.
//!
//! The kernel stamps a terminal when input is read from it, with the wall clock, and at most once
//! in each aligned window of eight seconds (`tty_update_time()` in `drivers/tty/tty_io.c`). A
//! single stamp proves nothing, because the clock may have been stepped since. A *change* of a
//! stamp between two readings proves that there was input between them; the value of the stamp only
//! narrows down the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::{ActivityKind, BootTime, SessionType, WallTime};

/// If two clocks drift apart by more than this between two readings, one was stepped. NTP slews by
/// at most 500 ppm, which is 1.8 s in an hour.
const CLOCK_STEP: Duration = Duration::from_secs(2);

/// Tolerance for the time of an unchanged hint: each probe converts it between clocks that are not
/// read at the same instant.
const HINT_JITTER: Duration = Duration::from_secs(1);

/// An unused connection still uses some processor time, and so does the end of a login. Measured
/// with OpenSSH 10.0: a login still works for 5 to 12 ms after its first probe; a keep-alive
/// (`ServerAliveInterval`) takes 0.1 ms, so that one in 15 s takes 7 us in each second; a transfer
/// of 10 kB/s takes 40 us. Use of no more than this amount and this share of the time between two
/// probes does not count as activity.
const KEEPALIVE_CPU: Duration = Duration::from_millis(25);
const KEEPALIVE_CPU_SHARE: u32 = 40_000;
/// The shortest interval over which the share of processor time is computed.
const KEEPALIVE_WINDOW: Duration = Duration::from_secs(60);

/// The result of one probe of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock at the time of the probe.
    pub wall: WallTime,
    /// The time of the last read or write of each terminal. A stamp of zero has no meaning and is
    /// left out.
    pub stamps: BTreeMap<StampSource, WallTime>,
    /// The idle hint of the desktop in logind, if it has ever been set.
    pub hint: Option<Hint>,
    /// The report of the agent in the desktop. If it is present, the hint is ignored.
    pub agent: Option<Hint>,
    /// The processor time that the processes of a session without terminals, or of a web console,
    /// have used so far. It serves as evidence of a transfer, because the kernel offers no other
    /// counter without a privilege.
    pub cpu_time: Option<Duration>,
    /// The holder of an inhibitor lock on `idle` that the user holds, if there is one.
    pub inhibitor: Option<String>,
    /// Whether the screen is locked, if known.
    pub locked: Option<bool>,
}

/// The source of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StampSource {
    /// logind's `IdleSinceHint` of a session on a terminal.
    Logind,
    /// The modification time of a terminal of the session, by its device number: output of
    /// programs, without the output of the daemon itself.
    Output(u64),
    /// The access time of a terminal of the session, by its device number.
    Terminal(u64),
}

/// The idle state of a desktop: logind's `IdleHint`, or the report of its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The user is active.
    Active,
    /// The user has been idle since this time. With logind's hint, the idle time may have begun
    /// earlier.
    IdleSince(BootTime),
}

/// The sources of the idle time of a session, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdleSource {
    /// The agent in the desktop.
    Agent,
    /// The terminals of the session.
    Terminals,
    /// The processor time of a session without terminals, or of a web console, if output counts.
    Output,
    /// logind.
    Logind,
    /// No source.
    Unknown,
}

impl IdleSource {
    /// Its name in the output of `status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Terminals => "terminals",
            Self::Output => "output",
            Self::Logind => "logind",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether the processes of the session used more processor time than an unused connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UsedCpu {
    No,
    Yes,
}

/// In microseconds.
const SECOND: u64 = 1_000_000;

/// The last activity of one session, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The last activity; the login, until any is seen.
    pub last: BootTime,
    /// The last output. It is recorded even if output does not count now, because a later policy
    /// may count it.
    pub output: BootTime,
    /// The last probe at which the agent could only report that there had been recent input. That
    /// counts as activity until the agent reports the time of the input.
    pub assumed: Option<BootTime>,
    /// When the session was last probed; the login, before the first probe.
    pub probed_at: BootTime,
    /// The source at the last probe.
    pub source: IdleSource,
    /// The other sources at the last probe.
    pub fallbacks: BTreeSet<IdleSource>,
    /// The newest stamp of every terminal of the session, closed ones included; Linux has at most
    /// 4096 ptys.
    pub stamps: BTreeMap<StampSource, WallTime>,
    /// Both clocks at the last probe that read them. They show whether the wall clock was stepped
    /// since.
    pub clocks: Option<(BootTime, WallTime)>,
    /// The holder of the inhibitor lock at the last probe.
    pub inhibitor: Option<String>,
    /// The processor time at the last probe where it showed activity, or at the first probe after a
    /// long interval.
    pub cpu_time: Option<(BootTime, Duration)>,
}

impl Activity {
    /// The state before the first probe: only the login is known.
    pub(crate) fn since_login(started: BootTime) -> Self {
        Self {
            last: started,
            output: started,
            assumed: None,
            probed_at: started,
            source: IdleSource::Unknown,
            fallbacks: BTreeSet::new(),
            stamps: BTreeMap::new(),
            clocks: None,
            inhibitor: None,
            cpu_time: None,
        }
    }

    /// The last activity, whether its time is known or assumed.
    #[must_use]
    pub fn latest(&self) -> BootTime {
        self.assumed
            .map_or(self.last, |assumed| self.last.max(assumed))
    }

    /// Whether there was activity after `before`, other than a repeated report of the same
    /// activity.
    pub(crate) fn is_later_than(&self, before: BootTime) -> bool {
        let tolerance = match self.source {
            IdleSource::Agent => HINT_JITTER,
            IdleSource::Terminals
            | IdleSource::Output
            | IdleSource::Logind
            | IdleSource::Unknown => Duration::ZERO,
        };
        self.latest() > before.saturating_add(tolerance)
    }

    /// Input was seen at this moment.
    pub(crate) fn seen(&mut self, now: BootTime) {
        self.last = self.last.max(now);
    }

    /// Processes a reading of a session of this type; only the kinds in `counted` count as
    /// activity. [`Self::latest`] shows the result.
    pub(crate) fn observe(
        &mut self,
        now: BootTime,
        reading: Reading,
        session_type: SessionType,
        counted: &BTreeSet<ActivityKind>,
    ) {
        if let Some(input) = self.newest(now, &reading, is_input) {
            self.last = self.last.max(input);
        }
        if let Some(output) = self.newest(now, &reading, |source| !is_input(source)) {
            self.output = self.output.max(output);
        }
        match reading.agent {
            Some(hint) => self.take_agent(now, hint),
            None => self.take_hint(now, reading.hint),
        }
        let held = [&reading.inhibitor, &self.inhibitor];
        // A lock that was released since the last probe may have been held until now.
        if counted.contains(&ActivityKind::Inhibitor) && held.iter().any(|held| held.is_some()) {
            self.seen(now);
        }
        if self.take_cpu_time(now, reading.cpu_time) == UsedCpu::Yes {
            self.output = now;
        }
        if counted.contains(&ActivityKind::Output) {
            self.seen(self.output);
        }
        let mut sources = sources_of(&reading, session_type);
        self.source = sources.pop_first().unwrap_or(IdleSource::Unknown);
        self.fallbacks = sources;
        self.inhibitor = reading.inhibitor;
        self.probed_at = self.probed_at.max(now);
        // Stamps of closed terminals are kept, so that an unchanged stamp never counts as activity.
        self.stamps.extend(reading.stamps);
        self.clocks = Some((now, reading.wall));
    }

    fn take_agent(&mut self, now: BootTime, hint: Hint) {
        match hint {
            Hint::Active => self.assumed = Some(now),
            Hint::IdleSince(since) => {
                self.assumed = None;
                self.seen(since.min(now));
            }
        }
    }

    fn take_hint(&mut self, now: BootTime, hint: Option<Hint>) {
        // No source will report the time of that input any more.
        if let Some(assumed) = self.assumed.take() {
            self.seen(assumed);
        }
        match hint {
            Some(Hint::Active) => self.seen(now),
            // An unchanged hint has the same time at every probe, within the tolerance. A hint
            // after a probe that found the user active is a new one.
            Some(Hint::IdleSince(since))
                if since > self.last.saturating_add(HINT_JITTER)
                    || (self.last == self.probed_at && since > self.last) =>
            {
                self.seen(since.min(now));
            }
            Some(Hint::IdleSince(_)) | None => {}
        }
    }

    /// Whether the processes of the session have used more processor time since the last probe than
    /// an unused connection does.
    fn take_cpu_time(&mut self, now: BootTime, used: Option<Duration>) -> UsedCpu {
        let before = std::mem::replace(&mut self.cpu_time, used.map(|used| (now, used)));
        let (Some(used), Some((then, used_then))) = (used, before) else {
            return UsedCpu::No;
        };
        let span = now.since(then);
        if used.saturating_sub(used_then) > KEEPALIVE_CPU + span / KEEPALIVE_CPU_SHARE {
            return UsedCpu::Yes;
        }
        // The use of consecutive probes is added up until the window is complete.
        if span < KEEPALIVE_WINDOW {
            self.cpu_time = before;
        }
        UsedCpu::No
    }

    /// Records that no source could be read for so long that the idle time counts as unknown.
    pub(crate) fn set_unknown(&mut self, now: BootTime) {
        self.source = IdleSource::Unknown;
        self.fallbacks.clear();
        self.probed_at = self.probed_at.max(now);
    }

    /// The latest input shown by the stamps that have changed.
    fn newest(
        &self,
        now: BootTime,
        reading: &Reading,
        wanted: impl Fn(StampSource) -> bool,
    ) -> Option<BootTime> {
        let stamps = reading.stamps.iter();
        let stamps = stamps.filter(|(source, _)| wanted(**source));
        let news =
            stamps.filter_map(|(source, stamp)| self.news(now, reading.wall, *source, *stamp));
        // The change happened after the last successful probe, and not later than now.
        let probed = self.clocks.map(|(then, _)| then).unwrap_or_default();
        news.max().map(|news| news.clamp(probed.min(now), now))
    }

    /// The latest possible time of input that this stamp shows and the last probe did not, if there
    /// was any.
    fn news(
        &self,
        now: BootTime,
        wall: WallTime,
        source: StampSource,
        stamp: WallTime,
    ) -> Option<BootTime> {
        let stepped = self.stepped(now, wall);
        let latest_input = latest_input(now, wall, stamp);
        match self.stamps.get(&source) {
            // The last probe was within the window of the stamp: input in the rest of the window
            // does not change the stamp again.
            Some(known) if *known == stamp => {
                // The window includes the whole of its last second.
                let after =
                    WallTime::from_micros(window_end(stamp).as_micros().saturating_add(SECOND));
                let still_open = |(_, before)| stamp <= before && before < after;
                (!stepped && self.clocks.is_some_and(still_open)).then_some(latest_input)
            }
            // The stamp changed after the last probe. If it shows an earlier time, the clock was
            // stepped forward and back in between. (logind's stamp may be missing from that probe.)
            Some(_)
                if source != StampSource::Logind
                    && self.probed_after(latest_input.saturating_add(CLOCK_STEP)) =>
            {
                Some(now)
            }
            Some(_) | None => Some(if stepped { now } else { latest_input }),
        }
    }

    fn probed_after(&self, time: BootTime) -> bool {
        self.clocks.is_some_and(|(then, _)| then > time)
    }

    /// Whether the wall clock was stepped since it was last read.
    fn stepped(&self, now: BootTime, wall: WallTime) -> bool {
        self.clocks.is_some_and(|(then, before)| {
            let expected = before.as_micros().saturating_add(micros(now.since(then)));
            wall.as_micros().abs_diff(expected) > micros(CLOCK_STEP)
        })
    }
}

/// The latest possible time of the input that set `stamp`.
fn latest_input(now: BootTime, wall: WallTime, stamp: WallTime) -> BootTime {
    now.saturating_sub(wall.since(window_end(stamp).min(wall)))
}

/// The last second in which input does not change this stamp.
fn window_end(stamp: WallTime) -> WallTime {
    let end = ((stamp.as_micros() / SECOND) | 7).saturating_mul(SECOND);
    stamp.max(WallTime::from_micros(end))
}

const fn is_input(source: StampSource) -> bool {
    match source {
        StampSource::Logind | StampSource::Terminal(_) => true,
        StampSource::Output(_) => false,
    }
}

/// The sources that also prove the absence of activity. Terminals do not if there is input
/// elsewhere.
fn sources_of(reading: &Reading, session_type: SessionType) -> BTreeSet<IdleSource> {
    let mut sources = BTreeSet::new();
    let mut add = |source, known| {
        if known {
            sources.insert(source);
        }
    };
    let has_stamp = |wanted: fn(StampSource) -> bool| {
        !session_type.has_unreported_input() && reading.stamps.keys().copied().any(wanted)
    };
    let terminals = has_stamp(|source| source != StampSource::Logind);
    let logind = has_stamp(|source| source == StampSource::Logind) || reading.hint.is_some();
    add(IdleSource::Agent, reading.agent.is_some());
    add(IdleSource::Terminals, terminals);
    add(IdleSource::Output, reading.cpu_time.is_some());
    add(IdleSource::Logind, logind);
    sources
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTY: SessionType = SessionType::Tty;
    const PTS: StampSource = StampSource::Terminal(0x8803);
    /// The start of an eight-second window of the wall clock, used as the time zero of the tests.
    const EPOCH: u64 = 1_800_000_000;

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    fn wall(secs: u64) -> WallTime {
        WallTime::from_micros(secs * 1_000_000)
    }

    /// A probe `now` seconds after `EPOCH` of a terminal whose last input was `stamp` seconds after
    /// it.
    fn reading(now: u64, stamp: u64) -> Reading {
        Reading {
            wall: wall(EPOCH + now),
            stamps: BTreeMap::from([(PTS, wall(EPOCH + stamp))]),
            ..Reading::default()
        }
    }

    fn observe(activity: &mut Activity, now: BootTime, reading: Reading) {
        let counted = BTreeSet::from([ActivityKind::Input]);
        activity.observe(now, reading, TTY, &counted);
    }

    #[test]
    fn a_changed_stamp_is_activity_at_the_end_of_its_window() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), reading(100, 40));
        assert_eq!(activity.last, at(47));
        assert_eq!(activity.source, IdleSource::Terminals);
    }

    #[test]
    fn input_in_a_terminal_of_a_web_console_counts_and_its_absence_proves_nothing() {
        let input = BTreeSet::from([ActivityKind::Input]);
        for stamps in [vec![PTS], vec![PTS, StampSource::Logind]] {
            let mut activity = Activity::since_login(at(0));
            let stamps = stamps.into_iter();
            let reading = Reading {
                stamps: stamps.map(|source| (source, wall(EPOCH + 40))).collect(),
                ..reading(100, 40)
            };
            activity.observe(at(100), reading, SessionType::Web, &input);
            assert_eq!(activity.last, at(47));
            assert_eq!(activity.source, IdleSource::Unknown);
            assert_eq!(activity.fallbacks, BTreeSet::new());
        }
    }

    #[test]
    fn the_processor_time_of_a_web_console_is_a_source_beside_its_terminals() {
        let output = BTreeSet::from([ActivityKind::Input, ActivityKind::Output]);
        let mut activity = Activity::since_login(at(0));
        let reading = Reading {
            cpu_time: Some(Duration::from_millis(100)),
            ..reading(100, 40)
        };
        activity.observe(at(100), reading, SessionType::Web, &output);
        assert_eq!(activity.source, IdleSource::Output);
    }

    #[test]
    fn an_unchanged_stamp_is_no_activity_whatever_the_clock_says() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), reading(100, 40));
        observe(&mut activity, at(200), reading(200_000, 40));
        assert_eq!(activity.last, at(47));
    }

    #[test]
    fn input_in_the_current_window_is_never_in_the_future() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(42), reading(42, 40));
        assert_eq!(activity.last, at(42));
    }

    #[test]
    fn after_a_step_of_the_wall_clock_a_changed_stamp_counts_as_now() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), reading(100, 40));
        // A step of one hour forward: the stamp, set before the step, appears one hour old.
        observe(&mut activity, at(200), reading(200 + 3600, 150));
        assert_eq!(activity.last, at(200));
    }

    #[test]
    fn activity_is_never_placed_before_the_last_probe() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), reading(100, 40));
        let mut second = reading(200, 40);
        second
            .stamps
            .insert(StampSource::Terminal(0x8804), wall(EPOCH + 8));
        observe(&mut activity, at(200), second);
        assert_eq!(activity.last, at(100));
    }

    #[test]
    fn a_first_look_never_reaches_back_before_the_login() {
        let mut activity = Activity::since_login(at(90));
        observe(&mut activity, at(100), reading(100, 8));
        assert_eq!(activity.last, at(90));
    }

    #[test]
    fn an_empty_reading_is_unknown_and_no_activity() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(50), reading(50, 40));
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
    fn an_unchanged_hint_is_no_activity() {
        let mut activity = Activity::since_login(at(0));
        // The same time, converted between clocks that are read one after the other.
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
    fn a_hint_right_after_the_last_activity_is_activity_once() {
        let mut activity = Activity::since_login(at(0));
        let mut observed = |now: u64, hint| {
            let reading = Reading {
                wall: wall(EPOCH + now),
                hint: Some(hint),
                ..Reading::default()
            };
            observe(&mut activity, at(now), reading);
            activity.last
        };
        assert_eq!(observed(70, Hint::Active), at(70));
        let since = |millis: u64| Hint::IdleSince(BootTime::from_micros(millis * 1000));
        let first = observed(100, since(70_900));
        assert_eq!(first, BootTime::from_micros(70_900_000));
        assert_eq!(observed(200, since(71_300)), first);
    }

    #[test]
    fn a_clock_stepped_back_and_forth_between_two_looks_hides_no_input() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(1000), reading(1000, 40));
        // Input at 1500, while the clock was one hour behind.
        let mut second = reading(2000, 0);
        second.stamps.insert(PTS, wall(EPOCH + 1500 - 3600));
        observe(&mut activity, at(2000), second);
        assert_eq!(activity.last, at(2000));
    }

    #[test]
    fn input_in_the_rest_of_a_window_that_was_looked_into_still_counts() {
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(42), reading(42, 40));
        assert_eq!(activity.last, at(42));
        observe(&mut activity, at(100), reading(100, 40));
        assert_eq!(activity.last, at(47));
        observe(&mut activity, at(200), reading(200, 40));
        assert_eq!(activity.last, at(47));
    }

    #[test]
    fn output_counts_only_where_the_policy_says_so() {
        let written = |stamp| {
            let mut reading = reading(200, 40);
            let source = StampSource::Output(0x8803);
            reading.stamps.insert(source, wall(EPOCH + stamp));
            reading
        };
        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), reading(100, 40));
        observe(&mut activity, at(200), written(160));
        assert_eq!(activity.last, at(47));

        let mut activity = Activity::since_login(at(0));
        observe(&mut activity, at(100), reading(100, 40));
        let counted = BTreeSet::from([ActivityKind::Input, ActivityKind::Output]);
        activity.observe(at(200), written(160), TTY, &counted);
        assert_eq!(activity.last, at(167));
    }

    #[test]
    fn an_inhibitor_counts_up_to_the_look_that_misses_it_first() {
        let counted = BTreeSet::from([ActivityKind::Input, ActivityKind::Inhibitor]);
        let reading = |now, inhibitor: Option<&str>| Reading {
            inhibitor: inhibitor.map(str::to_owned),
            ..reading(now, 40)
        };
        let mut activity = Activity::since_login(at(0));
        activity.observe(at(100), reading(100, Some("mpv")), TTY, &counted);
        assert_eq!(activity.last, at(100));
        activity.observe(at(200), reading(200, None), TTY, &counted);
        assert_eq!(activity.last, at(200));
        activity.observe(at(300), reading(300, None), TTY, &counted);
        assert_eq!(activity.last, at(200));

        let mut ignored = Activity::since_login(at(0));
        observe(&mut ignored, at(100), reading(100, Some("mpv")));
        assert_eq!(ignored.last, at(47));
    }

    fn agent_says(now: u64, hint: Hint) -> Reading {
        Reading {
            wall: wall(EPOCH + now),
            agent: Some(hint),
            ..Reading::default()
        }
    }

    #[test]
    fn an_agent_that_cannot_date_input_yet_is_believed_when_it_can() {
        let input = BTreeSet::from([ActivityKind::Input]);
        let mut activity = Activity::since_login(at(0));
        activity.observe(at(600), agent_says(600, Hint::Active), TTY, &input);
        assert_eq!((activity.last, activity.latest()), (at(0), at(600)));
        activity.observe(
            at(900),
            agent_says(900, Hint::IdleSince(at(300))),
            TTY,
            &input,
        );
        assert_eq!((activity.last, activity.latest()), (at(300), at(300)));
        assert_eq!(activity.source, IdleSource::Agent);
    }

    #[test]
    fn an_agent_that_falls_silent_leaves_what_was_supposed() {
        let input = BTreeSet::from([ActivityKind::Input]);
        let mut activity = Activity::since_login(at(0));
        activity.observe(at(600), agent_says(600, Hint::Active), TTY, &input);
        let without_warnings = Reading {
            wall: wall(EPOCH + 900),
            ..Reading::default()
        };
        activity.observe(at(900), without_warnings, TTY, &input);
        assert_eq!((activity.last, activity.assumed), (at(600), None));
        assert_eq!(activity.source, IdleSource::Unknown);
    }

    #[test]
    fn beside_an_agent_nothing_is_made_of_the_hint() {
        let input = BTreeSet::from([ActivityKind::Input]);
        let mut activity = Activity::since_login(at(0));
        for hint in [Hint::Active, Hint::IdleSince(at(450))] {
            let reading = Reading {
                hint: Some(hint),
                ..agent_says(500, Hint::IdleSince(at(100)))
            };
            activity.observe(at(500), reading, TTY, &input);
            assert_eq!(activity.latest(), at(100));
            assert_eq!(activity.fallbacks, BTreeSet::from([IdleSource::Logind]));
        }
    }

    #[test]
    fn the_same_input_told_a_little_later_is_no_other() {
        let input = BTreeSet::from([ActivityKind::Input]);
        let mut activity = Activity::since_login(at(0));
        activity.observe(
            at(500),
            agent_says(500, Hint::IdleSince(at(100))),
            TTY,
            &input,
        );
        let before = activity.latest();
        let late = at(100).saturating_add(Duration::from_millis(40));
        activity.observe(at(510), agent_says(510, Hint::IdleSince(late)), TTY, &input);
        assert!(!activity.is_later_than(before));
        assert_eq!(activity.latest(), late);
        activity.observe(
            at(520),
            agent_says(520, Hint::IdleSince(at(102))),
            TTY,
            &input,
        );
        assert!(activity.is_later_than(before));
    }

    /// A session without terminals that has used this many milliseconds of processor time.
    fn worked(now: u64, millis: u64) -> Reading {
        Reading {
            wall: wall(EPOCH + now),
            cpu_time: Some(Duration::from_millis(millis)),
            ..Reading::default()
        }
    }

    #[test]
    fn what_moves_data_is_active_where_output_counts_and_what_only_stays_is_not() {
        let output = BTreeSet::from([ActivityKind::Input, ActivityKind::Output]);
        let mut activity = Activity::since_login(at(0));
        activity.observe(at(1), worked(1, 100), TTY, &output);
        // An unused connection: 40 times 0.1 ms in ten minutes, and the rest of the login.
        activity.observe(at(601), worked(601, 116), TTY, &output);
        assert_eq!(activity.last, at(0));
        activity.observe(at(1201), worked(1201, 400), TTY, &output);
        assert_eq!(activity.last, at(1201));
        assert_eq!(activity.source, IdleSource::Output);

        let mut ignored = Activity::since_login(at(0));
        let input = BTreeSet::from([ActivityKind::Input]);
        ignored.observe(at(1), worked(1, 100), TTY, &input);
        ignored.observe(at(601), worked(601, 4000), TTY, &input);
        assert_eq!(ignored.last, at(0));
    }

    #[test]
    fn work_is_not_hidden_by_looking_often() {
        let output = BTreeSet::from([ActivityKind::Output]);
        let mut activity = Activity::since_login(at(0));
        for now in 1..=10 {
            activity.observe(at(now), worked(now, now * 4), TTY, &output);
        }
        assert!(activity.last > at(0));
    }
}
