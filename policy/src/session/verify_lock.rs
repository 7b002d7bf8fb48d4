//! The verification of a lock at a limit that would lock the session again: the lock request is
//! repeated. Without a confirmation, the limits of the session apply again.

use std::time::Duration;

use crate::session::delivery::{Delivery, SOFT_RETRY_FOR};
use crate::session::locking::LockCause;
use crate::session::outputs::Outputs;
use crate::{Action, BootTime, LimitKind, SessionKey};

/// A lock that was requested again and is not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifyLock {
    /// The limit at which the lock is verified.
    pub(crate) limit: LimitKind,
    /// The user was warned under other limits than those in force. The warning is withdrawn if the
    /// verification is cancelled.
    pub(crate) outdated: bool,
    grace: Duration,
    delivery: Delivery,
}

/// Whether a [`VerifyLock`] still lacks its confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    Awaited,
    Missing,
}

impl VerifyLock {
    /// Requests the lock again. The confirmation has to come within the grace.
    pub(crate) fn begin(
        now: BootTime,
        limit: LimitKind,
        grace: Duration,
        key: &SessionKey,
        out: &mut Outputs,
    ) -> Self {
        let mut verification = Self {
            limit,
            outdated: false,
            grace,
            delivery: Delivery::begin(now),
        };
        verification.request(now, key, out);
        verification
    }

    /// When the request is repeated, or the confirmation is overdue.
    pub(crate) const fn next(&self) -> BootTime {
        self.delivery.next()
    }

    /// The state of its request.
    pub(crate) const fn delivery_mut(&mut self) -> &mut Delivery {
        &mut self.delivery
    }

    /// Repeats a request that failed.
    pub(crate) fn tick(
        &mut self,
        now: BootTime,
        key: &SessionKey,
        out: &mut Outputs,
    ) -> Confirmation {
        if now < self.next() {
            return Confirmation::Awaited;
        }
        if !self.delivery.is_repeated(now, SOFT_RETRY_FOR) {
            return Confirmation::Missing;
        }
        self.delivery.repeat();
        self.request(now, key, out);
        Confirmation::Awaited
    }

    fn request(&mut self, now: BootTime, key: &SessionKey, out: &mut Outputs) {
        out.push(Action::Lock(key.clone(), LockCause::Verify(self.limit)));
        self.delivery.sent(now.saturating_add(self.grace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    #[test]
    fn a_lock_that_is_not_confirmed_is_missing_after_the_grace() {
        let key = SessionKey {
            id: "c1".into(),
            stamp: 1,
        };
        let (mut out, grace) = (Outputs::default(), Duration::from_secs(10));
        let mut verification = VerifyLock::begin(at(0), LimitKind::Absolute, grace, &key, &mut out);
        let lock = Action::Lock(key.clone(), LockCause::Verify(LimitKind::Absolute)).into();
        assert_eq!(out.take(), std::slice::from_ref(&lock));
        assert_eq!(
            verification.tick(at(9), &key, &mut out),
            Confirmation::Awaited
        );
        // A request that failed is repeated; there is no other announcement or request.
        verification.delivery_mut().failed(at(9));
        assert_eq!(
            verification.tick(at(11), &key, &mut out),
            Confirmation::Awaited
        );
        assert_eq!(out.take(), [lock]);
        assert_eq!(
            verification.tick(at(21), &key, &mut out),
            Confirmation::Missing
        );
        assert_eq!(out.take(), []);
    }
}
