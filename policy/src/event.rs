//! The inputs of the engine.

use std::collections::BTreeSet;

use crate::{Pid, Policy, Reading, SessionFacts, SessionId, SessionKey};

/// An input of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The user was active in the session just now: there was input where `Action::Warn` asked to
    /// watch, or logind signalled that somebody has come back to the session. That proves no
    /// authentication, and no unlock.
    ActivitySeen(SessionKey),
    /// The desktop's agent reports that there was no input for the time that it was asked to watch
    /// for.
    BecameIdle(SessionKey),
    /// logind refused to end, hang up or lock the session.
    EndFailed(SessionKey),
    /// The groups that `Action::ResolveGroups` asked for.
    GroupsResolved(SessionKey, BTreeSet<String>),
    /// The groups that `Action::ResolveGroups` asked for could not be resolved, or not in time.
    GroupsUnavailable(SessionKey),
    /// The hang-up that `Action::HangUp` asked for is done: the user is logged out.
    HungUp(SessionKey),
    /// An inhibitor lock on `idle` was taken or released in any session.
    InhibitorsChanged,
    /// The session was locked, or is locked: logind's `LockedHint` is true.
    Locked(SessionKey),
    /// A PAM session was closed: the user logged out of the session with this logind id.
    LoginClosed(SessionId),
    /// A PAM session was opened.
    LoginRecorded(Login),
    /// Another policy is in force.
    PolicyReplaced(Policy),
    /// The reading that `Action::Probe` asked for, or one that was not asked for.
    Probed(SessionKey, Reading),
    /// The probe that `Action::Probe` asked for failed.
    ProbeFailed(SessionKey),
    /// logind or the bus replies again: requests that did not reach them are repeated at once.
    Reachable,
    /// logind has removed the session with this id.
    SessionGone(SessionId),
    /// logind announces this session, or a change of its properties.
    SessionSeen(SessionFacts),
    /// All sessions of logind.
    SessionsListed(Vec<SessionFacts>),
    /// The result of `Action::Verify` or `Action::EndRemains`.
    Verified(SessionKey, Remains),
    /// The request to end, hang up or lock the session did not reach logind: it does not reply.
    Unreached(SessionKey),
    /// The user has unlocked the session, and so has authenticated again: logind has signalled that
    /// `LockedHint` became false. A `LockedHint` that *is* false proves nothing, since a restart of
    /// logind clears it.
    Unlocked(SessionKey),
}

/// The remains of a session that logind reports as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// Nothing: its leader, its terminals and its desktop are gone.
    Nothing,
    /// Its leader, a process on its terminals, or its desktop still exists.
    Something,
}

/// A login as PAM reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// logind's id, from the PAM environment.
    pub id: SessionId,
    /// The process that opened the PAM session, as the kernel reports it.
    pub leader: Pid,
    /// The PAM service.
    pub service: String,
    /// The remote host of the user.
    pub remote_host: Option<String>,
    /// The terminal as the PAM application named it.
    pub terminal: Option<String>,
}
