//! Checks of reports: limits that only report, and unknown idle time.

use super::may::slack;
use super::terms::Change;
use super::{Oracle, Standing, Verdict, broken};
use crate::sim::history::{History, Moment};
use crate::sim::promise::Promise;
use crate::{EndAction, Finding, LimitKind, UnknownIdle};

impl Oracle<'_> {
    pub(super) fn may_report(&self, history: &History, finding: Finding) -> Verdict {
        match finding {
            Finding::GroupsUnavailable => self.may_report_groups(history),
            Finding::NotLocked => self.may_report_not_locked(history),
            Finding::Passed(kind) => self.may_report_passed(history, kind),
            Finding::Survived(kind) => self.may_report_survived(history, kind),
            Finding::UnknownIdle => self.may_report_unknown(history),
        }
    }

    fn may_report_passed(&self, history: &History, kind: LimitKind) -> Verdict {
        let terms = self.threatened(history, kind)?;
        let Some(clock) = terms
            .clock(kind)
            .filter(|_| terms.rule_action(kind) == EndAction::Report)
        else {
            return broken(Promise::RightAction, "the policy does not only report");
        };
        let (low, _) = history.due(kind, terms, clock.length);
        let slack = slack(kind);
        if self.now.saturating_add(slack) < low {
            return broken(Promise::NeverEarly, format!("{low} is the earliest"));
        }
        if kind == LimitKind::Inactivity {
            self.on_fresh_reading(history, terms)?;
        }
        match history.reported(Finding::Passed(kind)) {
            Some(before) if !self.passes_again(history, kind, before).1 => broken(
                Promise::Reported,
                format!("that was reported at {}", before.at),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the limit can be passed once more since it was reported: for certain, or perhaps.
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
        // A lock that was confirmed restarts the limits without a word.
        let locked_again = history.hold().is_some_and(|hold| hold.since > before.at);
        let (certain, perhaps) = match kind {
            LimitKind::Absolute => (extended, extended),
            LimitKind::Inactivity => history.activity_since(before),
        };
        // Nothing was decided when a daemon came up, so that it did not know what was reported.
        let undecided = history
            .standings
            .iter()
            .any(|(at, standing)| *at > before && *standing == Standing::Undecided);
        let perhaps = perhaps || undecided;
        (
            certain || renewed || changed == Change::Certain,
            perhaps || renewed || locked_again || changed != Change::None,
        )
    }

    fn may_report_unknown(&self, history: &History) -> Verdict {
        // The first stage counts from the last activity, too.
        let stage_only = self
            .terms(history)
            .is_some_and(|terms| terms.inactivity.is_none());
        let kind = if stage_only {
            LimitKind::Absolute
        } else {
            LimitKind::Inactivity
        };
        let terms = self.threatened(history, kind)?;
        if terms.unknown != UnknownIdle::Report {
            return broken(Promise::UnknownIdle, "the policy counts from the login");
        }
        if history.idle_may_be_unknown().is_none() {
            return broken(Promise::UnknownIdle, "the idle time is known");
        }
        // A restarted daemon may report it again, and so may one under other limits.
        let reported = history.unknown_was_reported();
        let since = history.standings.last().map(|(moment, _)| *moment);
        let since = since.max(history.restored);
        if reported.is_some_and(|reported| since < Some(reported)) {
            return broken(Promise::UnknownIdle, "that was reported");
        }
        Ok(())
    }
}
