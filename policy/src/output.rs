//! The outputs of the engine.

use std::time::Duration;

use crate::session::locking::LockCause;
use crate::{BootTime, EndAction, LimitKind, SessionFacts, SessionKey};

/// An output of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The driver is to do this.
    Action(Action),
    /// The driver is to report this; nothing comes back.
    Transition(Transition),
}

impl Output {
    /// The session of this output.
    #[must_use]
    pub const fn key(&self) -> &SessionKey {
        match self {
            Self::Action(action) => action.key(),
            Self::Transition(transition) => transition.key(),
        }
    }
}

impl From<Action> for Output {
    fn from(action: Action) -> Self {
        Self::Action(action)
    }
}

impl From<Transition> for Output {
    fn from(transition: Transition) -> Self {
        Self::Transition(transition)
    }
}

/// An instruction to the driver. The engine does not wait for it; the result comes back as an
/// `Event`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Move the leader of a login without a logind session, and its descendants, into a scope, so
    /// that they can be found.
    Adopt(SessionKey),
    /// Ask the session's leader to end (SIGTERM), so that the login manager or server ends the
    /// login in its own way, and send `Event::HungUp` when the user is logged out.
    /// [`Action::Terminate`] follows.
    AskLeader(SessionKey, LimitKind),
    /// End what remains of a session that logind has ended, and send `Event::Verified`.
    EndRemains(SessionKey, LimitKind),
    /// Close the session's connection or terminal, and send `Event::HungUp` when that is done.
    HangUp(SessionKey, LimitKind),
    /// Kill what remains of the session after its grace.
    Kill(SessionKey, LimitKind),
    /// Lock the session's screen, and send `Event::Locked` when it is locked, or if it is
    /// already.
    Lock(SessionKey, LockCause),
    /// Read the session's idle time again.
    Probe(SessionKey),
    /// Resolve the names of the user's groups.
    ResolveGroups(SessionKey),
    /// Ask the session's processes to end.
    Terminate(SessionKey, LimitKind),
    /// logind reports that the session is gone. Check whether its leader, its terminals and its
    /// desktop are, and send `Event::Verified`.
    Verify(SessionKey),
    /// Warn the user, and report input in the session until the warning is withdrawn.
    Warn(SessionKey, Warning),
    /// Withdraw the last warning: the limit was delayed by input or an extension, or the policy
    /// changed.
    Withdraw(SessionKey, LimitKind),
}

impl Action {
    /// The session of this action.
    #[must_use]
    pub const fn key(&self) -> &SessionKey {
        match self {
            Self::Adopt(key)
            | Self::AskLeader(key, _)
            | Self::EndRemains(key, _)
            | Self::HangUp(key, _)
            | Self::Kill(key, _)
            | Self::Lock(key, _)
            | Self::Probe(key)
            | Self::ResolveGroups(key)
            | Self::Terminate(key, _)
            | Self::Verify(key)
            | Self::Warn(key, _)
            | Self::Withdraw(key, _) => key,
        }
    }
}

/// A change of a session, for the journal, the hooks and the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The session was seen for the first time, and the policy was evaluated for it.
    Began(SessionKey),
    /// The end for this limit begins, in this way. The first request follows.
    EndBegins(SessionKey, LimitKind, EndAction),
    /// Something that an administrator should know was found.
    Found(SessionKey, Finding),
    /// The session was hung up for this limit; what still runs in it is no login.
    HungUp(SessionKey, LimitKind),
    /// The session is gone.
    Left(SessionFacts, EndReason),
    /// The session was locked as [`Action::Lock`] asked.
    Locked(SessionKey, LockCause),
}

impl Transition {
    /// The session that has changed.
    #[must_use]
    pub const fn key(&self) -> &SessionKey {
        match self {
            Self::Began(key)
            | Self::EndBegins(key, ..)
            | Self::Found(key, _)
            | Self::HungUp(key, _)
            | Self::Locked(key, _) => key,
            Self::Left(facts, _) => &facts.key,
        }
    }
}

/// A warning to the user of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The limit that the warning is about.
    pub limit: LimitKind,
    /// The length of that limit.
    pub length: Duration,
    /// The lead of the policy for which the warning is given. If the daemon was late, less time
    /// than this is left: see `ends_at`.
    pub lead: Duration,
    /// When the session ends.
    pub ends_at: BootTime,
}

/// What an administrator should know of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The groups of the user cannot be resolved, so that no rule about groups matches.
    GroupsUnavailable,
    /// The screen was not locked after [`Action::Lock`] of `lock-after`.
    NotLocked,
    /// This limit was passed, and the end action is only a report.
    Passed(LimitKind),
    /// Something of the session remains after its end was requested and logind has dropped it.
    Survived(LimitKind),
    /// The idle time of the session is unknown, so its inactivity limit is not enforced.
    UnknownIdle,
}

/// Why a session is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The daemon ended it for this limit.
    Limit(LimitKind),
    /// The user logged out, or something else ended it.
    Other,
}
