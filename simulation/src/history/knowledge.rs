//! The last activity in a session's history, as an interval that contains its time.
//!
//! The simulated machine provides the actual time of the input behind each stamp. If the wall clock
//! was not stepped in between, a probe has to find that time, up to the end of the window of eight
//! seconds. If the clock was stepped, a change of the stamp proves activity, but not its time.

use std::time::Duration;

use session_timeout_policy::{BootTime, Hint, Reading, StampSource, WallTime};

use super::{ActivityBounds, History, Moment};

const SECOND: u64 = 1_000_000;

/// The resolution of the time of a hint.
const HINT: Duration = Duration::from_secs(1);

/// A reading that the engine received, and the actual input behind it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) reading: &'a Reading,
    /// The actual time of the input or output behind each stamp.
    pub(crate) truth: &'a [(StampSource, BootTime)],
    /// The times at which the wall clock was stepped.
    pub(crate) steps: &'a [BootTime],
    /// Whether output counts as activity.
    pub(crate) output: bool,
    pub(crate) inhibitor: bool,
}

impl Seen<'_> {
    fn steps_between(&self, from: BootTime, to: BootTime) -> usize {
        // A step at the same time may have come after the reading.
        let later = self.steps.iter().rev().take_while(|step| **step >= from);
        later.filter(|step| **step <= to).count()
    }

    fn truth_of(&self, source: StampSource) -> Option<BootTime> {
        let mut truths = self.truth.iter();
        truths.find_map(|(other, at)| (*other == source).then_some(*at))
    }
}

impl History {
    /// The earliest and the latest possible time of the last activity.
    pub(crate) fn known_now(&self) -> (BootTime, BootTime) {
        let last = self.known.last();
        last.map_or((self.facts.started, self.facts.started), |known| {
            (known.low, known.high)
        })
    }

    /// The same, as of an earlier moment.
    pub(crate) fn known_at(&self, seq: u32) -> (BootTime, BootTime) {
        let mut then = self.known.iter().rev();
        then.find(|known| known.moment.seq <= seq)
            .map_or((self.facts.started, self.facts.started), |known| {
                (known.low, known.high)
            })
    }

    /// Records that there is activity now. It does not stop an end.
    pub(crate) fn knows(&mut self, now: Moment) {
        if self.end().is_none() {
            self.firm = now.at;
            self.learn(now, now.at, now.at);
        }
    }

    /// Records a reading.
    pub(crate) fn reads(&mut self, now: Moment, seen: &Seen<'_>) {
        let (mut low, mut high) = self.known_now();
        if seen.reading.agent.is_some() {
            high = self.firm;
        }
        for (source, stamp) in &seen.reading.stamps {
            let (least, most) = self.stamp_bounds(now.at, seen, *source, *stamp);
            let (low, high) = match source {
                StampSource::Output(_) => (&mut self.output.0, &mut self.output.1),
                StampSource::Logind | StampSource::Terminal(_) => (&mut low, &mut high),
            };
            *low = least.unwrap_or(*low).max(*low);
            *high = most.min(now.at).max(*high);
        }
        if seen.output {
            low = low.max(self.output.0);
            high = high.max(self.output.1);
        }
        // The report of an agent replaces the hint: it is about the same input, and is more exact.
        match (seen.reading.agent, seen.reading.hint) {
            (Some(Hint::IdleSince(since)), _) => {
                low = low.max(since);
                high = high.max(since);
            }
            (Some(Hint::Active), _) | (None, None) => {}
            (None, Some(Hint::Active)) => low = now.at,
            (None, Some(Hint::IdleSince(since))) => {
                low = low.max(since.saturating_sub(HINT));
                high = high.max(since.min(now.at));
            }
        }
        let inhibited = seen.reading.inhibitor.is_some();
        if seen.inhibitor && (inhibited || self.inhibited) {
            low = now.at;
        }
        self.inhibited = inhibited;
        self.last_reading = Some(now.at);
        self.baseline = self.baseline.or(Some(now));
        for (source, stamp) in &seen.reading.stamps {
            match self.stamps.iter_mut().find(|(known, _)| known == source) {
                Some((_, known)) => *known = *stamp,
                None => self.stamps.push((*source, *stamp)),
            }
        }
        let high = high.max(low);
        self.firm = high;
        let undated = seen.reading.agent == Some(Hint::Active);
        self.learn(now, low, if undated { now.at } else { high });
    }

    /// The earliest time of the input behind a stamp, if it can be known, and the latest.
    fn stamp_bounds(
        &self,
        now: BootTime,
        seen: &Seen<'_>,
        source: StampSource,
        stamp: WallTime,
    ) -> (Option<BootTime>, BootTime) {
        let Some(truth) = seen.truth_of(source) else {
            return (None, now);
        };
        let known = self.stamps.iter().find(|(known, _)| *known == source);
        let before = self.last_reading;
        let window_end = truth.saturating_add(rest_of_window(now, seen.reading.wall, truth));
        let untouched = |from| seen.steps_between(from, now) == 0;
        if known.is_some_and(|(_, known)| *known == stamp) {
            let before = before.unwrap_or_default();
            // Input in the rest of the window that contained the last probe.
            let left = rest_of_window(now, seen.reading.wall, before);
            let last_window_end = before.saturating_add(left);
            let future = stamp > shown(now, seen.reading.wall, before);
            return match (untouched(before), truth > before) {
                // A stamp that was in the future at the last probe may have been set to the same
                // value again.
                (true, true) if future => (None, window_end),
                (true, true) => (Some(truth), window_end),
                (true, false) if same_window(now, seen.reading.wall, before, stamp) => {
                    (None, window_end.max(last_window_end))
                }
                (true, false) => (None, window_end),
                (false, _) => (None, truth.saturating_add(WINDOW + DRIFT)),
            };
        }
        // A change is not earlier than the last probe.
        let most = window_end.max(before.unwrap_or_default());
        match before.map(|before| seen.steps_between(before, now)) {
            None | Some(0) if untouched(truth) => (Some(truth), most),
            _ if untouched(truth) => (Some(truth), now),
            Some(0 | 1) => (Some(truth), now),
            // The clock was stepped forward and back, or there was no earlier probe: only the
            // change is known.
            Some(_) | None => (None, now),
        }
    }

    fn learn(&mut self, now: Moment, low: BootTime, high: BootTime) {
        let (old_low, old_high) = self.known_now();
        let low = low.max(old_low);
        if (low, high) != (old_low, old_high) {
            self.known.push(ActivityBounds {
                moment: now,
                low,
                high,
            });
        }
    }
}

const WINDOW: Duration = Duration::from_secs(8);

/// Steps with a smaller sum look like the drift of two clocks.
const DRIFT: Duration = Duration::from_secs(2);

/// The wall time at `then`, if the clock was not stepped since.
fn shown(now: BootTime, wall: WallTime, then: BootTime) -> WallTime {
    let since = now.as_micros().saturating_sub(then.as_micros());
    WallTime::from_micros(wall.as_micros().saturating_sub(since))
}

/// Whether the wall clock was in the window of this stamp at `then`, if it was not stepped since.
fn same_window(now: BootTime, wall: WallTime, then: BootTime, stamp: WallTime) -> bool {
    let then = shown(now, wall, then).as_micros();
    then / SECOND / 8 == stamp.as_micros() / SECOND / 8
}

/// The time from the input to the last second of its aligned window of eight seconds, if the wall
/// clock was not stepped since.
fn rest_of_window(now: BootTime, wall: WallTime, input: BootTime) -> Duration {
    let then = shown(now, wall, input).as_micros();
    let end = ((then / SECOND) | 7) * SECOND;
    Duration::from_micros(end.saturating_sub(then))
}
