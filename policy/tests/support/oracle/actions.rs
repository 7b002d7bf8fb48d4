//! Checks each output against the history of its session.

use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, Action, BootTime, EndAction, EndReason, Event, Extended, Finding, LimitKind,
    Limits, LockCause, Output, Remains, Transition, UnknownIdle, Warning,
};

use super::Oracle;
use super::session::{Escalation, Removal, SessionState, Stage, Warned};

/// The earliest repetition of a probe without a reply.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The earliest repetition of a query of groups without a reply.
const GROUPS_TIMEOUT: Duration = Duration::from_secs(3);

impl Oracle {
    /// Panics if the output is not permitted, and records its effects.
    pub(super) fn check_output(&mut self, output: &Output, event: Option<&Event>) {
        let now = self.now;
        if let Output::Transition(Transition::Left(facts, reason)) = output {
            let session = self.sessions.remove(&facts.key);
            let session = session.expect("only a known session can leave");
            let certain = match event {
                Some(Event::Verified(key, remains)) if *key == facts.key => {
                    *remains == Remains::Nothing || session.ended_limit().is_none()
                }
                Some(Event::LoginClosed(_)) => true,
                _ => session.removal == Removal::No && !session.needs_verification(facts),
            };
            assert!(
                certain,
                "it is not certain that the session is gone: {session:#?}"
            );
            let ending = session
                .ending
                .filter(|ending| ending.stage != Stage::VerifyLock);
            let ended = ending.map(|ending| ending.limit).or(session.hung_up);
            assert_eq!(
                *reason,
                ended.map_or(EndReason::Other, EndReason::Limit),
                "{session:#?}"
            );
            return;
        }
        let key = output.key();
        let session = self.sessions.get_mut(key);
        let session = session.unwrap_or_else(|| panic!("an output for unknown {key:?}"));
        if matches!(
            output,
            Output::Action(Action::Warn(..) | Action::Lock(..))
                | Output::Transition(Transition::Found(..))
        ) {
            session.expire_verification(now);
        }
        match output {
            Output::Action(action) => session.check_action(now, action),
            Output::Transition(transition) => session.check_transition(now, transition),
        }
    }
}

impl SessionState {
    fn check_action(&mut self, now: BootTime, action: &Action) {
        match action {
            Action::Adopt(_) => {
                assert!(self.limits.is_some() && self.removal == Removal::No);
            }
            Action::AskLeader(_, kind) => self.check_stage(now, *kind, Stage::AskLeader),
            Action::EndRemains(_, kind) => assert_eq!(self.removal, Removal::Survived(*kind)),
            Action::Verify(_) => {
                assert!(self.removal != Removal::Survived(LimitKind::Absolute));
                assert!(
                    self.has_leader,
                    "a session without a leader cannot be verified: {self:#?}"
                );
                self.removal = Removal::Verifying;
            }
            Action::HangUp(_, kind) => self.check_stage(now, *kind, Stage::HangUp),
            Action::Kill(_, kind) => self.check_stage(now, *kind, Stage::Kill),
            Action::Lock(_, LockCause::Verify(kind)) => {
                self.check_stage(now, *kind, Stage::VerifyLock);
            }
            Action::Lock(_, LockCause::Limit(kind)) => self.check_stage(now, *kind, Stage::Lock),
            Action::Lock(_, LockCause::LockAfter) => self.check_lock_after(now),
            Action::Probe(_) => {
                let early = |requested: BootTime| now < requested.saturating_add(PROBE_TIMEOUT);
                assert!(
                    !self.probe_requested.is_some_and(early),
                    "probed twice: {self:#?}"
                );
                let wanted = self.holds(|limits| self.counts_idle_time(limits));
                assert!(wanted, "a probe without a use: {self:#?}");
                self.probe_requested = Some(now);
            }
            Action::ResolveGroups(_) => {
                let early = |requested: BootTime| now < requested.saturating_add(GROUPS_TIMEOUT);
                assert!(!self.groups_requested.is_some_and(early), "{self:#?}");
                self.groups_requested = Some(now);
            }
            Action::Terminate(_, kind) => self.check_stage(now, *kind, Stage::Terminate),
            Action::Warn(_, warning) => self.check_warning(now, *warning),
            Action::Withdraw(_, kind) => {
                // A lock for the other limit is no end, and the warning may be withdrawn meanwhile.
                let ends = |ending: Escalation| ending.stage > Stage::Lock || ending.limit == *kind;
                let ends = self.ending.is_some_and(ends);
                assert!(!ends, "an end is not withdrawn: {self:#?}");
                let warned = self.warned.remove(kind).is_some();
                let stale = self.stale.remove(kind);
                assert!(
                    warned || stale,
                    "a warning of the {kind} limit does not exist: {self:#?}"
                );
            }
        }
    }

    fn check_transition(&mut self, now: BootTime, transition: &Transition) {
        match transition {
            Transition::EndBegins(_, _, how) => {
                assert_ne!(self.ending.and_then(|ending| ending.end_action), Some(*how));
                self.end_action = Some(*how);
            }
            Transition::Began(_) => {
                assert!(!self.began, "began twice: {self:#?}");
                self.began = true;
            }
            Transition::HungUp(_, kind) => {
                let ending = self.ending.take().expect("a hang-up was not requested");
                assert_eq!((ending.stage, ending.limit), (Stage::HangUp, *kind));
                self.hung_up = Some(*kind);
                self.warned.clear();
            }
            Transition::Locked(_, LockCause::Verify(kind) | LockCause::Limit(kind)) => {
                let ending = self.ending.take().expect("a lock was not requested");
                assert_eq!((ending.stage, ending.limit), (Stage::Lock, *kind));
                // The lock completes the end that was warned of, unless no lock replaces it.
                let fixed = self.absolute.is_some_and(|absolute| absolute.fixed);
                if *kind == LimitKind::Inactivity || !fixed {
                    self.warned.remove(kind);
                }
            }
            Transition::Locked(_, LockCause::LockAfter) => {
                assert!(std::mem::take(&mut self.lock_requested), "{self:#?}");
            }
            Transition::Found(_, finding) => self.check_report(now, *finding),
            Transition::Left(..) => {}
        }
    }

    pub(super) fn check_extension(&mut self, now: BootTime, extended: &Extended) {
        assert!(self.ending.is_none(), "{self:#?}");
        assert!(!extended.by.is_zero() && extended.until >= now.saturating_add(extended.by));
        if self.before == self.limits {
            let most = ABSOLUTE_MAX.max(self.limits_in_force().absolute.length);
            let latest = self.anchor.saturating_add(most);
            assert!(extended.until <= latest, "{extended:?}: {self:#?}");
            if self.absolute.is_some_and(|absolute| !absolute.fixed) {
                assert_eq!(extended.until, self.end(LimitKind::Absolute));
            }
        }
        self.reported = false;
    }

    fn check_report(&mut self, now: BootTime, finding: Finding) {
        match finding {
            Finding::GroupsUnavailable => {}
            Finding::NotLocked => assert!(std::mem::take(&mut self.lock_requested), "{self:#?}"),
            Finding::Passed(kind) => {
                assert!(self.ending.is_none());
                let how = match kind {
                    LimitKind::Absolute => self.absolute.map(|absolute| absolute.how),
                    LimitKind::Inactivity => Some(self.limits_in_force().end_action),
                };
                assert_eq!(how, Some(EndAction::Report));
                assert!(now >= self.end(kind), "{kind} has not passed: {self:#?}");
                let absolute = kind == LimitKind::Absolute;
                assert!(
                    !(self.reported && absolute),
                    "a limit was reported twice: {self:#?}"
                );
                self.reported |= absolute;
            }
            Finding::Survived(kind) => {
                assert_eq!(
                    (self.removal, self.ended_limit()),
                    (Removal::Verifying, Some(kind))
                );
                self.removal = Removal::Survived(kind);
            }
            Finding::UnknownIdle => {
                let reported = |limits: &Limits| {
                    limits.unknown_idle == UnknownIdle::Report && self.counts_idle_time(limits)
                };
                assert!(self.holds(reported), "{self:#?}");
                let warned = self.warned.contains_key(&LimitKind::Inactivity);
                assert!(!warned, "{self:#?}");
            }
        }
    }

    fn check_warning(&mut self, now: BootTime, warning: Warning) {
        assert!(self.ending.is_none(), "a warning during an end: {self:#?}");
        let kind = warning.limit;
        let limit = self.limit(kind).expect("a warning of a disabled limit");
        let leads = &limit.leads;
        assert!(leads.iter().any(|lead| lead == warning.lead), "{limit:?}");
        let end = self.end(kind);
        assert!(
            now >= end.saturating_sub(warning.lead),
            "a warning too early: {self:#?}"
        );
        assert!(
            warning.ends_at >= end,
            "a warning names too early an end: {self:#?}"
        );
        if leads.shortest() == Some(warning.lead) {
            assert!(warning.ends_at >= now.saturating_add(warning.lead));
        }
        let last = Warned {
            last: warning,
            at: now,
        };
        self.stale.remove(&kind);
        if let Some(before) = self.warned.insert(kind, last) {
            assert!(
                warning.lead < before.last.lead,
                "a warning is repeated: {self:#?}"
            );
        }
    }
}
