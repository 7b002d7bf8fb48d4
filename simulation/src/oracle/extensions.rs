//! Checks of extensions: whether each may be granted, and the reasons for refusals.

use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, BootTime, EndAction, Extended, LimitKind, Refusal, SessionKey,
};

use super::earlier::Continuity;
use super::locks::Held;
use super::{Cause, EventKind, Oracle, Verdict, broken};
use crate::history::{Extension, History, LockFact, Moment};
use crate::invariant::Invariant;
use crate::limits::{EffectiveLimits, PolicyTables};

impl Oracle<'_> {
    /// Checks the answer to a request for an extension, and records it.
    pub(super) fn check_extension(
        &mut self,
        key: &SessionKey,
        result: &Result<Extended, Refusal>,
    ) -> Verdict {
        let known = self.index(key);
        let session = known.and_then(|at| self.sessions.get(at).map(|session| (at, session)));
        let Some((at, session)) = session.filter(|(_, session)| !session.gone) else {
            return match result {
                Err(Refusal::NoSession) => Ok(()),
                _ => broken(Invariant::KnownSession, "there is no such session"),
            };
        };
        let history = &session.history;
        match result {
            Ok(extended) => {
                self.may_extend(history, *extended)?;
                self.record_extension(at, *extended);
                self.extends_shorter_limits(at);
            }
            Err(refusal) => {
                self.may_refuse(history, *refusal)?;
                let now = self.moment();
                if let Some(history) = self.touched(at) {
                    history.replied = Some(now);
                }
            }
        }
        Ok(())
    }

    fn record_extension(&mut self, at: usize, extended: Extended) {
        let now = self.moment();
        let Some(session) = self.sessions.get(at) else {
            return;
        };
        let history = &session.history;
        // An extension is granted before other decisions of the call.
        let length = self.limits_before(history);
        let length = length.map_or(Duration::ZERO, |limits| limits.absolute.length);
        let fixed = history.fixed.map(|fixed| fixed.since);
        let anchor = fixed.unwrap_or(history.anchor_before(self.call));
        let total = extended.until.since(anchor).saturating_sub(length);
        if let Some(history) = self.touched(at) {
            let extension = Extension { extended, total };
            history.extensions.push((now, extension));
            history.replied = Some(now);
        }
    }

    fn may_extend(&self, history: &History, extended: Extended) -> Verdict {
        self.was_asked(history)?;
        if self.is_decided_again(history) {
            return Ok(());
        }
        let limits = match self.limits(history) {
            Some(limits) if history.is_open() && history.end().is_none() => limits,
            _ => return broken(Invariant::Extensions, "there is nothing to put off"),
        };
        let used = u32::try_from(history.granted().count()).unwrap_or(u32::MAX);
        let allowed = limits.extensions;
        if used >= allowed.times || extended.left != allowed.times - used - 1 {
            return broken(
                Invariant::Extensions,
                format!("{used} of {allowed:?} are used"),
            );
        }
        let (earliest, latest) = self.end_as_it_stands(history);
        let by = extended.by;
        if extended.until < earliest.saturating_add(by)
            || extended.until > latest.saturating_add(by)
        {
            let seen = format!("it ended between {earliest} and {latest}");
            return broken(Invariant::Extensions, seen);
        }
        let longest = history.absolute_anchor().saturating_add(ABSOLUTE_MAX);
        let whole = by == allowed.by || (by < allowed.by && extended.until == longest);
        if by.is_zero() || !whole || extended.until > longest {
            return broken(
                Invariant::Extensions,
                format!("{allowed:?}, until {longest}"),
            );
        }
        Ok(())
    }

    fn may_refuse(&self, history: &History, refusal: Refusal) -> Verdict {
        self.was_asked(history)?;
        let ending = history.end().is_some() || !history.is_open();
        let right = match (self.limits(history), refusal) {
            _ if ending => refusal == Refusal::Ending,
            _ if self.is_decided_again(history) => true,
            (None, _) => refusal == Refusal::NoLimit,
            (Some(_), _) if self.held(history) == Held::Yes || self.was_held(history) => true,
            (Some(limits), Refusal::NotAllowed) => limits.extensions.times == 0,
            (Some(limits), Refusal::UsedUp { times }) => {
                times == limits.extensions.times && history.granted().count() >= times as usize
            }
            (Some(_), Refusal::Longest) => {
                let (_, latest) = self.end_as_it_stands(history);
                latest >= history.absolute_anchor().saturating_add(ABSOLUTE_MAX)
            }
            (Some(_), Refusal::Ending | Refusal::NoLimit | Refusal::NoSession) => false,
        };
        if right {
            Ok(())
        } else {
            broken(Invariant::Extensions, "there is no reason to refuse it")
        }
    }

    /// Extends a shorter limit that did not apply because its warning would have been too late: if
    /// the extended end leaves time for the warning, the shorter limit applies, with that end.
    pub(super) fn extends_shorter_limits(&mut self, at: usize) {
        let Some(policy) = self.policies.get(self.policy) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(at) else {
            return;
        };
        let history = &mut session.history;
        let tables = &mut self.tables;
        let length = |tables: &PolicyTables, effective| match effective {
            EffectiveLimits::Limited(id) => tables.get(id).map(|limits| limits.absolute.length),
            EffectiveLimits::Undecided | EffectiveLimits::Exempt => None,
        };
        let mut held = length(tables, history.effective());
        let policy = (self.policy, policy);
        let limit = Continuity::Limit;
        while let Some((effective, _)) = tables.evaluate_earlier(policy, history, self.now, limit)
            && let (Some(new), Some(old)) = (length(tables, effective), held)
            && new < old
            && let Some((_, extension)) = history.extensions.last_mut()
        {
            extension.total += old - new;
            held = Some(new);
        }
        self.evaluate_all();
    }

    /// Whether the session was held until right after the reply.
    fn was_held(&self, history: &History) -> bool {
        let last = history.locks.last();
        last.is_some_and(|(moment, fact)| self.is_new(*moment) && *fact == LockFact::Dropped)
    }

    /// Whether another decision about the session followed right after the reply.
    fn is_decided_again(&self, history: &History) -> bool {
        let last = history.effective_limits.last();
        last.is_none_or(|(moment, effective)| {
            self.is_new(*moment) || *effective == EffectiveLimits::Undecided
        })
    }

    pub(super) fn is_asked_for_more(&self, history: &History) -> bool {
        self.cause == Cause::Event(EventKind::ExtensionAsked(history.stamp()))
    }

    fn was_asked(&self, history: &History) -> Verdict {
        if !self.is_asked_for_more(history) {
            return broken(Invariant::Extensions, "nobody asked");
        }
        if history.replied.is_some_and(|replied| self.is_new(replied)) {
            return broken(Invariant::Extensions, "that was answered");
        }
        Ok(())
    }

    /// The earliest and the latest time at which the absolute limit ends the session under the
    /// current limits: a late warning postpones the end.
    fn end_as_it_stands(&self, history: &History) -> (BootTime, BootTime) {
        let Some(limits) = self.limits(history) else {
            return (self.now, self.now);
        };
        let due = history.absolute_due(limits);
        if limits.rule_action(LimitKind::Absolute) == EndAction::Report {
            // Time that has passed since the end was due does not count as an extension.
            let end = due.max(self.now);
            return (end, end);
        }
        match self.end_due(history, limits, LimitKind::Absolute) {
            // An overdue end happens now at the earliest.
            Some(end) => (end.max(self.now), end.max(self.now)),
            None => {
                let shortest = limits.absolute.shortest().unwrap_or_default();
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
            return broken(Invariant::Extensions, "no reply to an extension request");
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
                Invariant::Withdrawn,
                "more time was refused, and a warning withdrawn",
            );
        }
        Ok(())
    }
}
