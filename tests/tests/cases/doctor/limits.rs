//! `doctor` on limits that cannot be enforced, warnings that nobody received, and users who cannot
//! extend.

use session_timeout_tests::{
    Account, Desktop, Failure, Locker, Machine, Outcome, Ssh, Terminal, wait_until,
};

use super::{Diagnosis, POLICY, assert_exit, assert_well};
use crate::cases::SOON;

pub(crate) fn a_warning_that_reached_nobody_is_named(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "60s"
           session-warnings = ["57s"]"#,
    )?;
    let warned = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let transfer = Ssh::open(machine, Account::Alice, Terminal::None)?;
    let id = transfer.session();
    machine.wait_status(id, SOON, |session| session["unwarned"] == true)?;
    machine.wait_status(warned.session(), SOON, |session| {
        session["phase"] == "warned"
    })?;
    let diagnosis = Diagnosis::of(machine)?;
    let finding = diagnosis.the("session.unwarned")?;
    assert_eq!(finding["level"], "warning", "{finding}");
    assert_eq!(finding["session"], id, "{finding}");
    let what = finding["what"].as_str().unwrap_or_default();
    assert!(what.contains(&format!("session {id} of alice")), "{what}");
    let explained = machine.run(&format!("session-timeout explain {id}"))?;
    assert!(
        explained.contains("A warning reached nobody"),
        "{explained}"
    );
    Ok(())
}

pub(crate) fn a_limit_that_cannot_be_enforced_is_a_warning(machine: &Machine) -> Outcome {
    machine.write_policy(POLICY)?;
    machine.reload()?;
    assert_well(machine)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::None)?;
    let id = desktop.session();
    machine.wait_status(id, crate::cases::SOON, |session| {
        session["idle_source"] == "unknown"
    })?;
    let blind = Diagnosis::of(machine)?;
    assert_eq!(blind.exit, 1, "{}", blind.json);
    for check in ["session.agent", "session.inactivity"] {
        let finding = blind.the(check)?;
        assert_eq!(finding["level"], "warning", "{finding}");
        assert_eq!(finding["session"], id, "{finding}");
    }
    let agent = blind.the("session.agent")?["fix"].to_string();
    assert!(agent.contains("session-timeout-agent"), "{agent}");
    // The user of the session gets the same findings, and other users none.
    let alice = machine.attempt("runuser --user alice -- session-timeout doctor")?;
    assert_exit(&alice, 1);
    assert_exit(
        &machine.attempt("runuser --user bob -- session-timeout doctor")?,
        0,
    );

    // An agent without a source of idle time: this desktop has no compositor.
    machine.run(&format!(
        "systemd-run --quiet --uid=alice --unit=agent session-timeout-agent --session={id}"
    ))?;
    machine.wait_status(id, crate::cases::SOON, |session| {
        session["agent_source"] == "none"
    })?;
    let helpless = Diagnosis::of(machine)?;
    let agent = helpless.the("session.agent")?;
    assert_eq!(agent["level"], "warning", "{agent}");
    let what = agent["what"].as_str().unwrap_or_default();
    assert!(what.contains("finds nobody on this desktop"), "{what}");
    machine.run("systemctl stop agent.service")?;
    machine.wait_status(id, crate::cases::SOON, |session| {
        session["agent_source"].is_null()
    })?;

    machine.write_policy(&format!("{POLICY}unknown-idle = \"count-from-login\"\n"))?;
    machine.reload()?;
    let counted = Diagnosis::of(machine)?;
    assert_eq!(counted.the("session.inactivity")?["level"], "note");

    machine.write_policy("[default]\naction = \"report\"\n")?;
    machine.reload()?;
    let unlimited = Diagnosis::of(machine)?;
    assert_eq!(unlimited.exit, 0, "{}", unlimited.json);
    assert_eq!(unlimited.the("session.agent")?["level"], "note");
    Ok(())
}

pub(crate) fn users_who_may_have_more_time_and_cannot_authenticate_for_it_are_named(
    machine: &Machine,
) -> Outcome {
    assert!(Diagnosis::of(machine)?.the("system.polkit").is_err());
    machine.write_policy("[default]\nextend.times = 1\n")?;
    machine.reload()?;
    let there = Diagnosis::of(machine)?;
    assert_eq!(there.exit, 0, "{}", there.json);
    assert_eq!(there.the("system.polkit")?["level"], "ok");

    machine.run("dpkg --remove --force-depends polkitd")?;
    let missing = wait_until(SOON, "the bus to know that polkit is gone", || {
        let diagnosis = Diagnosis::of(machine)?;
        match &diagnosis.the("system.polkit")?["level"] {
            level if level == "ok" => Err(Failure::new("it is there")),
            _ => Ok(diagnosis),
        }
    })?;
    missing.assert_only(1, "system.polkit", "warning");
    let fix = &missing.the("system.polkit")?["command"];
    assert_eq!(fix, "apt install polkitd");
    Ok(())
}
