//! Checks at the end of a call: whether all actions that it required were taken.

use session_timeout_policy::{BootTime, EndAction, Finding, LimitKind};

use super::locks::Held;
use super::tolerance::RESOLUTION;
use super::{Cause, CheckedSession, EventKind, FAR, KINDS, Oracle, Verdict, broken};
use crate::history::{EndFact, History, IdleTime, LockFact, Moment};
use crate::invariant::Invariant;
use crate::limits::{EffectiveLimits, LimitsChange, RuleLimits};
use crate::report::Report;

impl Oracle<'_> {
    /// Checks the end of a call, and computes the next requirement of each session.
    pub(super) fn settle(&mut self, report: &mut Report) -> Verdict {
        for at in 0..self.sessions.len() {
            let Some(checked) = self.sessions.get(at) else {
                continue;
            };
            if checked.gone {
                let id = &checked.history.facts.key.id;
                return broken(
                    Invariant::Leaves,
                    format!("{id} is gone, and nobody says so"),
                );
            }
            if !checked.touched {
                continue;
            }
            self.settled(&checked.history)?;
            self.probe_after_groups(at);
            let Some(checked) = self.sessions.get(at) else {
                continue;
            };
            let required = self.required(&checked.history);
            report.checks += 8;
            if let Some(checked) = self.sessions.get_mut(at) {
                checked.required = required;
                checked.history.abridge();
            }
        }
        let musts = self.sessions.iter().filter_map(|session| session.required);
        self.next = musts.map(|required| required.by).min().unwrap_or(FAR);
        Ok(())
    }

    /// When an end or a lock is complete, groups that were requested meanwhile may be overdue.
    fn probe_after_groups(&mut self, at: usize) {
        let (now, call) = (self.moment(), self.call);
        let Some(CheckedSession { history, .. }) = self.sessions.get_mut(at) else {
            return;
        };
        let ended = history.ends.last().map(|(moment, _)| *moment);
        let locked = history.locks.last().map(|(moment, _)| *moment);
        let is_over = ended.max(locked).is_some_and(|moment| moment.seq >= call);
        if is_over && history.gives_up_groups(now.at) {
            history.groups_unavailable(now);
        }
    }

    fn settled(&self, history: &History) -> Verdict {
        let named = |verdict: Verdict| {
            verdict.map_err(|super::Broken(invariant, seen)| {
                super::Broken(invariant, format!("{}: {seen}", history.facts.key.id))
            })
        };
        named(self.has_begun(history))?;
        named(self.extension_is_answered(history))?;
        named(self.hang_up_is_said(history))?;
        named(self.lock_is_said(history))?;
        named(self.removal_is_followed(history))?;
        named(self.reports_groups(history))?;
        named(self.is_probed(history))?;
        KINDS
            .into_iter()
            .try_for_each(|kind| named(self.is_withdrawn(history, kind)))
    }

    fn has_begun(&self, history: &History) -> Verdict {
        // A session that was decided while the daemon was down may or may not have been announced.
        if history.restored.is_none()
            && history.is_open()
            && history.began.is_none()
            && history.effective() != EffectiveLimits::Undecided
        {
            return broken(Invariant::BeginsOnce, "it does not begin");
        }
        Ok(())
    }

    fn hang_up_is_said(&self, history: &History) -> Verdict {
        match history.hung_up {
            Some((moment, _)) if self.is_new(moment) && history.hang_up_said.is_none() => {
                broken(Invariant::Confirmed, "it was hung up, and nobody says so")
            }
            _ => Ok(()),
        }
    }

    /// Checks that a session is probed when a limit starts to count from the last activity, so that
    /// a step of the wall clock is detected, and when an inhibitor may have changed.
    fn is_probed(&self, history: &History) -> Verdict {
        let Some(limits) = self.limits(history) else {
            return Ok(());
        };
        let counts = |limits: &RuleLimits| limits.counts_activity(history.is_graphical());
        if !counts(limits)
            || !history.is_open()
            || history.end().is_some()
            || self.held(history) == Held::Yes
        {
            return Ok(());
        }
        let mut effective_limits = history.effective_limits.iter().rev();
        let begins = history.baseline.is_none()
            && effective_limits
                .next()
                .is_some_and(|(moment, _)| self.is_new(*moment))
            && !matches!(effective_limits.next(), Some((_, EffectiveLimits::Limited(id)))
                if self.tables.get(*id).is_some_and(counts));
        let restored = history.restored.is_some_and(|moment| self.is_new(moment));
        let inhibitors = self.cause == Cause::Event(EventKind::Inhibitors) && limits.inhibitor;
        let called = self.cause == Cause::Event(EventKind::BecameIdle(history.stamp()))
            && limits.action != EndAction::Report
            && limits.inactivity.is_some();
        let asked = matches!(history.idle(), IdleTime::Asked(_));
        let answered = history.probes.last().and_then(|probe| probe.came);
        let answered = answered.is_some_and(|(moment, _)| self.is_new(moment));
        if ((begins && !restored) || inhibitors || called) && !asked && !answered {
            return broken(Invariant::ProbeInTime, "there is no probe");
        }
        Ok(())
    }

    /// Checks that a warning which became invalid in this call was withdrawn in it.
    fn is_withdrawn(&self, history: &History, kind: LimitKind) -> Verdict {
        // After a restart, the daemon does not withdraw warnings of an end that it does not
        // continue.
        let forgotten = history.forgot_end.is_some();
        let is_past = forgotten || history.closed.is_some_and(|closed| !self.is_new(closed));
        let mut before = history.warnings_in_force_before(kind, self.call);
        let before = before.find(|(said, _)| !self.is_new(*said));
        let Some((said, warning)) = before.filter(|_| !is_past) else {
            return Ok(());
        };
        // A restart under other leads may have restarted the countdown.
        let restored = history
            .restored
            .filter(|restored| restored > said && !self.is_new(*restored));
        let changed = |at: BootTime| {
            let mut effective_limits = history.effective_limits.iter();
            effective_limits.any(|(moment, _)| moment > said && moment.at <= at)
        };
        if restored.is_some_and(|restored| changed(restored.at)) {
            return Ok(());
        }
        let new = |moment: Moment| self.is_new(moment);
        // The request matches the announced end action.
        let asked = history.ends.iter().any(|(at, fact)| {
            at > said && matches!(fact, EndFact::Asked(_, limit) if *limit == kind)
        });
        if asked && !self.is_cancelled(history) {
            return Ok(());
        }
        let (mut held, mut renewed) = history.hold_changed(self.call);
        if kind == LimitKind::Absolute && history.fixed.is_some() {
            (held, renewed) = (None, false);
        }
        if history.end().is_some() || held == Some(kind) || history.hung_up.is_some() {
            return Ok(());
        }
        let changed = self.limits_changed(history, kind) == LimitsChange::Certain;
        let closed = history.closed.is_some_and(new);
        let reason = match kind {
            _ if asked => Some("what was asked for is called off"),
            _ if changed => Some("other terms hold"),
            _ if held.is_some() => Some("it is held"),
            _ if renewed => Some("its user has authenticated again"),
            _ if closed => Some("the user has logged out"),
            LimitKind::Absolute => history
                .extensions
                .last()
                .is_some_and(|(moment, _)| new(*moment))
                .then_some("more time was granted"),
            LimitKind::Inactivity => self.why_not_idle(history, *said),
        };
        match reason {
            Some(why) => broken(
                Invariant::Withdrawn,
                format!("{why}, and {warning:?} stands"),
            ),
            None => Ok(()),
        }
    }

    /// Whether a lock that was requested instead of an end is no longer needed.
    fn is_cancelled(&self, history: &History) -> bool {
        let new = |moment: &Moment| self.is_new(*moment);
        let over = history.ends.last();
        let dropped = history.locks.iter().rev();
        over.is_some_and(|(moment, fact)| new(moment) && *fact == EndFact::Checked)
            && dropped
                .take_while(|(moment, _)| new(moment))
                .any(|(_, fact)| *fact == LockFact::Dropped)
    }

    fn why_not_idle(&self, history: &History, said: Moment) -> Option<&'static str> {
        let (low, _) = history.known_now();
        if low > said.at.saturating_add(RESOLUTION)
            && history
                .last_known()
                .is_some_and(|known| self.is_new(known.moment))
        {
            return Some("there was activity");
        }
        let reported = history.reported(Finding::UnknownIdle);
        reported
            .is_some_and(|reported| self.is_new(reported))
            .then_some("the idle time is unknown")
    }

    /// How the limit in force of this kind changed in this call.
    pub(super) fn limits_changed(&self, history: &History, kind: LimitKind) -> LimitsChange {
        let start = Moment {
            at: self.now,
            seq: self.call.saturating_sub(1),
        };
        self.changed_since(history, kind, start)
    }

    /// How the limit in force of this kind changed since that time. While the session is undecided,
    /// the previous limit counts as in force.
    pub(super) fn changed_since(
        &self,
        history: &History,
        kind: LimitKind,
        since: Moment,
    ) -> LimitsChange {
        let decided = history.effective_limits.iter();
        let decided = decided.filter(|(_, effective)| *effective != EffectiveLimits::Undecided);
        let mut change = LimitsChange::None;
        let mut before: Option<EffectiveLimits> = None;
        for (moment, effective) in decided {
            if moment.seq > since.seq {
                change = change.max(self.change(before, *effective, kind));
            }
            before = Some(*effective);
        }
        change
    }

    fn change(
        &self,
        before: Option<EffectiveLimits>,
        after: EffectiveLimits,
        kind: LimitKind,
    ) -> LimitsChange {
        let limits = |effective| match effective {
            EffectiveLimits::Limited(id) => self.tables.get(id),
            EffectiveLimits::Undecided | EffectiveLimits::Exempt => None,
        };
        match (before.and_then(limits), limits(after)) {
            (Some(before), Some(after)) => before.changes(after, kind),
            (None, None) => LimitsChange::None,
            (Some(_), None) | (None, Some(_)) => LimitsChange::Certain,
        }
    }
}
