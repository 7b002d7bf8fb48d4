//! The limits that apply to one session: the policy is evaluated when the policy, the session's
//! properties or the known groups of its user change.
//!
//! Group names may be resolved late or never (LDAP, SSSD). A new session has no limits for the
//! short time until they are known; a session that has limits keeps them. If the groups cannot be
//! resolved, the last known ones count; if there are none, the default of the policy applies.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::policy::compiled::{CompiledPolicy, EffectiveLimits};
use crate::session::countdown::Countdown;
use crate::session::earlier::AbsoluteOverride;
use crate::session::escalation::Stage;
use crate::session::outputs::Outputs;
use crate::session::request::{Due, Request, RetryPolicy};
use crate::session::{LoginState, Session};
use crate::{
    Action, BootTime, EndAction, Finding, Groups, Limit, LimitKind, LimitRecord, Limits, Transition,
};

/// The daemon itself gives up after two seconds.
const RETRY: RetryPolicy = RetryPolicy {
    timeout: Duration::from_secs(3),
    pause: Duration::from_secs(30),
    pause_max: Duration::from_secs(15 * 60),
};

/// Whether all steps that are due were performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AllDone {
    Yes,
    No,
}

impl Session {
    /// Evaluates the policy, announces a new session, and performs what is due.
    pub(crate) fn reevaluate(&mut self, now: BootTime, policy: &CompiledPolicy, out: &mut Outputs) {
        self.withdraw_stale_warnings(out);
        self.update_limits(now, policy, out);
        // A lock is only verified at a limit that locks; the session had a desktop before.
        let locks = |limit| self.end_action(limit) == Some(EndAction::Lock);
        if let Some(verification) = &self.verify_lock
            && !locks(verification.limit)
        {
            self.verify_lock = None;
        }
        let is_warned = self.absolute.is_warned() || self.inactivity.is_warned();
        if self.is_held() && is_warned && !self.is_ending() {
            // The session has a desktop again, and it is locked.
            self.withdraw_at_lock(out);
        }
        self.request_groups(now, policy, out);
        if !self.announced && self.effective != EffectiveLimits::Undecided {
            self.announced = true;
            out.push(Transition::Began(self.facts.key.clone()));
        }
        self.adopt(out);
        self.tick(now, policy, out);
        // After the timeout of the groups, the need for a probe may differ.
        self.probe_baseline(now, out);
    }

    /// Evaluates the policy for a session that is restored from a record with this absolute limit.
    pub(crate) fn evaluate_restored(
        &mut self,
        now: BootTime,
        policy: &CompiledPolicy,
        held: &LimitRecord,
    ) {
        let countdown = &held.countdown;
        let (effective, overriding) = self.evaluate(now, policy, |limits| {
            let (limit, action) = (&limits.absolute, limits.end_action);
            let same = held.length == Some(limit.length) && countdown.fits(limit, action);
            same.then_some(countdown)
        });
        let since = self.absolute_anchor();
        (self.effective, self.overriding) = (effective, overriding);
        self.forget_extensions_before(since);
        if self.effective != EffectiveLimits::Undecided && self.locks() != Some(true) {
            self.locking.hold = None;
        }
    }

    /// The groups of the user are known.
    pub(crate) fn groups_resolved(&mut self, groups: BTreeSet<String>) {
        self.groups = Groups::Known(groups);
        self.groups_request = Request::Idle;
    }

    /// The groups of the user cannot be resolved.
    pub(crate) fn groups_unavailable(&mut self, now: BootTime, out: &mut Outputs) {
        if self.groups_request.fail(now, RETRY).is_none() || self.groups != Groups::Unknown {
            return;
        }
        self.groups = Groups::Unavailable;
        let finding = Finding::GroupsUnavailable;
        out.push(Transition::Found(self.facts.key.clone(), finding));
    }

    /// Handles the timeout of the groups. Returns whether that has performed all steps that are
    /// due.
    pub(crate) fn tick_groups(
        &mut self,
        now: BootTime,
        policy: &CompiledPolicy,
        out: &mut Outputs,
    ) -> AllDone {
        match self.groups_request.step(now, RETRY) {
            Some(Due::TimedOut) => {
                self.groups_unavailable(now, out);
                self.reevaluate(now, policy, out);
                return AllDone::Yes;
            }
            Some(Due::Retry) => {
                self.groups_request.send(now);
                out.push(Action::ResolveGroups(self.facts.key.clone()));
            }
            None => {}
        }
        AllDone::No
    }

    /// When the request for groups times out or is repeated.
    pub(crate) fn groups_due(&self) -> Option<BootTime> {
        self.groups_request.due(RETRY)
    }

    /// Evaluates the policy again. Warnings of a limit that no longer applies are withdrawn, and a
    /// new limit starts with its own warnings.
    pub(crate) fn update_limits(
        &mut self,
        now: BootTime,
        policy: &CompiledPolicy,
        out: &mut Outputs,
    ) {
        let (effective, overriding) = self.evaluate_now(now, policy);
        // The limits stay in force while groups are being resolved.
        if effective == EffectiveLimits::Undecided
            || (effective == self.effective && overriding == self.overriding)
        {
            return;
        }
        if self.idle_due().is_none() {
            // The session needed no probe, so a missing reply is no failure.
            self.drop_probe();
        }
        let lock_after = self.lock_after_limit();
        let since = self.absolute_anchor();
        let before = std::mem::replace(&mut self.effective, effective);
        let overriding_before = std::mem::replace(&mut self.overriding, overriding);
        if let Some(earlier) = &mut self.earlier {
            earlier.counts_from = since;
        }
        self.forget_extensions_before(since);
        if self.locks() != Some(true) {
            // If the policy ends sessions, a lock does not prevent the end.
            self.locking.hold = None;
            let ending = self.ending.take_if(|ending| ending.stage() == Stage::Lock);
            let ending = ending.map(|ending| (ending.limit, ending.outdated));
            let verification = self.verify_lock.take();
            let verification = verification.map(|one| (one.limit, one.outdated));
            if let Some((limit, true)) = ending.or(verification) {
                out.push(Action::Withdraw(self.facts.key.clone(), limit));
            }
        }
        for kind in [LimitKind::Absolute, LimitKind::Inactivity] {
            let before = countdown_basis_of(&before, overriding_before.as_deref(), kind);
            if before != self.countdown_basis(kind) {
                self.withdraw(kind, out);
                // A lock is verified at the limit that applies now.
                self.verify_lock
                    .take_if(|verification| verification.limit == kind);
            }
        }
        if self.lock_after_limit() != lock_after {
            self.lock_after = Countdown::default();
        }
        self.unknown_reported = false;
    }

    /// Evaluates the policy, with the absolute limit whose countdown has begun.
    pub(crate) fn evaluate_now(
        &self,
        now: BootTime,
        policy: &CompiledPolicy,
    ) -> (EffectiveLimits, Option<Box<AbsoluteOverride>>) {
        let held = self.countdown_basis(LimitKind::Absolute);
        self.evaluate(now, policy, |limits| {
            let same = held == Some((&limits.absolute, limits.end_action));
            same.then_some(&self.absolute)
        })
    }

    /// The limit and end action of this kind: if they change, the countdown restarts.
    pub(crate) fn countdown_basis(&self, kind: LimitKind) -> Option<(&Limit, EndAction)> {
        countdown_basis_of(&self.effective, self.overriding.as_deref(), kind)
    }

    /// Whether a limit locks the session instead of ending it.
    fn locks(&self) -> Option<bool> {
        let limits = self.limits()?;
        let overriding = self.overriding.as_deref();
        let locks = overriding.is_some_and(|overriding| overriding.end_action == EndAction::Lock);
        Some(locks || limits.end_action == EndAction::Lock)
    }

    /// Requests the groups if the policy depends on them, and drops a pending request if it does
    /// not.
    fn request_groups(&mut self, now: BootTime, policy: &CompiledPolicy, out: &mut Outputs) {
        if matches!(self.groups, Groups::Known(_)) {
            return;
        }
        let wanted = self.depends_on_groups(policy) && self.login == LoginState::Open;
        match (wanted, self.groups_request) {
            (true, Request::Idle) => {
                self.groups_request.send(now);
                out.push(Action::ResolveGroups(self.facts.key.clone()));
            }
            (false, _) => self.groups_request = Request::Idle,
            (true, _) => {}
        }
    }
}

/// The limit and end action of this kind, under these limits.
fn countdown_basis_of<'a>(
    effective: &'a EffectiveLimits,
    overriding: Option<&'a AbsoluteOverride>,
    kind: LimitKind,
) -> Option<(&'a Limit, EndAction)> {
    let EffectiveLimits::Limited { limits, .. } = effective else {
        return None;
    };
    let limits: &Limits = match (kind, overriding) {
        (LimitKind::Absolute, Some(overriding)) => &overriding.limits,
        (LimitKind::Absolute, None) | (LimitKind::Inactivity, _) => limits,
    };
    let limit = limits.get(kind)?;
    Some((limit, limits.end_action))
}
