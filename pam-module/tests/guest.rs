//! The module leaves the state of its process unchanged.
//!
//! One test, alone in its process, since most of that state is that of the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::collections::BTreeSet;
use std::ffi::{CString, OsString};
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use nix::unistd::{dup, dup2_stderr, dup2_stdout};
use pam_sys::types::PamItemType;

use support::daemon::{Daemon, Manner};
use support::ffi::Transaction;
use support::{Code, Stack, eventually};

/// The state of this process in the kernel and in the C library.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    /// Credentials, umask, number of threads, and signal dispositions.
    status: Vec<String>,
    rlimits: String,
    directories: [PathBuf; 2],
    environment: Vec<(OsString, OsString)>,
    descriptors: BTreeSet<(PathBuf, PathBuf)>,
}

impl Host {
    fn read() -> Self {
        const LINES: [&str; 15] = [
            "Umask:", "Uid:", "Gid:", "Groups:", "Threads:", "SigPnd:", "ShdPnd:", "SigBlk:",
            "SigIgn:", "SigCgt:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:",
        ];
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let status = status
            .lines()
            .filter(|line| LINES.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect();
        Self {
            status,
            rlimits: fs::read_to_string("/proc/self/limits").unwrap(),
            directories: ["cwd", "root"]
                .map(|name| fs::read_link(format!("/proc/self/{name}")).unwrap()),
            environment: std::env::vars_os().collect(),
            descriptors: descriptors(),
        }
    }
}

/// The open file descriptors and their targets, except for the one that reads the list.
fn descriptors() -> BTreeSet<(PathBuf, PathBuf)> {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let target = fs::read_link(&path).ok()?;
            Some((path, target))
        })
        .filter(|(_, target)| !target.ends_with("fd"))
        .collect()
}

/// The state of one transaction in libpam.
fn transaction(transaction: &Transaction) -> (Vec<Option<CString>>, Vec<CString>) {
    let items = [
        PamItemType::SERVICE,
        PamItemType::USER,
        PamItemType::TTY,
        PamItemType::RHOST,
        PamItemType::RUSER,
        PamItemType::USER_PROMPT,
        PamItemType::XDISPLAY,
        PamItemType::AUTHTOK_TYPE,
    ];
    let items = items.map(|kind| transaction.item(kind)).to_vec();
    (items, transaction.environment())
}

/// The bytes that are written to the descriptors of standard output and error during `work`.
fn printed(work: impl FnOnce()) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::io::stdout().flush().unwrap();
    let saved = [
        dup(std::io::stdout()).unwrap(),
        dup(std::io::stderr()).unwrap(),
    ];
    dup2_stdout(&file).unwrap();
    dup2_stderr(&file).unwrap();
    work();
    let [stdout, stderr] = saved;
    dup2_stdout(stdout).unwrap();
    dup2_stderr(stderr).unwrap();
    fs::read_to_string(file.path()).unwrap()
}

/// Returns the daemon, whose thread is visible for a short time after it has ended.
fn log_in_and_out(manner: Manner, expected: Code) -> Daemon {
    let daemon = Daemon::start(manner);
    let stack = Stack::new(&daemon.socket(), "timeout=50");
    let mut login = stack.login(c"alice");
    login.transaction.set_item(PamItemType::TTY, c"ssh");
    login.transaction.set_item(PamItemType::RHOST, c"192.0.2.7");
    login.transaction.put_environment(c"XDG_SESSION_ID=c1");
    login.transaction.put_environment(c"LANG=C");
    let before = (Host::read(), transaction(&login.transaction));
    let mut codes = Vec::new();
    let text = printed(|| codes.extend([login.open(), login.close()]));
    assert_eq!(codes, [expected; 2], "{manner:?}");
    assert_eq!(text, "", "{manner:?}");
    // The fake daemon is in this process too, and may still have its end of a connection open.
    let after = eventually(
        || (Host::read(), transaction(&login.transaction)),
        |after| *after == before,
    );
    assert_eq!(after, before, "{manner:?}");
    daemon
}

#[test]
fn the_host_is_left_as_it_was() {
    // The C library opens its connection to the system's log with the first line, and keeps it.
    let nowhere = Stack::new("/nonexistent/login.sock".as_ref(), "");
    assert_eq!(nowhere.open_once().0, Code::Ignore);
    let daemons = [
        (Manner::Up, Code::Success),
        (Manner::Absent, Code::Ignore),
        (Manner::Stale, Code::Ignore),
        (Manner::Hung, Code::Ignore),
        (Manner::BacklogFull, Code::Ignore),
        (Manner::Garbage, Code::Ignore),
        (Manner::ClosedInBody, Code::Ignore),
    ]
    .map(|(manner, expected)| log_in_and_out(manner, expected));
    drop(daemons);
}
