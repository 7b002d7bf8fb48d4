//! Times on the two clocks that the engine receives as arguments. This crate reads no clock itself.

use std::fmt;
use std::time::Duration;

/// A reading of `CLOCK_BOOTTIME`: the time since the machine was started, suspend included.
///
/// All limits are measured with this clock, so that neither a step of the wall clock nor a suspend
/// changes how long a session may last. The resolution is one microsecond, as in logind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// A reading of `micros` microseconds since boot.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since boot.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This time plus `span`, saturating at the latest representable time.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This time minus `span`, saturating at boot.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// The time from `earlier` to this time; zero if this time is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for BootTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A reading of `CLOCK_REALTIME`: microseconds since 1970-01-01 00:00 UTC.
///
/// The kernel stamps terminals with this clock. It can be stepped, so the engine uses it only to
/// place a *change* of such a stamp between two readings of [`BootTime`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u64);

impl WallTime {
    /// A reading of `micros` microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this time; zero if this time is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_ends_of_the_clock() {
        let late = BootTime::from_micros(u64::MAX - 1);
        assert_eq!(late.saturating_add(Duration::MAX).as_micros(), u64::MAX);
        assert_eq!(
            BootTime::default().saturating_sub(Duration::from_secs(1)),
            BootTime::default()
        );
        assert_eq!(BootTime::default().since(late), Duration::ZERO);
    }
}
