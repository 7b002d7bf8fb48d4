//! The PAM data that the built module sets for pam_systemd with `backstop=TIME`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::ffi::CStr;
use std::time::Duration;

use support::daemon::{Daemon, Manner};
use support::ffi::Entry;
use support::{Code, Stack};

/// An account of every Debian, with a uid above those of system accounts (65534).
const PERSON: &CStr = c"nobody";

/// The control of the packaged profile, followed by a module that calls the application, so that
/// the test can read the PAM data.
fn stack(daemon: &Daemon, options: &str) -> Stack {
    let line = format!("[default=ignore] MODULE {options}");
    let next = "pam_echo.so here\nsession required pam_permit.so";
    Stack::of(&daemon.socket(), &line, next)
}

/// The PAM data that the module has set after a login.
fn left(stack: &Stack, user: &CStr) -> Option<String> {
    let mut login = stack.login(user);
    assert_eq!([login.open(), login.close()], [Code::Success; 2]);
    let said = login.transaction.seen();
    assert_eq!(said.len(), 1, "pam_echo alone speaks: {said:?}");
    let text = login.transaction.runtime_max();
    text.map(|text| text.into_string().unwrap())
}

#[test]
fn a_regular_user_has_a_backstop() {
    let daemon = Daemon::start(Manner::Up);
    for (options, expected) in [
        ("backstop=25h", Some("90000s")),
        ("backstop=25h require debug", Some("90000s")),
        ("backstop=2s allow-short-limits", Some("2s")),
        ("backstop=2s", None),
        ("backstop=25", None),
    ] {
        let found = left(&stack(&daemon, options), PERSON);
        assert_eq!(found.as_deref(), expected, "{options}");
    }
    assert_eq!(daemon.requests(), [], "none of these is a record");
}

#[test]
fn root_system_accounts_and_unknown_users_have_no_backstop() {
    let daemon = Daemon::start(Manner::Absent);
    let stack = stack(&daemon, "backstop=25h");
    for user in [c"root", c"daemon", c"nobody-has-this-name", c"\xff"] {
        assert_eq!(left(&stack, user), None, "{user:?}");
    }
}

#[test]
fn the_first_of_two_in_a_stack_stays() {
    let daemon = Daemon::start(Manner::Absent);
    let lines = "backstop=13h\nsession optional MODULE backstop=25h";
    let found = left(&stack(&daemon, lines), PERSON);
    assert_eq!(found.as_deref(), Some("46800s"));
}

#[test]
fn it_neither_answers_nor_waits_whatever_the_daemon_does() {
    for manner in [Manner::Up, Manner::Absent, Manner::Hung] {
        let daemon = Daemon::start(manner);
        let stack = Stack::new(&daemon.socket(), "require backstop=25h");
        for entry in [Entry::OpenSession, Entry::CloseSession] {
            let (code, elapsed) = stack.login(PERSON).timed(entry);
            assert_eq!(code, Code::Ignore, "{manner:?} {entry:?}");
            assert!(elapsed < Duration::from_millis(50), "{elapsed:?}");
        }
    }
}

#[test]
fn a_session_that_is_opened_again_has_it_again() {
    let daemon = Daemon::start(Manner::Absent);
    let stack = stack(&daemon, "backstop=25h");
    let mut login = stack.login(PERSON);
    for _ in 0..3 {
        assert_eq!([login.open(), login.close()], [Code::Success; 2]);
        let text = login.transaction.runtime_max();
        assert_eq!(text.as_deref(), Some(c"90000s"));
    }
}
