//! Checks of actions: an action is allowed only if the history contains a reason for it.

use session_timeout_policy::{
    Action, EndAction, EndReason, Finding, LimitKind, LockCause, SessionKey, Warning,
};

use super::locks::Held;
use super::tolerance::{RESOLUTION, tolerance};
use super::{Broken, Oracle, Verdict, broken};
use crate::history::{Extension, GroupsRequest, History, Moment, Probe, Request};
use crate::invariant::Invariant;
use crate::limits::{EffectiveLimits, LimitsChange, RuleLimits};

use std::time::Duration;

impl Oracle<'_> {
    /// Checks an action, and records it.
    pub(super) fn check_action(&mut self, action: &Action) -> Verdict {
        let Some(at) = self.index(action.key()) else {
            return broken(Invariant::KnownSession, "there is no such session");
        };
        if let Action::Left(facts, departure) = action {
            return self.leaves(at, &facts.key, *departure);
        }
        let Some(checked) = self.sessions.get(at) else {
            return Ok(());
        };
        // A logout withdraws the warnings in force.
        if checked.gone && !matches!(action, Action::Withdraw(..)) {
            return broken(Invariant::KnownSession, "it is gone");
        }
        self.allowed(&checked.history, action)?;
        self.write_down(at, action);
        if let Action::Report(_, Finding::GroupsUnavailable) = action {
            self.gives_up_groups_of(at);
        }
        if let Action::Extended(..) = action {
            self.extends_shorter_limits(at);
        }
        if let Action::Locked(_, LockCause::Limit(_)) = action {
            // The limits restart now, so another absolute limit may be the earliest.
            self.evaluate_all();
        }
        Ok(())
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
        self.decided(history, action)?;
        match action {
            Action::Adopt(_) => self.may_adopt(history),
            Action::AskLeader(_, kind) => self.may_ask_leader(history, *kind),
            Action::EndBegins(_, _, how) => self.may_begin_to_end(history, *how),
            Action::EndRemains(_, kind) => self.may_end_remains(history, *kind),
            Action::Verify(_) => self.may_verify(history),
            Action::Began(_) => match history.began {
                Some(_) => broken(Invariant::BeginsOnce, "it has begun"),
                None => Ok(()),
            },
            Action::Extended(_, extended) => self.may_extend(history, *extended),
            Action::ExtensionRefused(_, refusal) => self.may_refuse(history, *refusal),
            Action::HangUp(_, kind) => self.may_hang_up(history, *kind),
            Action::HungUp(_, kind) => self.may_have_hung_up(history, *kind),
            Action::Kill(_, kind) => self.may_kill(history, *kind),
            Action::Left(..) => Ok(()),
            Action::Lock(_, cause) => self.may_lock(history, *cause),
            Action::Locked(_, cause) => self.may_have_locked(history, *cause),
            Action::Probe(_) => self.may_probe(history),
            Action::Report(_, finding) => self.may_report(history, *finding),
            Action::ResolveGroups(_) => self.may_ask_groups(history),
            Action::Terminate(_, kind) => self.may_terminate(history, *kind),
            Action::Warn(_, warning) => self.may_warn(history, warning),
            Action::Withdraw(_, kind) => self.may_withdraw(history, *kind),
        }
    }

    /// Checks that only a few kinds of actions concern a session that is undecided, exempt or
    /// logged out.
    fn decided(&self, history: &History, action: &Action) -> Verdict {
        let always = matches!(
            action,
            Action::ExtensionRefused(..)
                | Action::HungUp(..)
                | Action::Locked(..)
                | Action::ResolveGroups(_)
                | Action::EndRemains(..)
                | Action::Verify(_)
                | Action::Report(_, Finding::Survived(_))
                | Action::Report(_, Finding::GroupsUnavailable)
        );
        match history.effective() {
            EffectiveLimits::Undecided if !always => broken(
                Invariant::Groups,
                "nothing is decided before the groups are known",
            ),
            EffectiveLimits::Exempt
                if !always
                    && history.end().is_none()
                    && !matches!(action, Action::Began(_) | Action::Withdraw(..)) =>
            {
                broken(Invariant::ExemptQuiet, "no limit holds")
            }
            _ if history.began.max(history.restored).is_none()
                && !always
                && !matches!(action, Action::Began(_)) =>
            {
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

    fn write_down(&mut self, at: usize, action: &Action) {
        let now = self.moment();
        let limits = self.sessions.get(at).map(|session| {
            let history = &session.history;
            // An extension is granted before other decisions of the call.
            let before = self.limits_before(history);
            let length = before.map(|limits| limits.absolute.length);
            let grace = self.limits(history).map(|limits| match action {
                Action::Lock(_, LockCause::Verify(kind) | LockCause::Limit(kind)) => {
                    limits.grace_at(*kind)
                }
                _ => limits.grace,
            });
            let fixed = history.fixed.map(|fixed| fixed.since);
            let anchor = fixed.unwrap_or(history.anchor_before(self.call));
            (
                length.unwrap_or_default(),
                anchor,
                grace.unwrap_or_default(),
            )
        });
        let (length, anchor, grace) = limits.unwrap_or_default();
        let new_reason = self
            .sessions
            .get(at)
            .is_some_and(|session| self.comes_due(&session.history));
        let Some(history) = self.sessions.get_mut(at).map(|session| {
            session.touched = true;
            &mut session.history
        }) else {
            return;
        };
        match action {
            Action::Adopt(_) => history.adopted = Some(now),
            Action::AskLeader(_, kind) => history.asks(now, Request::AskLeader, *kind),
            Action::EndBegins(_, _, how) => history.way = Some((now, *how)),
            Action::EndRemains(..) | Action::Verify(_) => {
                Self::writes_removal(history, now, None);
            }
            Action::Began(_) => history.began = Some(now),
            Action::Extended(_, extended) => {
                let total = extended.until.since(anchor).saturating_sub(length);
                let extended = *extended;
                history
                    .extensions
                    .push((now, Extension { extended, total }));
                history.replied = Some(now);
            }
            Action::HangUp(_, kind) => history.asks(now, Request::HangUp, *kind),
            Action::Kill(_, kind) => history.asks(now, Request::Kill, *kind),
            Action::Terminate(_, kind) => history.asks(now, Request::Terminate, *kind),
            Action::Lock(_, cause) => history.asks_lock(now, *cause, grace),
            Action::Locked(_, cause) => history.is_locked_for(now, *cause),
            Action::Probe(_) => {
                history.drops_probe();
                history.probes.push(Probe {
                    asked: Some(now),
                    new_reason,
                    came: None,
                });
            }
            Action::Report(_, finding) => {
                history.findings.push((now, *finding));
                if matches!(finding, Finding::Survived(_)) {
                    Self::writes_removal(history, now, Some(*finding));
                }
            }
            Action::ResolveGroups(_) => history.groups_requests.push(GroupsRequest {
                asked: now,
                settled: None,
            }),
            Action::Warn(_, warning) => history.warnings.push((now, *warning)),
            Action::Withdraw(_, kind) => history.withdrawals.push((now, *kind)),
            Action::ExtensionRefused(..) => history.replied = Some(now),
            Action::HungUp(..) => history.hang_up_said = Some(now),
            Action::Left(..) => {}
        }
    }
}
