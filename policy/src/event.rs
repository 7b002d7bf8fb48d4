//! Inputs of the engine (`Event`) and its outputs (`Action`).

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::session::extension::{Extended, Refusal};
use crate::session::locking::LockCause;
use crate::{
    BootTime, EndAction, Groups, LimitKind, Policy, Reading, SessionClass, SessionType, Subject,
    Uid,
};

/// An input of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Input was seen in the session just now; sent only where [`Action::Warn`] asked to watch.
    ActivitySeen(SessionKey),
    /// The desktop's agent reports that there was no input for the time that it was asked to watch
    /// for.
    BecameIdle(SessionKey),
    /// logind refused to end, hang up or lock the session.
    EndFailed(SessionKey),
    /// The user, or an administrator for the user, requests an extension.
    ExtensionAsked(SessionKey),
    /// The groups that [`Action::ResolveGroups`] asked for.
    GroupsResolved(SessionKey, BTreeSet<String>),
    /// The groups that [`Action::ResolveGroups`] asked for could not be resolved, or not in time.
    GroupsUnavailable(SessionKey),
    /// The hang-up that [`Action::HangUp`] asked for is done: the user is logged out.
    HungUp(SessionKey),
    /// An inhibitor lock on `idle` was taken or released in any session.
    InhibitorsChanged,
    /// The session was locked, or is locked: logind's `LockedHint` is true.
    Locked(SessionKey),
    /// A PAM session was closed: the user logged out of the session with this logind id.
    LoginClosed(String),
    /// A PAM session was opened.
    LoginRecorded(Login),
    /// Another policy is in force.
    PolicyReplaced(Policy),
    /// The reading that [`Action::Probe`] asked for, or one that was not asked for.
    Probed(SessionKey, Reading),
    /// The probe that [`Action::Probe`] asked for failed.
    ProbeFailed(SessionKey),
    /// logind or the bus replies again: requests that did not reach them are repeated at once.
    Reachable,
    /// logind has removed the session with this id.
    SessionGone(String),
    /// logind announces this session, or a change of its properties.
    SessionSeen(SessionFacts),
    /// All sessions of logind.
    SessionsListed(Vec<SessionFacts>),
    /// The result of [`Action::Verify`] or [`Action::EndRemains`].
    Verified(SessionKey, Remains),
    /// The request to end, hang up or lock the session did not reach logind: it does not reply.
    Unreached(SessionKey),
    /// The user has unlocked the session, and so has authenticated again: logind has signalled that
    /// `LockedHint` became false. A `LockedHint` that *is* false proves nothing, since a restart of
    /// logind clears it.
    Unlocked(SessionKey),
}

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

/// The remains of a session that logind reports as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// Nothing: its leader, its terminals and its desktop are gone.
    Nothing,
    /// Its leader, a process on its terminals, or its desktop still exists.
    Something,
}

/// Why a session is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The daemon ended it for this limit.
    Limit(LimitKind),
    /// The user logged out, or something else ended it.
    Other,
}

/// Identifies one session: logind reuses ids such as `c1` after a restart of its own, but never
/// with the same stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// logind's id of the session.
    pub id: String,
    /// logind's `TimestampMonotonic` of the session, in microseconds.
    pub stamp: u64,
}

/// A process id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(u32);

impl Pid {
    /// The process id `raw`.
    #[must_use]
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The kernel's number of the process.
    #[must_use]
    pub const fn as_raw(self) -> u32 {
        self.0
    }
}

/// The properties of a session in logind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// Identifies the session.
    pub key: SessionKey,
    /// The user's name.
    pub user: String,
    /// The user's id.
    pub uid: Uid,
    /// The class of the login.
    pub class: SessionClass,
    /// The type of the session.
    pub session_type: SessionType,
    /// The leader: the process that opened the session, as far as logind knows one.
    pub leader: Option<Pid>,
    /// The PAM service.
    pub service: Option<String>,
    /// The remote host of the user.
    pub remote_host: Option<String>,
    /// The terminal or display in logind.
    pub terminal: Option<String>,
    /// The seat, if the session is on one.
    pub seat: Option<String>,
    /// When the user logged in.
    pub started: BootTime,
    /// Whether logind or the daemon keeps the session.
    pub keeper: Keeper,
    /// The `InvocationID` of the scope that holds the session's processes, if it is known.
    pub invocation: Option<InvocationId>,
    /// The audit session of the login, if it has one of its own.
    pub audit: Option<AuditSession>,
}

/// The audit session of a login (`/proc/PID/sessionid`): the kernel assigns a number when
/// pam_loginuid(8) sets a login uid, all descendants inherit it in whatever control group, and only
/// `CAP_AUDIT_CONTROL` changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditSession(u32);

impl AuditSession {
    /// The audit session with this number; `None` for the number that stands for none.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == u32::MAX {
            return None;
        }
        Some(Self(number))
    }

    /// The number of the audit session in the kernel.
    #[must_use]
    pub const fn as_raw(self) -> u32 {
        self.0
    }
}

/// What keeps a session, and reports when it is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeper {
    /// logind.
    #[default]
    Logind,
    /// The daemon itself: PAM recorded the login, and logind has no session for it.
    Daemon(NoSession),
}

/// Why logind has no session for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoSession {
    /// logind had it and dropped it, while its leader lives on.
    Dropped,
    /// logind has as many sessions as `SessionsMax=` of logind.conf(5) allows.
    Full,
    /// systemd takes no user name of this form (systemd.io/USER_NAMES).
    NameRefused,
    /// The stack of the PAM service does not name pam_systemd.
    NotInStack,
    /// logind did not answer in time.
    Silent,
    /// The reason is unknown: a PAM control before pam_systemd may have skipped it.
    Unknown,
}

impl NoSession {
    /// The reason as a word of D-Bus and of the state file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Full => "logind-full",
            Self::NameRefused => "name-refused",
            Self::NotInStack => "not-in-stack",
            Self::Silent => "logind-silent",
            Self::Unknown => "unknown",
        }
    }

    /// The reason by its word; a word that this version does not know is [`Self::Unknown`].
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "dropped" => Self::Dropped,
            "logind-full" => Self::Full,
            "name-refused" => Self::NameRefused,
            "not-in-stack" => Self::NotInStack,
            "logind-silent" => Self::Silent,
            _ => Self::Unknown,
        }
    }
}

/// `InvocationID` of systemd.exec(5): identifies one activation of a unit among all of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvocationId([u8; 16]);

impl InvocationId {
    /// The id with these bytes, in the order that sd-id128(3) writes them in.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id as systemd writes it, 32 hexadecimal digits; `None` where it is not that.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let exact = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(digits, 16).ok().filter(|_| exact)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl SessionFacts {
    /// The session as the policy matches it.
    #[must_use]
    pub fn subject<'a>(&'a self, groups: &'a Groups) -> Subject<'a> {
        Subject {
            user: &self.user,
            uid: self.uid,
            groups,
            class: &self.class,
            session_type: self.session_type,
            service: self.service.as_deref(),
            remote_host: self.remote_host.as_deref(),
            terminal: self.terminal.as_deref(),
            seat: self.seat.as_deref(),
        }
    }
}

/// A login as PAM reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// logind's id, from the PAM environment.
    pub id: String,
    /// The process that opened the PAM session, as the kernel reports it.
    pub leader: Pid,
    /// The PAM service.
    pub service: String,
    /// The remote host of the user.
    pub remote_host: Option<String>,
    /// The terminal as the PAM application named it.
    pub terminal: Option<String>,
}
