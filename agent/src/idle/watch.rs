//! What the daemon and the agent exchange about idle time: the watch, the answer to a probe,
//! reports.

use std::time::Duration;

/// The answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The idle time.
    Exact(Duration),
    /// The idle time is less than the armed watch, and otherwise unknown.
    Active,
}

/// A report to the daemon, which a watch has caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The idle time has reached the watch.
    BecameIdle,
    /// There was input after that.
    BecameActive,
}

/// An idle time that the daemon wants reports about: whole milliseconds, at least one, as every
/// desktop counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watch(u32);

impl Watch {
    /// For a probe without a watch, if a source needs one: one minute.
    pub(super) const DEFAULT: Self = Self(60_000);

    /// A watch of this many microseconds, rounded up; `None` for zero. Wayland has 32 bits for the
    /// milliseconds, which is 49 days.
    pub(crate) fn from_micros(micros: u64) -> Option<Self> {
        let millis = u32::try_from(micros.div_ceil(1000)).unwrap_or(u32::MAX);
        (millis > 0).then_some(Self(millis))
    }

    pub(crate) const fn millis(self) -> u32 {
        self.0
    }

    pub(crate) fn length(self) -> Duration {
        Duration::from_millis(self.0.into())
    }

    /// The remainder of this watch after this idle time; `None` if it is reached.
    pub(super) fn remainder(self, idle: Duration) -> Option<Self> {
        let remainder = self.length().saturating_sub(idle);
        Self::from_micros(u64::try_from(remainder.as_micros()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_never_shorter_than_was_asked_for() {
        assert_eq!(Watch::from_micros(0), None);
        assert_eq!(Watch::from_micros(1).map(Watch::millis), Some(1));
        assert_eq!(Watch::from_micros(1_500_001).map(Watch::millis), Some(1501));
        assert_eq!(
            Watch::from_micros(u64::MAX).map(Watch::millis),
            Some(u32::MAX)
        );
    }
}
