//! A long-running process that opens and closes many sessions: the module leaks nothing.
//!
//! One test, alone in its process, since it measures the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::fs;

use support::daemon::{Daemon, Manner};
use support::{Code, Stack, eventually};

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The private memory of the process, in KiB; proc_pid_status(5).
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

/// Returns the number of requests that the daemon received. It keeps none of them: it is in this
/// process, and the memory of the module is measured.
fn rounds(daemon: &Daemon, stack: &Stack, count: usize) -> usize {
    let login = |_| {
        // An account of every Debian that has a backstop, since its uid is a regular one.
        let mut login = stack.login(c"nobody");
        assert_eq!([login.open(), login.close()], [Code::Success; 2]);
        daemon.forget_requests()
    };
    (0..count).map(login).sum()
}

#[test]
fn thousands_of_logins_leave_nothing_behind() {
    let daemon = Daemon::start(Manner::Up);
    let stack = Stack::new(&daemon.socket(), "require");
    // Before the first login: the daemon is in this process too, and has its end of a connection
    // open for a moment longer than the module.
    let descriptors = open_descriptors();
    assert_eq!(rounds(&daemon, &stack, 50), 2 * 50);
    let memory_before = memory();
    assert_eq!(rounds(&daemon, &stack, 5000), 2 * 5000);
    let after = eventually(open_descriptors, |&now| now == descriptors);
    assert_eq!(after, descriptors);
    let grown = memory().saturating_sub(memory_before);
    // The smallest frame takes 48 bytes with what malloc adds.
    assert!(grown < 160, "{grown} KiB more after 5000 logins");

    // The text for pam_systemd takes 32 bytes.
    let line = "[default=ignore] MODULE backstop=25h";
    let stack = Stack::of(&daemon.socket(), line, "pam_permit.so");
    rounds(&daemon, &stack, 50);
    let memory_before = memory();
    rounds(&daemon, &stack, 10_000);
    let grown = memory().saturating_sub(memory_before);
    assert!(grown < 160, "{grown} KiB more after 10,000 backstops");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains("libpam_session_timeout"), "still mapped");
}
