//! What the module asks of libpam and answers to it, in Rust's words.
//!
//! It is a trait so that what happens at a login can be tested without one.

use std::ffi::{CStr, CString, c_int};

use pam_sys::types::{PamFlag, PamReturnCode};

/// The PAM transaction of a login.
pub(crate) trait Pam {
    /// An item of the transaction, if it is set.
    fn item(&self, item: Item) -> Option<&CStr>;

    /// A variable of the PAM environment: never of the process's own, which under sudo and su is
    /// the calling user's.
    fn environment(&self, name: &CStr) -> Option<&CStr>;

    /// Whether a module of the stack has set PAM data with this name.
    fn has_data(&self, name: &CStr) -> bool;

    /// Sets a text as PAM data for other modules, in place of any with this name.
    fn leave(&mut self, name: &CStr, text: CString) -> Result<(), NotLeft>;

    /// Shows a line to the user. Whether it arrived is not known.
    fn show(&mut self, line: &CStr);

    /// Writes a line to the system's log.
    fn log(&self, priority: Priority, line: &str);
}

/// libpam refused the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotLeft;

/// The items that the module reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// `PAM_USER`.
    User,
    /// `PAM_SERVICE`.
    Service,
    /// `PAM_TTY`.
    Tty,
    /// `PAM_RHOST`.
    RemoteHost,
}

/// How much a line of the log matters; syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// The module has a bug.
    Error,
    /// The administrator should look.
    Warning,
    /// Worth knowing, and not a fault.
    Info,
    /// Only with the option `debug`.
    Debug,
}

impl Priority {
    /// The number that syslog(3) knows it by. The facility is libpam's: authpriv.
    pub(crate) const fn as_raw(self) -> c_int {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Info => 6,
            Self::Debug => 7,
        }
    }
}

/// Every answer that the module has for libpam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PamCode {
    /// The daemon has recorded it.
    Success,
    /// It has not; libpam goes on as if the module were not in the stack.
    Ignore,
    /// It has not, and the administrator wants no login without.
    SessionErr,
}

impl PamCode {
    /// libpam's number for it.
    pub(crate) const fn as_raw(self) -> c_int {
        match self {
            Self::Success => PamReturnCode::SUCCESS as c_int,
            Self::Ignore => PamReturnCode::IGNORE as c_int,
            Self::SessionErr => PamReturnCode::SESSION_ERR as c_int,
        }
    }
}

/// The flags of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(c_int);

impl Flags {
    /// The flags as libpam passes them.
    pub(crate) const fn new(raw: c_int) -> Self {
        Self(raw)
    }

    /// Whether the application wants no messages (`PAM_SILENT`).
    pub(crate) const fn are_silent(self) -> bool {
        self.0 & PamFlag::SILENT as c_int != 0
    }
}
