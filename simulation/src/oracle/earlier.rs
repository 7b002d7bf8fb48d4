//! Absolute limits of sessions whose user has changed their properties: the earliest limit that
//! ends the session applies.

use std::cmp::Reverse;
use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, BootTime, EndAction, Groups, LimitKind, Policy, SessionFacts,
};

use crate::history::{EarlierProperties, History};
use crate::limits::{
    AbsoluteFrom, ClampedLimit, Earlier, EffectiveLimits, PolicyTables, RuleLimits,
};

/// How the limit whose countdown has begun is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// By the limit itself: its length, leads and action.
    Limit,
    /// By the record of an earlier engine, which contains the length, the warnings given, and the
    /// name of the rule.
    Record,
    /// By the name of the rule alone, where a record was not enough to decide which limit applies.
    Name,
}

/// Greater than the number of changes in a scenario.
const MAX_RECORDED: usize = 16;

impl History {
    /// Records the properties before a change by the user.
    pub(super) fn was(&mut self, before: &SessionFacts) {
        let was = |facts: &SessionFacts| EarlierProperties {
            class: facts.class.clone(),
            session_type: facts.session_type,
            terminal: facts.terminal.clone(),
        };
        let (before, now) = (was(before), was(&self.facts));
        if before == now {
            return;
        }
        self.past.retain(|other| *other != now);
        if before.class.is_login_of_a_person() && !self.past.contains(&before) {
            self.past.push(before);
        }
        assert!(self.past.len() <= MAX_RECORDED, "too many for a scenario");
    }
}

impl History {
    /// Whether the recorded absolute limit may be this limit.
    fn may_have_counted(&self, held: &RuleLimits, limits: &RuleLimits) -> bool {
        let (held, limit) = (&held.absolute, &limits.absolute);
        let given = self.warnings_in_force(LimitKind::Absolute).next();
        let fits = given.is_none_or(|(_, warning)| {
            let is_shortest = |clock: &ClampedLimit| clock.shortest() == Some(warning.lead);
            limit.leads.contains(&warning.lead) && is_shortest(held) == is_shortest(limit)
        });
        held.length == limit.length && fits
    }
}

impl PolicyTables {
    /// Evaluates the policy with this number for the current and the earlier properties of a
    /// session.
    pub(super) fn evaluate_earlier(
        &mut self,
        (number, policy): (usize, &Policy),
        history: &History,
        now: BootTime,
        continuity: Continuity,
    ) -> Option<(EffectiveLimits, AbsoluteFrom)> {
        let undecided = history.effective() == EffectiveLimits::Undecided;
        let continuity = match continuity {
            Continuity::Limit if undecided => Continuity::Name,
            other => other,
        };
        let groups = &history.groups;
        let effective = self.evaluate(number, policy, &history.facts, groups)?;
        if history.past.is_empty() {
            return Some((effective, self.source(number, policy, effective)));
        }
        let mut ends = Vec::new();
        let mut add = |effective: EffectiveLimits, graphical: bool| {
            if let EffectiveLimits::Limited(id) = effective
                && let Some(limits) = self.get(id)
            {
                ends.push((id, limits.clone(), graphical));
            }
        };
        add(effective, history.is_graphical());
        for was in &history.past {
            let facts = was.facts(&history.facts);
            let graphical = was.session_type.is_graphical();
            add(self.evaluate(number, policy, &facts, groups)?, graphical);
        }
        let weight = |limits: &RuleLimits, graphical: bool| match limits
            .action_at(LimitKind::Absolute, graphical)
        {
            EndAction::Report => 0,
            EndAction::Lock => 1,
            EndAction::HangUp | EndAction::Terminate => 2,
        };
        let Some(top) = ends.iter().map(|(_, limits, g)| weight(limits, *g)).max() else {
            return Some((effective, self.source(number, policy, effective)));
        };
        let base = match effective {
            EffectiveLimits::Limited(id) => id,
            _ => {
                let strictest = ends.iter().min_by_key(|(_, limits, graphical)| {
                    (Reverse(weight(limits, *graphical)), limits.absolute.length)
                })?;
                strictest.0
            }
        };
        let base_terms = self.get(base)?.clone();
        if top == 0 {
            let effective = EffectiveLimits::Limited(base);
            return Some((effective, self.source(number, policy, effective)));
        }
        ends.retain(|(_, limits, graphical)| weight(limits, *graphical) == top);
        let since = match history.fixed {
            Some(fixed) if top == 2 => fixed.since,
            _ => history.anchor(),
        };
        let mut extensions = ends.first()?.1.extensions;
        for (_, limits, _) in &ends {
            extensions.times = extensions.times.min(limits.extensions.times);
            extensions.by = extensions.by.min(limits.extensions.by);
        }
        let held = self.held_until_now(history);
        let continues = |limits: &RuleLimits| {
            held.as_ref().is_some_and(|held| match continuity {
                Continuity::Limit => {
                    let action = held.rule_action(LimitKind::Absolute);
                    held.absolute == limits.absolute && action == limits.action
                }
                Continuity::Record => history.may_have_counted(held, limits),
                Continuity::Name => false,
            })
        };
        if ends.iter().any(|(_, limits, _)| continues(limits)) {
            let length = held.as_ref().map(|held| held.absolute.length)?;
            ends.retain(|(_, limits, _)| continues(limits) || limits.absolute.length < length);
        }
        let granted = history.total_granted();
        let (id, chosen, _) = ends.iter().min_by_key(|(id, limits, _)| {
            let clock = &limits.absolute;
            let begun = continues(limits);
            let length = (clock.length + granted).min(ABSOLUTE_MAX.max(clock.length));
            let passes = since.saturating_add(length);
            let shortest = clock.shortest();
            let mut warnings_in_force = history.warnings_in_force(LimitKind::Absolute);
            let named =
                warnings_in_force.find(|(_, warning)| begun && Some(warning.lead) == shortest);
            let end = match named {
                Some((_, warning)) => passes.max(warning.ends_at),
                None => passes.max(now.saturating_add(shortest.unwrap_or(Duration::ZERO))),
            };
            let source = self.source(number, policy, EffectiveLimits::Limited(*id));
            let recorded = continuity != Continuity::Limit && source == history.absolute_from;
            (end, !begun, !recorded)
        })?;
        let source = self.source(number, policy, EffectiveLimits::Limited(*id));
        let limits = RuleLimits {
            absolute: chosen.absolute.clone(),
            extensions,
            earlier: Some(Earlier {
                action: chosen.action,
                fixed: top == 2,
                grace: chosen.grace,
            }),
            ..base_terms
        };
        Some((EffectiveLimits::Limited(self.find(limits)), source))
    }

    /// The limits in force until now, whether the session is decided or not.
    fn held_until_now(&self, history: &History) -> Option<RuleLimits> {
        let mut effective_limits = history.effective_limits.iter().rev();
        let last = effective_limits.find(|(_, effective)| *effective != EffectiveLimits::Undecided);
        match last?.1 {
            EffectiveLimits::Limited(id) => self.get(id).cloned(),
            EffectiveLimits::Undecided | EffectiveLimits::Exempt => None,
        }
    }

    /// Whether the limits depend on unknown groups, for the current or the earlier properties.
    pub(super) fn depends_on_groups(
        &self,
        (number, policy): (usize, &Policy),
        history: &History,
    ) -> bool {
        let unknown = |facts: &SessionFacts| {
            self.evaluate(number, policy, facts, &Groups::Unknown)
                .is_none()
        };
        let mut past = history.past.iter();
        unknown(&history.facts) || past.any(|was| unknown(&was.facts(&history.facts)))
    }
}
