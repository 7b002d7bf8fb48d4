//! Limits of sessions whose user has changed their properties: of the absolute limits that end the
//! session the earliest holds.

use std::cmp::Reverse;
use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, BootTime, EndAction, Groups, LimitKind, Policy, SessionFacts,
};

use super::terms::{Earlier, Standing, Tables, Terms};
use crate::history::{History, Was};

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

impl Tables {
    /// What the policy with this number says of a session as it is and as it was.
    pub(super) fn judge_past(
        &mut self,
        (number, policy): (usize, &Policy),
        history: &History,
        now: BootTime,
    ) -> Option<Standing> {
        let groups = &history.groups;
        let standing = self.judge(number, policy, &history.facts, groups)?;
        if history.past.is_empty() {
            return Some(standing);
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
            return Some(standing);
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
            return Some(Standing::Under(base));
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
            held.as_ref().is_some_and(|held| {
                let action = held.rule_action(LimitKind::Absolute);
                held.absolute == terms.absolute && action == terms.action
            })
        };
        if ends.iter().any(|(_, terms, _)| goes_on(terms)) {
            let length = held.as_ref().map(|held| held.absolute.length)?;
            ends.retain(|(_, terms, _)| goes_on(terms) || terms.absolute.length < length);
        }
        let granted = history.total_granted();
        let (_, chosen, _) = ends.iter().min_by_key(|(_, terms, _)| {
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
            (end, !begun)
        })?;
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
        Some(Standing::Under(self.find(terms)))
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
        let unknown = |facts: &SessionFacts| {
            self.judge(number, policy, facts, &Groups::Unknown)
                .is_none()
        };
        let mut past = history.past.iter();
        unknown(&history.facts) || past.any(|was| unknown(&was.facts(&history.facts)))
    }
}
