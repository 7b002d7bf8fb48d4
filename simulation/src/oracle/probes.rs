//! Checks of probes: whether each is allowed, and which deadlines require one.

use session_timeout_policy::{LimitKind, UnknownIdle};

use super::tolerance::RESOLUTION;
use super::{Cause, EventKind, Oracle, Verdict, broken};
use crate::history::{FAILURES, History, IdleTime, ProbeOutcome, pause};
use crate::invariant::Invariant;
use crate::limits::RuleLimits;

use std::time::Duration;

impl Oracle<'_> {
    /// Checks that there is a reading of this moment, or that no reading is possible and the policy
    /// does not need one.
    pub(super) fn on_fresh_reading(&self, history: &History, limits: &RuleLimits) -> Verdict {
        let last = history.probes.iter().rev().find_map(|probe| probe.came);
        let Some((_, outcome)) = last.filter(|(moment, _)| moment.at == self.now) else {
            return broken(Invariant::FreshReading, format!("the last was {last:?}"));
        };
        match outcome {
            ProbeOutcome::Known => Ok(()),
            _ if history.idle_may_be_unknown().is_none() => broken(
                Invariant::FreshReading,
                "the reading failed, and will be repeated",
            ),
            _ if limits.unknown == UnknownIdle::Report => {
                broken(Invariant::UnknownIdle, "nobody knows the idle time")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn may_probe(&self, history: &History) -> Verdict {
        let Some(limits) = self.limits(history) else {
            return broken(Invariant::ProbeReason, "no limit holds");
        };
        let held = history.hold();
        let held = held.is_some_and(|hold| hold.firm) && history.is_graphical();
        // A deadline that is new in this call is probed for before it is acted on.
        let new = self.news(history)
            || self.is_signalled_to_all()
            || self.came_between(history)
            || history.baseline.is_none();
        if (held && !new) || !history.is_open() {
            return broken(
                Invariant::ProbeReason,
                "nothing counts from the last activity",
            );
        }
        if history.end().is_some() || !limits.counts_activity(history.is_graphical()) {
            return broken(
                Invariant::ProbeReason,
                "nothing counts from the last activity",
            );
        }
        if let IdleTime::Asked(at) = history.idle()
            && !history.is_asked_under_other_terms()
        {
            return broken(Invariant::ProbeReason, format!("one is awaited since {at}"));
        }
        if self.has_probe_reason(history, limits) {
            Ok(())
        } else {
            broken(Invariant::ProbeReason, "nothing is near")
        }
    }

    fn has_probe_reason(&self, history: &History, limits: &RuleLimits) -> bool {
        let called = self.cause == Cause::Event(EventKind::BecameIdle(history.stamp()));
        let news = self.news(history) || self.is_signalled_to_all() || called;
        let (low, _) = history.idle_since();
        let near = |span| self.now.saturating_add(RESOLUTION) >= low.saturating_add(span);
        // A failed first probe is repeated at the next event.
        let has_event = self.cause != Cause::Timeout || self.settled_now(history).is_some();
        let unseen = history.baseline.is_none() && has_event;
        let again = match history.idle() {
            IdleTime::Failed {
                at, at_least, row, ..
            } => {
                let retried = self.now >= at.saturating_add(pause(at_least));
                let named = history.warnings_in_force(LimitKind::Inactivity).next();
                let named = named.is_some_and(|(_, last)| last.ends_at >= at);
                let unknown = named || row >= FAILURES || history.idle_is_unknown().is_some();
                retried || unknown || self.comes_due(history)
            }
            _ => false,
        };
        let near = spans(history, limits).any(near);
        let failed = matches!(history.idle(), IdleTime::Failed { .. });
        let between = self.came_between(history);
        news || unseen || between || again || (near && !failed)
    }

    /// Whether a deadline has passed since the last probe failed; its probe is not delayed by the
    /// pause.
    pub(super) fn comes_due(&self, history: &History) -> bool {
        let (Some(limits), IdleTime::Failed { at, .. }) = (self.limits(history), history.idle())
        else {
            return false;
        };
        let (low, high) = history.idle_since();
        spans(history, limits).any(|span| {
            high.saturating_add(span).saturating_add(RESOLUTION) >= at
                && self.now.saturating_add(RESOLUTION) >= low.saturating_add(span)
        })
    }

    /// Whether the policy or an inhibitor has changed.
    fn is_signalled_to_all(&self) -> bool {
        matches!(
            self.cause,
            Cause::Event(EventKind::Inhibitors | EventKind::Policy)
        )
    }

    /// Whether there was a reason for another probe after the request whose reading came in this
    /// call.
    fn came_between(&self, history: &History) -> bool {
        let last = history.probes.last();
        let asked = history.probes.iter().rev().find_map(|probe| probe.asked);
        let new = last
            .and_then(|probe| probe.came)
            .is_some_and(|(came, _)| self.is_new(came));
        new && asked.is_some_and(|asked| history.afresh.is_some_and(|at| at > asked))
    }

    /// Whether a limit that began in this call requires a probe first.
    pub(super) fn news(&self, history: &History) -> bool {
        let mut moments = vec![history.first];
        moments.extend(history.restored);
        moments.extend(history.effective_limits.last().map(|(moment, _)| *moment));
        moments.extend(history.locks.last().map(|(moment, _)| *moment));
        moments.into_iter().any(|moment| self.is_new(moment))
    }
}

/// The idle times at which deadlines are due.
fn spans(history: &History, limits: &RuleLimits) -> impl Iterator<Item = Duration> {
    let clock = limits.inactivity.iter();
    let limit = clock.flat_map(|clock| {
        let warnings = clock.leads.iter().map(|lead| clock.length - *lead);
        warnings.chain([clock.length])
    });
    limit.chain(limits.lock_after.filter(|_| history.is_graphical()))
}
