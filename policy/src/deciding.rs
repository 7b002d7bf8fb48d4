//! Which limits hold for one session: the policy is evaluated when the policy, the session's
//! properties or the known groups of its user change.
//!
//! Names of groups may come late or never (LDAP, SSSD). A new session has no limits for the short
//! time until they are known; one with limits keeps them. If the groups cannot be resolved, the
//! last known ones count; if there are none, the default of the policy holds.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::barrier::Barrier;
use crate::countdown::Countdown;
use crate::ending::{Ending, Stage};
use crate::inquiry::{Due, Inquiry, Patience};
use crate::standing::{Standing, Terms};
use crate::tracked::{LoginState, Tracked};
use crate::{Action, BootTime, EndAction, Finding, Groups, Limit, LimitKind, LimitRecord, Limits};

/// The daemon itself gives up after two seconds.
const PATIENCE: Patience = Patience {
    timeout: Duration::from_secs(3),
    pause: Duration::from_secs(30),
    pause_max: Duration::from_secs(15 * 60),
};

/// Whether everything that is due was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Yes,
    No,
}

impl Tracked {
    /// Evaluates the policy, announces a new session, and performs what is due.
    pub(crate) fn settle(&mut self, now: BootTime, terms: &Terms, out: &mut Vec<Action>) {
        self.withdraw_stale(out);
        self.rejudge(now, terms, out);
        // A lock is only repeated if the limit locks: the session was a desktop before.
        let locks = |limit| self.end_action(limit) == Some(EndAction::Lock);
        let again = |ending: &Ending| ending.stage() == Stage::LockAgain && !locks(ending.limit);
        if self.ending.as_ref().is_some_and(again) {
            self.ending = None;
        }
        let is_warned = self.absolute.is_warned() || self.inactivity.is_warned();
        if self.is_held() && is_warned && !self.is_ending() {
            // It was no desktop for some time, and is one that is locked again.
            self.withdraw_for_a_lock(out);
        }
        self.ask_for_groups(now, terms, out);
        if !self.began && self.standing != Standing::Undecided {
            self.began = true;
            out.push(Action::Began(self.facts.key.clone()));
        }
        self.adopt(out);
        self.tick(now, terms, out);
        // Groups that were overdue may have changed whether a probe is needed.
        self.take_baseline(now, out);
    }

    /// Evaluates the policy for a session that is restored from a record with this absolute limit.
    pub(crate) fn judge(&mut self, now: BootTime, terms: &Terms, held: &LimitRecord) {
        let countdown = &held.countdown;
        let (standing, barrier) = self.verdict(now, terms, |limits| {
            let (limit, action) = (&limits.absolute, limits.end_action);
            let same = held.length == Some(limit.length) && countdown.fits(limit, action);
            same.then_some(countdown)
        });
        let since = self.ends_count_from();
        (self.standing, self.barrier) = (standing, barrier);
        self.forget_extensions_before(since);
        if self.standing != Standing::Undecided && self.locks() != Some(true) {
            self.locking.hold = None;
        }
    }

    /// The groups of the user are known.
    pub(crate) fn told(&mut self, groups: BTreeSet<String>) {
        self.groups = Groups::Known(groups);
        self.groups_inquiry = Inquiry::Idle;
    }

    /// The groups of the user cannot be resolved.
    pub(crate) fn untold(&mut self, now: BootTime, out: &mut Vec<Action>) {
        if self.groups_inquiry.fail(now, PATIENCE).is_none() || self.groups != Groups::Untold {
            return;
        }
        self.groups = Groups::Unavailable;
        let finding = Finding::GroupsUnavailable;
        out.push(Action::Report(self.facts.key.clone(), finding));
    }

    /// Handles overdue groups. Returns whether that has performed everything that is due.
    pub(crate) fn tick_groups(
        &mut self,
        now: BootTime,
        terms: &Terms,
        out: &mut Vec<Action>,
    ) -> Settled {
        match self.groups_inquiry.step(now, PATIENCE) {
            Some(Due::GiveUp) => {
                self.untold(now, out);
                self.settle(now, terms, out);
                return Settled::Yes;
            }
            Some(Due::AskAgain) => {
                self.groups_inquiry.ask(now);
                out.push(Action::ResolveGroups(self.facts.key.clone()));
            }
            None => {}
        }
        Settled::No
    }

    /// When the groups are overdue, or are to be resolved again.
    pub(crate) fn groups_due(&self) -> Option<BootTime> {
        self.groups_inquiry.due(PATIENCE)
    }

    /// Evaluates the policy again. Warnings under a limit that does not hold any more are
    /// withdrawn, and the new limit starts with its warnings.
    pub(crate) fn rejudge(&mut self, now: BootTime, terms: &Terms, out: &mut Vec<Action>) {
        let (standing, barrier) = self.verdict_now(now, terms);
        // The limits stay in force while groups are resolved.
        if standing == Standing::Undecided || (standing == self.standing && barrier == self.barrier)
        {
            return;
        }
        if self.idle_due().is_none() {
            // No probe was needed, so that a missing reply proves nothing.
            self.forget_question();
        }
        let stage = self.stage_limit();
        let since = self.ends_count_from();
        let before = std::mem::replace(&mut self.standing, standing);
        let barrier_before = std::mem::replace(&mut self.barrier, barrier);
        if let Some(past) = &mut self.past {
            past.since = since;
        }
        self.forget_extensions_before(since);
        if self.locks() != Some(true) {
            // A lock does not count if the policy ends sessions.
            self.locking.hold = None;
            let off = self.ending.take_if(|ending| ending.stage().locks());
            if let Some(ending) = off.filter(|ending| ending.outdated) {
                out.push(Action::Withdraw(self.facts.key.clone(), ending.limit));
            }
        }
        for kind in [LimitKind::Absolute, LimitKind::Inactivity] {
            let before = terms_of(&before, barrier_before.as_deref(), kind);
            if before != self.terms(kind) {
                self.withdraw(kind, out);
                // A lock is repeated at the limit that holds now.
                self.ending
                    .take_if(|ending| ending.stage() == Stage::LockAgain && ending.limit == kind);
            }
        }
        if self.stage_limit() != stage {
            self.stage = Countdown::default();
        }
        self.unknown_reported = false;
    }

    /// The result of the policy, where the absolute limit that holds has begun to count down.
    pub(crate) fn verdict_now(
        &self,
        now: BootTime,
        terms: &Terms,
    ) -> (Standing, Option<Box<Barrier>>) {
        let held = self.terms(LimitKind::Absolute);
        self.verdict(now, terms, |limits| {
            let same = held == Some((&limits.absolute, limits.end_action));
            same.then_some(&self.absolute)
        })
    }

    /// What the countdown of this kind depends on: if it changes, the countdown restarts.
    pub(crate) fn terms(&self, kind: LimitKind) -> Option<(&Limit, EndAction)> {
        terms_of(&self.standing, self.barrier.as_deref(), kind)
    }

    /// Whether a limit locks the session instead of ending it.
    fn locks(&self) -> Option<bool> {
        let limits = self.limits()?;
        let barrier = self.barrier.as_deref();
        let locks = barrier.is_some_and(|barrier| barrier.how == EndAction::Lock);
        Some(locks || limits.end_action == EndAction::Lock)
    }

    /// Resolves the groups if the policy depends on them, and stops if it does not.
    fn ask_for_groups(&mut self, now: BootTime, terms: &Terms, out: &mut Vec<Action>) {
        if matches!(self.groups, Groups::Known(_)) {
            return;
        }
        let wanted = self.depends_on_groups(terms) && self.login == LoginState::Open;
        match (wanted, self.groups_inquiry) {
            (true, Inquiry::Idle) => {
                self.groups_inquiry.ask(now);
                out.push(Action::ResolveGroups(self.facts.key.clone()));
            }
            (false, _) => self.groups_inquiry = Inquiry::Idle,
            (true, _) => {}
        }
    }
}

/// What the countdown of this kind depends on.
fn terms_of<'a>(
    standing: &'a Standing,
    barrier: Option<&'a Barrier>,
    kind: LimitKind,
) -> Option<(&'a Limit, EndAction)> {
    let Standing::Limited { limits, .. } = standing else {
        return None;
    };
    let limits: &Limits = match (kind, barrier) {
        (LimitKind::Absolute, Some(barrier)) => &barrier.limits,
        (LimitKind::Absolute, None) | (LimitKind::Inactivity, _) => limits,
    };
    let limit = limits.get(kind)?;
    Some((limit, limits.end_action))
}
