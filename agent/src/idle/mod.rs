//! What there is to know of idle time, and how each kind of source comes to know it. Pure: told
//! the time, and what the desktop says.

mod callback_source;
mod pending_report;
mod query_source;

use std::time::Duration;

pub(crate) use callback_source::{Armed, Step, Token};
pub(crate) use pending_report::Owed;
pub(crate) use query_source::Asked;

/// The answer to the daemon's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The last input was so long ago.
    Exact(Duration),
    /// Idle for less than the watch that is armed; nobody knows for how long.
    Active,
}

/// What the daemon is told unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The idle time has reached the watch.
    BecameIdle,
    /// There was input again.
    BecameActive,
}

/// A length of idle time that the daemon wants to be told of: whole milliseconds, at least one,
/// as every desktop counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watch(u32);

impl Watch {
    /// A watch of this many microseconds, rounded up; none for zero. Wayland has 32 bits for it, 49
    /// days.
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

    /// What is left of this watch after so much idle time; none where it has been reached.
    fn rest(self, idle: Duration) -> Option<Self> {
        let rest = self.length().saturating_sub(idle);
        Self::from_micros(u64::try_from(rest.as_micros()).unwrap_or(u64::MAX))
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
