//! The state of one session, its deadlines, and the actions at them.
//!
//! Parts of it are in modules of their own: idle time in `idle.rs`, groups in `groups.rs`, earlier
//! properties in `earlier.rs`, the screen lock in `lock.rs`, the end in `end.rs`, and sessions that
//! logind has dropped in `removal.rs`.

pub(crate) mod activity;
pub(crate) mod countdown;
mod delivery;
pub(crate) mod earlier;
mod end;
mod escalation;
pub(crate) mod extension;
mod groups;
mod idle;
mod lock;
pub(crate) mod locking;
pub(crate) mod outputs;
pub(crate) mod removal;
mod request;
pub(crate) mod schedule;
pub(crate) mod snapshot;
mod verify_lock;
pub(crate) mod view;

use crate::policy::compiled::{CompiledPolicy, EffectiveLimits};
use crate::session::activity::Activity;
use crate::session::countdown::Countdown;
use crate::session::earlier::{AbsoluteOverride, EarlierProperties};
use crate::session::escalation::{Escalation, Stage};
use crate::session::extension::{Extended, Granted, Refusal};
use crate::session::groups::AllDone;
use crate::session::locking::Locking;
use crate::session::outputs::Outputs;
use crate::session::removal::Removal;
use crate::session::request::Request;
use crate::session::verify_lock::{Confirmation, VerifyLock};
use crate::{
    Action, BootTime, EndAction, Exemption, Groups, Limit, LimitKind, Limits, Login, SessionFacts,
    Wake,
};

/// The state of one session.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and no two exclude each other"
)]
pub(crate) struct Session {
    pub(crate) facts: SessionFacts,
    /// Whether PAM has reported the login, too.
    pub(crate) recorded: bool,
    pub(crate) login: LoginState,
    /// Whether the session was announced.
    pub(crate) announced: bool,
    pub(crate) groups: Groups,
    pub(crate) groups_request: Request,
    pub(crate) effective: EffectiveLimits,
    /// Earlier properties of the session, if a user has changed them.
    pub(crate) earlier: Option<Box<EarlierProperties>>,
    /// The absolute limit that applies to a session whose properties were changed.
    pub(crate) overriding: Option<Box<AbsoluteOverride>>,
    pub(crate) activity: Activity,
    pub(crate) absolute: Countdown,
    pub(crate) inactivity: Countdown,
    /// The countdown to the lock of `lock-after`.
    pub(crate) lock_after: Countdown,
    pub(crate) granted: Granted,
    pub(crate) locking: Locking,
    /// Unknown idle time was reported. It is reported again only after the idle time was known in
    /// between.
    pub(crate) unknown_reported: bool,
    pub(crate) probe: Request,
    /// A property may have changed while the pending probe was in progress.
    pub(crate) probe_again: bool,
    pub(crate) ending: Option<Escalation>,
    /// A lock that is being verified. `None` while an end is in progress.
    pub(crate) verify_lock: Option<VerifyLock>,
    /// logind has dropped the session; the engine verifies that no process remains.
    pub(crate) removal: Option<Removal>,
    /// The daemon was asked to move the login into a scope.
    pub(crate) adopted: bool,
    /// Warnings from before a restart that are no longer valid.
    pub(crate) stale_warnings: Vec<LimitKind>,
}

/// Whether the user is logged in; processes that remain after a logout are not a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginState {
    /// The user has logged in and not out.
    #[default]
    Open,
    /// The daemon has hung up the login for this limit.
    HungUp(LimitKind),
    /// PAM has reported the logout.
    LoggedOut,
}

impl Session {
    /// A session with these properties, before the policy is evaluated.
    pub(crate) fn new(now: BootTime, facts: SessionFacts) -> Self {
        // A start in the future is an error of the source, and would postpone every limit.
        let started = facts.started.min(now);
        let facts = SessionFacts { started, ..facts };
        Self {
            activity: Activity::since_login(started),
            facts,
            recorded: false,
            login: LoginState::Open,
            announced: false,
            groups: Groups::Unknown,
            groups_request: Request::Idle,
            effective: EffectiveLimits::Undecided,
            earlier: None,
            overriding: None,
            absolute: Countdown::default(),
            inactivity: Countdown::default(),
            lock_after: Countdown::default(),
            granted: Granted::default(),
            locking: Locking::default(),
            unknown_reported: false,
            probe: Request::Idle,
            probe_again: false,
            ending: None,
            verify_lock: None,
            removal: None,
            adopted: false,
            stale_warnings: Vec::new(),
        }
    }

    /// Records an earlier start of the session, if `started` is before the known one.
    pub(crate) fn set_earlier_start(&mut self, started: Option<BootTime>) {
        self.facts.started = self
            .facts
            .started
            .min(started.unwrap_or(self.facts.started));
    }

    /// The limits that apply now, if any.
    pub(crate) fn limits(&self) -> Option<&Limits> {
        match &self.effective {
            EffectiveLimits::Limited { limits, .. } if self.login == LoginState::Open => {
                Some(limits)
            }
            EffectiveLimits::Limited { .. }
            | EffectiveLimits::Exempt(_)
            | EffectiveLimits::Undecided => None,
        }
    }

    /// The limits that contain the absolute limit in force.
    pub(crate) fn absolute_limits(&self) -> Option<&Limits> {
        let limits = self.limits()?;
        let overriding = self.overriding.as_deref();
        Some(overriding.map_or(limits, |overriding| &overriding.limits))
    }

    /// The limits that contain the limit of this kind.
    pub(crate) fn limits_for(&self, kind: LimitKind) -> Option<&Limits> {
        match kind {
            LimitKind::Absolute => self.absolute_limits(),
            LimitKind::Inactivity => self.limits(),
        }
    }

    /// The action at the limit of this kind.
    pub(crate) fn end_action(&self, kind: LimitKind) -> Option<EndAction> {
        let limits = self.limits()?;
        let overriding = self.overriding.as_deref();
        let overriding = overriding.filter(|_| kind == LimitKind::Absolute);
        let action = overriding.map_or(limits.end_action, |overriding| overriding.end_action);
        Some(action.for_session_type(self.facts.session_type))
    }

    /// The reason why no limit applies, if it is permanent.
    pub(crate) fn exemption(&self) -> Option<Exemption> {
        match &self.effective {
            EffectiveLimits::Exempt(why) => Some(*why),
            EffectiveLimits::Limited { .. } | EffectiveLimits::Undecided
                if self.login != LoginState::Open =>
            {
                Some(Exemption::LoggedOut)
            }
            EffectiveLimits::Limited { .. } | EffectiveLimits::Undecided => None,
        }
    }

    /// Updates the properties, as reported again by logind or by the daemon that keeps the session.
    pub(crate) fn update(&mut self, facts: SessionFacts, policy: &CompiledPolicy) {
        let started = self.facts.started;
        let before = self.properties();
        let service = facts.service.or_else(|| self.facts.service.take());
        let remote_host = facts.remote_host.or_else(|| self.facts.remote_host.take());
        let terminal = facts.terminal.or_else(|| self.facts.terminal.take());
        let leader = facts.leader.or(self.facts.leader);
        let invocation = facts.invocation.or(self.facts.invocation);
        let audit = self.facts.audit.or(facts.audit);
        // The start is not updated: a conversion after a suspend or a step of the clock would be
        // less exact.
        self.facts = SessionFacts {
            service,
            remote_host,
            terminal,
            leader,
            started,
            invocation,
            audit,
            ..facts
        };
        self.record_earlier_properties(before, policy);
    }

    /// Records a login that PAM reports.
    pub(crate) fn record(&mut self, login: Login) {
        self.recorded = true;
        self.facts.service.get_or_insert(login.service);
        self.facts.leader.get_or_insert(login.leader);
        if self.facts.remote_host.is_none() {
            self.facts.remote_host = login.remote_host;
        }
        if self.facts.terminal.is_none() {
            self.facts.terminal = login.terminal;
            self.complete_earlier_properties();
        }
    }

    /// Handles a request for an extension.
    pub(crate) fn extend(
        &mut self,
        now: BootTime,
        policy: &CompiledPolicy,
        out: &mut Outputs,
    ) -> Result<Extended, Refusal> {
        let length = self.absolute_limits().map(|limits| limits.absolute.length);
        let extended = self.extended(now)?;
        self.withdraw(LimitKind::Absolute, out);
        let length = length.unwrap_or_default();
        self.extend_shorter_limits(now, policy, (length, extended.until));
        self.update_limits(now, policy, out);
        Ok(extended)
    }

    /// Performs all steps that are due.
    pub(crate) fn tick(&mut self, now: BootTime, policy: &CompiledPolicy, out: &mut Outputs) {
        self.withdraw_stale_warnings(out);
        self.tick_removal(now, out);
        if self.removal.is_some() && self.is_ending() {
            // logind has no session that could be ended.
            return;
        }
        if let Some(ending) = &mut self.ending {
            ending.tick(now, &self.facts.key, out);
            return;
        }
        if let Some(verification) = &mut self.verify_lock {
            if verification.tick(now, &self.facts.key, out) == Confirmation::Awaited {
                return;
            }
            // The user was not warned of an end, so no end begins: the limit restarts with its
            // warnings.
            self.verify_lock = None;
            self.locking.hold = None;
        }
        if self.tick_groups(now, policy, out) == AllDone::Yes {
            return;
        }
        self.tick_lock_confirmation(now, out);
        self.tick_absolute(now, out);
        self.tick_idle(now, out);
    }

    /// The time and the kind of the next step.
    pub(crate) fn next_wake(&self) -> Option<(BootTime, Wake)> {
        let removal = self.removal_wake();
        if removal.is_some() && self.is_ending() {
            return removal;
        }
        let ending = self.ending.as_ref();
        let ending = ending.map(|ending| (ending.next(), Wake::Escalate));
        let verification = self.verify_lock.as_ref();
        let verification = verification.map(|verification| (verification.next(), Wake::VerifyLock));
        if let Some(acting) = ending.or(verification) {
            return removal
                .into_iter()
                .chain([acting])
                .min_by_key(|(due, _)| *due);
        }
        let groups = self.groups_due().map(|due| (due, Wake::Groups));
        let proof = self
            .locking
            .confirmation_due()
            .map(|due| (due, Wake::LockConfirmation));
        let absolute = self.absolute_in_force().and_then(|(anchor, limit)| {
            let due = self.absolute.due(anchor, &limit)?;
            Some((due, Wake::Limit(LimitKind::Absolute)))
        });
        groups
            .into_iter()
            .chain(proof.filter(|_| self.limits().is_some()))
            .chain(absolute)
            .chain(self.idle_wake())
            .chain(removal)
            .min_by_key(|(due, _)| *due)
    }

    /// The limit that ends the session first, and the time, if nothing changes.
    pub(crate) fn next_end(&self) -> Option<(LimitKind, BootTime)> {
        let limits = self.limits()?;
        let absolute = self
            .absolute_in_force()
            .filter(|_| self.will_act(LimitKind::Absolute));
        let absolute = absolute.map(|(anchor, limit)| {
            let end = self.absolute.ends_at(anchor, &limit);
            (LimitKind::Absolute, end)
        });
        let inactivity = limits.inactivity.as_ref();
        let inactivity = inactivity.filter(|_| self.will_act(LimitKind::Inactivity));
        let inactivity = inactivity.map(|limit| {
            let end = self.inactivity.ends_at(self.idle_since(), limit);
            (LimitKind::Inactivity, end)
        });
        absolute
            .into_iter()
            .chain(inactivity)
            .min_by_key(|(_, end)| *end)
    }

    /// Whether the limit of this kind has an action to come. Limits of a session that is locked
    /// instead of ended do not, except for an absolute limit that ends locked sessions too.
    pub(crate) fn will_act(&self, kind: LimitKind) -> bool {
        match kind {
            LimitKind::Absolute => {
                !self.absolute.reported && (!self.is_held() || self.ends_despite_lock())
            }
            LimitKind::Inactivity => {
                !self.inactivity.reported && !self.is_idle_unenforced() && !self.is_held()
            }
        }
    }

    /// Whether a warning of this kind is in force.
    pub(crate) fn is_warned(&self, kind: LimitKind) -> bool {
        let held = self.is_held() && (kind == LimitKind::Inactivity || !self.ends_despite_lock());
        let countdown = match kind {
            LimitKind::Absolute => &self.absolute,
            LimitKind::Inactivity => &self.inactivity,
        };
        countdown.is_warned() && !held
    }

    /// The time that the absolute limit counts from, and the limit with extensions. A session that
    /// is held gets no warnings, because a repeated lock only confirms.
    pub(crate) fn absolute_in_force(&self) -> Option<(BootTime, Limit)> {
        let limit = &self.absolute_limits()?.absolute;
        let mut limit = if self.is_held() && !self.ends_despite_lock() {
            limit.without_warnings()
        } else {
            limit.clone()
        };
        limit.length = self.granted.with_extensions(limit.length);
        Some((self.absolute_anchor(), limit))
    }

    /// Withdraws warnings from before a restart that are no longer valid.
    pub(crate) fn withdraw_stale_warnings(&mut self, out: &mut Outputs) {
        let stale_warnings = std::mem::take(&mut self.stale_warnings).into_iter();
        out.extend(stale_warnings.map(|kind| Action::Withdraw(self.facts.key.clone(), kind)));
    }

    /// Restarts a countdown, and withdraws its warnings.
    pub(crate) fn withdraw(&mut self, kind: LimitKind, out: &mut Outputs) {
        if kind == LimitKind::Inactivity {
            self.lock_after = Countdown::default();
        }
        let countdown = std::mem::take(self.countdown(kind));
        if !countdown.is_warned() {
            return;
        }
        // An end of the session withdraws nothing, but a lock for one limit withdraws warnings of
        // the other.
        match (&mut self.ending, &mut self.verify_lock) {
            (Some(ending), _) if ending.limit == kind => ending.outdated = true,
            (_, Some(verification)) if verification.limit == kind => verification.outdated = true,
            (Some(ending), _) if ending.stage() != Stage::Lock => {}
            (Some(_) | None, Some(_) | None) => {
                out.push(Action::Withdraw(self.facts.key.clone(), kind));
            }
        }
    }

    fn tick_absolute(&mut self, now: BootTime, out: &mut Outputs) {
        if let Some((anchor, limit)) = self.absolute_in_force()
            && let Some(step) = self.absolute.step(now, anchor, &limit)
        {
            self.act_on(now, LimitKind::Absolute, step, limit.length, out);
        }
    }

    fn extended(&mut self, now: BootTime) -> Result<Extended, Refusal> {
        if self.is_acting() || self.login != LoginState::Open {
            return Err(Refusal::Ending);
        }
        let limits = self.absolute_limits().ok_or(Refusal::NoLimit)?;
        let length = limits.absolute.length;
        let overriding = self.overriding.as_deref();
        let allowed = overriding.map_or(limits.extensions, |overriding| overriding.extensions);
        let (anchor, limit) = self.absolute_in_force().ok_or(Refusal::NoLimit)?;
        // If the engine was not called in time, the end is now.
        let end = self.absolute.ends_at(anchor, &limit).max(now);
        let late = end.since(anchor.saturating_add(limit.length));
        let by = self.granted.extend(length, late, allowed)?;
        Ok(Extended {
            by,
            until: anchor.saturating_add(self.granted.with_extensions(length)),
            left: allowed.times.saturating_sub(self.granted.times),
        })
    }

    pub(crate) fn countdown(&mut self, kind: LimitKind) -> &mut Countdown {
        match kind {
            LimitKind::Absolute => &mut self.absolute,
            LimitKind::Inactivity => &mut self.inactivity,
        }
    }
}
