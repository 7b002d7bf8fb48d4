//! The stages of an end.

use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, LimitKind};

use super::session::{Ending, Known, Stage};

/// After this time of requests that fail, a harder one may be made.
const SOFT_RETRY_FOR: Duration = Duration::from_secs(30);

impl Known {
    /// A lock that was only to make sure is there, or is known not to be.
    pub(super) fn is_found_locked(&mut self) {
        self.ending
            .take_if(|ending| ending.stage == Stage::LockAgain);
    }

    /// A lock that was only to make sure has not come.
    pub(super) fn gives_up_relock(&mut self, now: BootTime) {
        self.ending.take_if(|ending| {
            let polite = now < ending.first.saturating_add(SOFT_RETRY_FOR);
            let outlived = now >= ending.last.saturating_add(ending.grace);
            let over = outlived || (ending.failed && !polite);
            ending.stage == Stage::LockAgain && over && !ending.unreached
        });
    }

    /// The screen is to be locked as a first stage.
    pub(super) fn is_staged(&mut self, now: BootTime) {
        assert!(self.ending.is_none() && self.graphical, "{self:#?}");
        let limits = self.limits_in_force();
        let after = limits.lock_after.expect("no lock was asked for");
        assert_ne!(limits.end_action, EndAction::Report);
        let since = self.anchor.max(self.active);
        assert!(now >= since.saturating_add(after), "too soon: {self:#?}");
        self.lock_asked = true;
    }

    pub(super) fn is_asked(&mut self, now: BootTime, kind: LimitKind, stage: Stage) {
        let Some(ending) = &mut self.ending else {
            self.begins_to_end(now, kind, stage);
            return;
        };
        assert_eq!(ending.limit, kind);
        let patience = match ending.stage {
            Stage::AskLeader => ending.grace,
            _ => SOFT_RETRY_FOR,
        };
        let polite = now < ending.first.saturating_add(patience);
        let given = match ending.stage {
            Stage::Terminate => ending.left,
            _ => ending.grace,
        };
        let outlived = now >= ending.last.saturating_add(given);
        match stage.cmp(&ending.stage) {
            std::cmp::Ordering::Less => panic!("softer than before: {self:#?}"),
            std::cmp::Ordering::Equal if stage != Stage::Kill => {
                let refused = ending.failed && polite;
                assert!(refused || ending.unreached, "asked again: {ending:?}");
            }
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => {
                let done = ending.stage == Stage::AskLeader && ending.leader_gone;
                assert!(!ending.unreached || done, "nobody was asked: {ending:?}");
                assert!(
                    outlived || (ending.failed && !polite) || done,
                    "too soon: {ending:?}"
                );
                let next = match ending.stage {
                    Stage::LockAgain | Stage::Lock => Stage::AskLeader,
                    Stage::HangUp | Stage::AskLeader => Stage::Terminate,
                    Stage::Terminate | Stage::Kill => Stage::Kill,
                };
                assert_eq!(stage, next, "another stage comes before: {ending:?}");
            }
        }
        ending.way = self.way.take().or(ending.way);
        assert_eq!(ending.way, stage.way(), "nobody said so: {ending:?}");
        if stage != ending.stage {
            ending.first = now;
        }
        (ending.stage, ending.last) = (stage, now);
        (ending.failed, ending.unreached) = (false, false);
    }

    fn begins_to_end(&mut self, now: BootTime, kind: LimitKind, stage: Stage) {
        let limits = self.limits_in_force();
        let absolute = self.absolute.filter(|_| kind == LimitKind::Absolute);
        let (how, grace) = absolute.map_or((limits.end_action, limits.grace), |absolute| {
            (absolute.how, absolute.grace)
        });
        let fixed = absolute.is_some_and(|absolute| absolute.fixed);
        let first = match how {
            EndAction::Lock if self.held && self.graphical && !fixed => Stage::LockAgain,
            EndAction::HangUp => Stage::HangUp,
            EndAction::Lock if self.graphical => Stage::Lock,
            EndAction::Lock | EndAction::Terminate if self.on_screen => Stage::AskLeader,
            EndAction::Lock | EndAction::Terminate => Stage::Terminate,
            EndAction::Report => panic!("ended where nothing ends: {self:#?}"),
        };
        assert_eq!(self.way.take(), stage.way(), "nobody said so: {self:#?}");
        assert_eq!(stage, first);
        assert!(now >= self.end(kind), "{kind} has not passed: {self:#?}");
        let shortest = self.limit(kind).and_then(|limit| limit.leads.shortest());
        // A lock that is asked for again, to make sure, is no news to anybody.
        if let Some(shortest) = shortest.filter(|_| stage != Stage::LockAgain) {
            let warned = self.warned.get(&kind).or(self.under_way.get(&kind));
            let warned = warned.unwrap_or_else(|| panic!("ended without a warning: {self:#?}"));
            assert_eq!(warned.last.lead, shortest, "{self:#?}");
            let lead_later = warned.at.saturating_add(shortest);
            assert!(now >= lead_later && now >= warned.last.ends_at, "{self:#?}");
        }
        // What was asked before is of no interest any more.
        self.asked = None;
        self.ending = Some(Ending {
            limit: kind,
            stage,
            grace,
            first: now,
            last: now,
            failed: false,
            unreached: false,
            leader_gone: false,
            way: stage.way(),
            left: if self.on_screen {
                Duration::from_secs(2)
            } else {
                grace
            },
        });
    }
}
