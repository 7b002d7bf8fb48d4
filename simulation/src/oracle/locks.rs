//! Checks of locks: by `lock-after`, instead of an end, and repeated while the session is held.

use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, Finding, LimitKind, LockCause};

use super::ends::{SOFT_RETRY_FOR, again};
use super::tolerance::RESOLUTION;
use super::{Oracle, Requirement, Verdict, broken};
use crate::history::{EndFact, History, LockFact, LockVerification, Moment, Request};
use crate::invariant::Invariant;
use crate::limits::RuleLimits;

/// The time in which a desktop has to confirm a lock.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);

impl History {
    /// Records a lock request. For a session that is held it does not begin an end.
    pub(super) fn asks_lock(&mut self, now: Moment, cause: LockCause, grace: Duration) {
        self.locks.push((now, LockFact::Asked(cause, grace)));
        match cause {
            LockCause::Limit(kind) => self.asks(now, Request::Lock, kind),
            LockCause::Verify(_) => self.drops_probe(),
            LockCause::LockAfter => {}
        }
    }

    /// Records that a lock instead of an end, requested or confirmed, is no longer valid.
    pub(super) fn drops_lock(&mut self, now: Moment) {
        self.locks.push((now, LockFact::Dropped));
        if self.end().is_some_and(|end| end.stage == Request::Lock) {
            self.ends.push((now, EndFact::Checked));
        }
    }

    /// Whether a repeated lock request was not confirmed in time.
    pub(super) fn gives_up_lock(&self, now: BootTime) -> bool {
        let again = self.hold().and_then(|hold| hold.again);
        again.is_some_and(|again| {
            now >= match again.refused {
                None => again.until,
                Some(_) if again.unreached => return false,
                Some(refused) => {
                    let next = next(&again, refused);
                    next.max(again.since.saturating_add(SOFT_RETRY_FOR))
                }
            }
        })
    }

    pub(super) fn is_locked_for(&mut self, now: Moment, cause: LockCause) {
        match cause {
            LockCause::LockAfter => self.locks.push((now, LockFact::Staged)),
            LockCause::Verify(kind) | LockCause::Limit(kind) => {
                self.locks.push((now, LockFact::Held(kind)));
                self.ends.push((now, EndFact::Checked));
            }
        }
    }

    /// When `lock-after` requested a lock that was not confirmed before this call.
    fn lock_after_pending(&self, call: u32) -> Option<Moment> {
        let mut before = self.locks.iter().rev();
        let (moment, fact) = before.find(|(moment, fact)| {
            moment.seq < call
                && !matches!(
                    fact,
                    LockFact::Failed
                        | LockFact::Unreached
                        | LockFact::Reachable
                        | LockFact::FoundOpen
                        | LockFact::Dropped
                        | LockFact::ForgottenHint
                )
        })?;
        let asked = matches!(fact, LockFact::Asked(LockCause::LockAfter, _));
        let reported = self.reported(Finding::NotLocked);
        (asked && reported.is_none_or(|reported| reported < *moment)).then_some(*moment)
    }
}

/// When a lock that was refused at that time is requested again.
fn next(lock: &LockVerification, refused: BootTime) -> BootTime {
    again(refused, lock.times, lock.away, lock.reachable)
}

/// Whether a session is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    No,
    Yes,
}

impl Oracle<'_> {
    pub(super) fn held(&self, history: &History) -> Held {
        match history.hold() {
            Some(hold) if hold.firm && history.is_graphical() => Held::Yes,
            _ => Held::No,
        }
    }

    pub(super) fn may_lock(&self, history: &History, cause: LockCause) -> Verdict {
        match cause {
            LockCause::LockAfter => self.may_lock_after(history),
            LockCause::Verify(_) => self.may_lock_again(history),
            LockCause::Limit(kind) => match history.end() {
                Some(end) => self.may_repeat(history, &end, Request::Lock, kind),
                None => {
                    let limits = self.limits_in_force(history, kind)?;
                    let right = limits.action_at(kind, history.is_graphical());
                    if right != EndAction::Lock {
                        return broken(Invariant::RightAction, format!("{right:?}"));
                    }
                    if !self.said_now(history, EndAction::Lock) {
                        return broken(Invariant::Confirmed, "nobody has said that it ends");
                    }
                    self.may_end(history, limits, kind)
                }
            },
        }
    }

    fn may_lock_after(&self, history: &History) -> Verdict {
        let limits = self.limits_in_force(history, LimitKind::Absolute)?;
        let Some(after) = limits.lock_after.filter(|_| history.is_graphical()) else {
            return broken(Invariant::LockAfter, "there is no lock-after");
        };
        if limits.action == EndAction::Report {
            return broken(Invariant::LockAfter, "the policy only reports");
        }
        if history.is_locked() {
            return broken(Invariant::LockAfter, "it is locked");
        }
        let again = |asked| {
            history.activity_since(asked).1
                || history
                    .effective_limits
                    .last()
                    .is_some_and(|(at, _)| *at > asked)
                || history.locks.iter().any(|(at, fact)| {
                    let found = matches!(fact, LockFact::Dropped | LockFact::FoundOpen);
                    *at > asked && (found || matches!(fact, LockFact::Held(_)))
                })
        };
        if history.staged().is_some_and(|asked| !again(asked)) {
            return broken(
                Invariant::LockAfter,
                "that was asked, and there was no activity",
            );
        }
        let (low, _) = history.idle_since();
        if self.now.saturating_add(RESOLUTION) < low.saturating_add(after) {
            return broken(
                Invariant::NeverEarly,
                format!("there was activity at {low}"),
            );
        }
        self.on_fresh_reading(history, limits)
    }

    fn may_lock_again(&self, history: &History) -> Verdict {
        let Some(limits) = self.limits(history).filter(|_| history.is_open()) else {
            return broken(Invariant::ExemptQuiet, "no limit holds");
        };
        let due = history.absolute_due(limits);
        if self.held(history) == Held::No || limits.ends_despite_lock() {
            return broken(Invariant::Held, "it is not held");
        }
        match history.hold().and_then(|hold| hold.again) {
            None if self.now < due => broken(Invariant::Held, format!("its limit passes at {due}")),
            None => Ok(()),
            Some(LockVerification { refused: None, .. }) => {
                broken(Invariant::Held, "that was asked")
            }
            Some(
                again @ LockVerification {
                    refused: Some(refused),
                    ..
                },
            ) => {
                let from = next(&again, refused);
                if self.now < from {
                    return broken(Invariant::Held, format!("not before {from}"));
                }
                Ok(())
            }
        }
    }

    pub(super) fn may_have_locked(&self, history: &History, cause: LockCause) -> Verdict {
        let seen = history
            .locks
            .iter()
            .rev()
            .any(|(moment, fact)| self.is_new(*moment) && *fact == LockFact::Seen);
        let asked = match cause {
            LockCause::LockAfter => history.staged().is_some(),
            // The confirmation of a repeated lock is not announced.
            LockCause::Verify(_) => false,
            LockCause::Limit(kind) => history
                .end()
                .is_some_and(|end| end.stage == Request::Lock && end.kind == kind),
        };
        match (seen, asked) {
            (true, true) => Ok(()),
            (false, _) => broken(Invariant::Confirmed, "nobody said so"),
            (_, false) => broken(Invariant::Confirmed, "nobody asked"),
        }
    }

    pub(super) fn may_report_not_locked(&self, history: &History) -> Verdict {
        let reported = history.reported(Finding::NotLocked);
        let asked = history.staged().filter(|asked| {
            reported < Some(*asked)
                && !history
                    .locks
                    .iter()
                    .any(|(at, fact)| at > asked && *fact == LockFact::Seen)
        });
        match asked {
            Some(asked) if self.now >= asked.at.saturating_add(CONFIRM_WITHIN) => Ok(()),
            other => broken(Invariant::LockAfter, format!("it was asked at {other:?}")),
        }
    }

    /// Checks that a lock in this call was announced with the cause that requested it.
    pub(super) fn lock_is_said(&self, history: &History) -> Verdict {
        let new = |wanted: fn(&LockFact) -> bool| {
            let mut facts = history.locks.iter().rev();
            facts.any(|(moment, fact)| self.is_new(*moment) && wanted(fact))
        };
        if !new(|fact| *fact == LockFact::Seen) || !history.is_open() {
            return Ok(());
        }
        let asked = history.ends.iter().rev().find_map(|(moment, fact)| {
            matches!(fact, EndFact::Asked(Request::Lock, _)).then_some(*moment)
        });
        let seen = history
            .locks
            .iter()
            .rev()
            .find_map(|(moment, fact)| (*fact == LockFact::Seen).then_some(*moment));
        if history.end().is_some_and(|end| end.stage == Request::Lock) && seen > asked {
            return broken(Invariant::Confirmed, "it is locked, and still being ended");
        }
        let awaited = history.lock_after_pending(self.call);
        let said = new(|fact| matches!(fact, LockFact::Staged | LockFact::Held(_)));
        let awaited = awaited.filter(|asked| history.restored < Some(*asked));
        if awaited.is_some_and(|asked| self.now < asked.at.saturating_add(CONFIRM_WITHIN)) && !said
        {
            return broken(Invariant::Confirmed, "it is locked, and nothing was said");
        }
        Ok(())
    }

    /// The next required request for a session that is held.
    pub(super) fn must_lock_again(
        &self,
        history: &History,
        limits: &RuleLimits,
    ) -> Option<Requirement> {
        let absolute = limits.action_at(LimitKind::Absolute, history.is_graphical());
        if absolute != EndAction::Lock {
            return None;
        }
        let hold = history.hold()?;
        Some(match hold.again {
            None => self.due(
                history.absolute_due(limits),
                Invariant::Held,
                "another lock request",
            ),
            Some(
                again @ LockVerification {
                    refused: Some(refused),
                    ..
                },
            ) => {
                let due = next(&again, refused);
                self.due(due, Invariant::Held, "another lock request")
            }
            Some(again) => self.due(
                again.until,
                Invariant::Held,
                "a warning after a lock that did not come",
            ),
        })
    }

    /// When `lock-after` has to lock the session, if at all.
    pub(super) fn stage_due(&self, history: &History, limits: &RuleLimits) -> Option<BootTime> {
        let after = limits.lock_after?;
        let found_open = |asked| {
            let mut facts = history.locks.iter().rev();
            facts.any(|(moment, fact)| *moment > asked && *fact == LockFact::FoundOpen)
        };
        let wanted = history.is_graphical()
            && limits.action != EndAction::Report
            && !history.is_locked()
            && history
                .staged()
                .is_none_or(|asked| history.activity_since(asked).0 || found_open(asked));
        let (_, high) = history.idle_since();
        wanted.then(|| high.saturating_add(after))
    }

    /// The required report of a lock that was not confirmed.
    pub(super) fn must_report_not_locked(&self, history: &History) -> Option<Requirement> {
        let asked = history.lock_after_pending(u32::MAX)?;
        if history.restored.is_some_and(|restored| restored > asked) {
            return None;
        }
        let due = asked.at.saturating_add(CONFIRM_WITHIN);
        Some(self.due(
            due,
            Invariant::LockAfter,
            "a report that nothing was locked",
        ))
    }
}
