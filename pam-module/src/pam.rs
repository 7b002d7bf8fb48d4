//! The calls of libpam that the module uses, as a trait, and the types of their arguments and
//! results.
//!
//! With the trait, the code that runs at a login is tested without libpam.

use std::ffi::{CStr, CString, c_int};

use pam_sys::types::{PamFlag, PamReturnCode};

/// The PAM transaction of a login.
pub(crate) trait Pam {
    /// An item of the transaction, if it is set.
    fn item(&self, item: Item) -> Option<&CStr>;

    /// A variable of the PAM environment; never of the environment of the process, which under sudo
    /// and su is that of the calling user.
    fn environment(&self, name: &CStr) -> Option<&CStr>;

    /// Whether a module of the stack has set PAM data with this name.
    fn has_data(&self, name: &CStr) -> bool;

    /// Sets a text as PAM data for other modules; replaces data with this name.
    fn leave(&mut self, name: &CStr, text: CString) -> Result<(), NotLeft>;

    /// Shows a line to the user, without a result.
    fn show(&mut self, line: &CStr);

    /// Writes a line to the system log.
    fn log(&self, priority: Priority, line: &str);
}

/// libpam did not accept the data.
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

/// The level of a log message; syslog(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// The module has a bug.
    Error,
    /// The administrator should check it.
    Warning,
    /// Information, not a failure.
    Info,
    /// Only with the option `debug`.
    Debug,
}

impl Priority {
    /// The number in syslog(3). libpam sets the facility, authpriv.
    pub(crate) const fn as_raw(self) -> c_int {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Info => 6,
            Self::Debug => 7,
        }
    }
}

/// The results that the module returns to libpam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PamCode {
    /// The daemon has recorded the login.
    Success,
    /// It has not; libpam continues as if the module were not in the stack.
    Ignore,
    /// It has not, and the administrator has set `require`.
    SessionErr,
}

impl PamCode {
    /// The number in libpam.
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
    /// From the flags of libpam.
    pub(crate) const fn new(raw: c_int) -> Self {
        Self(raw)
    }

    /// Whether the application wants no messages (`PAM_SILENT`).
    pub(crate) const fn are_silent(self) -> bool {
        self.0 & PamFlag::SILENT as c_int != 0
    }
}
