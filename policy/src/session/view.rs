//! A read-only view of the state of a session, for `status`.

use std::time::Duration;

use crate::policy::compiled::EffectiveLimits;
use crate::session::Session;
use crate::{
    Activity, BootTime, EndAction, Exemption, Extensions, Granted, Groups, LimitKind, Limits,
    Locking, SessionFacts,
};

/// The state of a session, for `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// Its properties in logind and PAM.
    pub facts: &'a SessionFacts,
    /// Whether PAM reported the login.
    pub recorded: bool,
    /// Its phase.
    pub phase: Phase,
    /// The limits that apply, if any.
    pub limits: Option<&'a Limits>,
    /// The rule of these limits; `None` for the default.
    pub rule: Option<&'a str>,
    /// The absolute limit that applies instead of the one in `limits`, because the properties of
    /// the session were changed.
    pub overriding: Option<OverrideView<'a>>,
    /// The user's groups, as far as known.
    pub groups: &'a Groups,
    /// The extensions of the absolute limit.
    pub granted: Granted,
    /// The state of the screen's lock.
    pub locking: Locking,
    /// The last activity, as far as known.
    pub activity: &'a Activity,
    /// How long a source is to watch for the absence of input; `None` if input does not count.
    pub watch: Option<Duration>,
    /// The limit that ends the session first, and the time, if nothing changes.
    pub next_end: Option<(LimitKind, BootTime)>,
}

/// An absolute limit that matched a session before a user changed its type, class or terminal, and
/// that ends it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrideView<'a> {
    /// The limits that contain it; their absolute limit, grace and texts apply.
    pub limits: &'a Limits,
    /// The rule of these limits; `None` for the default.
    pub rule: Option<&'a str>,
    /// The action at it, for the session type that the rule matched. If the session has no desktop
    /// any more, a lock is replaced by an end ([`View::end_action_for`]), but an unlock still
    /// restarts the limit.
    pub end_action: EndAction,
    /// The extensions that the user may request.
    pub extensions: Extensions,
}

/// The phase of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No limit is near.
    Running,
    /// A warning is in force.
    Warned,
    /// The session was asked to end or to lock, for this limit.
    Ending(LimitKind),
    /// The session was ended for this limit, logind has dropped it, and processes remain.
    Survived(LimitKind),
    /// It was locked for this limit; both limits restart at the unlock.
    Held(LimitKind),
    /// A limit was passed and reported.
    Reported,
    /// The groups of the user are not known yet, and the limits depend on them.
    Undecided,
    /// No limit applies.
    Exempt(Exemption),
}

impl View<'_> {
    /// The length of this limit, with extensions; `None` if it does not apply.
    #[must_use]
    pub fn length(&self, kind: LimitKind) -> Option<Duration> {
        let length = self.limits_for(kind)?.get(kind)?.length;
        Some(match kind {
            LimitKind::Absolute => self.granted.with_extensions(length),
            LimitKind::Inactivity => length,
        })
    }

    /// The limits that contain the limit of this kind.
    #[must_use]
    pub fn limits_for(&self, kind: LimitKind) -> Option<&Limits> {
        let overriding = self.overriding.filter(|_| kind == LimitKind::Absolute);
        overriding
            .map(|overriding| overriding.limits)
            .or(self.limits)
    }

    /// The rule of the limit of this kind; `None` for the default.
    #[must_use]
    pub fn rule_for(&self, kind: LimitKind) -> Option<&str> {
        match self.overriding.filter(|_| kind == LimitKind::Absolute) {
            Some(overriding) => overriding.rule,
            None => self.rule,
        }
    }

    /// The extensions of the absolute limit that the user may request.
    #[must_use]
    pub fn extensions(&self) -> Option<Extensions> {
        let overriding = self.overriding.map(|overriding| overriding.extensions);
        overriding.or(self.limits.map(|limits| limits.extensions))
    }

    /// The action at the limit of this kind; `None` if it does not apply.
    #[must_use]
    pub fn end_action_for(&self, kind: LimitKind) -> Option<EndAction> {
        let overriding = self.overriding.filter(|_| kind == LimitKind::Absolute);
        let overriding = overriding.map(|overriding| overriding.end_action);
        let action = overriding.or(self.limits.map(|limits| limits.end_action))?;
        Some(action.for_session_type(self.facts.session_type))
    }
}

impl<'a> View<'a> {
    /// The view of this session.
    pub(crate) fn of(session: &'a Session) -> Self {
        let (limits, rule) = match &session.effective {
            EffectiveLimits::Limited { rule, .. } => (session.limits(), rule.as_deref()),
            EffectiveLimits::Exempt(_) | EffectiveLimits::Undecided => (None, None),
        };
        let ending = session.ending.as_ref();
        let warned = |kind| session.is_warned(kind);
        let phase = if let Some(limit) = session.survived() {
            Phase::Survived(limit)
        } else if let Some(ending) = ending {
            Phase::Ending(ending.limit)
        } else if let Some(why) = session.exemption() {
            Phase::Exempt(why)
        } else if limits.is_none() {
            Phase::Undecided
        } else if warned(LimitKind::Absolute) || warned(LimitKind::Inactivity) {
            Phase::Warned
        } else if let Some(hold) = session.locking.held().filter(|_| session.is_held()) {
            Phase::Held(hold.limit)
        } else if session.absolute.reported || session.inactivity.reported {
            Phase::Reported
        } else {
            Phase::Running
        };
        let overriding = session.overriding.as_deref().filter(|_| limits.is_some());
        Self {
            facts: &session.facts,
            recorded: session.recorded,
            phase,
            limits,
            rule,
            overriding: overriding.map(|overriding| OverrideView {
                limits: &overriding.limits,
                rule: overriding.rule.as_deref(),
                end_action: overriding.end_action,
                extensions: overriding.extensions,
            }),
            groups: &session.groups,
            granted: session.granted,
            locking: session.locking,
            activity: &session.activity,
            watch: session.watch(),
            next_end: session.next_end(),
        }
    }
}
