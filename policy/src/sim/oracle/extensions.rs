//! Checks of extensions: which may be granted, and why they may be refused.

use super::past::Continuity;
use super::{Cause, Oracle, Standing, Tables, Verdict, What, broken};
use crate::sim::history::{History, LockFact, Moment};
use crate::sim::oracle::locks::Held;
use crate::sim::promise::Promise;
use crate::{ABSOLUTE_MAX, BootTime, EndAction, Extended, LimitKind, Refusal};

impl Oracle<'_> {
    pub(super) fn may_extend(&self, history: &History, extended: Extended) -> Verdict {
        self.was_asked(history)?;
        if self.is_decided_again(history) {
            return Ok(());
        }
        let terms = match self.terms(history) {
            Some(terms) if history.is_open() && history.end().is_none() => terms,
            _ => return broken(Promise::Extensions, "there is nothing to put off"),
        };
        let used = u32::try_from(history.granted().count()).unwrap_or(u32::MAX);
        let allowed = terms.extensions;
        if used >= allowed.times || extended.left != allowed.times - used - 1 {
            return broken(
                Promise::Extensions,
                format!("{used} of {allowed:?} are used"),
            );
        }
        let (earliest, latest) = self.end_as_it_stands(history);
        let by = extended.by;
        if extended.until < earliest.saturating_add(by)
            || extended.until > latest.saturating_add(by)
        {
            let seen = format!("it ended between {earliest} and {latest}");
            return broken(Promise::Extensions, seen);
        }
        let longest = history.ends_count_from().saturating_add(ABSOLUTE_MAX);
        let whole = by == allowed.by || (by < allowed.by && extended.until == longest);
        if by.is_zero() || !whole || extended.until > longest {
            return broken(Promise::Extensions, format!("{allowed:?}, until {longest}"));
        }
        Ok(())
    }

    pub(super) fn may_refuse(&self, history: &History, refusal: Refusal) -> Verdict {
        self.was_asked(history)?;
        let ending = history.end().is_some() || !history.is_open();
        let right = match (self.terms(history), refusal) {
            _ if ending => refusal == Refusal::Ending,
            _ if self.is_decided_again(history) => true,
            (None, _) => refusal == Refusal::NoLimit,
            (Some(_), _) if self.held(history) == Held::Yes || self.was_held(history) => true,
            (Some(terms), Refusal::NotAllowed) => terms.extensions.times == 0,
            (Some(terms), Refusal::UsedUp { times }) => {
                times == terms.extensions.times && history.granted().count() >= times as usize
            }
            (Some(_), Refusal::Longest) => {
                let (_, latest) = self.end_as_it_stands(history);
                latest >= history.ends_count_from().saturating_add(ABSOLUTE_MAX)
            }
            (Some(_), Refusal::Ending | Refusal::NoLimit) => false,
        };
        if right {
            Ok(())
        } else {
            broken(Promise::Extensions, "there is no reason to refuse it")
        }
    }

    /// A shorter limit that had no time for its warning before the end may have it before the
    /// extended end: then it holds, with that end.
    pub(super) fn extends_shorter_limits(&mut self, at: usize) {
        let Some(policy) = self.policies.get(self.policy) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(at) else {
            return;
        };
        let history = &mut session.history;
        let tables = &mut self.tables;
        let length = |tables: &Tables, standing| match standing {
            Standing::Under(id) => tables.get(id).map(|terms| terms.absolute.length),
            Standing::Undecided | Standing::Exempt => None,
        };
        let mut held = length(tables, history.standing());
        let policy = (self.policy, policy);
        let limit = Continuity::Limit;
        while let Some((standing, _)) = tables.judge_past(policy, history, self.now, limit)
            && let (Some(new), Some(old)) = (length(tables, standing), held)
            && new < old
            && let Some((_, extension)) = history.extensions.last_mut()
        {
            extension.total += old - new;
            held = Some(new);
        }
        self.judge_all();
    }

    /// It was held until right after the answer.
    fn was_held(&self, history: &History) -> bool {
        let last = history.locks.last();
        last.is_some_and(|(moment, fact)| self.is_new(*moment) && *fact == LockFact::Dropped)
    }

    /// Something else was decided about the session right after the answer.
    fn is_decided_again(&self, history: &History) -> bool {
        let last = history.standings.last();
        last.is_none_or(|(moment, standing)| {
            self.is_new(*moment) || *standing == Standing::Undecided
        })
    }

    pub(super) fn is_asked_for_more(&self, history: &History) -> bool {
        self.cause == Cause::Event(What::ExtensionAsked(history.stamp()))
    }

    fn was_asked(&self, history: &History) -> Verdict {
        if !self.is_asked_for_more(history) {
            return broken(Promise::Extensions, "nobody asked");
        }
        if history.replied.is_some_and(|replied| self.is_new(replied)) {
            return broken(Promise::Extensions, "that was answered");
        }
        Ok(())
    }

    /// Between which two times the absolute limit ends the session as things stand: a warning that
    /// comes late puts it off.
    fn end_as_it_stands(&self, history: &History) -> (BootTime, BootTime) {
        let Some(terms) = self.terms(history) else {
            return (self.now, self.now);
        };
        let due = history.absolute_due(terms);
        if terms.rule_action(LimitKind::Absolute) == EndAction::Report {
            // It passed, or will; only what comes on top of that is more time.
            let end = due.max(self.now);
            return (end, end);
        }
        match self.end_due(history, terms, LimitKind::Absolute) {
            // What is late is late until now.
            Some(end) => (end.max(self.now), end.max(self.now)),
            None => {
                let shortest = terms.absolute.shortest().unwrap_or_default();
                (due, due.max(self.now.saturating_add(shortest)))
            }
        }
    }

    pub(super) fn extension_is_answered(&self, history: &History) -> Verdict {
        if !self.is_asked_for_more(history) {
            return Ok(());
        }
        let new = |moment: Moment| self.is_new(moment);
        if !history.replied.is_some_and(new) {
            return broken(Promise::Extensions, "no answer to a wish for more time");
        }
        if self.is_decided_again(history) {
            return Ok(());
        }
        let withdrawn = history.withdrawals.last();
        let extended = history.extensions.last();
        if withdrawn.is_some_and(|(at, kind)| new(*at) && *kind == LimitKind::Absolute)
            && !extended.is_some_and(|(at, _)| new(*at))
        {
            return broken(
                Promise::Withdrawn,
                "more time was refused, and a warning withdrawn",
            );
        }
        Ok(())
    }
}
