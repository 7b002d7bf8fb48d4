//! What identifies and describes a session.

use std::fmt;

use crate::{BootTime, Groups, SessionClass, SessionType, Subject, Uid};

/// logind's id of a session, such as `c1` or `42`. logind reuses ids; see [`SessionKey`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// The id `raw`. A text that is no id of logind belongs to no session.
    #[must_use]
    pub fn new(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }

    /// The id as logind writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SessionId {
    fn from(raw: &str) -> Self {
        Self(raw.to_owned())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifies one session: logind reuses ids such as `c1` after a restart of its own, but never
/// with the same stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// logind's id of the session.
    pub id: SessionId,
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
