//! The limits of a story's policies, computed without the engine's code.

use std::time::Duration;

use crate::{
    ABSOLUTE_MAX, ActivityKind, EndAction, Extensions, Groups, Limit, LimitKind, Limits, Policy,
    SessionFacts, UnknownIdle, Verdict,
};

/// What holds for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Standing {
    /// It depends on groups that nobody has told yet.
    Undecided,
    Exempt,
    Under(TermsId),
}

/// One set of limits of one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct TermsId(usize);

/// Limits as the judge reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Terms {
    pub(in crate::sim) action: EndAction,
    pub(in crate::sim) grace: Duration,
    pub(in crate::sim) absolute: Clocked,
    pub(in crate::sim) inactivity: Option<Clocked>,
    pub(in crate::sim) lock_after: Option<Duration>,
    pub(in crate::sim) output: bool,
    pub(in crate::sim) inhibitor: bool,
    pub(in crate::sim) unknown: UnknownIdle,
    pub(in crate::sim) extensions: Extensions,
    /// Where the absolute limit is one of what the session was before.
    pub(in crate::sim) earlier: Option<Earlier>,
}

/// What belongs to the absolute limit of another rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Earlier {
    /// By the rule.
    pub(in crate::sim) action: EndAction,
    /// It is no lock where the rule matched.
    pub(in crate::sim) fixed: bool,
    pub(in crate::sim) grace: Duration,
}

/// A limit with the leads that fit into it, longest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Clocked {
    pub(in crate::sim) length: Duration,
    pub(in crate::sim) leads: Vec<Duration>,
}

impl Clocked {
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

    pub(in crate::sim) fn shortest(&self) -> Option<Duration> {
        self.leads.last().copied()
    }
}

impl Terms {
    fn of(limits: &Limits) -> Self {
        Self {
            action: limits.end_action,
            grace: limits.grace,
            absolute: Clocked::of(&limits.absolute),
            inactivity: limits.inactivity.as_ref().map(Clocked::of),
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

    /// What the policy says happens at a limit of this kind.
    pub(in crate::sim) fn rule_action(&self, kind: LimitKind) -> EndAction {
        let earlier = self.earlier_of(kind);
        earlier.map_or(self.action, |earlier| earlier.action)
    }

    /// What happens at a limit of this kind: where there is no screen, or where there was none,
    /// nothing is locked.
    pub(in crate::sim) fn action_at(&self, kind: LimitKind, graphical: bool) -> EndAction {
        let screen = graphical && !(kind == LimitKind::Absolute && self.is_fixed());
        match self.rule_action(kind) {
            EndAction::Lock if !screen => EndAction::Terminate,
            other => other,
        }
    }

    pub(in crate::sim) fn grace_at(&self, kind: LimitKind) -> Duration {
        let earlier = self.earlier_of(kind);
        earlier.map_or(self.grace, |earlier| earlier.grace)
    }

    /// Whether no lock puts off the absolute limit.
    pub(in crate::sim) fn is_fixed(&self) -> bool {
        self.earlier.is_some_and(|earlier| earlier.fixed)
    }

    /// Whether a lock stands for an end.
    pub(in crate::sim) fn locks(&self) -> bool {
        let absolute = self.rule_action(LimitKind::Absolute) == EndAction::Lock;
        self.action == EndAction::Lock || (absolute && !self.is_fixed())
    }

    pub(in crate::sim) fn clock(&self, kind: LimitKind) -> Option<&Clocked> {
        match kind {
            LimitKind::Absolute => Some(&self.absolute),
            LimitKind::Inactivity => self.inactivity.as_ref(),
        }
    }

    /// From the login to the end, with so much granted on top.
    pub(in crate::sim) fn stretched(&self, granted: Duration) -> Duration {
        let length = self.absolute.length;
        (length + granted).min(ABSOLUTE_MAX.max(length))
    }

    /// Whether anything counts from the last activity.
    pub(in crate::sim) fn counts_activity(&self, graphical: bool) -> bool {
        self.inactivity.is_some()
            || (graphical && self.lock_after.is_some() && self.action != EndAction::Report)
    }

    /// How a limit of this kind differs here and there, for a user who was warned of it.
    pub(in crate::sim) fn changes(&self, other: &Self, kind: LimitKind) -> Change {
        let (Some(old), Some(new)) = (self.clock(kind), other.clock(kind)) else {
            return if self.clock(kind).is_none() && other.clock(kind).is_none() {
                Change::None
            } else {
                Change::Certain
            };
        };
        let reports = |terms: &Self| terms.rule_action(kind) == EndAction::Report;
        if old.length != new.length || reports(self) != reports(other) {
            Change::Certain
        } else if old != new || self.rule_action(kind) != other.rule_action(kind) {
            Change::Possible
        } else {
            Change::None
        }
    }
}

/// Whether what a user was told holds under other terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sim) enum Change {
    None,
    /// Other leads or another action: what was said may stand or be taken back.
    Possible,
    Certain,
}

/// All terms of all policies of a story.
#[derive(Clone, Debug, Default)]
pub(in crate::sim) struct Tables {
    terms: Vec<Terms>,
    /// Where the terms of each policy begin: its default, and then its rules.
    starts: Vec<usize>,
}

impl Tables {
    pub(in crate::sim) fn of(policies: &[Policy]) -> Self {
        let mut tables = Self::default();
        for policy in policies {
            tables.starts.push(tables.terms.len());
            let default = policy.default.clone().unwrap_or_default();
            tables.terms.push(Terms::of(&default));
            let rules = policy.rules.iter().map(|rule| Terms::of(&rule.limits));
            tables.terms.extend(rules);
        }
        tables
    }

    /// These terms.
    pub(in crate::sim) fn find(&mut self, terms: Terms) -> TermsId {
        let at = self.terms.iter().position(|other| *other == terms);
        let at = at.unwrap_or_else(|| {
            self.terms.push(terms);
            self.terms.len() - 1
        });
        TermsId(at)
    }

    /// Which rule of the policy with this number these terms are from, if they are from one.
    pub(in crate::sim) fn rule(&self, number: usize, TermsId(at): TermsId) -> Option<usize> {
        at.checked_sub(self.starts.get(number)? + 1)
    }

    pub(in crate::sim) fn get(&self, id: TermsId) -> Option<&Terms> {
        self.terms.get(id.0)
    }

    /// What the policy with this number says; `None` where it depends on groups nobody asked for.
    pub(in crate::sim) fn judge(
        &self,
        number: usize,
        policy: &Policy,
        facts: &SessionFacts,
        groups: &Groups,
    ) -> Option<Standing> {
        let start = self.starts.get(number).copied().unwrap_or_default();
        match policy.judge(&facts.subject(groups)) {
            Verdict::Exempt(_) => Some(Standing::Exempt),
            Verdict::NeedsGroups => None,
            Verdict::Limited { rule: None, .. } => Some(Standing::Under(TermsId(start))),
            Verdict::Limited {
                rule: Some(name), ..
            } => {
                let at = policy.rules.iter().position(|rule| rule.name == name)?;
                Some(Standing::Under(TermsId(start + 1 + at)))
            }
        }
    }
}
