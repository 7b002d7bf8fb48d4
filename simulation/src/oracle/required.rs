//! Computes the next action that a session requires, and its deadline.

use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, Finding, LimitKind, UnknownIdle};

use super::locks::Held;
use super::{Oracle, Requirement};
use crate::history::{FAILURES, History, IdleTime, PROBE_TIMEOUT, pause};
use crate::invariant::Invariant;
use crate::limits::{EffectiveLimits, RuleLimits};

impl Oracle<'_> {
    /// The earliest requirement of a session.
    pub(super) fn required(&self, history: &History) -> Option<Requirement> {
        if let Some(removal) = history.removal
            && (history.ended_for().is_some() || !history.is_open())
        {
            return Some(self.must_verify(removal));
        }
        if let Some(end) = history.end() {
            return self.must_continue_end(history, &end);
        }
        let verify = history.removal.map(|removal| self.must_verify(removal));
        sooner(verify, self.must_limits(history))
    }

    fn must_limits(&self, history: &History) -> Option<Requirement> {
        let groups = self.must_groups(history);
        let limits = match history.effective() {
            EffectiveLimits::Limited(id) if history.is_open() => self.tables.get(id)?,
            EffectiveLimits::Limited(_) | EffectiveLimits::Undecided | EffectiveLimits::Exempt => {
                return groups;
            }
        };
        if self.held(history) == Held::Yes {
            let absolute = limits
                .ends_despite_lock()
                .then(|| self.must_absolute(history, limits));
            let next = absolute.unwrap_or_else(|| self.must_lock_again(history, limits));
            return sooner(groups, next);
        }
        let absolute = self.must_absolute(history, limits);
        let inactivity = self.must_inactivity(history, limits);
        let stage = self.must_lock_after(history, limits);
        let proof = self.must_report_not_locked(history);
        [absolute, inactivity, stage, proof]
            .into_iter()
            .fold(groups, sooner)
    }

    fn must_absolute(&self, history: &History, limits: &RuleLimits) -> Option<Requirement> {
        let (at, invariant, what) = self.next_of(history, limits, LimitKind::Absolute)?;
        Some(self.due(at, invariant, what))
    }

    fn must_inactivity(&self, history: &History, limits: &RuleLimits) -> Option<Requirement> {
        let clock = limits.inactivity.as_ref()?;
        let (at, invariant, what) = self.next_of(history, limits, LimitKind::Inactivity)?;
        let unknown = history.idle_may_be_unknown().or(history.idle_is_unknown());
        if let (Some(since), UnknownIdle::Report) = (unknown, limits.unknown) {
            return self.must_report_unknown(history, since, at, clock.length);
        }
        Some(self.after_a_probe(history, at, invariant, what))
    }

    fn must_lock_after(&self, history: &History, limits: &RuleLimits) -> Option<Requirement> {
        let at = self.stage_due(history, limits)?;
        if history.idle_may_be_unknown().is_some() {
            return None;
        }
        Some(self.after_a_probe(
            history,
            at,
            Invariant::LockAfter,
            "the lock of `lock-after`",
        ))
    }

    /// The next warning, end or report of this limit.
    fn next_of(
        &self,
        history: &History,
        limits: &RuleLimits,
        kind: LimitKind,
    ) -> Option<(BootTime, Invariant, &'static str)> {
        let clock = limits.clock(kind)?;
        let (_, high) = history.due(kind, limits, clock.length);
        if limits.rule_action(kind) == EndAction::Report {
            let reported = history.reported(Finding::Passed(kind));
            let again = reported.is_none_or(|at| self.passes_again(history, kind, at).0);
            return again.then_some((high, Invariant::Reported, "a report that a limit passed"));
        }
        if let Some(end) = self.end_due(history, limits, kind) {
            return Some((end, Invariant::NeverLate, "the end"));
        }
        let least = history
            .warnings_in_force(kind)
            .map(|(_, warning)| warning.lead)
            .min();
        let mut leads = clock.leads.iter().copied();
        let next = leads.find(|lead| least.is_none_or(|least| *lead < least));
        let lead = next.or(clock.shortest())?;
        let due = high.saturating_sub(lead);
        Some((due, Invariant::WarnedInTime, "a warning"))
    }

    /// Delays a requirement that counts from the last activity until there is a reading.
    fn after_a_probe(
        &self,
        history: &History,
        at: BootTime,
        invariant: Invariant,
        what: &'static str,
    ) -> Requirement {
        let probe = |at| self.due(at, Invariant::ProbeInTime, "a probe");
        // A change of limits causes another probe.
        let changed = history.effective_limits.last();
        let at = changed.map_or(at, |(moment, _)| at.max(moment.at));
        match history.idle() {
            IdleTime::Unasked => probe(at),
            // A probe that was requested under other limits may have been dropped.
            IdleTime::Asked(asked) if history.is_asked_under_other_terms() => {
                probe(at.max(asked.saturating_add(PROBE_TIMEOUT)))
            }
            IdleTime::Asked(asked) => self.due(
                asked.saturating_add(PROBE_TIMEOUT),
                Invariant::ProbeInTime,
                "an end of waiting for a reading",
            ),
            IdleTime::Failed {
                at: failed,
                round,
                row,
                at_least,
            } if at_least < FAILURES || failed < at => {
                probe(at.max(failed.saturating_add(pause(round.max(row)))))
            }
            IdleTime::Failed { at: probed_at, .. }
            | IdleTime::Unknown(probed_at)
            | IdleTime::Known(probed_at) => {
                if probed_at < at {
                    probe(at)
                } else {
                    self.due(at, invariant, what)
                }
            }
        }
    }

    /// The required report of a limit that is not enforced: once, and again after a probe that
    /// follows after about the length of the limit.
    fn must_report_unknown(
        &self,
        history: &History,
        since: BootTime,
        at: BootTime,
        length: Duration,
    ) -> Option<Requirement> {
        // If the idle time was unknown under the previous limits too, the report may follow the
        // next probe.
        let changed = history.effective_limits.last().map(|(moment, _)| *moment);
        let looked_before =
            history.effective_limits.len() > 1 && changed > history.last_known_reading();
        if let IdleTime::Asked(asked) = history.idle()
            && !history.is_asked_under_other_terms()
        {
            let due = asked.saturating_add(PROBE_TIMEOUT);
            let what = "an end of waiting for a reading";
            return Some(self.due(due, Invariant::ProbeInTime, what));
        }
        if history.unknown_was_reported().is_some() || looked_before {
            let (_, known) = history.idle_since();
            let about = length + length / 4 + PROBE_TIMEOUT * 6;
            let changed = changed.unwrap_or_default().at;
            let again = since.max(known).max(changed).saturating_add(about);
            return Some(self.due(again, Invariant::ProbeInTime, "another probe"));
        }
        if let IdleTime::Failed {
            at: failed,
            round,
            row,
            at_least,
        } = history.idle()
            && (at_least < FAILURES || failed < at)
        {
            let again = failed.saturating_add(pause(round.max(row)));
            let what = "another probe";
            return Some(self.due(again.max(at), Invariant::ProbeInTime, what));
        }
        if since < at {
            return Some(self.due(at, Invariant::ProbeInTime, "a probe"));
        }
        Some(self.due(
            at,
            Invariant::UnknownIdle,
            "a report that the idle time is unknown",
        ))
    }
}

fn sooner(one: Option<Requirement>, other: Option<Requirement>) -> Option<Requirement> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.by < one.by { other } else { one }),
        (one, other) => one.or(other),
    }
}
