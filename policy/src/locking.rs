//! The lock of a session's screen: as a first stage, or instead of an end.
//!
//! A lock instead of an end *holds* the session: its user has to authenticate again, and both
//! limits count anew from then. That somebody unlocked the screen is believed only where logind
//! signals it. Where `LockedHint` is merely found to be false (a restart of logind forgets it, or
//! the signal was missed), the hold is in *doubt*: the limits go on counting from the lock, so
//! that neither a session stays unlimited nor anybody is ended for a forgotten hint.

use std::fmt;
use std::time::Duration;

use crate::{BootTime, LimitKind};

/// A desktop that has not said within this time that it is locked has not locked. GNOME and KDE
/// say so in well under a second; the first locking after a login loads the locker.
const PROOF: Duration = Duration::from_secs(5);

/// Why a session is to be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockCause {
    /// To make sure of a lock that stands for an end by this limit.
    Again(LimitKind),
    /// Instead of an end by this limit.
    Limit(LimitKind),
    /// As the first stage, before an end.
    Stage,
}

impl fmt::Display for LockCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again(kind) | Self::Limit(kind) => kind.fmt(f),
            Self::Stage => f.write_str("lock-after"),
        }
    }
}

/// A lock that stands for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The limit that had passed.
    pub limit: LimitKind,
    /// When the session was locked for it.
    pub since: BootTime,
    /// The hint was found to be false, and nobody has signalled that it became so.
    pub doubted: bool,
}

/// What is known of a session's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locking {
    /// Whether the screen is locked, as far as is known.
    pub locked: bool,
    /// The lock that stands for an end, until it is unlocked.
    pub hold: Option<Hold>,
    /// When the user authenticated anew, after the last hold.
    pub renewed: Option<BootTime>,
    /// When the first stage asked for a lock that has not come yet.
    pub asked: Option<BootTime>,
    /// The last lock that the first stage asked for has not come in its time, and the screen was
    /// not seen to be locked since.
    pub missed: bool,
}

impl Locking {
    /// The hold, unless it is in doubt.
    pub(crate) fn held(&self) -> Option<Hold> {
        self.hold.filter(|hold| !hold.doubted)
    }

    /// What a limit counts from that would otherwise count from `start`.
    pub(crate) fn anchor(&self, start: BootTime) -> BootTime {
        let lock = self.hold.map(|hold| hold.since);
        start.max(lock.or(self.renewed).unwrap_or_default())
    }

    /// The screen is locked for this limit.
    pub(crate) fn hold(&mut self, now: BootTime, limit: LimitKind) {
        self.locked = true;
        self.asked = None;
        self.missed = false;
        self.hold = Some(Hold {
            limit,
            since: now,
            doubted: false,
        });
    }

    /// The screen is locked. Says whether that was asked for as the first stage.
    pub(crate) fn locked(&mut self) -> Option<LockCause> {
        self.locked = true;
        self.missed = false;
        if let Some(hold) = &mut self.hold {
            hold.doubted = false;
        }
        self.asked.take().map(|_| LockCause::Stage)
    }

    /// The user has unlocked the screen. Says whether that was a hold, so that the limits count
    /// anew.
    pub(crate) fn unlocked(&mut self, now: BootTime) -> Option<Hold> {
        self.locked = false;
        self.asked = None;
        // Nothing else can be unlocked.
        self.missed = false;
        let hold = self.hold.take();
        if hold.is_some() {
            self.renewed = Some(now);
        }
        hold
    }

    /// The screen is found not to be locked. Says whether that puts a hold into doubt.
    pub(crate) fn found_open(&mut self) -> Option<Hold> {
        self.locked = false;
        let hold = self.hold.as_mut().filter(|hold| !hold.doubted)?;
        hold.doubted = true;
        Some(*hold)
    }

    /// The same, where nothing is later than now: a record may be from a clock that is ahead.
    pub(crate) fn no_later_than(self, now: BootTime) -> Self {
        let hold = self.hold.map(|hold| Hold {
            since: hold.since.min(now),
            ..hold
        });
        Self {
            hold,
            renewed: self.renewed.map(|renewed| renewed.min(now)),
            ..self
        }
    }

    /// The lock that was asked for has not come by the time it was due.
    pub(crate) fn miss(&mut self) {
        self.asked = None;
        self.missed = true;
    }

    /// Until when a lock that was asked for as the first stage has to be there.
    pub(crate) fn proof_due(&self) -> Option<BootTime> {
        self.asked.map(|asked| asked.saturating_add(PROOF))
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
        assert!(locking.found_open().is_some());
        assert_eq!(locking.found_open(), None);
        assert_eq!(locking.held(), None);
        assert_eq!(locking.anchor(at(7)), at(100));
        // The signal comes late: it was an unlock after all.
        assert!(locking.unlocked(at(900)).is_some());
        assert_eq!(locking.anchor(at(7)), at(900));
    }

    #[test]
    fn a_lock_that_was_missed_is_so_until_one_is_seen() {
        let mut locking = Locking {
            asked: Some(at(100)),
            ..Locking::default()
        };
        locking.miss();
        assert_eq!((locking.asked, locking.missed), (None, true));
        let _ = locking.found_open();
        assert!(locking.missed);
        let (mut seen, mut unlocked, mut held) = (locking, locking, locking);
        let _ = seen.locked();
        let _ = unlocked.unlocked(at(200));
        held.hold(at(200), LimitKind::Absolute);
        assert!(!seen.missed && !unlocked.missed && !held.missed);
    }

    #[test]
    fn a_lock_that_is_seen_again_ends_the_doubt() {
        let mut locking = held(100);
        let _ = locking.found_open();
        let _ = locking.locked();
        assert_eq!(locking.held().map(|hold| hold.since), Some(at(100)));
    }
}
