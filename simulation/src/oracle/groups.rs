//! Checks of groups: they are requested if limits depend on them, and the engine waits for the
//! reply.

use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, Finding, Groups, LimitKind};

use super::earlier::Continuity;
use super::{Broken, CheckedSession, Oracle, Requirement, Verdict, broken};
use crate::history::{FixedAnchor, GroupsRequest, History, LockFact, Moment};
use crate::invariant::Invariant;
use crate::limits::{EffectiveLimits, LimitsChange, RuleLimits};

/// The timeout of a request for groups; after that they are unavailable.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// The pause before groups are requested again, after this number of failures.
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
        self.groups_requests
            .last()
            .is_some_and(|ask| ask.settled.is_none())
    }

    /// The number of consecutive failures.
    fn unavailable(&self) -> usize {
        self.groups_requests.len() - usize::from(self.asks_groups())
    }
}

impl Oracle<'_> {
    /// Evaluates the policy for every session that the call concerns.
    pub(super) fn evaluate_all(&mut self) {
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
                // The limits do not depend on the groups any more, so the requests are dropped.
                history.groups_requests.clear();
            }
            let verdict = tables.evaluate_earlier((number, policy), history, now.at, continuity);
            let old = history
                .effective_limits
                .last()
                .map(|(_, effective)| *effective);
            // The limits stay in force while groups are requested.
            let verdict = verdict.map(|(effective, source)| {
                history.absolute_from = source;
                effective
            });
            let effective = verdict.or(old).unwrap_or(EffectiveLimits::Undecided);
            let locks_again = history.hold().is_some_and(|hold| hold.again.is_some());
            let stands_for_an_end = match effective {
                EffectiveLimits::Limited(id) => tables.get(id).is_none_or(|limits| {
                    let action = limits.action_at(LimitKind::Absolute, history.is_graphical());
                    action == EndAction::Lock
                }),
                EffectiveLimits::Undecided | EffectiveLimits::Exempt => true,
            };
            if locks_again && !stands_for_an_end {
                // A lock is not verified at a limit that does not lock.
                history.locks.push((now, LockFact::ForgottenHint));
            }
            if old == Some(effective) {
                continue;
            }
            let fixed = match effective {
                EffectiveLimits::Limited(id) => {
                    tables.get(id).is_some_and(RuleLimits::ends_despite_lock)
                }
                EffectiveLimits::Undecided => history.fixed.is_some(),
                EffectiveLimits::Exempt => false,
            };
            let since = history.fixed.unwrap_or(FixedAnchor {
                since: history.anchor(),
                granted_from: history.granted_from(),
                restarted: history.counts_from(),
            });
            if let Some(before) = history.fixed.filter(|_| !fixed) {
                history.unfixed = Some((now, before));
            }
            history.fixed = fixed.then_some(since);
            history.effective_limits.push((now, effective));
            let locks = match effective {
                EffectiveLimits::Limited(id) => {
                    let limits = tables.get(id);
                    limits.is_some_and(RuleLimits::locks)
                }
                EffectiveLimits::Undecided => true,
                EffectiveLimits::Exempt => false,
            };
            if !locks {
                history.drops_lock(now);
            }
            let limits = |effective| match effective {
                EffectiveLimits::Limited(id) => tables.get(id),
                EffectiveLimits::Undecided | EffectiveLimits::Exempt => None,
            };
            if let (Some(before), Some(after)) = (old.and_then(limits), limits(effective))
                && before.changes(after, LimitKind::Absolute) != LimitsChange::None
            {
                // A lock is verified at the limit in force.
                history.locks.push((now, LockFact::ForgottenHint));
            }
        }
    }

    /// Clears the limits in force, which a record does not contain: after a restart the engine
    /// knows the limits if the record suffices to decide them, and has none if groups have to be
    /// requested first.
    pub(super) fn forgets_what_held(&mut self) {
        let now = self.moment();
        let (tables, number) = (&mut self.tables, self.policy);
        let Some(policy) = self.policies.get(number) else {
            return;
        };
        for CheckedSession { history, .. } in &mut self.sessions {
            let verdict =
                tables.evaluate_earlier((number, policy), history, now.at, Continuity::Record);
            if verdict.is_none() && history.effective() != EffectiveLimits::Undecided {
                history
                    .effective_limits
                    .push((now, EffectiveLimits::Undecided));
            }
        }
    }

    /// Whether the limits depend on groups that are unknown.
    pub(super) fn needs_groups(&self, history: &History) -> bool {
        let policy = self.policies.get(self.policy);
        let unknown = !matches!(history.groups, Groups::Known(_));
        unknown
            && policy.is_some_and(|policy| {
                self.tables
                    .depends_on_groups((self.policy, policy), history)
            })
    }

    pub(super) fn may_ask_groups(&self, history: &History) -> Verdict {
        if !self.needs_groups(history) {
            return broken(Invariant::Groups, "no rule needs groups");
        }
        match history.groups_requests.last() {
            None => Ok(()),
            Some(GroupsRequest { settled: None, .. }) => {
                broken(Invariant::Groups, "they are asked for already")
            }
            Some(GroupsRequest {
                settled: Some(settled),
                ..
            }) => {
                let due = settled.at.saturating_add(pause(history.unavailable()));
                if self.now < due && self.cause == super::Cause::Timeout {
                    broken(Invariant::Groups, format!("not before {due}"))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The next required step for groups: a request, or its timeout.
    pub(super) fn must_groups(&self, history: &History) -> Option<Requirement> {
        let locks = history.hold().is_some_and(|hold| hold.again.is_some());
        if !self.needs_groups(history) || !history.is_open() || locks {
            return None;
        }
        let (due, what) = match history.groups_requests.last() {
            // After a restart the pause may be the longest one.
            None if history.groups == Groups::Unavailable => (
                self.now.saturating_add(pause(usize::MAX)),
                "another request for groups",
            ),
            None => (self.now, "a request for groups"),
            Some(GroupsRequest {
                settled: None,
                asked,
            }) => (asked.at.saturating_add(ANSWER), "a decision without groups"),
            Some(GroupsRequest {
                settled: Some(settled),
                ..
            }) => {
                let due = settled.at.saturating_add(pause(history.unavailable()));
                (due, "another request for groups")
            }
        };
        Some(self.due(due, Invariant::Groups, what))
    }

    /// Checks that unavailable groups are reported once.
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
                Invariant::Groups,
                format!("unavailable since {at}: no report"),
            );
        }
        Ok(())
    }

    pub(super) fn settled_now(&self, history: &History) -> Option<Moment> {
        let settled = history.groups_requests.last()?.settled?;
        self.is_new(settled).then_some(settled)
    }

    pub(super) fn may_report_groups(&self, history: &History) -> Result<(), Broken> {
        let ask = history
            .groups_requests
            .last()
            .filter(|ask| ask.settled.is_none());
        let overdue = ask.is_some_and(|ask| self.now >= ask.asked.at.saturating_add(ANSWER));
        if history.groups != Groups::Unavailable && !overdue {
            return broken(Invariant::Groups, "they are not unavailable");
        }
        if history.reported(Finding::GroupsUnavailable).is_some() {
            return broken(Invariant::Groups, "that was reported");
        }
        Ok(())
    }

    /// A requirement that is due at this time.
    pub(super) fn due(
        &self,
        at: BootTime,
        invariant: Invariant,
        what: &'static str,
    ) -> Requirement {
        Requirement {
            by: at.max(self.now).saturating_add(super::LATE),
            invariant,
            what,
        }
    }
}
