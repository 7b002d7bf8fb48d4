//! The remaining time that a notification shows. It changes in steps, so that the agent does not
//! wake up each second.

use std::time::Duration;

use crate::clock::{BootTime, Now};

/// The remaining times at which the notification is updated.
const STEPS: [Duration; 8] = [
    Duration::from_secs(20 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(2 * 60),
    Duration::from_secs(60),
    Duration::from_secs(30),
    Duration::from_secs(10),
    Duration::ZERO,
];

const MINUTE: Duration = Duration::from_secs(60);

/// Tolerance for a timer that fires late, so that one minute is not shown as "59 s".
const TIMER_TOLERANCE: Duration = Duration::from_millis(500);

/// A remaining time, rounded up, so that it is correct until the next update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remaining(Duration);

impl Remaining {
    /// The remaining time from now.
    pub(crate) fn until(now: Now, then: BootTime) -> Self {
        let left = now.until(then).saturating_add(TIMER_TOLERANCE).as_secs();
        let step = if left > MINUTE.as_secs() {
            MINUTE.as_secs()
        } else {
            1
        };
        Self(Duration::from_secs(left.div_ceil(step) * step))
    }

    pub(crate) const fn span(self) -> Duration {
        self.0
    }

    /// When to update it; `None` if no time remains.
    pub(crate) fn next(self, then: BootTime) -> Option<BootTime> {
        let step = STEPS.into_iter().find(|step| *step < self.0)?;
        Some(then.before(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::at;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_shown_time_is_never_less_than_what_is_left() {
        let end = at(10_000).after(secs(0));
        for (now, shown) in [
            (0, 10_020),
            (8_800, 1_200),
            (8_801, 1_200),
            (9_900, 120),
            (9_939, 120),
            (9_940, 60),
            (9_955, 45),
            (10_000, 0),
            (10_001, 0),
        ] {
            let remaining = Remaining::until(at(now), end);
            assert_eq!(remaining.span(), secs(shown), "{now}");
        }
    }

    #[test]
    fn a_timer_that_fires_late_does_not_shorten_the_time() {
        let end = at(100).after(Duration::from_millis(59_600));
        assert_eq!(Remaining::until(at(100), end).span(), secs(60));
    }

    #[test]
    fn it_is_updated_at_coarse_steps_and_at_the_end() {
        let end = at(10_000).after(secs(0));
        let mut now = at(8_000);
        let mut steps = Vec::new();
        while let Some(next) = Remaining::until(now, end).next(end) {
            let left = at(10_000).since(next).as_secs();
            steps.push(left);
            now = at(10_000 - left);
        }
        assert_eq!(steps, [1200, 600, 300, 120, 60, 30, 10, 0]);
    }
}
