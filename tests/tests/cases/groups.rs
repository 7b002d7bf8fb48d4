//! Groups that cannot be resolved: the login does not wait for them, and has the default limits
//! until they are known.

use std::time::{Duration, Instant};

use serde_json::Value;
use session_timeout_tests::{Account, Machine, Outcome, Ssh, Terminal, Wanted};

use super::{SOON, assert_after, secs};

const POLICY: &str = r#"[default]
    session-timeout = "9h"

    [[rule]]
    name = "card data"
    match = { user = "alice", group = "pci" }
    session-timeout = "8h""#;

/// Replaces id(1): fails or hangs as with an unavailable name service. Only the daemon uses these
/// options.
const ID: &str = r#"#!/bin/sh
if [ "$1" = -Gnz ]; then
    case $(cat /run/name-service) in
    hangs) exec sleep 1000 ;;
    fails) exit 1 ;;
    esac
fi
exec /usr/bin/id.real "$@"
"#;

/// logind's message about a new session (`SD_MESSAGE_SESSION_START`).
const SESSION_START: &str = "8d45620c1a4348dbb17410da57c60c66";

pub(crate) fn unavailable_groups_delay_no_login_and_leave_the_default_in_force(
    machine: &Machine,
) -> Outcome {
    machine.run("groupadd pci && usermod --append --groups pci alice")?;
    machine.run("mv /usr/bin/id /usr/bin/id.real")?;
    machine.write("/usr/bin/id", ID)?;
    machine.run("chmod 0755 /usr/bin/id")?;
    name_service(machine, "answers")?;
    machine.policy(POLICY)?;
    let open = |account| Ssh::open(machine, account, Terminal::Pty);
    // Starts the managers of both users, so that the later logins take the same time.
    let (early, _bob) = (open(Account::Alice)?, open(Account::Bob)?);
    assert_said(&early, "8 h");

    name_service(machine, "fails")?;
    let failed = open(Account::Alice)?;
    assert_said(&failed, "9 h");
    assert_unavailable(machine, failed.session())?;

    name_service(machine, "hangs")?;
    let bob = open(Account::Bob)?;
    assert_said(&bob, "9 h");
    let alice = open(Account::Alice)?;
    let id = alice.session();
    let status = machine.wait_known(id)?;
    assert_eq!(status["phase"], "undecided", "{status}");
    assert_eq!(status["groups_state"], "asked", "{status}");
    assert_eq!(status["ends_by"], Value::Null, "{status}");
    let shown = alice.terminal().text();
    assert!(!shown.contains("This session ends"), "{shown}");
    let (with, without) = (delay(machine, &alice)?, delay(machine, &bob)?);
    eprintln!(
        "{}: {with:?}, {without:?} where no groups are wanted",
        machine.suite()
    );
    assert!(with < without + MODULE + NOISE, "{with:?}, {without:?}");

    let journal = machine.journal();
    let report = journal.wait_for(&Wanted::event("report").session(id), SOON)?;
    assert_after(began(machine, id)?, "the report", report.at, secs(2));
    assert!(
        report.message().contains("groups of alice cannot be had"),
        "{report}"
    );
    assert_unavailable(machine, id)?;
    let login = journal.wait_for(&Wanted::event("login").session(id), SOON)?;
    assert_eq!(login.field("RULE"), None, "{login}");
    let table = machine.run("session-timeout status")?;
    let note = "The groups of alice are unavailable, so [default] holds for sessions";
    assert!(table.contains(note), "{table}");
    let explained = machine.run(&format!("session-timeout explain {id}"))?;
    let why = "the groups of alice are unavailable, so [default] holds instead of a rule.";
    assert!(explained.contains(why), "{explained}");
    // Groups that were known before stay known.
    assert_eq!(
        machine.session_status(early.session())?["rule"],
        "card data"
    );

    name_service(machine, "answers")?;
    let late = open(Account::Alice)?;
    assert_said(&late, "8 h");
    // The daemon asks again after a minute.
    for ssh in [&failed, &alice] {
        let ruled = |session: &Value| session["rule"] == "card data";
        let status = machine.wait_status(ssh.session(), secs(80), ruled)?;
        assert_eq!(status["groups_state"], Value::Null, "{status}");
        assert_eq!(status["absolute_seconds"], 8 * 3600, "{status}");
    }
    Ok(())
}

/// The module's timeout.
const MODULE: Duration = Duration::from_millis(250);

/// Tolerance: two logins never take the same time, and other machines run at the same time.
const NOISE: Duration = Duration::from_millis(250);

/// The time from logind's message about a session to its first line.
fn delay(machine: &Machine, ssh: &Ssh) -> Outcome<Duration> {
    let line = ssh.terminal().wait_for("session=", SOON)?;
    let began = began(machine, ssh.session())?;
    Ok(line.at.saturating_duration_since(began))
}

/// When logind created the session.
fn began(machine: &Machine, id: &str) -> Outcome<Instant> {
    let start = Wanted::default().with("MESSAGE_ID", SESSION_START);
    Ok(machine.journal().wait_for(&start.session(id), SOON)?.at)
}

/// Sets the behavior of the name service.
fn name_service(machine: &Machine, what: &str) -> Outcome {
    machine.write("/run/name-service", what)
}

#[track_caller]
fn assert_unavailable(machine: &Machine, id: &str) -> Outcome {
    let status = machine.wait_known(id)?;
    assert_eq!(status["groups_state"], "unavailable", "{status}");
    assert_eq!(status["phase"], "running", "{status}");
    assert_eq!(status["rule"], Value::Null, "{status}");
    assert_eq!(status["absolute_seconds"], 9 * 3600, "{status}");
    Ok(())
}

#[track_caller]
fn assert_said(ssh: &Ssh, limit: &str) {
    let shown = ssh.terminal().text();
    let line = format!("This session ends after {limit}.");
    assert!(shown.contains(&line), "{shown}");
}
