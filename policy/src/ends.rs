//! How one session ends: at a limit, or because its user logs out.

use std::time::Duration;

use crate::countdown::{Countdown, Step};
use crate::ending::{Ending, Pace, Stage};
use crate::inquiry::Inquiry;
use crate::tracked::{LoginState, Tracked};
use crate::{Action, BootTime, EndAction, Finding, LimitKind, Warning};

impl Tracked {
    /// The user has logged out. An end that was begun goes on, but for a hang-up, which this is.
    pub(crate) fn close(&mut self, now: BootTime, out: &mut Vec<Action>) {
        if self.hung_up(now, out) || self.login != LoginState::Open {
            return;
        }
        let locks = |ending: &Ending| ending.stage().locks();
        if !self.ending.as_ref().is_none_or(locks) {
            // The end is ours, and what is left of the session is not left alone.
            return;
        }
        self.groups_inquiry = Inquiry::Idle;
        self.withdraw(LimitKind::Absolute, out);
        self.withdraw(LimitKind::Inactivity, out);
        // Nobody is left to lock the screen for.
        self.ending = None;
        self.login = LoginState::LoggedOut;
        self.locking.hold = None;
    }

    /// Nobody is logged in there any more. Says whether that was asked for.
    pub(crate) fn hung_up(&mut self, now: BootTime, out: &mut Vec<Action>) -> bool {
        if self.removal.is_some() && self.is_ending() {
            // Whether anything is left is asked already.
            return true;
        }
        if let Some(ending) = &mut self.ending
            && ending.leader_ended(now, &self.facts.key, out)
        {
            return true;
        }
        let hanging = |ending: &mut Ending| ending.stage() == Stage::HangUp;
        let Some(ending) = self.ending.take_if(hanging) else {
            return false;
        };
        self.login = LoginState::HungUp(ending.limit);
        // What was warned of has come about.
        (self.absolute, self.inactivity) = (Countdown::default(), Countdown::default());
        self.groups_inquiry = Inquiry::Idle;
        out.push(Action::HungUp(self.facts.key.clone(), ending.limit));
        true
    }

    pub(crate) fn end_failed(&mut self, now: BootTime) {
        if let Some(ending) = &mut self.ending {
            ending.failed(now);
        }
    }

    pub(crate) fn unreached(&mut self, now: BootTime) {
        if let Some(ending) = &mut self.ending {
            ending.unreached(now);
        }
    }

    /// logind or the bus answers again.
    pub(crate) fn reachable(&mut self, now: BootTime) {
        if let Some(ending) = &mut self.ending {
            ending.reachable(now);
        }
    }

    /// Whether an end is under way. To make sure of a lock is none.
    pub(crate) fn is_ending(&self) -> bool {
        let ends = |ending: &Ending| ending.stage() != Stage::LockAgain;
        self.survived().is_some() || self.ending.as_ref().is_some_and(ends)
    }

    pub(crate) fn perform(
        &mut self,
        now: BootTime,
        kind: LimitKind,
        step: Step,
        length: Duration,
        out: &mut Vec<Action>,
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
            Step::End => match self.first_stage(kind) {
                Some(stage) => {
                    let pace = if self.has_a_screen() {
                        Pace::by_leader(limits.grace)
                    } else {
                        Pace::at_once(limits.grace)
                    };
                    let ending = Ending::begin(now, kind, stage, pace, &key, out);
                    self.ending = Some(ending);
                    // What comes of an open question is of no interest any more.
                    self.forget_question();
                }
                None => {
                    self.countdown(kind).reported = true;
                    out.push(Action::Report(key, Finding::Passed(kind)));
                }
            },
        }
    }

    /// What an end begins with; `None`: nothing is ended.
    fn first_stage(&self, kind: LimitKind) -> Option<Stage> {
        match self.end_action(kind)? {
            EndAction::HangUp => Some(Stage::HangUp),
            EndAction::Lock if self.is_held() => Some(Stage::LockAgain),
            EndAction::Lock => Some(Stage::Lock),
            EndAction::Terminate if self.has_a_screen() => Some(Stage::AskLeader),
            EndAction::Terminate => Some(Stage::Terminate),
            EndAction::Report => None,
        }
    }

    /// Whether the session has a screen that whoever opened it is to clean up.
    fn has_a_screen(&self) -> bool {
        self.facts.seat.is_some() || self.facts.session_type.is_graphical()
    }
}
