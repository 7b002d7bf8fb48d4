//! The agent as a process: killed, stopped, without a daemon; and other clients that pretend to be
//! one.

use std::time::{Duration, Instant};

use session_timeout_tests::{
    Account, Environment, Failure, Machine, Outcome, Screen, Ssh, Terminal, UNIT, Wanted,
    wait_until,
};

use super::desktops::{attached, wait_attached};
use super::{SOON, assert_after, assert_not_ended, login_of, secs};

/// The delay before GNOME's unit starts the agent again, doubled.
const STARTED_AGAIN: Duration = Duration::from_secs(10);

/// The daemon's timeout for a reply of the agent.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn a_killed_agent_leaves_the_next_source_and_another_takes_its_place(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy("[default]\ninactivity-timeout = \"10min\"\n")?;
    let screen = attached(machine, environment)?;
    let (id, next) = (
        screen.session(),
        next_source(machine, &screen, environment)?,
    );
    let pid = screen.agent_pid()?;
    machine.run(&format!("kill -KILL {pid}"))?;
    let killed = Instant::now();
    let status = machine.wait_status(id, SOON, |session| session["idle_source"] == next)?;
    assert!(killed.elapsed() < secs(2), "{:?}", killed.elapsed());
    assert_eq!(status["agent_source"], serde_json::Value::Null, "{status}");
    let gone = Wanted::event("agent-gone").session(id);
    machine.journal().wait_for(&gone, SOON)?;

    if environment != Environment::Gnome {
        screen.start_agent()?;
    }
    wait_until(STARTED_AGAIN, "another agent", || screen.agent_pid())?;
    wait_attached(machine, &screen)?;
    assert_ne!(screen.agent_pid()?, pid);
    Ok(())
}

pub(crate) fn a_stopped_agent_delays_nothing_and_leaves_the_next_source(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    // One warning of bob is due each second, so a daemon that waits for alice's agent would be
    // late.
    machine.policy(
        r#"[default]
           session-timeout = "10min"

           [[rule]]
           name = "alice"
           match = { user = "alice" }
           inactivity-timeout = "90s"
           inactivity-warnings = ["84s", "80s", "76s"]

           [[rule]]
           name = "bob"
           match = { user = "bob" }
           session-timeout = "20s"
           session-warnings = ["17s", "16s", "15s", "14s", "13s", "12s", "11s", "10s", "9s",
               "8s", "7s", "6s", "5s", "4s", "3s", "2s", "1s"]"#,
    )?;
    let mut screen = attached(machine, environment)?;
    let id = screen.session().to_owned();
    let next = next_source(machine, &screen, environment)?;
    let pid = screen.agent_pid()?;
    screen.press_key()?;
    machine.run(&format!("kill -STOP {pid}"))?;
    let asked = Instant::now();
    let opened = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let bob = login_of(machine, opened.session())?;
    machine.wait_status(&id, SOON, |session| session["idle_source"] == next)?;
    let took = asked.elapsed();
    assert!(took < REPLY_TIMEOUT * 2, "the status took {took:?}");
    let silent = Wanted::event("agent-silent").session(&id);
    machine.journal().wait_for(&silent, SOON)?;

    for lead in (1..=17).rev() {
        let warning = Wanted::event("warning")
            .session(opened.session())
            .with("LEAD_SEC", &lead.to_string());
        let warning = machine.journal().wait_for(&warning, secs(20))?;
        assert_after(bob.at, "a warning", warning.at, secs(20 - lead));
    }
    machine.run(&format!("kill -CONT {pid}"))?;
    wait_attached(machine, &screen)?;
    Ok(())
}

pub(crate) fn the_agent_survives_the_daemon_and_ends_with_its_session(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy("[default]\ninactivity-timeout = \"10min\"\n")?;
    let screen = attached(machine, environment)?;
    let id = screen.session();
    let pid = screen.agent_pid()?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    wait_attached(machine, &screen)?;
    let daemon = machine.daemon_pid()?;
    machine.run(&format!("kill -KILL {daemon}"))?;
    wait_until(SOON, "another daemon", || match machine.daemon_pid()? {
        now if now == daemon => Err(Failure::new("the same one")),
        _ => Ok(()),
    })?;
    wait_attached(machine, &screen)?;
    assert_eq!(screen.agent_pid()?, pid, "not the same agent");
    assert_not_ended(machine, id);

    machine.run(&format!("loginctl terminate-session {id}"))?;
    machine.wait_session_gone(id, SOON)?;
    wait_until(SOON, "the agent to end", || {
        let left = machine.attempt(&format!("test -e /proc/{pid}"))?;
        match left.code {
            Some(0) => Err(Failure::new("it runs")),
            _ => Ok(()),
        }
    })?;
    let failed = machine.attempt(
        "journalctl --no-pager | grep session-timeout-agent | grep -iE 'fail|panic|core-dump'",
    )?;
    assert_eq!(failed.stdout, "");
    Ok(())
}

pub(crate) fn other_callers_cannot_report_for_a_session_or_call_its_agent(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy("[default]\ninactivity-timeout = \"10min\"\n")?;
    let screen = attached(machine, environment)?;
    let (id, pid) = (screen.session(), screen.agent_pid()?);
    let shell = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let (alice, bob) = (Account::Alice, Account::Bob);
    let denied = "org.freedesktop.DBus.Error.AccessDenied";
    let invalid = "org.freedesktop.DBus.Error.InvalidArgs";
    for (who, method, arguments, answer) in [
        (bob, "AttachAgent", vec![id, "x11"], denied),
        (bob, "BecameIdle", vec![id], denied),
        (bob, "BecameActive", vec![id], denied),
        // Only the attached agent may report, not other processes of its user; and a second agent
        // is refused.
        (alice, "BecameIdle", vec![id], denied),
        (alice, "BecameActive", vec![id], denied),
        (alice, "AttachAgent", vec![id, "telepathy"], invalid),
        (alice, "AttachAgent", vec!["nowhere", "x11"], invalid),
        (alice, "AttachAgent", vec![shell.session(), "x11"], invalid),
        (alice, "AttachAgent", vec![id, "x11"], "boolean false"),
    ] {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|text| format!("string:{text}"))
            .collect();
        let call = format!(
            "--dest=org.sessiontimeout1 /org/sessiontimeout1 org.sessiontimeout1.Manager.{method} {}",
            arguments.join(" ")
        );
        let said = call_as(machine, who, &call)?;
        assert!(said.contains(answer), "{}: {call}: {said}", who.name());
    }
    let connections = machine.run("busctl list --unique --no-legend --no-pager")?;
    let agent = connections.lines().find_map(|line| {
        let mut columns = line.split_whitespace();
        let name = columns.next()?;
        (columns.next() == Some(&pid.to_string())).then_some(name)
    });
    let agent = agent.ok_or_else(|| Failure::new(format!("no {pid} in {connections}")))?;
    let call = format!(
        "--dest={agent} /org/sessiontimeout1/Agent org.sessiontimeout1.Agent.Idle uint64:0"
    );
    for (who, answer) in [(bob, denied), (alice, denied), (Account::Root, "uint64")] {
        let said = call_as(machine, who, &call)?;
        assert!(said.contains(answer), "{}: {call}: {said}", who.name());
    }

    // A second agent exits without output.
    assert_eq!(screen.run("session-timeout-agent 2>&1")?, "");
    let status = wait_attached(machine, &screen)?;
    assert_eq!(status["phase"], "running", "{status}");
    assert_eq!(screen.agent_pid()?, pid);
    Ok(())
}

/// Makes the desktop set logind's idle hint, if it can; returns the source of the idle time without
/// the agent.
fn next_source(
    machine: &Machine,
    screen: &Screen<'_>,
    environment: Environment,
) -> Outcome<&'static str> {
    if environment != Environment::Gnome {
        return Ok("unknown");
    }
    screen.run("gsettings set org.gnome.desktop.session idle-delay 1")?;
    wait_until(SOON, "GNOME to tell logind", || {
        match machine
            .logind_property(screen.session(), "IdleHint")?
            .as_str()
        {
            "yes" => Ok(()),
            other => Err(Failure::new(other)),
        }
    })?;
    Ok("logind")
}

/// The reply to a call on the system bus, or its error.
fn call_as(machine: &Machine, account: Account, call: &str) -> Outcome<String> {
    let user = account.name();
    let output = machine.attempt(&format!(
        "runuser -u {user} -- dbus-send --system --print-reply {call}"
    ))?;
    Ok(output.stdout + &output.stderr)
}
