//! Checks the stages of an end: their order, their times, and the warnings before them.

use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, LimitKind};

use super::session::{Escalation, SessionState, Stage};

/// How long a request that fails is repeated before the next stage.
const SOFT_RETRY_FOR: Duration = Duration::from_secs(30);

impl SessionState {
    /// Ends the verification of a lock, which has a result.
    pub(super) fn end_verification(&mut self) {
        self.ending
            .take_if(|ending| ending.stage == Stage::VerifyLock);
    }

    /// Ends the verification of a lock after its time.
    pub(super) fn expire_verification(&mut self, now: BootTime) {
        self.ending.take_if(|ending| {
            let retrying = now < ending.stage_since.saturating_add(SOFT_RETRY_FOR);
            let outlived = now >= ending.requested_at.saturating_add(ending.grace);
            let over = outlived || (ending.failed && !retrying);
            ending.stage == Stage::VerifyLock && over && !ending.unreached
        });
    }

    /// Checks a lock by `lock-after`, before the end.
    pub(super) fn check_lock_after(&mut self, now: BootTime) {
        assert!(self.ending.is_none() && self.graphical, "{self:#?}");
        let limits = self.limits_in_force();
        let after = limits.lock_after.expect("`lock-after` is not set");
        assert_ne!(limits.end_action, EndAction::Report);
        let since = self.anchor.max(self.active);
        assert!(
            now >= since.saturating_add(after),
            "a lock too early: {self:#?}"
        );
        self.lock_requested = true;
    }

    /// Checks the request of a stage: the first of an end, a repetition, or the next one.
    pub(super) fn check_stage(&mut self, now: BootTime, kind: LimitKind, stage: Stage) {
        let Some(ending) = &mut self.ending else {
            self.begin_end(now, kind, stage);
            return;
        };
        assert_eq!(ending.limit, kind);
        let retry_for = match ending.stage {
            Stage::AskLeader => ending.grace,
            _ => SOFT_RETRY_FOR,
        };
        let retrying = now < ending.stage_since.saturating_add(retry_for);
        let grace = match ending.stage {
            Stage::Terminate => ending.kill_after,
            _ => ending.grace,
        };
        let outlived = now >= ending.requested_at.saturating_add(grace);
        match stage.cmp(&ending.stage) {
            std::cmp::Ordering::Less => panic!("an earlier stage: {self:#?}"),
            std::cmp::Ordering::Equal if stage != Stage::Kill => {
                let refused = ending.failed && retrying;
                assert!(
                    refused || ending.unreached,
                    "repeated without a failure: {ending:?}"
                );
            }
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => {
                let done = ending.stage == Stage::AskLeader && ending.leader_gone;
                assert!(
                    !ending.unreached || done,
                    "the last request was not received: {ending:?}"
                );
                assert!(
                    outlived || (ending.failed && !retrying) || done,
                    "the next stage too early: {ending:?}"
                );
                let next = match ending.stage {
                    Stage::VerifyLock | Stage::Lock => Stage::AskLeader,
                    Stage::HangUp | Stage::AskLeader => Stage::Terminate,
                    Stage::Terminate | Stage::Kill => Stage::Kill,
                };
                assert_eq!(stage, next, "a stage was left out: {ending:?}");
            }
        }
        ending.end_action = self.end_action.take().or(ending.end_action);
        assert_eq!(
            ending.end_action,
            stage.end_action(),
            "another end action was announced: {ending:?}"
        );
        if stage != ending.stage {
            ending.stage_since = now;
        }
        (ending.stage, ending.requested_at) = (stage, now);
        (ending.failed, ending.unreached) = (false, false);
    }

    fn begin_end(&mut self, now: BootTime, kind: LimitKind, stage: Stage) {
        let limits = self.limits_in_force();
        let absolute = self.absolute.filter(|_| kind == LimitKind::Absolute);
        let (how, grace) = absolute.map_or((limits.end_action, limits.grace), |absolute| {
            (absolute.how, absolute.grace)
        });
        let fixed = absolute.is_some_and(|absolute| absolute.fixed);
        let first = match how {
            EndAction::Lock if self.held && self.graphical && !fixed => Stage::VerifyLock,
            EndAction::HangUp => Stage::HangUp,
            EndAction::Lock if self.graphical => Stage::Lock,
            EndAction::Lock | EndAction::Terminate if self.has_screen => Stage::AskLeader,
            EndAction::Lock | EndAction::Terminate => Stage::Terminate,
            EndAction::Report => panic!("an end although the action is report: {self:#?}"),
        };
        assert_eq!(
            self.end_action.take(),
            stage.end_action(),
            "another end action was announced: {self:#?}"
        );
        assert_eq!(stage, first);
        assert!(now >= self.end(kind), "{kind} has not passed: {self:#?}");
        let shortest = self.limit(kind).and_then(|limit| limit.leads.shortest());
        // The verification of a lock needs no warning.
        if let Some(shortest) = shortest.filter(|_| stage != Stage::VerifyLock) {
            let warned = self.warned.get(&kind).or(self.locking_warned.get(&kind));
            let warned = warned.unwrap_or_else(|| panic!("an end without a warning: {self:#?}"));
            assert_eq!(warned.last.lead, shortest, "{self:#?}");
            let lead_later = warned.at.saturating_add(shortest);
            assert!(now >= lead_later && now >= warned.last.ends_at, "{self:#?}");
        }
        // The reply to an earlier probe has no effect.
        self.probe_requested = None;
        self.ending = Some(Escalation {
            limit: kind,
            stage,
            grace,
            stage_since: now,
            requested_at: now,
            failed: false,
            unreached: false,
            leader_gone: false,
            end_action: stage.end_action(),
            kill_after: if self.has_screen {
                Duration::from_secs(2)
            } else {
                grace
            },
        });
    }
}
