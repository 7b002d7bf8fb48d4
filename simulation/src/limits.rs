//! The limits of a scenario's policies, computed independently of the engine's code.

use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, ActivityKind, EndAction, Extensions, Groups, Limit, LimitKind, Limits, Policy,
    SessionFacts, UnknownIdle, Verdict,
};

/// The limits that apply to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EffectiveLimits {
    /// The result depends on groups that are unknown.
    Undecided,
    Exempt,
    Limited(RuleLimitsId),
}

/// The id of one set of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleLimitsId(usize);

/// Limits in the form that the oracle uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleLimits {
    pub(crate) action: EndAction,
    pub(crate) grace: Duration,
    pub(crate) absolute: ClampedLimit,
    pub(crate) inactivity: Option<ClampedLimit>,
    pub(crate) lock_after: Option<Duration>,
    pub(crate) output: bool,
    pub(crate) inhibitor: bool,
    pub(crate) unknown: UnknownIdle,
    pub(crate) extensions: Extensions,
    /// Set if the absolute limit is from an earlier state of the session's properties.
    pub(crate) earlier: Option<Earlier>,
}

/// The settings of an absolute limit from another rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// The end action of that rule.
    pub(crate) action: EndAction,
    /// The action is not a lock under the properties that the rule matched.
    pub(crate) fixed: bool,
    pub(crate) grace: Duration,
}

/// A limit with the leads that are shorter than it, longest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClampedLimit {
    pub(crate) length: Duration,
    pub(crate) leads: Vec<Duration>,
}

impl ClampedLimit {
    fn of(limit: &Limit) -> Self {
        let asked: Vec<Duration> = limit.leads.iter().collect();
        let mut leads: Vec<Duration> = asked.clone();
        leads.retain(|lead| *lead < limit.length);
        if leads.is_empty() && !asked.is_empty() {
            leads.push(limit.length / 2);
        }
        Self {
            length: limit.length,
            leads,
        }
    }

    pub(crate) fn shortest(&self) -> Option<Duration> {
        self.leads.last().copied()
    }
}

impl RuleLimits {
    fn of(limits: &Limits) -> Self {
        Self {
            action: limits.end_action,
            grace: limits.grace,
            absolute: ClampedLimit::of(&limits.absolute),
            inactivity: limits.inactivity.as_ref().map(ClampedLimit::of),
            lock_after: limits.lock_after,
            output: limits.activity.contains(&ActivityKind::Output),
            inhibitor: limits.activity.contains(&ActivityKind::Inhibitor),
            unknown: limits.unknown_idle,
            extensions: limits.extensions,
            earlier: None,
        }
    }

    fn earlier_of(&self, kind: LimitKind) -> Option<Earlier> {
        self.earlier.filter(|_| kind == LimitKind::Absolute)
    }

    /// The configured action at a limit of this kind.
    pub(crate) fn rule_action(&self, kind: LimitKind) -> EndAction {
        let earlier = self.earlier_of(kind);
        earlier.map_or(self.action, |earlier| earlier.action)
    }

    /// The effective action at a limit of this kind: a session that has no screen, or had none when
    /// the rule matched, is not locked.
    pub(crate) fn action_at(&self, kind: LimitKind, graphical: bool) -> EndAction {
        let screen = graphical && !(kind == LimitKind::Absolute && self.ends_despite_lock());
        match self.rule_action(kind) {
            EndAction::Lock if !screen => EndAction::Terminate,
            other => other,
        }
    }

    pub(crate) fn grace_at(&self, kind: LimitKind) -> Duration {
        let earlier = self.earlier_of(kind);
        earlier.map_or(self.grace, |earlier| earlier.grace)
    }

    /// Whether the absolute limit ends the session even if it is locked.
    pub(crate) fn ends_despite_lock(&self) -> bool {
        self.earlier.is_some_and(|earlier| earlier.fixed)
    }

    /// Whether a limit locks the session instead of ending it.
    pub(crate) fn locks(&self) -> bool {
        let absolute = self.rule_action(LimitKind::Absolute) == EndAction::Lock;
        self.action == EndAction::Lock || (absolute && !self.ends_despite_lock())
    }

    pub(crate) fn clock(&self, kind: LimitKind) -> Option<&ClampedLimit> {
        match kind {
            LimitKind::Absolute => Some(&self.absolute),
            LimitKind::Inactivity => self.inactivity.as_ref(),
        }
    }

    /// The time from the login to the end, with these extensions.
    pub(crate) fn with_extensions(&self, granted: Duration) -> Duration {
        let length = self.absolute.length;
        (length + granted).min(ABSOLUTE_MAX.max(length))
    }

    /// Whether any limit counts from the last activity.
    pub(crate) fn counts_activity(&self, graphical: bool) -> bool {
        self.inactivity.is_some()
            || (graphical && self.lock_after.is_some() && self.action != EndAction::Report)
    }

    /// The difference between two limits of this kind, for a user who was warned under the first.
    pub(crate) fn changes(&self, other: &Self, kind: LimitKind) -> LimitsChange {
        let (Some(old), Some(new)) = (self.clock(kind), other.clock(kind)) else {
            return if self.clock(kind).is_none() && other.clock(kind).is_none() {
                LimitsChange::None
            } else {
                LimitsChange::Certain
            };
        };
        let reports = |limits: &Self| limits.rule_action(kind) == EndAction::Report;
        if old.length != new.length || reports(self) != reports(other) {
            LimitsChange::Certain
        } else if old != new || self.rule_action(kind) != other.rule_action(kind) {
            LimitsChange::Possible
        } else {
            LimitsChange::None
        }
    }
}

/// Whether a warning stays valid under other limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LimitsChange {
    None,
    /// Other leads or another action: the warning may stay valid or be withdrawn.
    Possible,
    Certain,
}

/// The rule of an absolute limit; `None` for the default of the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AbsoluteFrom(Option<String>);

/// All sets of limits of all policies of a scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyTables {
    limits: Vec<RuleLimits>,
    /// The index of the first set of each policy: its default, followed by its rules.
    starts: Vec<usize>,
}

impl PolicyTables {
    pub(crate) fn of(policies: &[Policy]) -> Self {
        let mut tables = Self::default();
        for policy in policies {
            tables.starts.push(tables.limits.len());
            let default = policy.default.clone().unwrap_or_default();
            tables.limits.push(RuleLimits::of(&default));
            let rules = policy.rules.iter().map(|rule| RuleLimits::of(&rule.limits));
            tables.limits.extend(rules);
        }
        tables
    }

    /// The id of these limits.
    pub(crate) fn find(&mut self, limits: RuleLimits) -> RuleLimitsId {
        let at = self.limits.iter().position(|other| *other == limits);
        let at = at.unwrap_or_else(|| {
            self.limits.push(limits);
            self.limits.len() - 1
        });
        RuleLimitsId(at)
    }

    /// The index of the rule of these limits in the policy with this number, if they are from a
    /// rule.
    pub(crate) fn rule(&self, number: usize, RuleLimitsId(at): RuleLimitsId) -> Option<usize> {
        at.checked_sub(self.starts.get(number)? + 1)
    }

    pub(crate) fn get(&self, id: RuleLimitsId) -> Option<&RuleLimits> {
        self.limits.get(id.0)
    }

    /// The result of the policy with this number; `None` if it depends on groups that were not
    /// requested.
    pub(crate) fn evaluate(
        &self,
        number: usize,
        policy: &Policy,
        facts: &SessionFacts,
        groups: &Groups,
    ) -> Option<EffectiveLimits> {
        let start = self.starts.get(number).copied().unwrap_or_default();
        match policy.evaluate(&facts.subject(groups)) {
            Verdict::Exempt(_) => Some(EffectiveLimits::Exempt),
            Verdict::NeedsGroups => None,
            Verdict::Limited { rule: None, .. } => {
                Some(EffectiveLimits::Limited(RuleLimitsId(start)))
            }
            Verdict::Limited {
                rule: Some(name), ..
            } => {
                let at = policy.rules.iter().position(|rule| rule.name == name)?;
                Some(EffectiveLimits::Limited(RuleLimitsId(start + 1 + at)))
            }
        }
    }

    /// The source of the limits with this number.
    pub(crate) fn source(
        &self,
        number: usize,
        policy: &Policy,
        effective: EffectiveLimits,
    ) -> AbsoluteFrom {
        let rule = match effective {
            EffectiveLimits::Limited(id) => self.rule(number, id),
            EffectiveLimits::Undecided | EffectiveLimits::Exempt => None,
        };
        let rule = rule.and_then(|rule| policy.rules.get(rule));
        AbsoluteFrom(rule.map(|rule| rule.name.clone()))
    }
}
