//! The inactivity limit: a session ends a fixed time after the last input.

use std::time::Instant;

use session_timeout_tests::{
    Account, Console, Machine, Outcome, Ssh, Suite, Terminal, Wanted, wait_until,
};

use super::{SOON, TTY_STEP, assert_after, assert_between, assert_not_ended, login_of, secs};

/// The limits are long compared to the kernel's steps of eight seconds, for a user who types every
/// second.
const POLICY: &str = r#"[default]
    session-timeout = "10min"
    inactivity-timeout = "20s"
    inactivity-warnings = ["10s", "5s"]
    grace = "3s""#;

const WARNING: &str = "Session timeout: this session ends in 10 s, for lack of input. \
    Press a key to stay.";
const END: &str = "Session timeout: this session has ended, after 20 s without input.";

pub(crate) fn input_keeps_a_session_while_an_idle_one_is_ended(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let mut typist = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let twin = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, twin.session())?;
    while twin.wait_closed(secs(1)).is_err() {
        typist.send(" ")?;
        assert!(login.at.elapsed() < secs(60), "{}", twin.terminal().text());
    }
    for (text, after) in [(WARNING, 10), (END, 20)] {
        let seen = twin.terminal().wait_for(text, SOON)?;
        assert_between(login.at, text, seen.at, secs(after), secs(after) + TTY_STEP);
    }
    let end = Wanted::event("end").session(twin.session());
    machine
        .journal()
        .wait_for(&end.with("LIMIT", "inactivity"), SOON)?;

    let id = typist.session();
    let status = machine.session_status(id)?;
    assert_eq!(status["phase"], "running", "{status}");
    assert_eq!(typist.terminal().count("Session timeout:"), 0);
    assert_not_ended(machine, id);
    Ok(())
}

pub(crate) fn typing_during_the_warning_withdraws_it(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = ssh.session().to_owned();
    let first = ssh.terminal().wait_for(WARNING, secs(30))?;
    assert_eq!(machine.session_status(&id)?["phase"], "warned");
    ssh.send(" ")?;
    let typed = Instant::now();
    let withdrawn = Wanted::event("withdrawn").session(&id);
    let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
    assert_after(typed, "the withdrawal", withdrawn.at, secs(0));
    assert_eq!(machine.session_status(&id)?["phase"], "running");

    // The limit restarts: the second warning comes as long after the input as the first after the
    // login.
    let second = ssh.terminal().wait_after(first.end, WARNING, secs(30))?;
    assert_between(typed, WARNING, second.at, secs(10), secs(10) + TTY_STEP);
    let end = ssh.terminal().wait_after(second.end, END, secs(30))?;
    assert_between(typed, END, end.at, secs(20), secs(20) + TTY_STEP);
    ssh.wait_closed(SOON)?;
    Ok(())
}

pub(crate) fn idle_time_is_found_where_logind_sees_none(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = ssh.session();
    let login = login_of(machine, id)?;
    let property = |name: &str| {
        let script = format!("loginctl show-session {id} --property={name} --value");
        machine.run(&script).map(|value| value.trim().to_owned())
    };
    match machine.suite() {
        // Checks the assumption about Debian 12: logind learns the terminal from utmp.
        Suite::Bookworm => {
            wait_until(SOON, "logind to see the terminal", || {
                let tty = property("TTY")?;
                if tty.starts_with("pts/") {
                    Ok(())
                } else {
                    Err(session_timeout_tests::Failure::new(tty))
                }
            })?;
        }
        Suite::Trixie => {
            assert_eq!(property("TTY")?, "");
            assert_eq!(property("IdleSinceHint")?, "0");
        }
    }
    ssh.terminal().wait_for(WARNING, secs(30))?;
    let status = machine.session_status(id)?;
    assert_eq!(status["idle_source"], "terminals", "{status}");
    assert_eq!(status["ends_by"], "inactivity", "{status}");
    let idle = status["idle_seconds"].as_u64().unwrap_or_default();
    assert!((9..=19).contains(&idle), "{status}");

    let end = ssh.terminal().wait_for(END, secs(30))?;
    assert_between(login.at, END, end.at, secs(20), secs(20) + TTY_STEP);
    if machine.suite() == Suite::Trixie {
        // Until the end.
        let known = machine.attempt(&format!("loginctl show-session {id} --property=TTY"))?;
        assert!(known.stdout.trim().is_empty() || known.stdout.trim() == "TTY=");
    }
    ssh.wait_closed(SOON)?;
    Ok(())
}

pub(crate) fn a_session_without_a_terminal_falls_to_the_absolute_limit_alone(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "25s"
           session-warnings = ["5s"]
           inactivity-timeout = "8s"
           inactivity-warnings = ["3s"]
           grace = "3s""#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::None)?;
    let id = ssh.session();
    let login = login_of(machine, id)?;
    let unknown = Wanted::event("report")
        .session(id)
        .with("LIMIT", "inactivity");
    machine.journal().wait_for(&unknown, secs(20))?;
    let status = machine.session_status(id)?;
    assert_eq!(status["idle_source"], "unknown", "{status}");
    assert_eq!(status["idle_seconds"], serde_json::Value::Null, "{status}");
    assert_eq!(status["ends_by"], "absolute", "{status}");

    let closed = ssh.wait_closed(secs(35))?;
    assert_after(login.at, "the end", closed, secs(25));
    let end = Wanted::event("end").session(id);
    let end = machine.journal().wait_for(&end, SOON)?;
    assert_eq!(end.field("LIMIT"), Some("absolute"));
    assert_eq!(machine.journal().all(&unknown).len(), 1, "said once");
    // Scripts read this output, so it has no message of the daemon.
    assert_eq!(ssh.terminal().text(), format!("session={id}.\n"));
    Ok(())
}

pub(crate) fn a_console_login_is_announced_warned_and_ended(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let console = Console::open(machine, Account::Bob)?;
    let login = login_of(machine, console.session())?;
    assert_eq!(login.field("SERVICE"), Some("login"));
    let terminal = console.terminal();
    let shown = terminal.text();
    let announcement = "This session ends after 10 min, or after 20 s without input.";
    assert!(shown.contains(announcement), "{shown}");
    for (text, after) in [(WARNING, 10), (END, 20)] {
        let seen = terminal.wait_for(text, secs(30))?;
        assert_between(login.at, text, seen.at, secs(after), secs(after) + TTY_STEP);
    }
    machine.wait_session_gone(console.session(), secs(3 + 2))?;
    console.wait_logged_out(SOON)
}
