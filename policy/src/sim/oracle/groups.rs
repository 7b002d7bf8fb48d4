//! Checks of groups: they are resolved if limits depend on them, and awaited.

use std::time::Duration;

use super::past::Continuity;
use super::terms::Change;
use super::{Broken, Judged, Must, Oracle, Terms, Verdict, broken};
use crate::sim::history::{Fixed, GroupAsk, History, LockFact, Moment};
use crate::sim::oracle::Standing;
use crate::sim::promise::Promise;
use crate::{BootTime, EndAction, Finding, Groups, LimitKind};

/// Without an answer in this time the groups are unavailable.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// When groups are asked for again after they were unavailable so often.
fn pause(times: usize) -> Duration {
    const FIRST: Duration = Duration::from_secs(60);
    const LONGEST: Duration = Duration::from_secs(15 * 60);
    let doubled = u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST
        .saturating_mul(2u32.saturating_pow(doubled))
        .min(LONGEST)
}

impl History {
    pub(super) fn asks_groups(&self) -> bool {
        self.group_asks
            .last()
            .is_some_and(|ask| ask.settled.is_none())
    }

    /// How often in a row they were unavailable.
    fn unavailable(&self) -> usize {
        self.group_asks.len() - usize::from(self.asks_groups())
    }
}

impl Oracle<'_> {
    /// Judges every session that the call is about.
    pub(super) fn judge_all(&mut self) {
        self.judge_all_by(Continuity::Limit);
    }

    pub(super) fn judge_all_by(&mut self, continuity: Continuity) {
        let now = self.moment();
        let (tables, number) = (&mut self.tables, self.policy);
        let Some(policy) = self.policies.get(number) else {
            return;
        };
        let touched = self.sessions.iter_mut().filter(|session| session.touched);
        for session in touched {
            let history = &mut session.history;
            if !tables.depends_on_groups((number, policy), history) {
                // Nobody waits for them any more.
                history.group_asks.clear();
            }
            let verdict = tables.judge_past((number, policy), history, now.at, continuity);
            let old = history.standings.last().map(|(_, standing)| *standing);
            // What held before holds while the groups are asked for.
            let verdict = verdict.map(|(standing, source)| {
                history.absolute_from = source;
                standing
            });
            let standing = verdict.or(old).unwrap_or(Standing::Undecided);
            let locks_again = history.hold().is_some_and(|hold| hold.again.is_some());
            let stands_for_an_end = match standing {
                Standing::Under(id) => tables.get(id).is_none_or(|terms| {
                    let action = terms.action_at(LimitKind::Absolute, history.is_graphical());
                    action == EndAction::Lock
                }),
                Standing::Undecided | Standing::Exempt => true,
            };
            if locks_again && !stands_for_an_end {
                // Nobody makes sure of a lock where it is no end.
                history.locks.push((now, LockFact::Forgotten));
            }
            if old == Some(standing) {
                continue;
            }
            let fixed = match standing {
                Standing::Under(id) => tables.get(id).is_some_and(Terms::is_fixed),
                Standing::Undecided => history.fixed.is_some(),
                Standing::Exempt => false,
            };
            let since = history.fixed.unwrap_or(Fixed {
                since: history.anchor(),
                granted_from: history.granted_from(),
                restarted: history.counts_from(),
            });
            if let Some(before) = history.fixed.filter(|_| !fixed) {
                history.unfixed = Some((now, before));
            }
            history.fixed = fixed.then_some(since);
            history.standings.push((now, standing));
            let locks = match standing {
                Standing::Under(id) => {
                    let terms = tables.get(id);
                    terms.is_some_and(Terms::locks)
                }
                Standing::Undecided => true,
                Standing::Exempt => false,
            };
            if !locks {
                history.drops_lock(now);
            }
            let terms = |standing| match standing {
                Standing::Under(id) => tables.get(id),
                Standing::Undecided | Standing::Exempt => None,
            };
            if let (Some(before), Some(after)) = (old.and_then(terms), terms(standing))
                && before.changes(after, LimitKind::Absolute) != Change::None
            {
                // A lock is made sure of at the limit that holds.
                history.locks.push((now, LockFact::Forgotten));
            }
        }
    }

    /// What held is not in a record: another engine knows what holds where the record says enough
    /// to decide it, and nothing where groups would have to be asked for first.
    pub(super) fn forgets_what_held(&mut self) {
        let now = self.moment();
        let (tables, number) = (&mut self.tables, self.policy);
        let Some(policy) = self.policies.get(number) else {
            return;
        };
        for Judged { history, .. } in &mut self.sessions {
            let verdict = tables.judge_past((number, policy), history, now.at, Continuity::Record);
            if verdict.is_none() && history.standing() != Standing::Undecided {
                history.standings.push((now, Standing::Undecided));
            }
        }
    }

    /// Whether it depends on groups that nobody has told what holds.
    pub(super) fn needs_groups(&self, history: &History) -> bool {
        let policy = self.policies.get(self.policy);
        let untold = !matches!(history.groups, Groups::Known(_));
        untold
            && policy.is_some_and(|policy| {
                self.tables
                    .depends_on_groups((self.policy, policy), history)
            })
    }

    pub(super) fn may_ask_groups(&self, history: &History) -> Verdict {
        if !self.needs_groups(history) {
            return broken(Promise::Groups, "no rule needs groups");
        }
        match history.group_asks.last() {
            None => Ok(()),
            Some(GroupAsk { settled: None, .. }) => {
                broken(Promise::Groups, "they are asked for already")
            }
            Some(GroupAsk {
                settled: Some(settled),
                ..
            }) => {
                let due = settled.at.saturating_add(pause(history.unavailable()));
                if self.now < due && self.cause == super::Cause::Timeout {
                    broken(Promise::Groups, format!("not before {due}"))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// That groups are asked for, and not waited for too long.
    pub(super) fn must_groups(&self, history: &History) -> Option<Must> {
        let locks = history.hold().is_some_and(|hold| hold.again.is_some());
        if !self.needs_groups(history) || !history.is_open() || locks {
            return None;
        }
        let (due, what) = match history.group_asks.last() {
            // After a restart it may take the longest pause.
            None if history.groups == Groups::Unavailable => (
                self.now.saturating_add(pause(usize::MAX)),
                "another question for groups",
            ),
            None => (self.now, "a question for groups"),
            Some(GroupAsk {
                settled: None,
                asked,
            }) => (asked.at.saturating_add(ANSWER), "a decision without groups"),
            Some(GroupAsk {
                settled: Some(settled),
                ..
            }) => {
                let due = settled.at.saturating_add(pause(history.unavailable()));
                (due, "another question for groups")
            }
        };
        Some(self.due(due, Promise::Groups, what))
    }

    /// That it is reported once where groups are unavailable.
    pub(super) fn reports_groups(&self, history: &History) -> Verdict {
        let Some(settled) = self.settled_now(history) else {
            return Ok(());
        };
        if history.groups == Groups::Unavailable
            && history.is_open()
            && history.end().is_none()
            && self.needs_groups(history)
            && history.reported(Finding::GroupsUnavailable).is_none()
        {
            let Moment { at, .. } = settled;
            return broken(
                Promise::Groups,
                format!("unavailable since {at}: no report"),
            );
        }
        Ok(())
    }

    pub(super) fn settled_now(&self, history: &History) -> Option<Moment> {
        let settled = history.group_asks.last()?.settled?;
        self.is_new(settled).then_some(settled)
    }

    pub(super) fn may_report_groups(&self, history: &History) -> Result<(), Broken> {
        let ask = history
            .group_asks
            .last()
            .filter(|ask| ask.settled.is_none());
        let overdue = ask.is_some_and(|ask| self.now >= ask.asked.at.saturating_add(ANSWER));
        if history.groups != Groups::Unavailable && !overdue {
            return broken(Promise::Groups, "they are not unavailable");
        }
        if history.reported(Finding::GroupsUnavailable).is_some() {
            return broken(Promise::Groups, "that was reported");
        }
        Ok(())
    }

    /// Something that is due then.
    pub(super) fn due(&self, at: BootTime, promise: Promise, what: &'static str) -> Must {
        Must {
            by: at.max(self.now).saturating_add(super::LATE),
            promise,
            what,
        }
    }
}
