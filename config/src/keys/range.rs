//! The allowed ranges of durations in a policy.

use std::fmt;
use std::time::Duration;

use session_timeout_texts::exactly;

use crate::duration;

/// Whether minimum lengths are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minima {
    /// They are.
    Enforced,
    /// Every duration may be as short as one second, for trying a policy out and for tests
    /// (`session-timeoutd --allow-short-limits`).
    Lifted,
}

/// The durations that a key allows, both ends included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    shortest: Duration,
    longest: Duration,
    /// An example for the error about a value that is not a duration.
    pub(crate) example: &'static str,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `session-timeout`.
pub(crate) const ABSOLUTE: Range = range(HOUR, DAY, "24h");
/// `inactivity-timeout`.
pub(crate) const INACTIVITY: Range = range(Duration::from_secs(5 * 60), DAY, "15min");
/// `lock-after`: shorter than any limit, for a lock costs its user only a password.
pub(crate) const LOCK_AFTER: Range = range(MINUTE, DAY, "10min");
/// An element of `session-warnings` or `inactivity-warnings`.
pub(crate) const LEAD: Range = range(SECOND, DAY, "5min");
/// `grace`: long enough for an editor to save its buffers, short enough for a limit to be one.
pub(crate) const GRACE: Range = range(SECOND, Duration::from_secs(10 * 60), "10s");
/// `extend.by`.
pub(crate) const EXTENSION: Range = range(MINUTE, DAY, "30min");

/// `extend.times`: 24 of the shortest hour are a day, and no session lasts longer.
pub(crate) const EXTENSIONS_MAX: u32 = 24;

const fn range(shortest: Duration, longest: Duration, example: &'static str) -> Range {
    Range {
        shortest,
        longest,
        example,
    }
}

impl Range {
    /// This range, with its minimum or with one second.
    pub(crate) fn with(self, minima: Minima) -> Self {
        match minima {
            Minima::Enforced => self,
            Minima::Lifted => Self {
                shortest: SECOND,
                ..self
            },
        }
    }

    /// The objection to a duration outside of the range; `None` if it is inside.
    pub(crate) fn objection(&self, duration: Duration) -> Option<String> {
        let wrong = if duration < self.shortest {
            "less than the minimum"
        } else if duration > self.longest {
            "more than the maximum"
        } else {
            return None;
        };
        let duration = exactly(duration);
        Some(format!("{duration} is {wrong}; allowed: {self}"))
    }
}

impl fmt::Display for Range {
    /// "60min to 24h": a minimum of whole minutes is shown in minutes, as in the documentation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shortest.as_secs() {
            seconds if seconds % 60 == 0 => write!(f, "{}min", seconds / 60)?,
            _ => f.write_str(&duration::print(self.shortest))?,
        }
        write!(f, " to {}", duration::print(self.longest))
    }
}
