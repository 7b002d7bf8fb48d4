//! How a session ends: what is asked for first, and then what, and when.

use std::time::Duration;

use super::may::slack;
use super::{Must, Oracle, Standing, Terms, Verdict, broken};
use crate::sim::history::{EndFact, EndUnderWay, History, Moment, Request};
use crate::sim::promise::Promise;
use crate::{BootTime, EndAction, LimitKind};

/// For how long a wish that fails is repeated before the next stage.
pub(super) const REPEATED: Duration = Duration::from_secs(30);

/// How long to wait after so many wishes.
pub(super) fn pause(times: u32) -> Duration {
    Duration::from_secs(2u64.saturating_pow(times.max(1)).min(60))
}

impl History {
    pub(super) fn asks(&mut self, now: Moment, request: Request, kind: LimitKind) {
        if self.end().is_none() {
            // What comes of an open question is of no interest any more.
            self.forgets_question();
        }
        self.ends.push((now, EndFact::Asked(request, kind)));
    }
}

impl Oracle<'_> {
    pub(super) fn may_hang_up(&self, history: &History, kind: LimitKind) -> Verdict {
        if let Some(end) = history.end() {
            return self.may_repeat(history, &end, Request::HangUp, kind);
        }
        let terms = self.threatened(history, kind)?;
        if terms.action != EndAction::HangUp {
            return broken(Promise::RightAction, format!("{:?}", terms.action));
        }
        self.may_end(history, terms, kind)
    }

    pub(super) fn may_terminate(&self, history: &History, kind: LimitKind) -> Verdict {
        if let Some(end) = history.end() {
            return self.may_repeat(history, &end, Request::Terminate, kind);
        }
        let terms = self.threatened(history, kind)?;
        let right = match terms.action {
            EndAction::Terminate => true,
            EndAction::Lock => !history.is_graphical(),
            EndAction::HangUp | EndAction::Report => false,
        };
        if !right {
            return broken(Promise::RightAction, format!("{:?}", terms.action));
        }
        self.may_end(history, terms, kind)
    }

    pub(super) fn may_kill(&self, history: &History, kind: LimitKind) -> Verdict {
        match history.end() {
            Some(end) => self.may_repeat(history, &end, Request::Kill, kind),
            None => broken(Promise::EndStages, "nothing was asked for before"),
        }
    }

    /// That an end may begin: the limit has passed, and there was the shortest warning.
    pub(super) fn may_end(&self, history: &History, terms: &Terms, kind: LimitKind) -> Verdict {
        let Some(clock) = terms.clock(kind) else {
            return broken(Promise::RightAction, "there is no such limit");
        };
        let (low, _) = history.due(kind, terms, clock.length);
        let slack = slack(kind);
        if self.now.saturating_add(slack) < low {
            return broken(Promise::NeverEarly, format!("{low} is the earliest"));
        }
        if kind == LimitKind::Inactivity {
            self.on_fresh_reading(history, terms)?;
        }
        let Some(shortest) = clock.shortest() else {
            return Ok(());
        };
        let warned = history.heard(kind).any(|(said, warning)| {
            warning.lead == shortest && said.at.saturating_add(shortest) <= self.now
        });
        if !warned {
            let last = history.heard(kind).next();
            return broken(Promise::Warned, format!("the last warning was {last:?}"));
        }
        let named = history.heard(kind).next().map(|(_, last)| last.ends_at);
        if named.is_some_and(|named| self.now < named) {
            return broken(Promise::NamedEnd, format!("{named:?} was named"));
        }
        Ok(())
    }

    /// That an end under way may ask for this.
    pub(super) fn may_repeat(
        &self,
        history: &History,
        end: &EndUnderWay,
        request: Request,
        kind: LimitKind,
    ) -> Verdict {
        if kind != end.kind {
            return broken(
                Promise::EndStages,
                format!("it is ended for {:?}", end.kind),
            );
        }
        if request == end.stage {
            return self.may_ask_again(end);
        }
        if end.unreached {
            return broken(Promise::EndStages, "nobody was asked before");
        }
        let next = match end.stage {
            Request::HangUp | Request::Lock => Request::Terminate,
            Request::Terminate | Request::Kill => Request::Kill,
        };
        if request != next {
            return broken(Promise::EndStages, format!("{:?} comes before", end.stage));
        }
        let over = match end.failed {
            None => end.last.saturating_add(self.grace(history, end)),
            Some(_) => end.since.saturating_add(REPEATED),
        };
        if self.now < over {
            return broken(Promise::EndStages, format!("the grace is over at {over}"));
        }
        Ok(())
    }

    fn may_ask_again(&self, end: &EndUnderWay) -> Verdict {
        let from = match (end.stage, end.failed) {
            (Request::Kill, _) => end.last.saturating_add(pause(end.times)),
            (_, Some(failed)) => failed.saturating_add(pause(end.times)),
            (_, None) => return broken(Promise::EndStages, "it did not fail"),
        };
        if self.now < from {
            return broken(Promise::EndStages, format!("not before {from}"));
        }
        Ok(())
    }

    /// What the end under way has to do next.
    pub(super) fn must_go_on(&self, history: &History, end: &EndUnderWay) -> Option<Must> {
        // What is left after a logout is no login.
        history.is_open().then_some(())?;
        let due = match (end.stage, end.failed) {
            (Request::Kill, failed) => {
                let from = failed.unwrap_or(end.last).max(end.last);
                from.saturating_add(pause(end.times))
            }
            (_, Some(failed)) => failed.saturating_add(pause(end.times)),
            (_, None) => end.last.saturating_add(self.grace(history, end)),
        };
        Some(self.due(due, Promise::EndStages, "the next stage of the end"))
    }

    /// The grace that held when the end began, whatever has held since.
    fn grace(&self, history: &History, end: &EndUnderWay) -> Duration {
        let mut standings = history.standings.iter().rev();
        match standings.find(|(moment, _)| *moment < end.began) {
            Some((_, Standing::Under(id))) => self.tables.get(*id),
            Some((_, Standing::Undecided | Standing::Exempt)) | None => None,
        }
        .map_or(Duration::ZERO, |terms| terms.grace)
    }

    pub(super) fn may_have_hung_up(&self, history: &History, kind: LimitKind) -> Verdict {
        match history.hung_up {
            Some((moment, of)) if self.is_new(moment) && of == kind => Ok(()),
            other => broken(Promise::Confirmed, format!("hung up: {other:?}")),
        }
    }

    /// When a session is asked to end, as things stand; `None` where a warning is still missing.
    pub(super) fn end_due(
        &self,
        history: &History,
        terms: &Terms,
        kind: LimitKind,
    ) -> Option<BootTime> {
        let clock = terms.clock(kind)?;
        let (_, high) = history.due(kind, terms, clock.length);
        let Some(shortest) = clock.shortest() else {
            return Some(high);
        };
        let mut heard = history.heard(kind);
        let (said, _) = heard.find(|(_, warning)| warning.lead == shortest)?;
        let named = history.heard(kind).next().map(|(_, last)| last.ends_at);
        Some(high.max(said.at.saturating_add(shortest)).max(named?))
    }
}
