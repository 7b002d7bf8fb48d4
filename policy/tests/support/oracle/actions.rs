//! Whether an action may follow from what came before.

use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, Action, BootTime, EndAction, EndReason, Event, Extended, Finding, LimitKind,
    Limits, LockCause, Remains, UnknownIdle, Warning,
};

use super::Oracle;
use super::session::{Ending, Known, Removal, Stage, Warned};

/// A probe that is not answered may be repeated after this time, and not before.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for the groups of a user.
const GROUPS_TIMEOUT: Duration = Duration::from_secs(3);

impl Oracle {
    pub(super) fn checks(&mut self, action: &Action, event: Option<&Event>) {
        let now = self.now;
        if let Action::Left(facts, departure) = action {
            let known = self.known.remove(&facts.key);
            let known = known.expect("only a known session can leave");
            let certain = match event {
                Some(Event::Verified(key, remains)) if *key == facts.key => {
                    *remains == Remains::Nothing || known.ended().is_none()
                }
                Some(Event::LoginClosed(_)) => true,
                _ => known.removal == Removal::No && !known.is_worth_a_look(facts),
            };
            assert!(certain, "nobody knows whether it is gone: {known:#?}");
            let ending = known
                .ending
                .filter(|ending| ending.stage != Stage::LockAgain);
            let ended = ending.map(|ending| ending.limit).or(known.hung_up);
            assert_eq!(
                *departure,
                ended.map_or(EndReason::Other, EndReason::Limit),
                "{known:#?}"
            );
            return;
        }
        let key = action.key();
        let known = self.known.get_mut(key);
        let known = known.unwrap_or_else(|| panic!("an action for unknown {key:?}"));
        if matches!(
            action,
            Action::Warn(..) | Action::Lock(..) | Action::Report(..)
        ) {
            known.gives_up_relock(now);
        }
        match action {
            Action::Adopt(_) => {
                assert!(known.limits.is_some() && known.removal == Removal::No);
            }
            Action::AskLeader(_, kind) => known.is_asked(now, *kind, Stage::AskLeader),
            Action::EndBegins(_, _, how) => {
                assert_ne!(known.ending.and_then(|ending| ending.way), Some(*how));
                known.way = Some(*how);
            }
            Action::EndRemains(_, kind) => assert_eq!(known.removal, Removal::Survived(*kind)),
            Action::Verify(_) => {
                assert!(known.removal != Removal::Survived(LimitKind::Absolute));
                assert!(known.has_leader, "nobody can tell: {known:#?}");
                known.removal = Removal::Asked;
            }
            Action::Began(_) => {
                assert!(!known.began, "begins twice: {known:#?}");
                known.began = true;
            }
            Action::Extended(_, extended) => known.is_extended(now, extended),
            Action::ExtensionRefused(..) | Action::Left(..) => {}
            Action::HangUp(_, kind) => known.is_asked(now, *kind, Stage::HangUp),
            Action::HungUp(_, kind) => {
                let ending = known.ending.take().expect("nobody asked for a hang-up");
                assert_eq!((ending.stage, ending.limit), (Stage::HangUp, *kind));
                known.hung_up = Some(*kind);
                known.warned.clear();
            }
            Action::Kill(_, kind) => known.is_asked(now, *kind, Stage::Kill),
            Action::Lock(_, LockCause::Verify(kind)) => {
                known.is_asked(now, *kind, Stage::LockAgain);
            }
            Action::Lock(_, LockCause::Limit(kind)) => known.is_asked(now, *kind, Stage::Lock),
            Action::Lock(_, LockCause::LockAfter) => known.is_staged(now),
            Action::Locked(_, LockCause::Verify(kind) | LockCause::Limit(kind)) => {
                let ending = known.ending.take().expect("nobody asked for a lock");
                assert_eq!((ending.stage, ending.limit), (Stage::Lock, *kind));
                // What was warned of has come about, but for an end that no lock puts off.
                let fixed = known.absolute.is_some_and(|absolute| absolute.fixed);
                if *kind == LimitKind::Inactivity || !fixed {
                    known.warned.remove(kind);
                }
            }
            Action::Locked(_, LockCause::LockAfter) => {
                assert!(std::mem::take(&mut known.lock_asked), "{known:#?}");
            }
            Action::Probe(_) => {
                let early = |asked: BootTime| now < asked.saturating_add(PROBE_TIMEOUT);
                assert!(!known.asked.is_some_and(early), "asked twice: {known:#?}");
                let wanted = known.holds(|limits| known.counts_idle_time(limits));
                assert!(wanted, "a probe for nothing: {known:#?}");
                known.asked = Some(now);
            }
            Action::Report(_, finding) => known.is_reported(now, *finding),
            Action::ResolveGroups(_) => {
                let early = |asked: BootTime| now < asked.saturating_add(GROUPS_TIMEOUT);
                assert!(!known.groups_asked.is_some_and(early), "{known:#?}");
                known.groups_asked = Some(now);
            }
            Action::Terminate(_, kind) => known.is_asked(now, *kind, Stage::Terminate),
            Action::Warn(_, warning) => known.is_warned(now, *warning),
            Action::Withdraw(_, kind) => {
                // But for what is locked for the other limit, and may go on after that.
                let ends = |ending: Ending| ending.stage > Stage::Lock || ending.limit == *kind;
                let ends = known.ending.is_some_and(ends);
                assert!(!ends, "an end is not withdrawn: {known:#?}");
                let warned = known.warned.remove(kind).is_some();
                let stale = known.stale.remove(kind);
                assert!(warned || stale, "nobody was warned of {kind}: {known:#?}");
            }
        }
    }
}

impl Known {
    fn is_extended(&mut self, now: BootTime, extended: &Extended) {
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

    fn is_reported(&mut self, now: BootTime, finding: Finding) {
        match finding {
            Finding::GroupsUnavailable => {}
            Finding::NotLocked => assert!(std::mem::take(&mut self.lock_asked), "{self:#?}"),
            Finding::Passed(kind) => {
                assert!(self.ending.is_none());
                let how = match kind {
                    LimitKind::Absolute => self.absolute.map(|absolute| absolute.how),
                    LimitKind::Inactivity => Some(self.limits_in_force().end_action),
                };
                assert_eq!(how, Some(EndAction::Report));
                assert!(now >= self.end(kind), "{kind} has not passed: {self:#?}");
                let absolute = kind == LimitKind::Absolute;
                assert!(!(self.reported && absolute), "twice: {self:#?}");
                self.reported |= absolute;
            }
            Finding::Survived(kind) => {
                assert_eq!((self.removal, self.ended()), (Removal::Asked, Some(kind)));
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

    fn is_warned(&mut self, now: BootTime, warning: Warning) {
        assert!(self.ending.is_none(), "warned while ending: {self:#?}");
        let kind = warning.limit;
        let limit = self.limit(kind).expect("a warning of a limit that is off");
        let leads = &limit.leads;
        assert!(leads.iter().any(|lead| lead == warning.lead), "{limit:?}");
        let end = self.end(kind);
        assert!(
            now >= end.saturating_sub(warning.lead),
            "too soon: {self:#?}"
        );
        assert!(warning.ends_at >= end, "names an end too soon: {self:#?}");
        if leads.shortest() == Some(warning.lead) {
            assert!(warning.ends_at >= now.saturating_add(warning.lead));
        }
        let last = Warned {
            last: warning,
            at: now,
        };
        self.stale.remove(&kind);
        if let Some(before) = self.warned.insert(kind, last) {
            assert!(warning.lead < before.last.lead, "again: {self:#?}");
        }
    }
}
