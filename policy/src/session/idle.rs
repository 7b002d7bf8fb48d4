//! The idle time of one session: when the session is probed, and the effects of the reply.
//!
//! Two deadlines count from the last activity: the lock of `lock-after` and the inactivity limit.
//! Each needs a successful probe at the moment when it is due.

use std::time::Duration;

use crate::session::Session;
use crate::session::countdown::{Countdown, Step};
use crate::session::outputs::Outputs;
use crate::session::request::{Due, Request, RetryPolicy};
use crate::{
    Action, ActivityKind, BootTime, EndAction, Finding, IdleSource, Leads, Limit, LimitKind,
    Reading, Transition, UnknownIdle, Wake,
};

/// The daemon's own timeout for a probe is shorter.
const RETRY: RetryPolicy = RetryPolicy {
    timeout: Duration::from_secs(10),
    pause: Duration::from_secs(1),
    pause_max: Duration::from_secs(30),
};

/// The number of consecutive failures after which the idle time counts as unknown.
const FAILURES: u32 = 4;

impl Session {
    /// Probes the session as soon as its idle time matters, so that a step of the wall clock before
    /// its first deadline is detected.
    pub(crate) fn probe_baseline(&mut self, now: BootTime, out: &mut Outputs) {
        let probed = self.activity.clocks.is_some() || self.probe != Request::Idle;
        if self.idle_matters() && !probed && !self.is_acting() {
            self.send_probe(now, out);
        }
    }

    /// Handles activity at this moment, whether the session was warned or not. It does not stop an
    /// end, and ends no hold.
    pub(crate) fn activity_seen(&mut self, now: BootTime, out: &mut Outputs) {
        if self.is_ending() {
            return;
        }
        let before = self.activity.latest();
        self.activity.seen(now);
        if self.activity.latest() > before {
            self.withdraw(LimitKind::Inactivity, out);
        }
    }

    pub(crate) fn probed(&mut self, now: BootTime, reading: Reading, out: &mut Outputs) {
        self.probe = Request::Idle;
        match reading.locked {
            Some(true) => self.locked(now, out),
            Some(false) if !self.is_ending() => self.found_unlocked(),
            Some(false) | None => {}
        }
        if self.is_ending() {
            return;
        }
        let before = self.activity.latest();
        let counted = self.limits().map(|limits| limits.activity.clone());
        let session_type = self.facts.session_type;
        self.activity
            .observe(now, reading, session_type, &counted.unwrap_or_default());
        if self.activity.is_later_than(before) {
            self.withdraw(LimitKind::Inactivity, out);
        }
        // Overdue groups are handled before the result has effects.
        self.unknown_reported &= self.is_idle_unenforced();
    }

    /// A probe found the screen unlocked, although logind signalled no unlock.
    fn found_unlocked(&mut self) {
        if self.locking.locked {
            // What `lock-after` was for is due again.
            self.lock_after = Countdown::default();
        }
        if self.verify_lock.is_some() {
            // A repeated lock request is pending: it is confirmed, or the hold ends.
            self.locking.locked = false;
        } else {
            self.locking.found_unlocked();
        }
    }

    pub(crate) fn probe_failed(&mut self, now: BootTime, out: &mut Outputs) {
        if self.is_acting() {
            return;
        }
        let Some(failures) = self.probe.fail(now, RETRY) else {
            return;
        };
        self.probe_again = false;
        let wanted = self.idle_due().is_some_and(|due| due <= now);
        if failures >= FAILURES && wanted {
            self.activity.set_unknown(now);
            self.report_unknown(out);
        }
    }

    /// An inhibitor lock was taken or released in some session. Only a probe at this moment shows
    /// its effect.
    pub(crate) fn inhibitors_changed(&mut self, now: BootTime, out: &mut Outputs) {
        let counts = self
            .limits()
            .is_some_and(|limits| limits.activity.contains(&ActivityKind::Inhibitor));
        if counts {
            self.request_fresh_probe(now, out);
        }
    }

    /// The agent reports that there was no input for the requested watch time.
    pub(crate) fn became_idle(&mut self, now: BootTime, out: &mut Outputs) {
        if self.idle_due().is_some() {
            self.request_fresh_probe(now, out);
        }
    }

    /// Requests a probe, even if another one is pending.
    fn request_fresh_probe(&mut self, now: BootTime, out: &mut Outputs) {
        if !self.idle_matters() || self.is_acting() {
            return;
        }
        match self.probe {
            // A probe that has timed out does not prevent another.
            Request::Pending { .. } if self.probe.step(now, RETRY).is_none() => {
                self.probe_again = true;
            }
            Request::Pending { .. } | Request::Idle | Request::Failed { .. } => {
                self.send_probe(now, out);
            }
        }
    }

    pub(crate) fn tick_idle(&mut self, now: BootTime, out: &mut Outputs) {
        if self.is_acting() {
            return;
        }
        if self.probe == Request::Idle
            && std::mem::take(&mut self.probe_again)
            && self.idle_matters()
        {
            self.send_probe(now, out);
        }
        if self.idle_due().is_none() {
            return;
        }
        match self.probe.step(now, RETRY) {
            Some(Due::TimedOut) => self.probe_failed(now, out),
            Some(Due::Retry) if self.is_retry_needed(now) => self.send_probe(now, out),
            // No repetition: the next deadline requests a probe.
            Some(Due::Retry) => self.probe = Request::Idle,
            None => {}
        }
        if self.idle_due().is_none_or(|due| now < due) {
            return;
        }
        // An older probe is no evidence, even one after the deadline: if a reload has shortened the
        // limit, there may have been input since.
        if self.activity.probed_at < now {
            if self.probe == Request::Idle {
                self.send_probe(now, out);
            }
            return;
        }
        if self.is_idle_unenforced() {
            self.report_unknown(out);
            return;
        }
        self.tick_lock_after(now, out);
        self.tick_inactivity(now, out);
    }

    /// Whether a failed probe is repeated after its pause: if a deadline has passed, and once more
    /// when the idle time counts as unknown, so that a short failure has a short effect.
    fn is_retry_needed(&self, now: BootTime) -> bool {
        let due = self.idle_due().is_some_and(|due| due <= now);
        let just_unknown =
            matches!(self.probe, Request::Failed { failures, .. } if failures == FAILURES);
        due || just_unknown
    }

    pub(crate) fn idle_wake(&self) -> Option<(BootTime, Wake)> {
        let due = self.idle_due()?;
        Some(match self.probe.due(RETRY) {
            None => (due, self.idle_wake_reason()),
            Some(due) => (due, Wake::Probe),
        })
    }

    /// How long a source is to watch for the absence of input: until the next deadline.
    pub(crate) fn watch(&self) -> Option<Duration> {
        let limits = self.limits()?;
        let warned = limits.inactivity.as_ref().map(|limit| {
            let first = limit.leads.iter().next();
            limit.length.saturating_sub(first.unwrap_or_default())
        });
        let lock_after = self.lock_after_limit().map(|lock_after| lock_after.length);
        warned.into_iter().chain(lock_after).min()
    }

    /// The time that the inactivity limit counts from.
    pub(crate) fn idle_since(&self) -> BootTime {
        self.locking.anchor(self.activity.latest())
    }

    /// Whether the inactivity limit is not enforced because the idle time is unknown.
    pub(crate) fn is_idle_unenforced(&self) -> bool {
        self.activity.source == IdleSource::Unknown
            && self
                .limits()
                .is_some_and(|limits| limits.unknown_idle == UnknownIdle::Report)
    }

    /// The lock of `lock-after`, as a limit; only for sessions with a screen.
    pub(crate) fn lock_after_limit(&self) -> Option<Limit> {
        let limits = self.limits()?;
        let length = limits.lock_after?;
        let wanted = self.facts.session_type.is_graphical();
        (wanted && limits.end_action != EndAction::Report).then(|| Limit {
            length,
            leads: Leads::default(),
        })
    }

    /// Whether a deadline counts from the last activity.
    pub(crate) fn idle_matters(&self) -> bool {
        let limited = |limits: &crate::Limits| limits.inactivity.is_some();
        self.limits().is_some_and(limited) || self.lock_after_limit().is_some()
    }

    /// When a deadline that counts from the last activity is due. A probe precedes it.
    pub(crate) fn idle_due(&self) -> Option<BootTime> {
        let due = self.nominal_due()?;
        let said = self.unknown_reported && self.activity.probed_at >= due;
        if said && self.is_idle_unenforced() {
            // A probe found no source. A desktop may provide one later, so the probe is repeated.
            let lock_after = self.lock_after_limit();
            let limit = self.limits()?.inactivity.as_ref().or(lock_after.as_ref())?;
            Some(self.activity.probed_at.saturating_add(limit.length))
        } else {
            Some(due)
        }
    }

    /// The same, regardless of whether the idle time is known.
    fn nominal_due(&self) -> Option<BootTime> {
        let (end, lock_after) = self.nominal_dues();
        end.into_iter().chain(lock_after).min()
    }

    /// When the inactivity limit or `lock-after` is due.
    fn nominal_dues(&self) -> (Option<BootTime>, Option<BootTime>) {
        if self.is_held() {
            return (None, None);
        }
        let since = self.idle_since();
        let limit = self.limits().and_then(|limits| limits.inactivity.as_ref());
        let end = limit.and_then(|limit| self.inactivity.due(since, limit));
        let lock_after = self.lock_after_limit();
        let lock_after = lock_after.and_then(|limit| self.lock_after.due(since, &limit));
        (end, lock_after)
    }

    fn idle_wake_reason(&self) -> Wake {
        match self.nominal_dues() {
            (Some(end), Some(lock_after)) if lock_after < end => Wake::LockAfter,
            (None, Some(_)) => Wake::LockAfter,
            (Some(_) | None, Some(_) | None) => Wake::Limit(LimitKind::Inactivity),
        }
    }

    fn tick_lock_after(&mut self, now: BootTime, out: &mut Outputs) {
        let since = self.idle_since();
        let Some(limit) = self.lock_after_limit() else {
            return;
        };
        if self.lock_after.step(now, since, &limit) != Some(Step::End) {
            return;
        }
        // Not repeated until there is activity again.
        self.lock_after.reported = true;
        if !self.locking.locked {
            self.locking.requested_at = Some(now);
            let cause = crate::LockCause::LockAfter;
            out.push(Action::Lock(self.facts.key.clone(), cause));
        }
    }

    fn tick_inactivity(&mut self, now: BootTime, out: &mut Outputs) {
        let since = self.idle_since();
        let limits = self.limits();
        let Some(limit) = limits.and_then(|limits| limits.inactivity.clone()) else {
            return;
        };
        if let Some(step) = self.inactivity.step(now, since, &limit) {
            self.act_on(now, LimitKind::Inactivity, step, limit.length, out);
        }
    }

    /// After a restart under other limits: the report counts only if the session was probed at the
    /// deadline of the current limits.
    pub(crate) fn restore_unknown_report(&mut self) {
        let probed = |due| self.activity.probed_at >= due;
        self.unknown_reported &=
            self.is_idle_unenforced() && self.nominal_due().is_some_and(probed);
    }

    fn report_unknown(&mut self, out: &mut Outputs) {
        if !self.is_idle_unenforced() {
            self.unknown_reported = false;
            return;
        }
        let Some(due) = self.nominal_due() else {
            return;
        };
        if !self.unknown_reported && self.activity.probed_at >= due {
            self.unknown_reported = true;
            // The lock of `lock-after` has succeeded or failed by now.
            let lock_after = std::mem::take(&mut self.lock_after);
            self.withdraw(LimitKind::Inactivity, out);
            self.lock_after = lock_after;
            out.push(Transition::Found(
                self.facts.key.clone(),
                Finding::UnknownIdle,
            ));
        }
    }

    /// Drops a pending probe and its repetition.
    pub(crate) fn drop_probe(&mut self) {
        self.probe_again = false;
        self.probe = Request::Idle;
    }

    fn send_probe(&mut self, now: BootTime, out: &mut Outputs) {
        self.probe_again = false;
        self.probe.send(now);
        out.push(Action::Probe(self.facts.key.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Engine, Event, Limits, Policy, SessionClass, SessionFacts, SessionKey};
    use crate::{SessionType, Uid, WallTime};

    fn facts() -> SessionFacts {
        SessionFacts {
            key: SessionKey {
                id: "c1".into(),
                stamp: 1,
            },
            user: "alice".to_owned(),
            uid: Uid::new(1000),
            class: SessionClass::User,
            session_type: SessionType::Tty,
            leader: None,
            service: None,
            remote_host: None,
            terminal: None,
            seat: None,
            started: BootTime::default(),
            keeper: crate::Keeper::Logind,
            invocation: None,
            audit: None,
        }
    }

    #[test]
    fn an_inhibitor_that_changes_during_a_look_is_looked_for_again() {
        let limits = Limits {
            inactivity: Some(crate::Limit {
                length: Duration::from_secs(900),
                leads: crate::Leads::default(),
            }),
            activity: BTreeSet::from([ActivityKind::Input, ActivityKind::Inhibitor]),
            ..Limits::default()
        };
        let policy = Policy {
            default: Some(limits),
            ..Policy::default()
        };
        let key = facts().key;
        let reading = Reading {
            wall: WallTime::from_micros(1_800_000_000_000_000),
            ..Reading::default()
        };
        let now = BootTime::default();
        let mut engine = Engine::new(now, policy);
        let seen = engine.handle(now, Event::SessionSeen(facts()));
        let probe = Action::Probe(key.clone()).into();
        assert!(seen.contains(&probe));
        // The probe may have been sent before or after the change.
        assert!(
            !engine
                .handle(now, Event::InhibitorsChanged)
                .contains(&probe)
        );
        let probed = Event::Probed(key.clone(), reading.clone());
        assert!(engine.handle(now, probed).contains(&probe));
        // One repetition is sufficient.
        let probed = Event::Probed(key, reading);
        assert!(!engine.handle(now, probed).contains(&probe));
    }
}
