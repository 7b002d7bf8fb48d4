//! Computes the next action that is due for a session, and by when.

use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, Finding, LimitKind, UnknownIdle};

use super::locks::Held;
use super::{Must, Oracle, Standing, Terms};
use crate::history::{FAILURES, History, Idle, PATIENCE, pause};
use crate::promise::Promise;

impl Oracle<'_> {
    /// What comes first of all that has to come.
    pub(super) fn must(&self, history: &History) -> Option<Must> {
        if let Some(removal) = history.removal
            && (history.ended_for().is_some() || !history.is_open())
        {
            return Some(self.must_verify(removal));
        }
        if let Some(end) = history.end() {
            return self.must_go_on(history, &end);
        }
        let verify = history.removal.map(|removal| self.must_verify(removal));
        sooner(verify, self.must_limits(history))
    }

    fn must_limits(&self, history: &History) -> Option<Must> {
        let groups = self.must_groups(history);
        let terms = match history.standing() {
            Standing::Under(id) if history.is_open() => self.tables.get(id)?,
            Standing::Under(_) | Standing::Undecided | Standing::Exempt => return groups,
        };
        if self.held(history) == Held::Yes {
            let absolute = terms.is_fixed().then(|| self.must_absolute(history, terms));
            let next = absolute.unwrap_or_else(|| self.must_lock_again(history, terms));
            return sooner(groups, next);
        }
        let absolute = self.must_absolute(history, terms);
        let inactivity = self.must_inactivity(history, terms);
        let stage = self.must_stage(history, terms);
        let proof = self.must_report_not_locked(history);
        [absolute, inactivity, stage, proof]
            .into_iter()
            .fold(groups, sooner)
    }

    fn must_absolute(&self, history: &History, terms: &Terms) -> Option<Must> {
        let (at, promise, what) = self.next_of(history, terms, LimitKind::Absolute)?;
        Some(self.due(at, promise, what))
    }

    fn must_inactivity(&self, history: &History, terms: &Terms) -> Option<Must> {
        let clock = terms.inactivity.as_ref()?;
        let (at, promise, what) = self.next_of(history, terms, LimitKind::Inactivity)?;
        let unknown = history.idle_may_be_unknown().or(history.idle_is_unknown());
        if let (Some(since), UnknownIdle::Report) = (unknown, terms.unknown) {
            return self.must_report_unknown(history, since, at, clock.length);
        }
        Some(self.after_a_look(history, at, promise, what))
    }

    fn must_stage(&self, history: &History, terms: &Terms) -> Option<Must> {
        let at = self.stage_due(history, terms)?;
        if history.idle_may_be_unknown().is_some() {
            return None;
        }
        Some(self.after_a_look(
            history,
            at,
            Promise::StageLock,
            "the lock of the first stage",
        ))
    }

    /// The next warning, end or report of this limit.
    fn next_of(
        &self,
        history: &History,
        terms: &Terms,
        kind: LimitKind,
    ) -> Option<(BootTime, Promise, &'static str)> {
        let clock = terms.clock(kind)?;
        let (_, high) = history.due(kind, terms, clock.length);
        if terms.rule_action(kind) == EndAction::Report {
            let reported = history.reported(Finding::Passed(kind));
            let again = reported.is_none_or(|at| self.passes_again(history, kind, at).0);
            return again.then_some((high, Promise::Reported, "a report that a limit passed"));
        }
        if let Some(end) = self.end_due(history, terms, kind) {
            return Some((end, Promise::NeverLate, "the end"));
        }
        let least = history.heard(kind).map(|(_, warning)| warning.lead).min();
        let mut leads = clock.leads.iter().copied();
        let next = leads.find(|lead| least.is_none_or(|least| *lead < least));
        let lead = next.or(clock.shortest())?;
        let due = high.saturating_sub(lead);
        Some((due, Promise::WarnedInTime, "a warning"))
    }

    /// What counts from the last activity waits for a reading.
    fn after_a_look(
        &self,
        history: &History,
        at: BootTime,
        promise: Promise,
        what: &'static str,
    ) -> Must {
        let probe = |at| self.due(at, Promise::ProbeInTime, "a question for a reading");
        // Under other terms there is another look.
        let changed = history.standings.last();
        let at = changed.map_or(at, |(moment, _)| at.max(moment.at));
        match history.idle() {
            Idle::Unasked => probe(at),
            // One that was asked under other terms may be forgotten.
            Idle::Asked(asked) if history.is_asked_under_other_terms() => {
                probe(at.max(asked.saturating_add(PATIENCE)))
            }
            Idle::Asked(asked) => self.due(
                asked.saturating_add(PATIENCE),
                Promise::ProbeInTime,
                "an end of waiting for a reading",
            ),
            Idle::Failed {
                at: failed,
                round,
                row,
                at_least,
            } if at_least < FAILURES || failed < at => {
                probe(at.max(failed.saturating_add(pause(round.max(row)))))
            }
            Idle::Failed { at: looked, .. } | Idle::Unknown(looked) | Idle::Known(looked) => {
                if looked < at {
                    probe(at)
                } else {
                    self.due(at, promise, what)
                }
            }
        }
    }

    /// A limit that is not enforced is reported once, and looked at again after about its length.
    fn must_report_unknown(
        &self,
        history: &History,
        since: BootTime,
        at: BootTime,
        length: Duration,
    ) -> Option<Must> {
        // Where it was unknown under other terms, too, it may be said at the next look.
        let changed = history.standings.last().map(|(moment, _)| *moment);
        let looked_before = history.standings.len() > 1 && changed > history.last_known_reading();
        if let Idle::Asked(asked) = history.idle()
            && !history.is_asked_under_other_terms()
        {
            let due = asked.saturating_add(PATIENCE);
            let what = "an end of waiting for a reading";
            return Some(self.due(due, Promise::ProbeInTime, what));
        }
        if history.unknown_was_reported().is_some() || looked_before {
            let (_, known) = history.idle_since();
            let about = length + length / 4 + PATIENCE * 6;
            let changed = changed.unwrap_or_default().at;
            let again = since.max(known).max(changed).saturating_add(about);
            return Some(self.due(
                again,
                Promise::ProbeInTime,
                "another question for a reading",
            ));
        }
        if let Idle::Failed {
            at: failed,
            round,
            row,
            at_least,
        } = history.idle()
            && (at_least < FAILURES || failed < at)
        {
            let again = failed.saturating_add(pause(round.max(row)));
            let what = "another question for a reading";
            return Some(self.due(again.max(at), Promise::ProbeInTime, what));
        }
        if since < at {
            return Some(self.due(at, Promise::ProbeInTime, "a question for a reading"));
        }
        Some(self.due(
            at,
            Promise::UnknownIdle,
            "a report that the idle time is unknown",
        ))
    }
}

fn sooner(one: Option<Must>, other: Option<Must>) -> Option<Must> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.by < one.by { other } else { one }),
        (one, other) => one.or(other),
    }
}
