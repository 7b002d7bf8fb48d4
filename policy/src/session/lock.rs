//! Events of one session's screen lock: locked, unlocked, and lock requests without confirmation.

use crate::session::Session;
use crate::session::countdown::Countdown;
use crate::session::escalation::{Escalation, Stage};
use crate::session::extension::Granted;
use crate::session::locking::LockCause;
use crate::session::outputs::Outputs;
use crate::{BootTime, Finding, LimitKind, Transition};

impl Session {
    /// Handles a lock of the screen.
    pub(crate) fn locked(&mut self, now: BootTime, out: &mut Outputs) {
        if self.removal.is_some() && self.is_ending() {
            // logind has dropped the session, so a lock cannot hold it.
            return;
        }
        let key = self.facts.key.clone();
        let locking = |ending: &mut Escalation| ending.stage() == Stage::Lock;
        let ended = self.ending.take_if(locking).map(|ending| ending.limit);
        let verified = self
            .verify_lock
            .take()
            .map(|verification| verification.limit);
        let Some(limit) = ended.or(verified) else {
            let held = self.is_held();
            let cause = self.locking.locked();
            out.extend(cause.map(|cause| Transition::Locked(key, cause)));
            if self.is_held() && !held {
                // The hold was in doubt, and the user may have been warned meanwhile.
                self.withdraw_at_lock(out);
            }
            return;
        };
        self.locking.hold(now, limit);
        if ended.is_some() {
            out.push(Transition::Locked(key, LockCause::Limit(limit)));
        }
        // The announced lock has happened, so this warning is not withdrawn; the other limit
        // restarts too.
        if limit == LimitKind::Inactivity || !self.ends_despite_lock() {
            *self.countdown(limit) = Countdown::default();
        }
        self.withdraw_at_lock(out);
    }

    /// Handles an unlock of the screen: the user is present.
    pub(crate) fn unlocked(&mut self, now: BootTime, out: &mut Outputs) {
        // A lock that the user has unlocked is not requested again.
        self.verify_lock = None;
        let hold = self.locking.unlocked(now);
        let unlocked_at = hold.is_some_and(|hold| self.unlock_restarts_absolute(hold));
        if unlocked_at {
            self.granted = Granted::default();
        }
        if self.ending.is_some() {
            // This does not stop an end; but if the end is cancelled, the limits count from this
            // time.
            if unlocked_at {
                self.absolute = Countdown::default();
            }
            if hold.is_some() {
                self.inactivity = Countdown::default();
            }
            return;
        }
        if hold.is_some() {
            self.withdraw_at_lock(out);
        }
        self.activity_seen(now, out);
    }

    /// Whether the session is locked instead of ended, so that no limit ends it.
    pub(crate) fn is_held(&self) -> bool {
        self.locking.held().is_some() && self.facts.session_type.is_graphical()
    }

    /// Withdraws warnings of the limits that restart because the session was locked instead of
    /// ended.
    pub(crate) fn withdraw_at_lock(&mut self, out: &mut Outputs) {
        if !self.ends_despite_lock() {
            self.withdraw(LimitKind::Absolute, out);
        }
        self.withdraw(LimitKind::Inactivity, out);
    }

    /// Reports a desktop that did not confirm a lock that `lock-after` requested.
    pub(crate) fn tick_lock_confirmation(&mut self, now: BootTime, out: &mut Outputs) {
        let overdue = self
            .locking
            .confirmation_due()
            .is_some_and(|due| due <= now);
        if overdue && self.limits().is_some() {
            self.locking.set_unconfirmed();
            out.push(Transition::Found(
                self.facts.key.clone(),
                Finding::NotLocked,
            ));
        }
    }
}
