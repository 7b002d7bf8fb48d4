//! How a session ends: the action at a limit, and the logout of the user.

use std::time::Duration;

use crate::session::countdown::{Countdown, Step};
use crate::session::escalation::{Escalation, Stage, Timing};
use crate::session::outputs::Outputs;
use crate::session::request::Request;
use crate::session::verify_lock::VerifyLock;
use crate::session::{LoginState, Session};
use crate::{Action, BootTime, EndAction, Finding, LimitKind, Transition, Warning};

impl Session {
    /// The user has logged out. An end that has begun continues, except for a hang-up, which is
    /// complete.
    pub(crate) fn logged_out(&mut self, now: BootTime, out: &mut Outputs) {
        if self.hung_up(now, out) || self.login != LoginState::Open {
            return;
        }
        let locks = |ending: &Escalation| ending.stage() == Stage::Lock;
        if !self.ending.as_ref().is_none_or(locks) {
            // The daemon is ending the session, and continues with the processes that remain.
            return;
        }
        self.groups_request = Request::Idle;
        self.withdraw(LimitKind::Absolute, out);
        self.withdraw(LimitKind::Inactivity, out);
        // Without a user there is no screen to lock.
        self.ending = None;
        self.verify_lock = None;
        self.login = LoginState::LoggedOut;
        self.locking.hold = None;
    }

    /// Handles the logout of the session's user. Returns whether the end had requested the logout.
    pub(crate) fn hung_up(&mut self, now: BootTime, out: &mut Outputs) -> bool {
        if self.removal.is_some() && self.is_ending() {
            // A request to verify the departure is pending.
            return true;
        }
        if let Some(ending) = &mut self.ending
            && ending.leader_ended(now, &self.facts.key, out)
        {
            return true;
        }
        let hanging = |ending: &mut Escalation| ending.stage() == Stage::HangUp;
        let Some(ending) = self.ending.take_if(hanging) else {
            return false;
        };
        self.login = LoginState::HungUp(ending.limit);
        // The announced end has happened, so warnings are not withdrawn.
        (self.absolute, self.inactivity) = (Countdown::default(), Countdown::default());
        self.groups_request = Request::Idle;
        out.push(Transition::HungUp(self.facts.key.clone(), ending.limit));
        true
    }

    pub(crate) fn end_failed(&mut self, now: BootTime) {
        if let Some(ending) = &mut self.ending {
            ending.failed(now);
        }
        if let Some(verification) = &mut self.verify_lock {
            verification.delivery_mut().failed(now);
        }
    }

    pub(crate) fn unreached(&mut self, now: BootTime) {
        if let Some(ending) = &mut self.ending {
            ending.unreached(now);
        }
        if let Some(verification) = &mut self.verify_lock {
            verification.delivery_mut().unreached(now);
        }
    }

    /// logind or the bus replies again.
    pub(crate) fn reachable(&mut self, now: BootTime) {
        if let Some(ending) = &mut self.ending {
            ending.reachable(now);
        }
        if let Some(verification) = &mut self.verify_lock {
            verification.delivery_mut().reachable(now);
        }
    }

    /// Whether an end is under way.
    pub(crate) fn is_ending(&self) -> bool {
        self.survived().is_some() || self.ending.is_some()
    }

    /// Whether a request to end the session, or to lock it again, is in progress. No limit passes
    /// until it is complete.
    pub(crate) fn is_acting(&self) -> bool {
        self.ending.is_some() || self.verify_lock.is_some()
    }

    pub(crate) fn act_on(
        &mut self,
        now: BootTime,
        kind: LimitKind,
        step: Step,
        length: Duration,
        out: &mut Outputs,
    ) {
        let Some(limits) = self.limits_for(kind) else {
            return;
        };
        let key = self.facts.key.clone();
        match step {
            Step::Warn { lead, ends_at } => {
                let warning = Warning {
                    limit: kind,
                    length,
                    lead,
                    ends_at,
                };
                out.push(Action::Warn(key, warning));
            }
            Step::End => {
                let grace = limits.grace;
                self.act_at_limit(now, kind, grace, out);
            }
        }
    }

    /// The limit has passed: ends or locks the session, verifies its lock, or reports the limit.
    fn act_at_limit(&mut self, now: BootTime, kind: LimitKind, grace: Duration, out: &mut Outputs) {
        let key = self.facts.key.clone();
        let first_stage = match self.end_action(kind) {
            Some(EndAction::HangUp) => Stage::HangUp,
            Some(EndAction::Lock) if self.is_held() => {
                self.verify_lock = Some(VerifyLock::begin(now, kind, grace, &key, out));
                self.drop_probe();
                return;
            }
            Some(EndAction::Lock) => Stage::Lock,
            Some(EndAction::Terminate) if self.has_a_screen() => Stage::AskLeader,
            Some(EndAction::Terminate) => Stage::Terminate,
            Some(EndAction::Report) | None => {
                self.countdown(kind).reported = true;
                out.push(Transition::Found(key, Finding::Passed(kind)));
                return;
            }
        };
        let timing = if self.has_a_screen() {
            Timing::leader_first(grace)
        } else {
            Timing::processes_first(grace)
        };
        self.ending = Some(Escalation::begin(now, kind, first_stage, timing, &key, out));
        // An open probe is not needed any more.
        self.drop_probe();
    }

    /// Whether the session has a screen, so that its display manager or login program has to clean
    /// up.
    fn has_a_screen(&self) -> bool {
        self.facts.seat.is_some() || self.facts.session_type.is_graphical()
    }
}
