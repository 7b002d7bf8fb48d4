//! Where a session stands, for people to read.

use std::time::Duration;

use crate::standing::Standing;
use crate::tracked::Tracked;
use crate::{
    Activity, BootTime, EndAction, Exemption, Extensions, Granted, Groups, LimitKind, Limits,
    Locking, SessionFacts,
};

/// Where a session stands, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// What logind and PAM say of it.
    pub facts: &'a SessionFacts,
    /// Whether PAM told of the login.
    pub recorded: bool,
    /// How far it has got.
    pub phase: Phase,
    /// The limits that hold, if any.
    pub limits: Option<&'a Limits>,
    /// The rule that they are from, unless they are everybody's.
    pub rule: Option<&'a str>,
    /// The absolute limit that holds instead of the one in there, because the session was
    /// something else before.
    pub earlier: Option<Earlier<'a>>,
    /// The user's groups, as far as they were asked for.
    pub groups: &'a Groups,
    /// What was granted beyond the absolute limit.
    pub granted: Granted,
    /// What is known of the screen's lock.
    pub locking: Locking,
    /// What is known of its activity.
    pub activity: &'a Activity,
    /// For how long without input whoever can is to watch; `None` where nothing counts from input.
    pub watch: Option<Duration>,
    /// Which limit comes first as things stand, and when.
    pub next_end: Option<(LimitKind, BootTime)>,
}

/// An absolute limit that a session fell under before a user changed its type, its class or its
/// terminal, and that ends it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// The limits that it is from; of these the absolute limit, the grace and the texts hold for it.
    pub limits: &'a Limits,
    /// The rule that they are from, unless they are everybody's.
    pub rule: Option<&'a str>,
    /// What happens at it.
    pub end_action: EndAction,
    /// How often and by how much it may be put off.
    pub extensions: Extensions,
}

/// How far a session has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No limit is near.
    Running,
    /// A warning stands.
    Warned,
    /// It was asked to end for this limit, or to lock.
    Ending(LimitKind),
    /// It was ended for this limit, logind has dropped it, and something of it lives on.
    Survived(LimitKind),
    /// It was locked for this limit, and both begin anew when it is unlocked.
    Held(LimitKind),
    /// A limit was passed, and that was reported.
    Reported,
    /// Nothing is known yet of the user's groups, on which it depends what holds.
    Undecided,
    /// No limit holds.
    Exempt(Exemption),
}

impl View<'_> {
    /// How long this limit is, with what was granted beyond it; `None` where it does not hold.
    #[must_use]
    pub fn length(&self, kind: LimitKind) -> Option<Duration> {
        let length = self.limits_for(kind)?.get(kind)?.length;
        Some(match kind {
            LimitKind::Absolute => self.granted.stretched(length),
            LimitKind::Inactivity => length,
        })
    }

    /// The limits that the limit of this kind is from.
    #[must_use]
    pub fn limits_for(&self, kind: LimitKind) -> Option<&Limits> {
        let earlier = self.earlier.filter(|_| kind == LimitKind::Absolute);
        earlier.map(|earlier| earlier.limits).or(self.limits)
    }

    /// The rule that the limit of this kind is from, unless it is everybody's.
    #[must_use]
    pub fn rule_for(&self, kind: LimitKind) -> Option<&str> {
        match self.earlier.filter(|_| kind == LimitKind::Absolute) {
            Some(earlier) => earlier.rule,
            None => self.rule,
        }
    }

    /// How often and by how much the absolute limit may be put off.
    #[must_use]
    pub fn extensions(&self) -> Option<Extensions> {
        let earlier = self.earlier.map(|earlier| earlier.extensions);
        earlier.or(self.limits.map(|limits| limits.extensions))
    }

    /// What happens at the limit of this kind; `None` where it does not hold.
    #[must_use]
    pub fn end_action_for(&self, kind: LimitKind) -> Option<EndAction> {
        let earlier = self.earlier.filter(|_| kind == LimitKind::Absolute);
        let now = |limits: &Limits| limits.end_action.within(self.facts.session_type);
        let earlier = earlier.map(|earlier| earlier.end_action);
        earlier.or(self.limits.map(now))
    }
}

impl<'a> View<'a> {
    /// Of this session.
    pub(crate) fn of(session: &'a Tracked) -> Self {
        let (limits, rule) = match &session.standing {
            Standing::Limited { rule, .. } => (session.limits(), rule.as_deref()),
            Standing::Exempt(_) | Standing::Undecided => (None, None),
        };
        let ending = session.ending.as_ref().filter(|_| session.is_ending());
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
        let barrier = session.barrier.as_deref().filter(|_| limits.is_some());
        Self {
            facts: &session.facts,
            recorded: session.recorded,
            phase,
            limits,
            rule,
            earlier: barrier.map(|barrier| Earlier {
                limits: &barrier.limits,
                rule: barrier.rule.as_deref(),
                end_action: barrier.how.within(session.facts.session_type),
                extensions: barrier.extensions,
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
