//! Extensions of the absolute limit: how many, how long, and their upper bound.

use std::fmt;
use std::time::Duration;

use crate::policy::limits::{ABSOLUTE_MAX, extended};
use crate::{BootTime, Extensions};

/// Extensions of one session since its absolute limit began to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// How many.
    pub times: u32,
    /// How much time, in total.
    pub total: Duration,
}

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// How much time.
    pub by: Duration,
    /// When the absolute limit passes now.
    pub until: BootTime,
    /// How many more the policy allows.
    pub left: u32,
}

/// Why an extension was refused, as a user may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The session is being ended, or its user has logged out.
    Ending,
    /// [`ABSOLUTE_MAX`] is reached.
    Longest,
    /// The policy allows no extension.
    NotAllowed,
    /// No absolute limit holds.
    NoLimit,
    /// The session is gone.
    NoSession,
    /// All extensions that the policy allows are used up.
    UsedUp {
        /// How many the policy allows.
        times: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ending => f.write_str("the session is already being ended"),
            Self::Longest => write!(
                f,
                "no session lasts longer than {} h; log in again to go on",
                ABSOLUTE_MAX.as_secs() / 3600
            ),
            Self::NotAllowed => f.write_str("the policy allows no extension of this session"),
            Self::NoLimit => f.write_str("no absolute limit holds for this session"),
            Self::NoSession => f.write_str("there is no such session"),
            Self::UsedUp { times: 1 } => f.write_str("the one extension allowed is used up"),
            Self::UsedUp { times } => write!(f, "all {times} extensions allowed are used up"),
        }
    }
}

impl Granted {
    /// Adds one extension of a limit of this length. If its end is `late`, the extension counts
    /// from that end and not from the limit.
    pub(crate) fn extend(
        &mut self,
        length: Duration,
        late: Duration,
        allowed: Extensions,
    ) -> Result<Duration, Refusal> {
        if allowed.times == 0 {
            return Err(Refusal::NotAllowed);
        }
        if self.times >= allowed.times {
            return Err(Refusal::UsedUp {
                times: allowed.times,
            });
        }
        let used = self.with_extensions(length).saturating_add(late);
        let room = ABSOLUTE_MAX.saturating_sub(used);
        let by = allowed.by.min(room);
        if by.is_zero() {
            return Err(Refusal::Longest);
        }
        self.times += 1;
        self.total = self.total.saturating_add(late).saturating_add(by);
        Ok(by)
    }

    /// A limit of this length with all extensions.
    pub(crate) fn with_extensions(&self, length: Duration) -> Duration {
        extended(length, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const LATE: Duration = Duration::ZERO;

    fn allowed(times: u32, by: Duration) -> Extensions {
        Extensions { times, by }
    }

    #[test]
    fn as_many_as_are_allowed_are_granted_and_no_more() {
        let mut granted = Granted::default();
        assert_eq!(granted.extend(HOUR, LATE, allowed(2, HOUR)), Ok(HOUR));
        assert_eq!(granted.extend(HOUR, LATE, allowed(2, HOUR)), Ok(HOUR));
        assert_eq!(granted.with_extensions(HOUR), 3 * HOUR);
        assert_eq!(
            granted.extend(HOUR, LATE, allowed(2, HOUR)),
            Err(Refusal::UsedUp { times: 2 })
        );
        assert_eq!(
            granted.extend(HOUR, LATE, allowed(0, HOUR)),
            Err(Refusal::NotAllowed)
        );
        assert_eq!(granted.with_extensions(HOUR), 3 * HOUR);
    }

    #[test]
    fn the_last_bit_up_to_24_hours_is_granted_and_nothing_beyond() {
        let mut granted = Granted::default();
        assert_eq!(
            granted.extend(23 * HOUR, LATE, allowed(9, 2 * HOUR)),
            Ok(HOUR)
        );
        assert_eq!(granted.with_extensions(23 * HOUR), ABSOLUTE_MAX);
        assert_eq!(
            granted.extend(23 * HOUR, LATE, allowed(9, 2 * HOUR)),
            Err(Refusal::Longest)
        );
        assert_eq!(granted.times, 1);
    }

    #[test]
    fn what_was_granted_fits_into_24_hours_under_any_limit() {
        let granted = Granted {
            times: 1,
            total: 20 * HOUR,
        };
        assert_eq!(granted.with_extensions(HOUR), 21 * HOUR);
        assert_eq!(granted.with_extensions(20 * HOUR), ABSOLUTE_MAX);
        // A longer limit is not cut short.
        assert_eq!(granted.with_extensions(30 * HOUR), 30 * HOUR);
    }

    #[test]
    fn a_refusal_says_what_there_is_to_know() {
        let said = |refusal: Refusal| refusal.to_string();
        assert_eq!(
            said(Refusal::UsedUp { times: 3 }),
            "all 3 extensions allowed are used up"
        );
        assert_eq!(
            said(Refusal::Longest),
            "no session lasts longer than 24 h; log in again to go on"
        );
    }

    #[test]
    fn an_extension_adds_to_an_end_that_comes_late() {
        let mut granted = Granted::default();
        assert_eq!(granted.extend(HOUR, 2 * HOUR, allowed(3, HOUR)), Ok(HOUR));
        assert_eq!(granted.with_extensions(HOUR), 4 * HOUR);
        assert_eq!(
            granted.extend(HOUR, 20 * HOUR, allowed(3, HOUR)),
            Err(Refusal::Longest)
        );
    }
}
