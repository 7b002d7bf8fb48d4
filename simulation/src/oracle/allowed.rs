//! Checks of outputs: an output is allowed only if the history contains a reason for it.

use session_timeout_policy::{
    Action, EndAction, EndReason, Finding, LimitKind, LockCause, Output, SessionKey, Transition,
    Warning,
};

use super::locks::Held;
use super::tolerance::{RESOLUTION, tolerance};
use super::{Broken, Oracle, Verdict, broken};
use crate::history::{GroupsRequest, History, Moment, Probe, Request};
use crate::invariant::Invariant;
use crate::limits::{EffectiveLimits, LimitsChange, RuleLimits};

use std::time::Duration;

impl Oracle<'_> {
    /// Checks an output, and records it.
    pub(super) fn check_output(&mut self, output: &Output) -> Verdict {
        let Some(at) = self.index(output.key()) else {
            return broken(Invariant::KnownSession, "there is no such session");
        };
        if let Output::Transition(Transition::Left(facts, reason)) = output {
            return self.leaves(at, &facts.key, *reason);
        }
        let Some(checked) = self.sessions.get(at) else {
            return Ok(());
        };
        // A logout withdraws the warnings in force.
        if checked.gone && !matches!(output, Output::Action(Action::Withdraw(..))) {
            return broken(Invariant::KnownSession, "it is gone");
        }
        self.decided(&checked.history, output)?;
        match output {
            Output::Action(action) => {
                self.allowed(&checked.history, action)?;
                self.record_action(at, action);
            }
            Output::Transition(transition) => {
                self.may_report(&checked.history, transition)?;
                self.record_transition(at, transition);
                self.follow_transition(at, transition);
            }
        }
        Ok(())
    }

    /// Applies what a transition changes in the same call.
    fn follow_transition(&mut self, at: usize, transition: &Transition) {
        match transition {
            Transition::Found(_, Finding::GroupsUnavailable) => self.gives_up_groups_of(at),
            // The limits restart now, so another absolute limit may be the earliest.
            Transition::Locked(_, LockCause::Limit(_)) => self.evaluate_all(),
            _ => {}
        }
    }

    /// When an end or a lock is complete, groups that were requested meanwhile are given up, and
    /// the rest of the call is decided without them.
    fn gives_up_groups_of(&mut self, at: usize) {
        let now = self.moment();
        let Some(session) = self.sessions.get_mut(at) else {
            return;
        };
        if session.history.gives_up_groups(now.at) {
            session.history.groups_unavailable(now);
            self.evaluate_all();
        }
    }

    fn allowed(&self, history: &History, action: &Action) -> Verdict {
        match action {
            Action::Adopt(_) => self.may_adopt(history),
            Action::AskLeader(_, kind) => self.may_ask_leader(history, *kind),
            Action::EndRemains(_, kind) => self.may_end_remains(history, *kind),
            Action::HangUp(_, kind) => self.may_hang_up(history, *kind),
            Action::Kill(_, kind) => self.may_kill(history, *kind),
            Action::Lock(_, cause) => self.may_lock(history, *cause),
            Action::Probe(_) => self.may_probe(history),
            Action::ResolveGroups(_) => self.may_ask_groups(history),
            Action::Terminate(_, kind) => self.may_terminate(history, *kind),
            Action::Verify(_) => self.may_verify(history),
            Action::Warn(_, warning) => self.may_warn(history, warning),
            Action::Withdraw(_, kind) => self.may_withdraw(history, *kind),
        }
    }

    fn may_report(&self, history: &History, transition: &Transition) -> Verdict {
        match transition {
            Transition::Began(_) => match history.began {
                Some(_) => broken(Invariant::BeginsOnce, "it has begun"),
                None => Ok(()),
            },
            Transition::EndBegins(_, _, how) => self.may_begin_to_end(history, *how),
            Transition::Found(_, finding) => self.may_find(history, *finding),
            Transition::HungUp(_, kind) => self.may_have_hung_up(history, *kind),
            Transition::Left(..) => Ok(()),
            Transition::Locked(_, cause) => self.may_have_locked(history, *cause),
        }
    }

    /// Checks that only a few kinds of outputs concern a session that is undecided, exempt or
    /// logged out.
    fn decided(&self, history: &History, output: &Output) -> Verdict {
        let always = match output {
            Output::Action(action) => matches!(
                action,
                Action::ResolveGroups(_) | Action::EndRemains(..) | Action::Verify(_)
            ),
            Output::Transition(transition) => matches!(
                transition,
                Transition::HungUp(..)
                    | Transition::Locked(..)
                    | Transition::Found(_, Finding::Survived(_) | Finding::GroupsUnavailable)
            ),
        };
        let begins = matches!(output, Output::Transition(Transition::Began(_)));
        let withdraws = matches!(output, Output::Action(Action::Withdraw(..)));
        match history.effective() {
            EffectiveLimits::Undecided if !always => broken(
                Invariant::Groups,
                "nothing is decided before the groups are known",
            ),
            EffectiveLimits::Exempt
                if !always && history.end().is_none() && !begins && !withdraws =>
            {
                broken(Invariant::ExemptQuiet, "no limit holds")
            }
            _ if history.began.max(history.restored).is_none() && !always && !begins => {
                broken(Invariant::BeginsOnce, "it has not begun")
            }
            _ => Ok(()),
        }
    }

    fn leaves(&mut self, at: usize, key: &SessionKey, departure: EndReason) -> Verdict {
        let gone = self.sessions.get(at).is_some_and(|session| session.gone);
        if !gone {
            return broken(Invariant::Leaves, "it is not gone");
        }
        let checked = self.sessions.remove(at);
        self.find_displaced();
        let history = &checked.history;
        let ended = history.ended_for();
        let right = match (departure, ended) {
            (EndReason::Limit(kind), Some(ended)) => kind == ended,
            // After a restart the daemon may not know that the session was being ended.
            (EndReason::Limit(kind), None) => history.forgot_end == Some(kind),
            (EndReason::Other, None) => true,
            (EndReason::Other, Some(_)) => false,
        };
        if right && history.facts.key == *key {
            return Ok(());
        }
        broken(Invariant::Leaves, format!("it was {ended:?}"))
    }

    /// Checks that a limit of this kind applies to a session that is neither ending nor held.
    pub(super) fn limits_in_force(
        &self,
        history: &History,
        kind: LimitKind,
    ) -> Result<&RuleLimits, Broken> {
        let Some(limits) = self.limits(history) else {
            return broken(Invariant::ExemptQuiet, "no limit holds");
        };
        if !history.is_open() {
            return broken(Invariant::ExemptQuiet, "nobody is logged in");
        }
        if history.end().is_some() {
            return broken(Invariant::EndStages, "it is being ended");
        }
        let held = history.hold();
        let fixed = kind == LimitKind::Absolute && limits.ends_despite_lock();
        if held.is_some_and(|hold| hold.firm) && history.is_graphical() && !fixed {
            return broken(Invariant::Held, "it is held");
        }
        if limits.clock(kind).is_none() {
            return broken(Invariant::RightAction, "there is no such limit");
        }
        Ok(limits)
    }

    fn may_warn(&self, history: &History, warning: &Warning) -> Verdict {
        let kind = warning.limit;
        let limits = self.limits_in_force(history, kind)?;
        if limits.rule_action(kind) == EndAction::Report {
            return broken(Invariant::RightAction, "the policy only reports");
        }
        let Some(clock) = limits.clock(kind) else {
            return Ok(());
        };
        let length = match kind {
            LimitKind::Absolute => limits.with_extensions(history.total_granted()),
            LimitKind::Inactivity => clock.length,
        };
        if warning.length != length || !clock.leads.contains(&warning.lead) {
            return broken(Invariant::Leads, format!("the policy says {clock:?}"));
        }
        if kind == LimitKind::Inactivity {
            self.on_fresh_reading(history, limits)?;
        }
        let shortest = clock.shortest().unwrap_or_default();
        let mut warnings_in_force = history.warnings_in_force(kind).map(|(_, other)| other.lead);
        // A new policy may have other leads; the warning for the shortest lead is required anyway.
        let missed = warning.lead == shortest
            && history
                .warnings_in_force(kind)
                .all(|h| h.1.lead != shortest);
        // After a restart the daemon restarts a countdown that does not fit the leads.
        let restarted = history
            .warnings_in_force(kind)
            .next()
            .is_some_and(|(said, _)| {
                let changed = self.changed_since(history, kind, *said) != LimitsChange::None;
                changed && history.restored > Some(*said)
            });
        if !missed && !restarted && warnings_in_force.any(|lead| lead <= warning.lead) {
            return broken(Invariant::Leads, "it was given, or a shorter one");
        }
        let (low, high) = history.due(kind, limits, clock.length);
        let tolerance = tolerance(kind);
        if self.now.saturating_add(warning.lead + tolerance) < low {
            return broken(Invariant::NeverEarly, format!("{low} is the earliest end"));
        }
        let shorter = clock.leads.iter().find(|lead| **lead < warning.lead);
        let came =
            |lead: Duration| self.now >= high.saturating_sub(lead).saturating_add(RESOLUTION);
        if shorter.is_some_and(|lead| came(*lead)) {
            return broken(Invariant::Leads, "a shorter lead has come");
        }
        let earliest = self
            .now
            .saturating_add(shortest)
            .max(low.saturating_sub(tolerance));
        let latest = self.now.saturating_add(shortest).max(high);
        if warning.ends_at < earliest || warning.ends_at > latest {
            let seen = format!("it ends between {earliest} and {latest}");
            return broken(Invariant::NamedEnd, seen);
        }
        Ok(())
    }

    fn may_withdraw(&self, history: &History, kind: LimitKind) -> Verdict {
        let Some((said, _)) = history.warnings_in_force_before(kind, self.call).next() else {
            return broken(Invariant::Withdrawn, "nothing stands");
        };
        if history.hold_changed(self.call).0 == Some(kind) {
            return broken(Invariant::Withdrawn, "what was said has happened");
        }
        let new = |moment: Option<Moment>| moment.is_some_and(|moment| self.is_new(moment));
        let lock = history.locks.last().map(|(moment, _)| *moment);
        let mut reason = new(history.closed)
            || new(history.hung_up.map(|(moment, _)| moment))
            || new(lock)
            || new(history.ends.last().map(|(moment, _)| *moment))
            || self.limits_changed(history, kind) != LimitsChange::None
            // The session has a desktop again, which is locked.
            || self.held(history) == Held::Yes;
        reason |= match kind {
            // The warning may precede the extension; `completed.rs` checks that there is an
            // extension.
            LimitKind::Absolute => self.is_asked_for_more(history),
            LimitKind::Inactivity => {
                // Input at the time of the warning counts as input after it.
                let at_once = history.known_now().1 >= said.at;
                at_once
                    || history.activity_since(*said).1
                    || history.idle_may_be_unknown().is_some()
            }
        };
        if reason {
            Ok(())
        } else {
            broken(Invariant::Withdrawn, "what was said holds")
        }
    }

    fn record_action(&mut self, at: usize, action: &Action) {
        let now = self.moment();
        let (grace, new_reason) = match self.sessions.get(at) {
            Some(session) => (
                self.grace_of(&session.history, action),
                self.comes_due(&session.history),
            ),
            None => return,
        };
        let Some(history) = self.touched(at) else {
            return;
        };
        match action {
            Action::Adopt(_) => history.adopted = Some(now),
            Action::AskLeader(_, kind) => history.asks(now, Request::AskLeader, *kind),
            Action::EndRemains(..) | Action::Verify(_) => {
                Self::writes_removal(history, now, None);
            }
            Action::HangUp(_, kind) => history.asks(now, Request::HangUp, *kind),
            Action::Kill(_, kind) => history.asks(now, Request::Kill, *kind),
            Action::Terminate(_, kind) => history.asks(now, Request::Terminate, *kind),
            Action::Lock(_, cause) => history.asks_lock(now, *cause, grace),
            Action::Probe(_) => {
                history.drops_probe();
                history.probes.push(Probe {
                    asked: Some(now),
                    new_reason,
                    came: None,
                });
            }
            Action::ResolveGroups(_) => history.groups_requests.push(GroupsRequest {
                asked: now,
                settled: None,
            }),
            Action::Warn(_, warning) => history.warnings.push((now, *warning)),
            Action::Withdraw(_, kind) => history.withdrawals.push((now, *kind)),
        }
    }

    fn record_transition(&mut self, at: usize, transition: &Transition) {
        let now = self.moment();
        let Some(history) = self.touched(at) else {
            return;
        };
        match transition {
            Transition::Began(_) => history.began = Some(now),
            Transition::EndBegins(_, _, how) => history.way = Some((now, *how)),
            Transition::Found(_, finding) => {
                history.findings.push((now, *finding));
                if matches!(finding, Finding::Survived(_)) {
                    Self::writes_removal(history, now, Some(*finding));
                }
            }
            Transition::HungUp(..) => history.hang_up_said = Some(now),
            Transition::Left(..) => {}
            Transition::Locked(_, cause) => history.is_locked_for(now, *cause),
        }
    }

    /// The history of a session that this call concerns.
    pub(super) fn touched(&mut self, at: usize) -> Option<&mut History> {
        let session = self.sessions.get_mut(at)?;
        session.touched = true;
        Some(&mut session.history)
    }

    fn grace_of(&self, history: &History, action: &Action) -> Duration {
        let grace = self.limits(history).map(|limits| match action {
            Action::Lock(_, LockCause::Verify(kind) | LockCause::Limit(kind)) => {
                limits.grace_at(*kind)
            }
            _ => limits.grace,
        });
        grace.unwrap_or_default()
    }
}
