//! The results of the built module for each behavior of the daemon, and the time that they take.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::ffi::{CStr, CString, c_int};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::signal::Signal;
use pam_sys::types::PamItemType;
use session_timeout_protocol::{Closed, MAX_FIELD, Opened, Request};

use support::daemon::{ANNOUNCEMENT, Daemon, Manner};
use support::ffi::{Conversation, Entry, default_action_of, interrupt_with, listen_as};
use support::{Code, Stack};

/// The module's timeout.
const DEADLINE: Duration = Duration::from_millis(250);

/// Tolerance for the scheduler of a busy machine.
const SLACK: Duration = Duration::from_millis(100);

const TEXT_INFO: c_int = 4;

/// When the module returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Immediately: there is no daemon.
    Immediately,
    /// Before the deadline.
    Early,
    /// At the deadline, not before.
    AtTheDeadline,
}

impl When {
    fn holds(self, elapsed: Duration) -> bool {
        match self {
            Self::Immediately => elapsed < Duration::from_millis(50),
            Self::Early => elapsed < SLACK,
            Self::AtTheDeadline => {
                elapsed > DEADLINE - Duration::from_millis(2) && elapsed < DEADLINE + SLACK
            }
        }
    }
}

/// The daemon's behavior; the result; the result with `require`; when.
const TABLE: [(Manner, Code, Code, When); 18] = {
    use Code::{Ignore, SessionErr, Success};
    use When::{AtTheDeadline, Early, Immediately};
    [
        (Manner::Up, Success, Success, Early),
        (Manner::Absent, Ignore, SessionErr, Immediately),
        (Manner::Stale, Ignore, SessionErr, Immediately),
        (Manner::File, Ignore, SessionErr, Immediately),
        (Manner::Hung, Ignore, SessionErr, AtTheDeadline),
        (Manner::Stopped, Ignore, SessionErr, AtTheDeadline),
        (Manner::BacklogFull, Ignore, SessionErr, AtTheDeadline),
        (Manner::HalfReply, Ignore, SessionErr, AtTheDeadline),
        (Manner::Drip, Ignore, SessionErr, AtTheDeadline),
        (Manner::Garbage, Ignore, SessionErr, Early),
        (Manner::OtherVersion, Ignore, SessionErr, Early),
        (Manner::OtherKind, Ignore, SessionErr, Early),
        (Manner::LengthTooShort, Ignore, SessionErr, Early),
        (Manner::LengthTooLong, Ignore, SessionErr, AtTheDeadline),
        (Manner::Oversized, Ignore, SessionErr, Early),
        (Manner::Closed, Ignore, SessionErr, Early),
        (Manner::ClosedInHeader, Ignore, SessionErr, Early),
        (Manner::ClosedInBody, Ignore, SessionErr, Early),
    ]
};

/// Checks all rows of a table, and lists the failed ones.
fn check(entry: Entry, expected: impl Fn(Code, Code) -> [(&'static str, Code); 2]) {
    let mut wrong = Vec::new();
    for (manner, by_default, required, when) in TABLE {
        for (options, code) in expected(by_default, required) {
            let daemon = Daemon::start(manner);
            let stack = Stack::new(&daemon.socket(), options);
            let (answer, elapsed) = stack.login(c"alice").timed(entry);
            if answer != code || !when.holds(elapsed) {
                wrong.push(format!(
                    "{manner:?} {options:?}: {answer:?} in {elapsed:?}, not {code:?} {when:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{entry:?}\n{}", wrong.join("\n"));
}

#[test]
fn a_login_fails_in_no_fault_unless_that_was_asked_for() {
    check(Entry::OpenSession, |by_default, required| {
        [("", by_default), ("require", required)]
    });
}

#[test]
fn a_logout_fails_in_no_fault_at_all() {
    check(Entry::CloseSession, |by_default, _| {
        [("", by_default), ("require", by_default)]
    });
}

#[test]
fn a_shorter_timeout_holds_and_a_longer_one_does_not() {
    let daemon = Daemon::start(Manner::Hung);
    for (options, millis) in [("timeout=20", 20), ("timeout=5000", 250)] {
        let (code, elapsed) = Stack::new(&daemon.socket(), options).open_once();
        let timeout = Duration::from_millis(millis);
        assert_eq!(code, Code::Ignore, "{options}");
        assert!(elapsed > timeout / 2, "{options}: {elapsed:?}");
        assert!(elapsed < timeout + SLACK, "{options}: {elapsed:?}");
    }
}

#[test]
fn a_backlog_that_empties_in_time_loses_no_login() {
    let daemon = Daemon::start(Manner::BacklogFullAtFirst);
    let (code, elapsed) = Stack::new(&daemon.socket(), "require").open_once();
    assert_eq!(code, Code::Success, "{elapsed:?}");
}

#[test]
fn a_login_is_refused_only_with_both_required_and_require() {
    let daemon = Daemon::start(Manner::Absent);
    for (line, code) in [
        ("optional MODULE", Code::Success),
        ("optional MODULE require", Code::Success),
        ("required MODULE", Code::Success),
        ("required MODULE require", Code::SessionErr),
    ] {
        let stack = Stack::of(&daemon.socket(), line, "pam_permit.so");
        assert_eq!(stack.open_once().0, code, "{line}");
    }
}

#[test]
fn functions_that_the_module_does_not_need_are_not_exported() {
    const MODULE_UNKNOWN: c_int = 28;
    let daemon = Daemon::start(Manner::Up);
    let stack = Stack::new(&daemon.socket(), "");
    for entry in [
        Entry::Authenticate,
        Entry::SetCred,
        Entry::AcctMgmt,
        Entry::ChAuthTok,
    ] {
        let code = stack.login(c"alice").transaction.call(entry, 0);
        assert_eq!(code, MODULE_UNKNOWN, "{entry:?}");
    }
    assert_eq!(daemon.requests(), []);
}

#[test]
fn the_daemon_receives_what_libpam_knows() {
    let daemon = Daemon::start(Manner::Up);
    let mut login = Stack::new(&daemon.socket(), "").login(c"alice");
    login.transaction.set_item(PamItemType::TTY, c"ssh");
    login.transaction.set_item(PamItemType::RHOST, c"192.0.2.7");
    login.transaction.put_environment(c"XDG_SESSION_ID=c1");
    assert_eq!([login.open(), login.close()], [Code::Success; 2]);
    let opened = Opened {
        user: "alice".into(),
        service: "tested".into(),
        tty: Some("ssh".into()),
        remote_host: Some("192.0.2.7".into()),
        session_id: Some("c1".into()),
    };
    let closed = Closed {
        user: "alice".into(),
        service: "tested".into(),
        session_id: Some("c1".into()),
    };
    assert_eq!(daemon.request(), Some(Request::Opened(opened)));
    assert_eq!(daemon.request(), Some(Request::Closed(closed)));
}

#[test]
fn the_environment_of_the_process_is_not_believed() {
    const SPOOFED: &str = "spoofed";
    // Under sudo that environment is the calling user's. Setting a variable in a process that has
    // threads is not safe, so this test starts itself again with it.
    if std::env::var("XDG_SESSION_ID").as_deref() != Ok(SPOOFED) {
        let again = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_environment_of_the_process_is_not_believed"])
            .env("XDG_SESSION_ID", SPOOFED)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    let daemon = Daemon::start(Manner::Up);
    assert_eq!(
        Stack::new(&daemon.socket(), "").open_once().0,
        Code::Success
    );
    match daemon.request() {
        Some(Request::Opened(opened)) => assert_eq!(opened.session_id, None),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_names_are_recorded_like_any_other() {
    let daemon = Daemon::start(Manner::Up);
    let stack = Stack::new(&daemon.socket(), "require debug");
    let long = CString::new(vec![b'x'; 10_000]).unwrap();
    let bytes = CString::new(vec![0xff; 10_000]).unwrap();
    let names: [&CStr; 8] = [
        c"../../../../bin/cp",
        c"a\nb\r\nsession-timeoutd: login: user=root",
        c"\x1b[2J\x07\x08",
        c"%s%n%s%n",
        c"\xff\xfe",
        c"\xe2\x80\xaealice",
        &long,
        &bytes,
    ];
    for name in names {
        // With the audit subsystem in use it is libpam that fails a session whose terminal and
        // host do not fit into one record of 8970 bytes (MAX_AUDIT_MESSAGE_LENGTH).
        let short = name.to_bytes().iter().take(MAX_FIELD + 300).copied();
        let short = CString::new(short.collect::<Vec<_>>()).unwrap();
        let variable = [b"XDG_SESSION_ID=", name.to_bytes()].concat();
        let mut login = stack.login(name);
        login.transaction.set_item(PamItemType::TTY, &short);
        login.transaction.set_item(PamItemType::RHOST, &short);
        login
            .transaction
            .put_environment(&CString::new(variable).unwrap());
        let codes = [login.open(), login.close()];
        assert_eq!(codes, [Code::Success; 2], "{:.40?}", name.to_string_lossy());
        let Some(Request::Opened(opened)) = daemon.request() else {
            panic!("not recorded");
        };
        let whole = name.to_string_lossy();
        assert!(whole.starts_with(&opened.user), "{}", opened.user);
        // LOGIN_NAME_MAX is 256: no name of a real account is cut.
        assert!(opened.user.len() >= whole.len().min(256), "{}", opened.user);
        assert!(opened.user.len() <= MAX_FIELD, "{}", opened.user);
        assert_eq!(opened.tty.as_ref(), Some(&opened.user));
        assert_eq!(opened.remote_host.as_ref(), Some(&opened.user));
        assert_eq!(opened.session_id.as_ref(), Some(&opened.user));
        assert!(daemon.request().is_some(), "the logout");
    }
}

#[test]
fn a_transaction_without_a_user_is_left_alone() {
    let daemon = Daemon::start(Manner::Up);
    let mut login = Stack::new(&daemon.socket(), "require").start(None, Conversation::Works);
    assert_eq!([login.open(), login.close()], [Code::Ignore; 2]);
    assert_eq!(daemon.requests(), []);
}

#[test]
fn the_announcement_is_shown_exactly_once() {
    let daemon = Daemon::start(Manner::Up);
    let mut login = Stack::new(&daemon.socket(), "").login(c"alice");
    assert_eq!([login.open(), login.close()], [Code::Success; 2]);
    let line = CString::new(ANNOUNCEMENT).unwrap();
    assert_eq!(login.transaction.seen(), [(TEXT_INFO, line)]);
}

#[test]
fn the_announcement_is_not_shown_if_it_is_disabled() {
    const SILENT: c_int = 0x8000;
    let daemon = Daemon::start(Manner::Up);
    for (options, flags) in [("quiet", 0), ("", SILENT)] {
        let mut login = Stack::new(&daemon.socket(), options).login(c"alice");
        let code = login.transaction.call(Entry::OpenSession, flags);
        assert_eq!(Code::from(code), Code::Success);
        assert_eq!(login.transaction.seen(), [], "{options:?} {flags:#x}");
    }
}

#[test]
fn a_login_does_not_depend_on_the_conversation() {
    let daemon = Daemon::start(Manner::Up);
    let stack = Stack::new(&daemon.socket(), "require");
    for (conversation, shown) in [
        (Conversation::Works, 1),
        (Conversation::Chatters, 1),
        (Conversation::Fails, 1),
        (Conversation::Missing, 0),
    ] {
        let mut login = stack.start(Some(c"alice"), conversation);
        assert_eq!(login.open(), Code::Success, "{conversation:?}");
        assert_eq!(login.transaction.seen().len(), shown, "{conversation:?}");
    }
}

#[test]
fn a_mistyped_option_stops_no_login() {
    let daemon = Daemon::start(Manner::Up);
    let stack = Stack::new(&daemon.socket(), "requird timeout=x socket=here debug");
    assert_eq!(stack.open_once().0, Code::Success);
}

#[test]
fn calls_out_of_order_are_harmless() {
    use Entry::{CloseSession, OpenSession};
    let daemon = Daemon::start(Manner::Up);
    let stack = Stack::new(&daemon.socket(), "");
    for calls in [
        vec![CloseSession],
        vec![OpenSession, OpenSession, CloseSession],
        vec![OpenSession, CloseSession, CloseSession],
        vec![OpenSession],
    ] {
        let mut login = stack.login(c"alice");
        for &call in &calls {
            assert_eq!(login.timed(call).0, Code::Success, "{calls:?}");
        }
    }
}

#[test]
fn logins_at_once_do_not_disturb_each_other() {
    let daemon = Daemon::start(Manner::Up);
    let stack = Stack::new(&daemon.socket(), "require");
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut login = stack.login(c"alice");
                assert_eq!([login.open(), login.close()], [Code::Success; 2]);
            });
        }
    });
    assert_eq!(daemon.requests().len(), 32);
}

#[test]
fn signals_neither_end_nor_prolong_the_wait() {
    interrupt_with(Signal::SIGUSR1);
    let daemon = Daemon::start(Manner::Hung);
    let waiting = pthread_self();
    let (stop, stopped) = channel::<()>();
    let (code, elapsed) = thread::scope(|scope| {
        scope.spawn(move || {
            // One signal every millisecond, until `stop` is dropped or after five seconds.
            for _ in 0..5000 {
                match stopped.recv_timeout(Duration::from_millis(1)) {
                    Err(RecvTimeoutError::Timeout) => {
                        pthread_kill(waiting, Signal::SIGUSR1).unwrap();
                    }
                    _ => break,
                }
            }
        });
        let answer = Stack::new(&daemon.socket(), "").open_once();
        drop(stop);
        answer
    });
    assert_eq!(code, Code::Ignore);
    assert!(When::AtTheDeadline.holds(elapsed), "{elapsed:?}");
}

#[test]
fn a_daemon_that_closes_raises_no_signal() {
    // Whether the daemon closes before or after the request is sent is a race: SIGPIPE comes in
    // some of these rounds, if it comes.
    default_action_of(Signal::SIGPIPE);
    let daemon = Daemon::start(Manner::Closed);
    let stack = Stack::new(&daemon.socket(), "");
    for _ in 0..200 {
        assert_eq!(stack.open_once().0, Code::Ignore);
    }
}

#[test]
fn a_stranger_receives_no_login() {
    const NOBODY: u32 = 65534;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can listen as another user");
        return;
    }
    let daemon = Daemon::start(Manner::Up);
    let stack = Stack::new(&daemon.socket(), "require");
    assert_eq!(stack.open_once().0, Code::Success);
    assert_eq!(daemon.requests().len(), 1);
    listen_as(daemon.listener(), NOBODY);
    let (code, elapsed) = stack.open_once();
    assert_eq!(code, Code::SessionErr);
    assert!(When::Early.holds(elapsed), "{elapsed:?}");
    // Requests arrive in order: when the next one has arrived, all have.
    listen_as(daemon.listener(), 0);
    assert_eq!(stack.open_once().0, Code::Success);
    assert_eq!(daemon.requests().len(), 1);
}
