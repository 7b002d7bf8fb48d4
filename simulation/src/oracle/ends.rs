//! Checks of ends: the stages, their order and their deadlines.

use std::time::Duration;

use session_timeout_policy::{BootTime, EndAction, LimitKind};

use super::tolerance::tolerance;
use super::{Oracle, Requirement, Verdict, broken};
use crate::history::{EndFact, EndUnderWay, History, Moment, Request};
use crate::invariant::Invariant;
use crate::limits::{EffectiveLimits, RuleLimits};

/// How long a failing request is repeated before the next stage.
pub(super) const SOFT_RETRY_FOR: Duration = Duration::from_secs(30);

/// The time from terminate to kill for processes that remain after the leader got the first
/// request.
const KILL_AFTER_LEADER: Duration = Duration::from_secs(2);

/// The pause after this number of requests.
pub(super) fn pause(times: u32) -> Duration {
    Duration::from_secs(2u64.saturating_pow(times.max(1)).min(60))
}

/// When a request that failed at that time is repeated, given the number of requests so far, and
/// whether logind has been unreachable since then or replies again.
pub(super) fn again(
    failed: BootTime,
    times: u32,
    away: Option<BootTime>,
    reachable: bool,
) -> BootTime {
    if reachable {
        return failed;
    }
    failed.saturating_add(match away.map(|away| failed.since(away).as_secs()) {
        None => pause(times),
        Some(..60) => Duration::from_secs(2),
        Some(away) => Duration::from_secs((away / 15).min(15)),
    })
}

impl History {
    pub(super) fn asks(&mut self, now: Moment, request: Request, kind: LimitKind) {
        if self.end().is_none() {
            // The reply to a pending probe has no effect any more.
            self.drops_probe();
            self.ends_on_screen = self.is_on_screen();
        }
        self.ends.push((now, EndFact::Asked(request, kind)));
    }
}

impl Oracle<'_> {
    pub(super) fn may_hang_up(&self, history: &History, kind: LimitKind) -> Verdict {
        if let Some(end) = history.end() {
            return self.may_repeat(history, &end, Request::HangUp, kind);
        }
        let limits = self.limits_in_force(history, kind)?;
        self.in_this_way(history, limits, kind, EndAction::HangUp)?;
        self.may_end(history, limits, kind)
    }

    pub(super) fn may_ask_leader(&self, history: &History, kind: LimitKind) -> Verdict {
        if let Some(end) = history.end() {
            return self.may_repeat(history, &end, Request::AskLeader, kind);
        }
        if !history.is_on_screen() {
            return broken(Invariant::EndStages, "it has no screen");
        }
        let limits = self.limits_in_force(history, kind)?;
        self.in_this_way(history, limits, kind, EndAction::Terminate)?;
        self.may_end(history, limits, kind)
    }

    /// Checks that the end action is the one of the policy and of the announcement.
    fn in_this_way(
        &self,
        history: &History,
        limits: &RuleLimits,
        kind: LimitKind,
        how: EndAction,
    ) -> Verdict {
        let right = limits.action_at(kind, history.is_graphical());
        if right != how {
            return broken(Invariant::RightAction, format!("{right:?}"));
        }
        if !self.said_now(history, how) {
            return broken(Invariant::Confirmed, "nobody has said that it ends");
        }
        Ok(())
    }

    /// Whether this end action was announced in this call.
    pub(super) fn said_now(&self, history: &History, how: EndAction) -> bool {
        let said = history.way;
        said.is_some_and(|(at, way)| self.is_new(at) && way == how)
    }

    pub(super) fn may_begin_to_end(&self, history: &History, how: EndAction) -> Verdict {
        let right = match history.end() {
            Some(end) => {
                let softer = matches!(end.stage, Request::HangUp | Request::Lock);
                let said = history.way.is_some_and(|(_, way)| way == how);
                softer && how == EndAction::Terminate && !said
            }
            None => !history.way.is_some_and(|(at, _)| self.is_new(at)),
        };
        if right {
            Ok(())
        } else {
            broken(
                Invariant::Confirmed,
                format!("it ends in this way: {:?}", history.way),
            )
        }
    }

    pub(super) fn may_terminate(&self, history: &History, kind: LimitKind) -> Verdict {
        if let Some(end) = history.end() {
            return self.may_repeat(history, &end, Request::Terminate, kind);
        }
        if history.is_on_screen() {
            return broken(Invariant::EndStages, "its leader is asked first");
        }
        let limits = self.limits_in_force(history, kind)?;
        self.in_this_way(history, limits, kind, EndAction::Terminate)?;
        self.may_end(history, limits, kind)
    }

    pub(super) fn may_kill(&self, history: &History, kind: LimitKind) -> Verdict {
        match history.end() {
            Some(end) => self.may_repeat(history, &end, Request::Kill, kind),
            None => broken(Invariant::EndStages, "nothing was asked for before"),
        }
    }

    /// Checks that an end may begin: the limit has passed, and the shortest warning was given.
    pub(super) fn may_end(
        &self,
        history: &History,
        limits: &RuleLimits,
        kind: LimitKind,
    ) -> Verdict {
        let Some(clock) = limits.clock(kind) else {
            return broken(Invariant::RightAction, "there is no such limit");
        };
        let (low, _) = history.due(kind, limits, clock.length);
        let tolerance = tolerance(kind);
        if self.now.saturating_add(tolerance) < low {
            return broken(Invariant::NeverEarly, format!("{low} is the earliest"));
        }
        if kind == LimitKind::Inactivity {
            self.on_fresh_reading(history, limits)?;
        }
        let Some(shortest) = clock.shortest() else {
            return Ok(());
        };
        let warned = history.warnings_in_force(kind).any(|(said, warning)| {
            warning.lead == shortest && said.at.saturating_add(shortest) <= self.now
        });
        if !warned {
            let last = history.warnings_in_force(kind).next();
            return broken(Invariant::Warned, format!("the last warning was {last:?}"));
        }
        let named = history
            .warnings_in_force(kind)
            .next()
            .map(|(_, last)| last.ends_at);
        if named.is_some_and(|named| self.now < named) {
            return broken(Invariant::NamedEnd, format!("{named:?} was named"));
        }
        Ok(())
    }

    /// Checks that an end in progress may send this request.
    pub(super) fn may_repeat(
        &self,
        history: &History,
        end: &EndUnderWay,
        request: Request,
        kind: LimitKind,
    ) -> Verdict {
        if kind != end.kind {
            return broken(
                Invariant::EndStages,
                format!("it is ended for {:?}", end.kind),
            );
        }
        if history.removal.is_some() {
            return broken(Invariant::EndStages, "logind has it no longer");
        }
        if request == end.stage {
            return self.may_ask_again(history, end);
        }
        if end.unreached && !end.leader_ended {
            return broken(Invariant::EndStages, "nobody was asked before");
        }
        let next = match end.stage {
            Request::Lock => Request::AskLeader,
            Request::HangUp | Request::AskLeader => Request::Terminate,
            Request::Terminate | Request::Kill => Request::Kill,
        };
        if request != next {
            return broken(
                Invariant::EndStages,
                format!("{:?} comes before", end.stage),
            );
        }
        if matches!(end.stage, Request::HangUp | Request::Lock)
            && !self.said_now(history, EndAction::Terminate)
        {
            return broken(Invariant::Confirmed, "nobody has said that it ends");
        }
        if end.leader_ended {
            return Ok(());
        }
        let over = match end.failed {
            None => end.last.saturating_add(self.given(history, end)),
            Some(_) => end.since.saturating_add(self.repeated(history, end)),
        };
        if self.now < over {
            return broken(Invariant::EndStages, format!("the grace is over at {over}"));
        }
        Ok(())
    }

    /// How long a failing request is repeated.
    fn repeated(&self, history: &History, end: &EndUnderWay) -> Duration {
        match end.stage {
            Request::AskLeader => self.grace(history, end),
            _ => SOFT_RETRY_FOR,
        }
    }

    /// The time that a session has to carry out the request.
    fn given(&self, history: &History, end: &EndUnderWay) -> Duration {
        match end.stage {
            Request::Terminate if history.ends_on_screen => KILL_AFTER_LEADER,
            _ => self.grace(history, end),
        }
    }

    fn may_ask_again(&self, history: &History, end: &EndUnderWay) -> Verdict {
        let from = match (end.stage, end.failed) {
            (_, Some(failed)) => again(failed, end.times, end.away, end.reachable),
            (Request::Kill, None) => end.last.saturating_add(pause(end.times)),
            (_, None) => return broken(Invariant::EndStages, "it did not fail"),
        };
        let over = end.since.saturating_add(self.repeated(history, end));
        let kill = end.stage == Request::Kill;
        if !end.unreached && !kill && self.now >= over && end.stage == Request::AskLeader {
            return broken(
                Invariant::EndStages,
                format!("the grace was over at {over}"),
            );
        }
        if self.now < from {
            return broken(Invariant::EndStages, format!("not before {from}"));
        }
        Ok(())
    }

    /// The next required request of an end in progress.
    pub(super) fn must_continue_end(
        &self,
        history: &History,
        end: &EndUnderWay,
    ) -> Option<Requirement> {
        if end.leader_ended {
            return Some(self.due(self.now, Invariant::EndStages, "the end of the rest"));
        }
        let due = match (end.stage, end.failed) {
            (Request::AskLeader, Some(failed)) if !end.unreached => {
                let over = end.since.saturating_add(self.grace(history, end));
                again(failed, end.times, end.away, end.reachable).min(over)
            }
            (_, Some(failed)) => again(failed, end.times, end.away, end.reachable),
            (Request::Kill, None) => end.last.saturating_add(pause(end.times)),
            (_, None) => end.last.saturating_add(self.given(history, end)),
        };
        Some(self.due(due, Invariant::EndStages, "the next stage of the end"))
    }

    /// The grace in force when the end began; later changes do not affect it.
    fn grace(&self, history: &History, end: &EndUnderWay) -> Duration {
        let mut effective_limits = history.effective_limits.iter().rev();
        match effective_limits.find(|(moment, _)| *moment < end.began) {
            Some((_, EffectiveLimits::Limited(id))) => self.tables.get(*id),
            Some((_, EffectiveLimits::Undecided | EffectiveLimits::Exempt)) | None => None,
        }
        .map_or(Duration::ZERO, |limits| limits.grace_at(end.kind))
    }

    pub(super) fn may_have_hung_up(&self, history: &History, kind: LimitKind) -> Verdict {
        match history.hung_up {
            Some((moment, of)) if self.is_new(moment) && of == kind => Ok(()),
            other => broken(Invariant::Confirmed, format!("hung up: {other:?}")),
        }
    }

    /// When a session is asked to end, under the current limits; `None` while a warning is missing.
    pub(super) fn end_due(
        &self,
        history: &History,
        limits: &RuleLimits,
        kind: LimitKind,
    ) -> Option<BootTime> {
        let clock = limits.clock(kind)?;
        let (_, high) = history.due(kind, limits, clock.length);
        let Some(shortest) = clock.shortest() else {
            return Some(high);
        };
        let mut warnings_in_force = history.warnings_in_force(kind);
        let (said, _) = warnings_in_force.find(|(_, warning)| warning.lead == shortest)?;
        let named = history
            .warnings_in_force(kind)
            .next()
            .map(|(_, last)| last.ends_at);
        Some(high.max(said.at.saturating_add(shortest)).max(named?))
    }
}
