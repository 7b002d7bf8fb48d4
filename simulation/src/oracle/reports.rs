//! Checks of reports: limits with the action `report`, and unknown idle time.

use session_timeout_policy::{EndAction, Finding, LimitKind, UnknownIdle};

use super::tolerance::tolerance;
use super::{Oracle, Verdict, broken};
use crate::history::{History, Moment};
use crate::invariant::Invariant;
use crate::limits::{EffectiveLimits, LimitsChange};

impl Oracle<'_> {
    pub(super) fn may_find(&self, history: &History, finding: Finding) -> Verdict {
        match finding {
            Finding::GroupsUnavailable => self.may_report_groups(history),
            Finding::NotLocked => self.may_report_not_locked(history),
            Finding::Passed(kind) => self.may_report_passed(history, kind),
            Finding::Survived(kind) => self.may_report_survived(history, kind),
            Finding::UnknownIdle => self.may_report_unknown(history),
        }
    }

    fn may_report_passed(&self, history: &History, kind: LimitKind) -> Verdict {
        let limits = self.limits_in_force(history, kind)?;
        let Some(clock) = limits
            .clock(kind)
            .filter(|_| limits.rule_action(kind) == EndAction::Report)
        else {
            return broken(Invariant::RightAction, "the policy does not only report");
        };
        let (low, _) = history.due(kind, limits, clock.length);
        let tolerance = tolerance(kind);
        if self.now.saturating_add(tolerance) < low {
            return broken(Invariant::NeverEarly, format!("{low} is the earliest"));
        }
        if kind == LimitKind::Inactivity {
            self.on_fresh_reading(history, limits)?;
        }
        match history.reported(Finding::Passed(kind)) {
            Some(before) if !self.passes_again(history, kind, before).1 => broken(
                Invariant::Reported,
                format!("that was reported at {}", before.at),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the limit may be or must be passed again since it was reported.
    pub(super) fn passes_again(
        &self,
        history: &History,
        kind: LimitKind,
        before: Moment,
    ) -> (bool, bool) {
        let changed = self.changed_since(history, kind, before);
        let extended = history
            .extensions
            .last()
            .is_some_and(|(at, _)| *at > before);
        let renewed = history.counts_from() > before;
        // The confirmation of a repeated lock restarts the limits without an announcement.
        let locked_again = history.hold().is_some_and(|hold| hold.since > before.at);
        let (certain, perhaps) = match kind {
            LimitKind::Absolute => (extended, extended),
            LimitKind::Inactivity => history.activity_since(before),
        };
        // The session was undecided after a restart, so the earlier report was unknown to the
        // engine.
        let undecided = history
            .effective_limits
            .iter()
            .any(|(at, effective)| *at > before && *effective == EffectiveLimits::Undecided);
        let perhaps = perhaps || undecided;
        (
            certain || renewed || changed == LimitsChange::Certain,
            perhaps || renewed || locked_again || changed != LimitsChange::None,
        )
    }

    fn may_report_unknown(&self, history: &History) -> Verdict {
        // `lock-after` counts from the last activity too.
        let stage_only = self
            .limits(history)
            .is_some_and(|limits| limits.inactivity.is_none());
        let kind = if stage_only {
            LimitKind::Absolute
        } else {
            LimitKind::Inactivity
        };
        let limits = self.limits_in_force(history, kind)?;
        if limits.unknown != UnknownIdle::Report {
            return broken(Invariant::UnknownIdle, "the policy counts from the login");
        }
        if history.idle_may_be_unknown().is_none() {
            return broken(Invariant::UnknownIdle, "the idle time is known");
        }
        // A restarted daemon may repeat the report, and so may one under other limits.
        let reported = history.unknown_was_reported();
        let since = history.effective_limits.last().map(|(moment, _)| *moment);
        let since = since.max(history.restored);
        if reported.is_some_and(|reported| since < Some(reported)) {
            return broken(Invariant::UnknownIdle, "that was reported");
        }
        Ok(())
    }
}
