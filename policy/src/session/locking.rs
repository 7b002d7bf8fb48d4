//! The state of a session's screen lock, requested by `lock-after` or instead of an end.
//!
//! A lock instead of an end *holds* the session: its user has to authenticate again, and both
//! limits restart at the unlock. Only a signal of logind proves an unlock. If a probe finds
//! `LockedHint` false (because logind restarted, which clears it, or because the signal was
//! missed), the hold is in *doubt*: the limits count from the lock, so that the session still has a
//! limit, and does not end at once because logind lost the hint.

use std::fmt;
use std::time::Duration;

use crate::{BootTime, LimitKind};

/// The time in which a desktop has to report a lock. GNOME and KDE report in well under a second;
/// the first lock after a login takes longer because it loads the locker.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);

/// Why a lock of the session was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockCause {
    /// To confirm a lock that this limit requested instead of an end.
    Verify(LimitKind),
    /// Instead of an end by this limit.
    Limit(LimitKind),
    /// By `lock-after`, before any end.
    LockAfter,
}

impl fmt::Display for LockCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verify(kind) | Self::Limit(kind) => kind.fmt(f),
            Self::LockAfter => f.write_str("lock-after"),
        }
    }
}

/// A lock instead of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The limit that had passed.
    pub limit: LimitKind,
    /// When the session was locked for it.
    pub since: BootTime,
    /// A probe found the hint false, and no signal reported an unlock.
    pub in_doubt: bool,
}

/// What is known of a session's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locking {
    /// Whether the screen is locked, as far as is known.
    pub locked: bool,
    /// The lock instead of an end, until the unlock.
    pub hold: Option<Hold>,
    /// When the user unlocked the screen after the last hold.
    pub unlocked_at: Option<BootTime>,
    /// When `lock-after` requested a lock that is not confirmed yet.
    pub requested_at: Option<BootTime>,
    /// The last lock that `lock-after` requested was not confirmed in time, and the screen was not
    /// locked since.
    pub unconfirmed: bool,
}

impl Locking {
    /// The hold, unless it is in doubt.
    pub(crate) fn held(&self) -> Option<Hold> {
        self.hold.filter(|hold| !hold.in_doubt)
    }

    /// The time that a limit counts from, if it counts from `start` without locks.
    pub(crate) fn anchor(&self, start: BootTime) -> BootTime {
        let lock = self.hold.map(|hold| hold.since);
        start.max(lock.or(self.unlocked_at).unwrap_or_default())
    }

    /// The screen is locked for this limit.
    pub(crate) fn hold(&mut self, now: BootTime, limit: LimitKind) {
        self.locked = true;
        self.requested_at = None;
        self.unconfirmed = false;
        self.hold = Some(Hold {
            limit,
            since: now,
            in_doubt: false,
        });
    }

    /// Records a lock. Returns whether `lock-after` requested it.
    pub(crate) fn locked(&mut self) -> Option<LockCause> {
        self.locked = true;
        self.unconfirmed = false;
        if let Some(hold) = &mut self.hold {
            hold.in_doubt = false;
        }
        self.requested_at.take().map(|_| LockCause::LockAfter)
    }

    /// Records an unlock. Returns the hold, if there was one; in that case the limits restart.
    pub(crate) fn unlocked(&mut self, now: BootTime) -> Option<Hold> {
        self.locked = false;
        self.requested_at = None;
        // An unlock proves that the screen was locked.
        self.unconfirmed = false;
        let hold = self.hold.take();
        if hold.is_some() {
            self.unlocked_at = Some(now);
        }
        hold
    }

    /// Records that a probe found the screen unlocked. Returns the hold that is now in doubt, if
    /// there is one.
    pub(crate) fn found_unlocked(&mut self) -> Option<Hold> {
        self.locked = false;
        let hold = self.hold.as_mut().filter(|hold| !hold.in_doubt)?;
        hold.in_doubt = true;
        Some(*hold)
    }

    /// The same state with all times limited to `now`: a record may be from a clock that is ahead.
    pub(crate) fn no_later_than(self, now: BootTime) -> Self {
        let hold = self.hold.map(|hold| Hold {
            since: hold.since.min(now),
            ..hold
        });
        Self {
            hold,
            unlocked_at: self.unlocked_at.map(|unlocked_at| unlocked_at.min(now)),
            ..self
        }
    }

    /// Records that a requested lock was not confirmed in time.
    pub(crate) fn set_unconfirmed(&mut self) {
        self.requested_at = None;
        self.unconfirmed = true;
    }

    /// Until when a lock that `lock-after` asked for has to be confirmed.
    pub(crate) fn confirmation_due(&self) -> Option<BootTime> {
        self.requested_at
            .map(|asked| asked.saturating_add(CONFIRM_WITHIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    fn held(since: u64) -> Locking {
        let mut locking = Locking::default();
        locking.hold(at(since), LimitKind::Absolute);
        locking
    }

    #[test]
    fn limits_count_from_the_unlock_of_a_hold() {
        let mut locking = held(100);
        assert_eq!(locking.anchor(at(7)), at(100));
        assert!(locking.unlocked(at(900)).is_some());
        assert_eq!(locking.anchor(at(7)), at(900));
        assert_eq!(locking.anchor(at(1000)), at(1000));
    }

    #[test]
    fn a_lock_of_the_users_own_renews_nothing() {
        let mut locking = Locking::default();
        assert_eq!(locking.locked(), None);
        assert_eq!(locking.unlocked(at(900)), None);
        assert_eq!(locking.anchor(at(7)), at(7));
    }

    #[test]
    fn a_hint_that_is_gone_is_no_unlock_but_ends_the_hold() {
        let mut locking = held(100);
        assert!(locking.found_unlocked().is_some());
        assert_eq!(locking.found_unlocked(), None);
        assert_eq!(locking.held(), None);
        assert_eq!(locking.anchor(at(7)), at(100));
        // The signal is late, but proves the unlock.
        assert!(locking.unlocked(at(900)).is_some());
        assert_eq!(locking.anchor(at(7)), at(900));
    }

    #[test]
    fn a_lock_that_was_missed_is_so_until_one_is_seen() {
        let mut locking = Locking {
            requested_at: Some(at(100)),
            ..Locking::default()
        };
        locking.set_unconfirmed();
        assert_eq!((locking.requested_at, locking.unconfirmed), (None, true));
        let _ = locking.found_unlocked();
        assert!(locking.unconfirmed);
        let (mut seen, mut unlocked, mut held) = (locking, locking, locking);
        let _ = seen.locked();
        let _ = unlocked.unlocked(at(200));
        held.hold(at(200), LimitKind::Absolute);
        assert!(!seen.unconfirmed && !unlocked.unconfirmed && !held.unconfirmed);
    }

    #[test]
    fn a_lock_that_is_seen_again_ends_the_doubt() {
        let mut locking = held(100);
        let _ = locking.found_unlocked();
        let _ = locking.locked();
        assert_eq!(locking.held().map(|hold| hold.since), Some(at(100)));
    }
}
