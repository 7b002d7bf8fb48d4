//! Runs the built module: with the real libpam, a service file of the test, and a fake daemon.
//!
//! `pam_start_confdir` reads service files from any directory and takes modules by their path, so
//! that none of this needs root or touches `/etc/pam.d`.

#![allow(dead_code, reason = "each test program uses a part of this")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

pub(crate) mod daemon;
pub(crate) mod ffi;

use std::ffi::{CStr, CString, c_int};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::ffi::{Conversation, Entry, Transaction};

/// The module's result, as libpam received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// `PAM_SUCCESS`.
    Success,
    /// `PAM_IGNORE`.
    Ignore,
    /// `PAM_SESSION_ERR`.
    SessionErr,
    /// Anything else.
    Other(c_int),
}

/// The result of a [`Stack`] if the module is ignored.
const TRY_AGAIN: c_int = 24;

impl From<c_int> for Code {
    fn from(raw: c_int) -> Self {
        match raw {
            0 => Self::Success,
            TRY_AGAIN => Self::Ignore,
            14 => Self::SessionErr,
            other => Self::Other(other),
        }
    }
}

/// The module as cargo has built it along with this test: beside it, in `target/PROFILE/deps`. The
/// copy one directory up is from the last `cargo build`, and may be older.
pub(crate) fn module() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let module = program.with_file_name("libpam_session_timeout.so");
    assert!(
        module.exists(),
        "{} is missing: is \"cdylib\" still among the crate types of pam-session-timeout?",
        module.display()
    );
    module
}

/// A PAM service whose result is that of the module.
pub(crate) struct Stack {
    directory: TempDir,
}

impl Stack {
    pub(crate) const SERVICE: &CStr = c"tested";

    /// A stack that returns the module's result, with these options of the module.
    ///
    /// libpam turns a stack of which every module is ignored into `PAM_PERM_DENIED`. So that this
    /// is not mistaken for the module's result, `pam_debug` comes next, with a result that the
    /// module never returns.
    pub(crate) fn new(socket: &Path, options: &str) -> Self {
        let control = "[success=done ignore=ignore default=die]";
        let next = "pam_debug.so open_session=try_again close_session=try_again";
        Self::of(socket, &format!("{control} MODULE {options}"), next)
    }

    /// A stack with this line, in which MODULE stands for the module and its socket, and with
    /// `next` required.
    pub(crate) fn of(socket: &Path, line: &str, next: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let (module, socket) = (module(), socket.display());
        let module = module.display();
        let line = line.replace("MODULE", &format!("{module} socket={socket}"));
        let text = format!(
            "auth required {module}\n\
             account required {module}\n\
             password required {module}\n\
             session {line}\n\
             session required {next}\n"
        );
        fs::write(directory.path().join("tested"), text).unwrap();
        Self { directory }
    }

    pub(crate) fn start(&self, user: Option<&CStr>, conversation: Conversation) -> Login {
        let directory = CString::new(self.directory.path().as_os_str().as_bytes()).unwrap();
        let transaction = Transaction::start(Self::SERVICE, user, &directory, conversation);
        Login { transaction }
    }

    pub(crate) fn login(&self, user: &CStr) -> Login {
        self.start(Some(user), Conversation::Works)
    }

    /// The result of one login, and its duration.
    pub(crate) fn open_once(&self) -> (Code, Duration) {
        self.login(c"alice").timed(Entry::OpenSession)
    }
}

/// One PAM transaction.
pub(crate) struct Login {
    pub(crate) transaction: Transaction,
}

impl Login {
    pub(crate) fn open(&mut self) -> Code {
        self.transaction.call(Entry::OpenSession, 0).into()
    }

    pub(crate) fn close(&mut self) -> Code {
        self.transaction.call(Entry::CloseSession, 0).into()
    }

    pub(crate) fn timed(&mut self, entry: Entry) -> (Code, Duration) {
        let start = Instant::now();
        let code = self.transaction.call(entry, 0);
        (code.into(), start.elapsed())
    }
}

/// Polls a value until it is as expected, for at most ten seconds; returns the last value.
pub(crate) fn eventually<T>(mut read: impl FnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let seen = read();
        if good(&seen) || Instant::now() > deadline {
            return seen;
        }
        std::thread::yield_now();
    }
}
