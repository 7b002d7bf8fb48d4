//! The outputs of the engine.

use std::time::Duration;

use crate::session::extension::{Extended, Refusal};
use crate::session::locking::LockCause;
use crate::{BootTime, EndAction, LimitKind, SessionFacts, SessionKey};

/// An output of the engine. The engine does not wait for it; the result comes back as an [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Move the leader of a login without a logind session, and its descendants, into a scope, so
    /// that they can be found.
    Adopt(SessionKey),
    /// Ask the session's leader to end (SIGTERM), so that the login manager or server ends the
    /// login in its own way, and send [`Event::HungUp`] when the user is logged out.
    /// [`Action::Terminate`] follows.
    AskLeader(SessionKey, LimitKind),
    /// A session was seen for the first time, and the policy was evaluated for it. For the journal.
    Began(SessionKey),
    /// The end for this limit begins, in this way: tell the user, the journal and the hooks. The
    /// first request follows.
    EndBegins(SessionKey, LimitKind, EndAction),
    /// End what remains of a session that logind has ended, and send [`Event::Verified`].
    EndRemains(SessionKey, LimitKind),
    /// The absolute limit was extended. For the journal and the caller.
    Extended(SessionKey, Extended),
    /// The absolute limit was not extended. For the journal and the caller.
    ExtensionRefused(SessionKey, Refusal),
    /// Close the session's connection or terminal, and send [`Event::HungUp`] when that is done.
    HangUp(SessionKey, LimitKind),
    /// The session was hung up for this limit; what still runs in it is no login. For the journal.
    HungUp(SessionKey, LimitKind),
    /// Kill what remains of the session after its grace.
    Kill(SessionKey, LimitKind),
    /// The session is gone. For the journal.
    Left(SessionFacts, EndReason),
    /// Lock the session's screen, and send [`Event::Locked`] when it is locked, or if it is
    /// already.
    Lock(SessionKey, LockCause),
    /// The session was locked as [`Action::Lock`] asked. For the journal.
    Locked(SessionKey, LockCause),
    /// Read the session's idle time again.
    Probe(SessionKey),
    /// Log what would have been done, and do nothing.
    Report(SessionKey, Finding),
    /// Resolve the names of the user's groups.
    ResolveGroups(SessionKey),
    /// Ask the session's processes to end.
    Terminate(SessionKey, LimitKind),
    /// logind reports that the session is gone. Check whether its leader, its terminals and its
    /// desktop are, and send [`Event::Verified`].
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
            | Self::Began(key)
            | Self::EndBegins(key, ..)
            | Self::EndRemains(key, _)
            | Self::Verify(key)
            | Self::Extended(key, _)
            | Self::ExtensionRefused(key, _)
            | Self::HangUp(key, _)
            | Self::HungUp(key, _)
            | Self::Kill(key, _)
            | Self::Lock(key, _)
            | Self::Locked(key, _)
            | Self::Probe(key)
            | Self::Report(key, _)
            | Self::ResolveGroups(key)
            | Self::Terminate(key, _)
            | Self::Warn(key, _)
            | Self::Withdraw(key, _) => key,
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

/// What the journal is told instead of an end.
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
