//! Sessions that logind has dropped: verifying that they are gone, and ending what remains.
//!
//! logind drops a session whose scope is empty, even if its leader runs: a process that left the
//! scope still exists, and so may a desktop that runs under the user's manager. So the engine
//! verifies the departure of a session that was ended, or that had no logout. What remains after an
//! end is ended repeatedly; a login that was not ended continues, kept by the daemon.

use std::time::Duration;

use crate::session::escalation::pause;
use crate::session::retry::{Due, Inquiry, Patience};
use crate::session::{LoginState, Tracked};
use crate::{
    Action, BootTime, Departure, Finding, Keeper, LimitKind, NoSession, Remains, SessionFacts, Wake,
};

/// A check may fail for a moment.
const PATIENCE: Patience = Patience {
    timeout: Duration::from_secs(3),
    pause: Duration::from_secs(1),
    pause_max: Duration::from_secs(30),
};

/// A session that logind has dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is being verified whether anything remains.
    Asked(Inquiry),
    /// The same, if another session with its id may be the one that is gone.
    Doubted(Inquiry),
    /// It was ended for this limit, and something remains. That was ended `tries` times, and is
    /// ended again at `next`.
    Survived {
        limit: LimitKind,
        tries: u32,
        next: BootTime,
    },
}

impl Removal {
    const fn is_asked(&self) -> bool {
        matches!(self, Self::Asked(_) | Self::Doubted(_))
    }

    /// The same, with the new state of the question.
    const fn with(self, inquiry: Inquiry) -> Self {
        match self {
            Self::Asked(_) => Self::Asked(inquiry),
            Self::Doubted(_) => Self::Doubted(inquiry),
            Self::Survived { .. } => self,
        }
    }
}

/// Whether a session is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Gone,
    Stays,
}

impl From<()> for Fate {
    /// An event without a result does not remove the session.
    fn from((): ()) -> Self {
        Self::Stays
    }
}

impl Tracked {
    /// logind, or the daemon that kept the session, reports that it is gone.
    pub(crate) fn dropped(&mut self, now: BootTime, out: &mut Vec<Action>) -> Fate {
        if self.removal.is_some() {
            return Fate::Stays;
        }
        if !self.is_worth_a_look() {
            return Fate::Gone;
        }
        self.removal = Some(Removal::Asked(self.verify(now, out)));
        Fate::Stays
    }

    /// It was dropped before this engine was started: it is verified as soon as possible.
    pub(crate) fn is_to_be_verified(&mut self, now: BootTime) {
        self.removal = Some(Removal::Asked(Inquiry::Failed {
            retry_at: now,
            failures: 0,
        }));
    }

    /// It, or another session with its id, is gone.
    pub(crate) fn doubted(&mut self, now: BootTime, out: &mut Vec<Action>) {
        if self.removal.is_none() && self.is_worth_a_look() {
            self.removal = Some(Removal::Doubted(self.verify(now, out)));
        }
    }

    /// logind still has it, as far as is known.
    pub(crate) fn reappeared(&mut self) {
        self.removal.take_if(|removal| removal.is_asked());
    }

    /// Whether the daemon keeps it because logind has dropped it.
    pub(crate) fn is_kept_on(&self) -> bool {
        self.facts.keeper == Keeper::Daemon(NoSession::Dropped)
    }

    /// The result of verifying a session that was dropped.
    pub(crate) fn verified(
        &mut self,
        now: BootTime,
        remains: Remains,
        out: &mut Vec<Action>,
    ) -> Fate {
        let Some(removal) = self.removal else {
            return Fate::Stays;
        };
        match (remains, removal, self.ended_for()) {
            (Remains::Nothing, _, _) => Fate::Gone,
            (Remains::Something, Removal::Survived { .. }, _) => Fate::Stays,
            (Remains::Something, Removal::Doubted(_), _) => {
                self.removal = None;
                Fate::Stays
            }
            (Remains::Something, Removal::Asked(_), Some(limit)) => {
                let finding = Finding::Survived(limit);
                out.push(Action::Report(self.facts.key.clone(), finding));
                self.end_remains(now, limit, 0, out);
                Fate::Stays
            }
            (Remains::Something, Removal::Asked(_), None) if self.limits().is_none() => Fate::Gone,
            (Remains::Something, Removal::Asked(_), None) => {
                self.removal = None;
                self.facts.keeper = Keeper::Daemon(NoSession::Dropped);
                self.adopted = false;
                Fate::Stays
            }
        }
    }

    /// Has the daemon keep a login without a logind session, if a limit holds.
    pub(crate) fn adopt(&mut self, out: &mut Vec<Action>) {
        let kept = matches!(self.facts.keeper, Keeper::Daemon(_));
        if kept && self.removal.is_none() && !self.adopted && self.limits().is_some() {
            self.adopted = true;
            out.push(Action::Adopt(self.facts.key.clone()));
        }
    }

    /// Performs what is due for a session that was dropped.
    pub(crate) fn tick_removal(&mut self, now: BootTime, out: &mut Vec<Action>) {
        match self.removal {
            Some(removal @ (Removal::Asked(mut inquiry) | Removal::Doubted(mut inquiry))) => {
                if inquiry.step(now, PATIENCE) == Some(Due::GiveUp) {
                    // The pause counts from when it was due, however late this call is.
                    let due = inquiry.due(PATIENCE).unwrap_or(now);
                    let _ = inquiry.fail(due, PATIENCE);
                }
                if inquiry.step(now, PATIENCE) == Some(Due::AskAgain) {
                    inquiry.ask(now);
                    out.push(Action::Verify(self.facts.key.clone()));
                }
                self.removal = Some(removal.with(inquiry));
            }
            Some(Removal::Survived { limit, tries, next }) if now >= next => {
                self.end_remains(now, limit, tries, out);
            }
            Some(Removal::Survived { .. }) | None => {}
        }
    }

    /// When something is due for a session that was dropped.
    pub(crate) fn removal_wake(&self) -> Option<(BootTime, Wake)> {
        Some(match self.removal? {
            Removal::Asked(inquiry) | Removal::Doubted(inquiry) => {
                (inquiry.due(PATIENCE)?, Wake::Verify)
            }
            Removal::Survived { next, .. } => (next, Wake::Remains),
        })
    }

    /// The limit for which what remains of the session is ended, if logind has dropped it.
    pub(crate) const fn survived(&self) -> Option<LimitKind> {
        match self.removal {
            Some(Removal::Survived { limit, .. }) => Some(limit),
            Some(Removal::Asked(_) | Removal::Doubted(_)) | None => None,
        }
    }

    /// Whether it was dropped, and its user has logged out.
    pub(crate) fn is_left(&self) -> bool {
        self.removal.is_some() && self.ended_for().is_none() && self.limits().is_none()
    }

    /// The session is gone, for this reason.
    pub(crate) fn departs(self) -> (SessionFacts, Departure) {
        let departure = self.ended_for().map_or(Departure::Own, Departure::Ended);
        (self.facts, departure)
    }

    /// The limit for which it is being ended or was hung up.
    fn ended_for(&self) -> Option<LimitKind> {
        let ending = self.ending.as_ref().filter(|_| self.is_ending());
        let ending = ending.map(|ending| ending.limit);
        match (self.survived().or(ending), self.login) {
            (Some(limit), _) | (None, LoginState::HungUp(limit)) => Some(limit),
            (None, LoginState::Open | LoginState::LoggedOut) => None,
        }
    }

    /// Whether it is to be verified that nothing remains.
    fn is_worth_a_look(&self) -> bool {
        let told = matches!(self.facts.keeper, Keeper::Daemon(why) if why != NoSession::Dropped);
        let matters = self.ended_for().is_some() || self.limits().is_some();
        !told && matters && self.facts.leader.is_some()
    }

    fn verify(&self, now: BootTime, out: &mut Vec<Action>) -> Inquiry {
        let mut inquiry = Inquiry::Idle;
        inquiry.ask(now);
        out.push(Action::Verify(self.facts.key.clone()));
        inquiry
    }

    fn end_remains(&mut self, now: BootTime, limit: LimitKind, tries: u32, out: &mut Vec<Action>) {
        let tries = tries.saturating_add(1);
        self.removal = Some(Removal::Survived {
            limit,
            tries,
            next: now.saturating_add(pause(tries)),
        });
        out.push(Action::EndRemains(self.facts.key.clone(), limit));
    }
}
