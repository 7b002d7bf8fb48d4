//! The last activity in a session's history, as two times between which it must lie.
//!
//! The world says when the input behind each stamp really came. Where the wall clock was not set
//! meanwhile, a reading has to find that, to the end of the window of eight seconds. Where it was,
//! a change says that there was activity and not when.

use std::time::Duration;

use session_timeout_policy::{BootTime, Hint, Reading, StampSource, WallTime};

use super::{ActivityBounds, History, Moment};

const SECOND: u64 = 1_000_000;

/// The time of a hint is known to within a second.
const HINT: Duration = Duration::from_secs(1);

/// A reading as it was told, and what the world knows of it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) reading: &'a Reading,
    /// When the input or output behind each stamp really came.
    pub(crate) truth: &'a [(StampSource, BootTime)],
    /// When the wall clock was set.
    pub(crate) steps: &'a [BootTime],
    /// What counts as activity besides input.
    pub(crate) output: bool,
    pub(crate) inhibitor: bool,
}

impl Seen<'_> {
    fn steps_between(&self, from: BootTime, to: BootTime) -> usize {
        // One at the very same time may have come after that.
        let later = self.steps.iter().rev().take_while(|step| **step >= from);
        later.filter(|step| **step <= to).count()
    }

    fn truth_of(&self, source: StampSource) -> Option<BootTime> {
        let mut truths = self.truth.iter();
        truths.find_map(|(other, at)| (*other == source).then_some(*at))
    }
}

impl History {
    /// The last activity as far as it can be known.
    pub(crate) fn known_now(&self) -> (BootTime, BootTime) {
        let last = self.known.last();
        last.map_or((self.facts.started, self.facts.started), |known| {
            (known.low, known.high)
        })
    }

    /// The same as of an earlier moment.
    pub(crate) fn known_at(&self, seq: u32) -> (BootTime, BootTime) {
        let mut then = self.known.iter().rev();
        then.find(|known| known.moment.seq <= seq)
            .map_or((self.facts.started, self.facts.started), |known| {
                (known.low, known.high)
            })
    }

    /// There was activity right now, for certain. What is being ended is not saved by it.
    pub(crate) fn knows(&mut self, now: Moment) {
        if self.end().is_none() {
            self.firm = now.at;
            self.learn(now, now.at, now.at);
        }
    }

    /// Takes a reading.
    pub(crate) fn reads(&mut self, now: Moment, seen: &Seen<'_>) {
        let (mut low, mut high) = self.known_now();
        if seen.reading.agent.is_some() {
            high = self.firm;
        }
        for (source, stamp) in &seen.reading.stamps {
            let (least, most) = self.stamp_tells(now.at, seen, *source, *stamp);
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
        // An agent's word is about the same input as the hint, and better.
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

    /// Not before what activity is by this stamp, if that can be known, and not after what.
    fn stamp_tells(
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
            // In what was left of the window that the last look fell into.
            let left = rest_of_window(now, seen.reading.wall, before);
            let last_window_end = before.saturating_add(left);
            let future = stamp > shown(now, seen.reading.wall, before);
            return match (untouched(before), truth > before) {
                // One that was in the future then may have been made once more since.
                (true, true) if future => (None, window_end),
                (true, true) => (Some(truth), window_end),
                (true, false) if same_window(now, seen.reading.wall, before, stamp) => {
                    (None, window_end.max(last_window_end))
                }
                (true, false) => (None, window_end),
                (false, _) => (None, truth.saturating_add(WINDOW + DRIFT)),
            };
        }
        // A change cannot be placed before the last look.
        let most = window_end.max(before.unwrap_or_default());
        match before.map(|before| seen.steps_between(before, now)) {
            None | Some(0) if untouched(truth) => (Some(truth), most),
            _ if untouched(truth) => (Some(truth), now),
            Some(0 | 1) => (Some(truth), now),
            // There and back, or before anybody looked: only that it changed is known.
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

/// Steps that come to less than this, all together, look like two clocks that drift apart.
const DRIFT: Duration = Duration::from_secs(2);

/// What the wall clock showed then, and was not set since.
fn shown(now: BootTime, wall: WallTime, then: BootTime) -> WallTime {
    let since = now.as_micros().saturating_sub(then.as_micros());
    WallTime::from_micros(wall.as_micros().saturating_sub(since))
}

/// Whether the wall clock was in the window of this stamp at that time, and was not set since.
fn same_window(now: BootTime, wall: WallTime, then: BootTime, stamp: WallTime) -> bool {
    let then = shown(now, wall, then).as_micros();
    then / SECOND / 8 == stamp.as_micros() / SECOND / 8
}

/// From input to the last second of its aligned window of eight seconds of the wall clock, which
/// was not set since.
fn rest_of_window(now: BootTime, wall: WallTime, input: BootTime) -> Duration {
    let then = shown(now, wall, input).as_micros();
    let end = ((then / SECOND) | 7) * SECOND;
    Duration::from_micros(end.saturating_sub(then))
}
