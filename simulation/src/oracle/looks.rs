//! Checks of probes: when they may be asked for, and what needs one.

use session_timeout_policy::{LimitKind, UnknownIdle};

use super::may::WHOLE;
use super::{Cause, Oracle, Terms, Verdict, What, broken};
use crate::history::{FAILURES, History, Idle, Outcome, pause};
use crate::promise::Promise;

use std::time::Duration;

impl Oracle<'_> {
    /// That there is a reading of this very moment, or nobody can have one and the policy does
    /// without.
    pub(super) fn on_fresh_reading(&self, history: &History, terms: &Terms) -> Verdict {
        let last = history.looks.iter().rev().find_map(|look| look.came);
        let Some((_, outcome)) = last.filter(|(moment, _)| moment.at == self.now) else {
            return broken(Promise::FreshReading, format!("the last was {last:?}"));
        };
        match outcome {
            Outcome::Known => Ok(()),
            _ if history.idle_may_be_unknown().is_none() => broken(
                Promise::FreshReading,
                "the reading failed, and will be repeated",
            ),
            _ if terms.unknown == UnknownIdle::Report => {
                broken(Promise::UnknownIdle, "nobody knows the idle time")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn may_probe(&self, history: &History) -> Verdict {
        let Some(terms) = self.terms(history) else {
            return broken(Promise::ProbeReason, "no limit holds");
        };
        let held = history.hold();
        let held = held.is_some_and(|hold| hold.firm) && history.is_graphical();
        // What is new is looked at first, for when it counts.
        let new = self.news(history)
            || self.is_told_to_all()
            || self.came_between(history)
            || history.baseline.is_none();
        if (held && !new) || !history.is_open() {
            return broken(
                Promise::ProbeReason,
                "nothing counts from the last activity",
            );
        }
        if history.end().is_some() || !terms.counts_activity(history.is_graphical()) {
            return broken(
                Promise::ProbeReason,
                "nothing counts from the last activity",
            );
        }
        if let Idle::Asked(at) = history.idle()
            && !history.is_asked_under_other_terms()
        {
            return broken(Promise::ProbeReason, format!("one is awaited since {at}"));
        }
        if self.has_probe_reason(history, terms) {
            Ok(())
        } else {
            broken(Promise::ProbeReason, "nothing is near")
        }
    }

    fn has_probe_reason(&self, history: &History, terms: &Terms) -> bool {
        let called = self.cause == Cause::Event(What::BecameIdle(history.stamp()));
        let news = self.news(history) || self.is_told_to_all() || called;
        let (low, _) = history.idle_since();
        let near = |span| self.now.saturating_add(WHOLE) >= low.saturating_add(span);
        // A first look that failed is made up for as soon as anything is told.
        let told = self.cause != Cause::Timeout || self.settled_now(history).is_some();
        let unseen = history.baseline.is_none() && told;
        let again = match history.idle() {
            Idle::Failed {
                at, at_least, row, ..
            } => {
                let retried = self.now >= at.saturating_add(pause(at_least));
                let named = history.heard(LimitKind::Inactivity).next();
                let named = named.is_some_and(|(_, last)| last.ends_at >= at);
                let unknown = named || row >= FAILURES || history.idle_is_unknown().is_some();
                retried || unknown || self.comes_due(history)
            }
            _ => false,
        };
        let near = spans(history, terms).any(near);
        let failed = matches!(history.idle(), Idle::Failed { .. });
        let between = self.came_between(history);
        news || unseen || between || again || (near && !failed)
    }

    /// Whether something has come due since the last reading failed: that is looked at in its own
    /// time.
    pub(super) fn comes_due(&self, history: &History) -> bool {
        let (Some(terms), Idle::Failed { at, .. }) = (self.terms(history), history.idle()) else {
            return false;
        };
        let (low, high) = history.idle_since();
        spans(history, terms).any(|span| {
            high.saturating_add(span).saturating_add(WHOLE) >= at
                && self.now.saturating_add(WHOLE) >= low.saturating_add(span)
        })
    }

    /// Whether there is another policy, or an inhibitor has changed.
    fn is_told_to_all(&self) -> bool {
        matches!(self.cause, Cause::Event(What::Inhibitors | What::Policy))
    }

    /// Whether there was something to look at after the reading was asked for that came in this
    /// call.
    fn came_between(&self, history: &History) -> bool {
        let last = history.looks.last();
        let asked = history.looks.iter().rev().find_map(|look| look.asked);
        let new = last
            .and_then(|look| look.came)
            .is_some_and(|(came, _)| self.is_new(came));
        new && asked.is_some_and(|asked| history.afresh.is_some_and(|at| at > asked))
    }

    /// Whether something began in this call that has to be looked at first.
    pub(super) fn news(&self, history: &History) -> bool {
        let mut moments = vec![history.first];
        moments.extend(history.restored);
        moments.extend(history.standings.last().map(|(moment, _)| *moment));
        moments.extend(history.locks.last().map(|(moment, _)| *moment));
        moments.into_iter().any(|moment| self.is_new(moment))
    }
}

/// After how long without activity something is due.
fn spans(history: &History, terms: &Terms) -> impl Iterator<Item = Duration> {
    let clock = terms.inactivity.iter();
    let limit = clock.flat_map(|clock| {
        let warnings = clock.leads.iter().map(|lead| clock.length - *lead);
        warnings.chain([clock.length])
    });
    limit.chain(terms.lock_after.filter(|_| history.is_graphical()))
}
