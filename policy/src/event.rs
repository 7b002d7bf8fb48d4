//! What the engine is told, and what it asks for.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::extension::{Extended, Refusal};
use crate::locking::LockCause;
use crate::{
    BootTime, EndAction, Groups, LimitKind, Policy, Reading, SessionClass, SessionType, Subject,
    Uid,
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Input was seen in the session just now; comes only where [`Action::Warn`] asked to watch.
    ActivitySeen(SessionKey),
    /// The desktop's agent says that there was no input for as long as it was asked to watch for.
    BecameIdle(SessionKey),
    /// logind refused to end, hang up or lock the session.
    EndFailed(SessionKey),
    /// The user, or an administrator for the user, asks for more time.
    ExtensionAsked(SessionKey),
    /// The groups that [`Action::ResolveGroups`] asked for.
    GroupsResolved(SessionKey, BTreeSet<String>),
    /// The groups that [`Action::ResolveGroups`] asked for could not be had, or not in time.
    GroupsUnavailable(SessionKey),
    /// The hang-up that [`Action::HangUp`] asked for is done: nobody is logged in there any more.
    HungUp(SessionKey),
    /// An inhibitor lock on `idle` was taken or released somewhere.
    InhibitorsChanged,
    /// The session was locked, or is: logind's `LockedHint` is true.
    Locked(SessionKey),
    /// A PAM session was closed: the user logged out of the session with this logind id.
    LoginClosed(String),
    /// A PAM session was opened.
    LoginRecorded(Login),
    /// Another policy is in force.
    PolicyReplaced(Policy),
    /// The reading that [`Action::Probe`] asked for; one that nobody asked for is as welcome.
    Probed(SessionKey, Reading),
    /// The reading that [`Action::Probe`] asked for could not be had.
    ProbeFailed(SessionKey),
    /// logind or the bus answers again: what did not reach them is asked for again at once.
    Reachable,
    /// logind has removed the session with this id.
    SessionGone(String),
    /// logind has this session, new or changed.
    SessionSeen(SessionFacts),
    /// logind has these sessions and no others.
    SessionsListed(Vec<SessionFacts>),
    /// What [`Action::Verify`] or [`Action::EndRemains`] found of the session.
    Verified(SessionKey, Remains),
    /// logind could not be asked to end, hang up or lock the session: it does not answer.
    Unreached(SessionKey),
    /// The user has unlocked the session, and so has authenticated again: logind has signalled
    /// that its `LockedHint` became false. That it *is* false proves nothing: a restart of logind
    /// forgets it.
    Unlocked(SessionKey),
}

/// Something to do. The engine never waits for it; what comes of it comes back as an [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put the leader of a login that logind has no session for, and what descends from it, into
    /// a scope, so that nothing of it is lost from sight.
    Adopt(SessionKey),
    /// Ask the session's leader to end (SIGTERM), so that the login manager or server ends the
    /// login in its own way, and say [`Event::HungUp`] when nobody is logged in there any more.
    /// [`Action::Terminate`] follows.
    AskLeader(SessionKey, LimitKind),
    /// A session was seen for the first time, and judged. For the journal.
    Began(SessionKey),
    /// The end for this limit begins, in this way: tell the user, the journal and the hooks. What
    /// is asked of the session follows.
    EndBegins(SessionKey, LimitKind, EndAction),
    /// End what is left of a session that logind has ended, and say [`Event::Verified`].
    EndRemains(SessionKey, LimitKind),
    /// The absolute limit was put off. For the journal and whoever asked.
    Extended(SessionKey, Extended),
    /// The absolute limit was not put off. For the journal and whoever asked.
    ExtensionRefused(SessionKey, Refusal),
    /// Close the session's connection or terminal, and say [`Event::HungUp`] when that is done.
    HangUp(SessionKey, LimitKind),
    /// The session was hung up for this limit; what still runs there is no login. For the journal.
    HungUp(SessionKey, LimitKind),
    /// Kill what is left of the session: it has outlived its grace.
    Kill(SessionKey, LimitKind),
    /// The session is no more. For the journal.
    Left(SessionFacts, Departure),
    /// Lock the session's screen, and say [`Event::Locked`] when it is locked, or where it is
    /// already.
    Lock(SessionKey, LockCause),
    /// The session was locked as [`Action::Lock`] asked. For the journal.
    Locked(SessionKey, LockCause),
    /// Read the session's idle time afresh.
    Probe(SessionKey),
    /// Write to the journal what would have been done, and do nothing.
    Report(SessionKey, Finding),
    /// Ask for the names of the user's groups.
    ResolveGroups(SessionKey),
    /// Ask the session's processes to end.
    Terminate(SessionKey, LimitKind),
    /// logind says that the session is gone. Look whether its leader, its terminals and its
    /// desktop are, and say [`Event::Verified`].
    Verify(SessionKey),
    /// Tell the user, and report input in the session until this is withdrawn.
    Warn(SessionKey, Warning),
    /// Input came, the limit was put off or the policy changed: what the user was warned of will
    /// not happen then.
    Withdraw(SessionKey, LimitKind),
}

impl Action {
    /// The session that it is about.
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
    /// The limit that will be passed.
    pub limit: LimitKind,
    /// How long that limit is.
    pub length: Duration,
    /// The lead of the policy that this warning stands for. Where the daemon was late, fewer than
    /// this may be left: see `ends_at`.
    pub lead: Duration,
    /// When the session ends.
    pub ends_at: BootTime,
}

/// What the journal is told instead of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The groups of the user cannot be had, so that rules about groups are not taken.
    GroupsUnavailable,
    /// Nothing has locked the screen that [`Action::Lock`] asked to lock as a first stage.
    NotLocked,
    /// This limit was passed, and the policy says to report only.
    Passed(LimitKind),
    /// Something of the session lives on after its end was asked for and logind has dropped it.
    Survived(LimitKind),
    /// Nobody can tell how long the session has been idle, so its inactivity limit is not
    /// enforced.
    UnknownIdle,
}

/// What is left of a session that logind says is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// Nothing: its leader, its terminals and its desktop are gone.
    Nothing,
    /// Its leader, a process on its terminals, or its desktop lives on.
    Something,
}

/// Why a session is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// We ended it for this limit.
    Ended(LimitKind),
    /// The user left, or something else ended it.
    Own,
}

/// One session, for certain: logind hands out ids such as `c1` again after a restart of its own,
/// but never with the same stamp.
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

    /// The kernel's number for it.
    #[must_use]
    pub const fn as_raw(self) -> u32 {
        self.0
    }
}

/// What logind says of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// Which session.
    pub key: SessionKey,
    /// The user's name.
    pub user: String,
    /// The user's id.
    pub uid: Uid,
    /// What kind of login it is.
    pub class: SessionClass,
    /// Where it runs.
    pub session_type: SessionType,
    /// The process that opened it, while logind knows one.
    pub leader: Option<Pid>,
    /// The PAM service.
    pub service: Option<String>,
    /// Where a remote user comes from.
    pub remote_host: Option<String>,
    /// The terminal or display that logind knows.
    pub terminal: Option<String>,
    /// The seat, for a session that is on one.
    pub seat: Option<String>,
    /// When the user logged in.
    pub started: BootTime,
    /// Who keeps the session.
    pub keeper: Keeper,
    /// The `InvocationID` of the scope that holds the session's processes, where it is known.
    pub invocation: Option<InvocationId>,
    /// The audit session of the login, where it has one of its own.
    pub audit: Option<AuditSession>,
}

/// The audit session of a login (`/proc/PID/sessionid`): the kernel gives a number to whoever
/// pam_loginuid(8) sets a login uid for, all that descends inherits it in whatever control group,
/// and only `CAP_AUDIT_CONTROL` changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditSession(u32);

impl AuditSession {
    /// The audit session with this number; `None` for the number of those that have none.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == u32::MAX {
            return None;
        }
        Some(Self(number))
    }

    /// The number as the kernel has it.
    #[must_use]
    pub const fn as_raw(self) -> u32 {
        self.0
    }
}

/// Who keeps a session: who tells that it is there, and when it is gone.
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
    /// None of these is known to be the reason: a PAM control before pam_systemd may have
    /// skipped it.
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

/// `InvocationID` of systemd.exec(5): one activation of a unit, told from any other of that name.
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
    /// Whom a policy is asked about.
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

/// What PAM says of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// logind's id, from the PAM environment.
    pub id: String,
    /// The process that opened the PAM session, by the kernel's word.
    pub leader: Pid,
    /// The PAM service.
    pub service: String,
    /// Where a remote user comes from.
    pub remote_host: Option<String>,
    /// The terminal as the PAM application named it.
    pub terminal: Option<String>,
}
