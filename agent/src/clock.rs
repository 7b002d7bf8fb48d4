//! Time: the only place that reads the clocks.

use std::time::Duration;

use nix::time::ClockId;

/// A time since boot, suspend included: `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Boot(Duration);

/// Both clocks, read as near to the same moment as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    boot: Duration,
    /// `CLOCK_MONOTONIC`: stands still while the machine sleeps.
    awake: Duration,
}

impl Now {
    pub(crate) fn read() -> Self {
        Self {
            boot: time_of(ClockId::CLOCK_BOOTTIME),
            awake: time_of(ClockId::CLOCK_MONOTONIC),
        }
    }

    /// As much ago as this.
    pub(crate) fn before(self, span: Duration) -> Boot {
        Boot(self.boot.saturating_sub(span))
    }

    /// How long that is ago.
    pub(crate) fn since(self, then: Boot) -> Duration {
        self.boot.saturating_sub(then.0)
    }
}

/// Idle time that stands still during suspend, as display servers count it, made into idle time
/// that does not.
///
/// When input was before the last look, it was before every suspend since that look, too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Suspends {
    /// The first look since the last input.
    looked: Option<Now>,
}

impl Suspends {
    /// How long nobody has touched anything, given for how long of it the machine was awake.
    ///
    /// A suspend between the input and the first look after it cannot be told from one before.
    pub(crate) fn idle(&mut self, now: Now, awake: Duration) -> Duration {
        let input = now.awake.saturating_sub(awake);
        let first = match self.looked {
            Some(looked) if input <= looked.awake => looked,
            _ => now,
        };
        self.looked = Some(first);
        let slept = |at: Now| at.boot.saturating_sub(at.awake);
        awake + slept(now).saturating_sub(slept(first))
    }
}

/// Reading a clock that Linux has always had cannot fail.
fn time_of(clock: ClockId) -> Duration {
    clock.now().map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// So many seconds after the boot of a machine that never slept.
    pub(crate) const fn at(secs: u64) -> Now {
        Now {
            boot: Duration::from_secs(secs),
            awake: Duration::from_secs(secs),
        }
    }

    /// The same, of a machine that slept for so long.
    const fn slept(secs: u64, asleep: u64) -> Now {
        Now {
            boot: Duration::from_secs(secs + asleep),
            awake: Duration::from_secs(secs),
        }
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn suspend_since_the_input_counts_as_idle_time() {
        let mut suspends = Suspends::default();
        assert_eq!(suspends.idle(at(100), secs(10)), secs(10));
        assert_eq!(suspends.idle(slept(110, 3600), secs(20)), secs(3620));
        assert_eq!(suspends.idle(slept(120, 3700), secs(30)), secs(3730));
    }

    #[test]
    fn suspend_before_the_input_does_not() {
        let mut suspends = Suspends::default();
        assert_eq!(suspends.idle(at(100), secs(10)), secs(10));
        assert_eq!(suspends.idle(slept(200, 3600), secs(5)), secs(5));
        assert_eq!(suspends.idle(slept(210, 3600), secs(15)), secs(15));
    }

    #[test]
    fn the_clocks_run() {
        let now = Now::read();
        assert!(now.boot > Duration::ZERO && now.boot >= now.awake - secs(1));
        assert!(now.since(now.before(secs(1))) <= secs(1));
    }
}
