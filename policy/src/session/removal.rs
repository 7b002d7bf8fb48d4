//! Sessions that logind has dropped: the engine verifies that no process remains, and ends the
//! rest.
//!
//! logind drops a session when its scope is empty, even if the leader runs: a process that left the
//! scope still exists, and so may a desktop that runs under the user's manager. Therefore the
//! engine verifies the departure of a session that was ended, or whose user did not log out.
//! Processes that remain after an end are ended repeatedly; a login that was not ended continues,
//! kept by the daemon.

use std::time::Duration;

use crate::session::delivery::backoff;
use crate::session::outputs::Outputs;
use crate::session::request::{Due, Request, RetryPolicy};
use crate::session::{LoginState, Session};
use crate::{
    Action, BootTime, EndReason, Finding, Keeper, LimitKind, NoSession, Remains, SessionFacts,
    Transition, Wake,
};

/// A check can fail temporarily.
const RETRY: RetryPolicy = RetryPolicy {
    timeout: Duration::from_secs(3),
    pause: Duration::from_secs(1),
    pause_max: Duration::from_secs(30),
};

/// A session that logind has dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// The departure is being verified.
    Verifying(Request),
    /// The same, if another session with the same id may be the one that was dropped.
    VerifyingEither(Request),
    /// The session was ended for this limit, and processes remain. They were ended `tries` times,
    /// and the next attempt is at `next`.
    Survived {
        limit: LimitKind,
        attempts: u32,
        next: BootTime,
    },
}

impl Removal {
    const fn is_verifying(&self) -> bool {
        matches!(self, Self::Verifying(_) | Self::VerifyingEither(_))
    }

    /// The same state with this request.
    const fn with_request(self, request: Request) -> Self {
        match self {
            Self::Verifying(_) => Self::Verifying(request),
            Self::VerifyingEither(_) => Self::VerifyingEither(request),
            Self::Survived { .. } => self,
        }
    }
}

/// Whether a session is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Yes,
    No,
}

impl From<()> for Gone {
    /// An event without a result does not remove the session.
    fn from((): ()) -> Self {
        Self::No
    }
}

impl Session {
    /// Handles a report by logind, or by the daemon that kept the session, that the session is
    /// gone.
    pub(crate) fn dropped(&mut self, now: BootTime, out: &mut Outputs) -> Gone {
        if self.removal.is_some() {
            return Gone::No;
        }
        if !self.needs_verification() {
            return Gone::Yes;
        }
        self.removal = Some(Removal::Verifying(self.verify(now, out)));
        Gone::No
    }

    /// Schedules a verification of a session that was dropped before this engine was started.
    pub(crate) fn verify_soon(&mut self, now: BootTime) {
        self.removal = Some(Removal::Verifying(Request::Failed {
            retry_at: now,
            failures: 0,
        }));
    }

    /// Handles the removal of this session or of another session with the same id.
    pub(crate) fn in_doubt(&mut self, now: BootTime, out: &mut Outputs) {
        if self.removal.is_none() && self.needs_verification() {
            self.removal = Some(Removal::VerifyingEither(self.verify(now, out)));
        }
    }

    /// logind reports the session again, so it was not dropped.
    pub(crate) fn reappeared(&mut self) {
        self.removal.take_if(|removal| removal.is_verifying());
    }

    /// Whether the daemon keeps the session after logind has dropped it.
    pub(crate) fn is_kept_after_drop(&self) -> bool {
        self.facts.keeper == Keeper::Daemon(NoSession::Dropped)
    }

    /// Handles the result of the verification.
    pub(crate) fn verified(&mut self, now: BootTime, remains: Remains, out: &mut Outputs) -> Gone {
        let Some(removal) = self.removal else {
            return Gone::No;
        };
        match (remains, removal, self.ended_for()) {
            (Remains::Nothing, _, _) => Gone::Yes,
            (Remains::Something, Removal::Survived { .. }, _) => Gone::No,
            (Remains::Something, Removal::VerifyingEither(_), _) => {
                self.removal = None;
                Gone::No
            }
            (Remains::Something, Removal::Verifying(_), Some(limit)) => {
                let finding = Finding::Survived(limit);
                out.push(Transition::Found(self.facts.key.clone(), finding));
                self.end_remains(now, limit, 0, out);
                Gone::No
            }
            (Remains::Something, Removal::Verifying(_), None) if self.limits().is_none() => {
                Gone::Yes
            }
            (Remains::Something, Removal::Verifying(_), None) => {
                self.removal = None;
                self.facts.keeper = Keeper::Daemon(NoSession::Dropped);
                self.adopted = false;
                Gone::No
            }
        }
    }

    /// Requests that the daemon keeps a login without a logind session, if a limit applies.
    pub(crate) fn adopt(&mut self, out: &mut Outputs) {
        let kept = matches!(self.facts.keeper, Keeper::Daemon(_));
        if kept && self.removal.is_none() && !self.adopted && self.limits().is_some() {
            self.adopted = true;
            out.push(Action::Adopt(self.facts.key.clone()));
        }
    }

    /// Performs the steps that are due for a dropped session.
    pub(crate) fn tick_removal(&mut self, now: BootTime, out: &mut Outputs) {
        match self.removal {
            Some(
                removal @ (Removal::Verifying(mut request) | Removal::VerifyingEither(mut request)),
            ) => {
                if request.step(now, RETRY) == Some(Due::TimedOut) {
                    // The pause counts from the deadline, even if this call is late.
                    let due = request.due(RETRY).unwrap_or(now);
                    let _ = request.fail(due, RETRY);
                }
                if request.step(now, RETRY) == Some(Due::Retry) {
                    request.send(now);
                    out.push(Action::Verify(self.facts.key.clone()));
                }
                self.removal = Some(removal.with_request(request));
            }
            Some(Removal::Survived {
                limit,
                attempts,
                next,
            }) if now >= next => {
                self.end_remains(now, limit, attempts, out);
            }
            Some(Removal::Survived { .. }) | None => {}
        }
    }

    /// The time of the next step for a dropped session.
    pub(crate) fn removal_wake(&self) -> Option<(BootTime, Wake)> {
        Some(match self.removal? {
            Removal::Verifying(request) | Removal::VerifyingEither(request) => {
                (request.due(RETRY)?, Wake::Verify)
            }
            Removal::Survived { next, .. } => (next, Wake::Remains),
        })
    }

    /// The limit for which remaining processes are ended, if logind has dropped the session.
    pub(crate) const fn survived(&self) -> Option<LimitKind> {
        match self.removal {
            Some(Removal::Survived { limit, .. }) => Some(limit),
            Some(Removal::Verifying(_) | Removal::VerifyingEither(_)) | None => None,
        }
    }

    /// Whether logind has dropped the session, and its user has logged out.
    pub(crate) fn is_logged_out_and_dropped(&self) -> bool {
        self.removal.is_some() && self.ended_for().is_none() && self.limits().is_none()
    }

    /// The properties of the session and the reason for its end.
    pub(crate) fn into_end(self) -> (SessionFacts, EndReason) {
        let departure = self.ended_for().map_or(EndReason::Other, EndReason::Limit);
        (self.facts, departure)
    }

    /// The limit for which the session is being ended or was hung up.
    fn ended_for(&self) -> Option<LimitKind> {
        let ending = self.ending.as_ref().map(|ending| ending.limit);
        match (self.survived().or(ending), self.login) {
            (Some(limit), _) | (None, LoginState::HungUp(limit)) => Some(limit),
            (None, LoginState::Open | LoginState::LoggedOut) => None,
        }
    }

    /// Whether the departure has to be verified.
    fn needs_verification(&self) -> bool {
        let never_in_logind =
            matches!(self.facts.keeper, Keeper::Daemon(why) if why != NoSession::Dropped);
        let matters = self.ended_for().is_some() || self.limits().is_some();
        !never_in_logind && matters && self.facts.leader.is_some()
    }

    fn verify(&self, now: BootTime, out: &mut Outputs) -> Request {
        let mut request = Request::Idle;
        request.send(now);
        out.push(Action::Verify(self.facts.key.clone()));
        request
    }

    fn end_remains(&mut self, now: BootTime, limit: LimitKind, attempts: u32, out: &mut Outputs) {
        let attempts = attempts.saturating_add(1);
        self.removal = Some(Removal::Survived {
            limit,
            attempts,
            next: now.saturating_add(backoff(attempts)),
        });
        out.push(Action::EndRemains(self.facts.key.clone(), limit));
    }
}
