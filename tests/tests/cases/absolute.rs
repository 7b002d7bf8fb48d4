//! The absolute limit: a session ends a fixed time after the login, and its user is warned.

use session_timeout_tests::{Account, Machine, Outcome, Ssh, Terminal, Wanted, hold_for};

use super::{SOON, assert_after, assert_not_ended, login_of, secs};

pub(crate) fn a_session_is_warned_at_each_lead_and_then_ended_by_the_absolute_limit(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "20s"
           session-warnings = ["10s", "5s"]
           grace = "3s""#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let (terminal, id) = (ssh.terminal(), ssh.session());
    let login = login_of(machine, id)?;
    let shown = terminal.text();
    assert!(shown.contains("This session ends after 20 s."), "{shown}");

    for (text, after) in [
        (
            "Session timeout: this session ends in 10 s, 20 s after the login.",
            10,
        ),
        (
            "Session timeout: this session ends in 5 s, 20 s after the login.",
            15,
        ),
        (
            "Session timeout: this session has ended, 20 s after the login.",
            20,
        ),
    ] {
        // The message has its own line, wherever the cursor was; the terminal may change the line
        // ends.
        let line = format!("\n{text}\r");
        let seen = terminal.wait_for(&line, secs(15))?;
        assert_after(login.at, text, seen.at, secs(after));
    }
    let closed = ssh.wait_closed(secs(5))?;
    assert_after(login.at, "the end of the connection", closed, secs(20));
    machine.wait_session_gone(id, secs(3 + 2))?;
    assert_eq!(terminal.count("Session timeout:"), 3, "{}", terminal.text());

    let journal = machine.journal();
    assert_eq!(login.field("USER_NAME"), Some("alice"));
    assert_eq!(login.field("USER_UID"), Some("1000"));
    assert_eq!(login.field("SERVICE"), Some("sshd"));
    assert_eq!(login.field("REMOTE_HOST"), Some("127.0.0.1"));
    assert!(login.field("MESSAGE_ID").is_some());
    for lead in ["10", "5"] {
        let warning = Wanted::event("warning").session(id).with("LEAD_SEC", lead);
        let warning = warning.with("LIMIT", "absolute").with("LIMIT_SEC", "20");
        let warning = journal.wait_for(&warning, SOON)?;
        assert_eq!(warning.field("LEFT_SEC"), Some(lead), "{warning}");
        assert_eq!(warning.field("USER_NAME"), Some("alice"));
    }
    let end = Wanted::event("end").session(id).with("LIMIT", "absolute");
    journal.wait_for(&end.with("LIMIT_SEC", "20"), SOON)?;
    journal.wait_for(&Wanted::event("gone").session(id), SOON)?;

    for line in [
        format!("login: user=alice session={id} service=sshd from=127.0.0.1"),
        format!("warning: user=alice session={id} limit=absolute left=10s"),
        format!("end: user=alice session={id} limit=absolute after=20s"),
    ] {
        journal.wait_for(&Wanted::auth_log().with("MESSAGE", &line), SOON)?;
    }
    Ok(())
}

pub(crate) fn a_process_that_ignores_the_end_is_killed_after_the_grace(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "8s"
           session-warnings = ["2s"]
           grace = "4s""#,
    )?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.send("(trap '' TERM HUP; exec sleep 1000) &\n")?;
    let id = ssh.session();
    let journal = machine.journal();
    let end = journal.wait_for(&Wanted::event("end").session(id), secs(15))?;
    machine.run("pgrep --uid alice --exact sleep")?;
    let kill = journal.wait_for(&Wanted::event("kill").session(id), secs(10))?;
    assert_after(end.at, "the kill", kill.at, secs(4));
    let gone = machine.wait_session_gone(id, secs(10))?;
    assert_after(end.at, "the end of the scope", gone, secs(4));
    let left = machine.attempt("pgrep --uid alice --exact sleep")?;
    assert_eq!(left.stdout, "");
    Ok(())
}

pub(crate) fn root_and_system_accounts_are_exempt(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "6s"
           session-warnings = ["2s"]"#,
    )?;
    let root = Ssh::open(machine, Account::Root, Terminal::Pty)?;
    let robot = Ssh::open(machine, Account::Robot, Terminal::Pty)?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    alice.wait_closed(secs(15))?;
    let exempt = [(&root, "root"), (&robot, "system account")];
    hold_for(secs(2), "the sessions to stay open", || {
        let open = exempt.iter().all(|(ssh, _)| ssh.terminal().is_open());
        if open { Ok(()) } else { Err("one was ended") }
    })?;
    for (ssh, why) in exempt {
        let status = machine.session_status(ssh.session())?;
        assert_eq!(status["phase"], "exempt", "{status}");
        assert_eq!(status["exemption"], why, "{status}");
        assert_eq!(ssh.terminal().count("ession ends"), 0);
        assert_not_ended(machine, ssh.session());
    }
    Ok(())
}
