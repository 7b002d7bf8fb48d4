//! Limits of sessions whose user has changed their properties: of the absolute limits that end the
//! session the earliest holds.

use std::cmp::Reverse;
use std::time::Duration;

use super::terms::{Clocked, Earlier, Standing, Tables, Terms};
use crate::sim::history::{History, Was};
use crate::{ABSOLUTE_MAX, BootTime, EndAction, Groups, LimitKind, Policy, SessionFacts};

/// How it is known that a limit is the one that has begun to count down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// By the limit: its length, its leads and its action.
    Limit,
    /// By the record of an earlier engine, which has the length, which warnings were given, and
    /// the name of the rule.
    Record,
}

/// The rule that an absolute limit is from; `None` for the default of the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sim) struct AbsoluteFrom(Option<String>);

/// More than a user of a story makes.
const REMEMBERED: usize = 16;

impl History {
    /// A user has changed something.
    pub(super) fn was(&mut self, before: &SessionFacts) {
        let was = |facts: &SessionFacts| Was {
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
        assert!(self.past.len() <= REMEMBERED, "too many for a story");
    }
}

impl History {
    /// Whether the record of the absolute limit that held may be one of this limit.
    fn may_have_counted(&self, held: &Terms, terms: &Terms) -> bool {
        let (held, limit) = (&held.absolute, &terms.absolute);
        let given = self.heard(LimitKind::Absolute).next();
        let fits = given.is_none_or(|(_, warning)| {
            let is_shortest = |clock: &Clocked| clock.shortest() == Some(warning.lead);
            limit.leads.contains(&warning.lead) && is_shortest(held) == is_shortest(limit)
        });
        held.length == limit.length && fits
    }
}

impl Tables {
    /// What the policy with this number says of a session as it is and as it was.
    pub(super) fn judge_past(
        &mut self,
        (number, policy): (usize, &Policy),
        history: &History,
        now: BootTime,
        continuity: Continuity,
    ) -> Option<(Standing, AbsoluteFrom)> {
        let groups = &history.groups;
        let standing = self.judge(number, policy, &history.facts, groups)?;
        if history.past.is_empty() {
            return Some((standing, self.source(number, policy, standing)));
        }
        let mut ends = Vec::new();
        let mut add = |standing: Standing, graphical: bool| {
            if let Standing::Under(id) = standing
                && let Some(terms) = self.get(id)
            {
                ends.push((id, terms.clone(), graphical));
            }
        };
        add(standing, history.is_graphical());
        for was in &history.past {
            let facts = was.facts(&history.facts);
            let graphical = was.session_type.is_graphical();
            add(self.judge(number, policy, &facts, groups)?, graphical);
        }
        let weight = |terms: &Terms, graphical: bool| match terms
            .action_at(LimitKind::Absolute, graphical)
        {
            EndAction::Report => 0,
            EndAction::Lock => 1,
            EndAction::HangUp | EndAction::Terminate => 2,
        };
        let Some(top) = ends.iter().map(|(_, terms, g)| weight(terms, *g)).max() else {
            return Some((standing, self.source(number, policy, standing)));
        };
        let base = match standing {
            Standing::Under(id) => id,
            _ => {
                let strictest = ends.iter().min_by_key(|(_, terms, graphical)| {
                    (Reverse(weight(terms, *graphical)), terms.absolute.length)
                })?;
                strictest.0
            }
        };
        let base_terms = self.get(base)?.clone();
        if top == 0 {
            let standing = Standing::Under(base);
            return Some((standing, self.source(number, policy, standing)));
        }
        ends.retain(|(_, terms, graphical)| weight(terms, *graphical) == top);
        let since = match history.fixed {
            Some(fixed) if top == 2 => fixed.since,
            _ => history.anchor(),
        };
        let mut extensions = ends.first()?.1.extensions;
        for (_, terms, _) in &ends {
            extensions.times = extensions.times.min(terms.extensions.times);
            extensions.by = extensions.by.min(terms.extensions.by);
        }
        let held = self.held_until_now(history);
        let goes_on = |terms: &Terms| {
            held.as_ref().is_some_and(|held| match continuity {
                Continuity::Limit => {
                    let action = held.rule_action(LimitKind::Absolute);
                    held.absolute == terms.absolute && action == terms.action
                }
                Continuity::Record => history.may_have_counted(held, terms),
            })
        };
        if ends.iter().any(|(_, terms, _)| goes_on(terms)) {
            let length = held.as_ref().map(|held| held.absolute.length)?;
            ends.retain(|(_, terms, _)| goes_on(terms) || terms.absolute.length < length);
        }
        let granted = history.total_granted();
        let (id, chosen, _) = ends.iter().min_by_key(|(id, terms, _)| {
            let clock = &terms.absolute;
            let begun = goes_on(terms);
            let length = (clock.length + granted).min(ABSOLUTE_MAX.max(clock.length));
            let passes = since.saturating_add(length);
            let shortest = clock.shortest();
            let mut heard = history.heard(LimitKind::Absolute);
            let named = heard.find(|(_, warning)| begun && Some(warning.lead) == shortest);
            let end = match named {
                Some((_, warning)) => passes.max(warning.ends_at),
                None => passes.max(now.saturating_add(shortest.unwrap_or(Duration::ZERO))),
            };
            let source = self.source(number, policy, Standing::Under(*id));
            let recorded = continuity == Continuity::Record && source == history.absolute_from;
            (end, !begun, !recorded)
        })?;
        let source = self.source(number, policy, Standing::Under(*id));
        let terms = Terms {
            absolute: chosen.absolute.clone(),
            extensions,
            earlier: Some(Earlier {
                action: chosen.action,
                fixed: top == 2,
                grace: chosen.grace,
            }),
            ..base_terms
        };
        Some((Standing::Under(self.find(terms)), source))
    }

    /// Where the limits with this number are from.
    fn source(&self, number: usize, policy: &Policy, standing: Standing) -> AbsoluteFrom {
        let rule = match standing {
            Standing::Under(id) => self.rule(number, id),
            Standing::Undecided | Standing::Exempt => None,
        };
        let rule = rule.and_then(|rule| policy.rules.get(rule));
        AbsoluteFrom(rule.map(|rule| rule.name.clone()))
    }

    /// What has held until now, decided or not.
    fn held_until_now(&self, history: &History) -> Option<Terms> {
        let mut standings = history.standings.iter().rev();
        let last = standings.find(|(_, standing)| *standing != Standing::Undecided);
        match last?.1 {
            Standing::Under(id) => self.get(id).cloned(),
            Standing::Undecided | Standing::Exempt => None,
        }
    }

    /// Whether groups that nobody has told decide about it, as it is or as it was.
    pub(super) fn depends_on_groups(
        &self,
        (number, policy): (usize, &Policy),
        history: &History,
    ) -> bool {
        let untold =
            |facts: &SessionFacts| self.judge(number, policy, facts, &Groups::Untold).is_none();
        let mut past = history.past.iter();
        untold(&history.facts) || past.any(|was| untold(&was.facts(&history.facts)))
    }
}
