//! Periodic activity: input on a terminal, output of a program, the pointer of a desktop. There is
//! no event for each input; the last one is computed when it is needed.

use std::time::Duration;

use session_timeout_policy::{BootTime, WallTime};

use crate::plan::Pattern;
use crate::world::clock::Clock;

#[derive(Clone, Debug, Default)]
pub(super) struct PeriodicActivity {
    going: Option<RunningPattern>,
    /// Activity up to this time is included in the other fields.
    known: BootTime,
    /// The time of the last activity.
    last: Option<BootTime>,
    /// The stamp that the kernel has set.
    stamp: WallTime,
}

#[derive(Clone, Copy, Debug)]
struct RunningPattern {
    start: u64,
    every: u64,
    end: u64,
}

impl RunningPattern {
    /// The time of the last activity at or before `at`.
    fn last(&self, at: u64) -> Option<u64> {
        let at = at.min(self.end);
        let since = at.checked_sub(self.start)?;
        Some(self.start + since / self.every * self.every)
    }

    /// The time of the first activity at or after `at`.
    fn first(&self, at: u64) -> Option<u64> {
        let since = at.saturating_sub(self.start);
        let next = self.start + since.div_ceil(self.every) * self.every;
        (next <= self.end).then_some(next)
    }
}

impl PeriodicActivity {
    /// A terminal that is opened now, which sets its stamp.
    pub(super) fn opened(now: BootTime, clock: &Clock) -> Self {
        Self {
            going: None,
            known: now,
            last: Some(now),
            stamp: whole(clock.wall(now)),
        }
    }

    /// Replaces the current pattern by this one.
    pub(super) fn continues(&mut self, now: BootTime, pattern: Pattern, clock: &Clock) {
        self.catch_up(now, clock);
        let start = now.as_micros();
        self.going = Some(RunningPattern {
            start,
            every: micros(pattern.every).max(1),
            end: start.saturating_add(micros(pattern.lasts)),
        });
        // The new pattern begins with activity at `now`.
        self.known = now.saturating_sub(Duration::from_micros(1));
        self.catch_up(now, clock);
    }

    /// Suspends the pattern between two times.
    pub(super) fn slept(&mut self, from: BootTime, to: BootTime, clock: &Clock) {
        self.catch_up(from, clock);
        self.known = to;
        // The first activity after the wake-up is a little later.
        self.going = self.going.and_then(|RunningPattern { every, end, .. }| {
            let start = to.as_micros().saturating_add(every);
            (start <= end).then_some(RunningPattern { start, every, end })
        });
    }

    /// Computes the activity up to `now`. The wall clock must not have been stepped since the last
    /// call.
    pub(super) fn catch_up(&mut self, now: BootTime, clock: &Clock) {
        if let Some(going) = self.going {
            let from = self.known.as_micros() + 1;
            let last = going.last(now.as_micros()).filter(|last| *last >= from);
            if let (Some(last), Some(first)) = (last, going.first(from)) {
                self.stamp(&going, first, last, clock);
                self.last = Some(BootTime::from_micros(last));
            }
            if now.as_micros() >= going.end {
                self.going = None;
            }
        }
        self.known = self.known.max(now);
    }

    /// Sets the stamp to the second of the first input in each aligned window of eight seconds, as
    /// the kernel does (`tty_update_time()`, drivers/tty/tty_io.c).
    fn stamp(&mut self, going: &RunningPattern, first: u64, last: u64, clock: &Clock) {
        let window = window_of(clock.wall(BootTime::from_micros(last)));
        let opens = clock
            .boot(WallTime::from_micros(window * SECOND))
            .as_micros();
        let in_window = going.first(opens.max(first)).unwrap_or(last).min(last);
        // Without activity in between, the stamp may be in the same window.
        if in_window > first || window != window_of(self.stamp) {
            self.stamp = whole(clock.wall(BootTime::from_micros(in_window)));
        }
    }

    pub(super) const fn last(&self) -> Option<BootTime> {
        self.last
    }

    pub(super) const fn stamp_now(&self) -> WallTime {
        self.stamp
    }

    /// The time of the next activity after `now`.
    pub(super) fn next(&self, now: BootTime) -> Option<BootTime> {
        let next = self.going?.first(now.as_micros() + 1)?;
        Some(BootTime::from_micros(next))
    }
}

const SECOND: u64 = 1_000_000;

const fn window_of(wall: WallTime) -> u64 {
    (wall.as_micros() / SECOND) & !7
}

const fn whole(wall: WallTime) -> WallTime {
    WallTime::from_micros(wall.as_micros() / SECOND * SECOND)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
