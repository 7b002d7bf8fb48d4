//! `doctor` on desktops without a screen lock or without a notification server.

use serde_json::Value;
use session_timeout_tests::{
    Account, Desktop, Environment, Failure, Locker, Machine, Outcome, Wanted, wait_until,
};

use super::Diagnosis;
use crate::cases::desktops::attached;
use crate::cases::{SOON, servers};

pub(crate) fn a_desktop_that_does_not_lock_is_named_until_it_does(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "1h"
           lock-after = "3s""#,
    )?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::None)?;
    let id = desktop.session();
    desktop.turn_idle()?;
    let said = Wanted::event("report").session(id);
    let said = machine.journal().wait_for(&said, crate::cases::secs(30))?;
    assert!(said.message().contains("was to be locked"), "{said}");
    let missed = Diagnosis::of(machine)?;
    let finding = missed.the("session.lock")?;
    assert_eq!(finding["level"], "warning", "{finding}");
    assert_eq!(finding["session"], id, "{finding}");
    let fix = finding["fix"].to_string();
    assert!(fix.contains("LockedHint"), "{fix}");

    desktop.lock()?;
    machine.wait_status(id, SOON, |session| session["locked"] == true)?;
    assert!(Diagnosis::of(machine)?.the("session.lock").is_err());
    Ok(())
}

pub(crate) fn a_screen_that_no_warning_reaches_is_named(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    let screen = attached(machine, environment)?;
    servers::start(machine, &screen, environment)?;
    let level = || -> Outcome<Value> {
        let diagnosis = Diagnosis::of(machine)?;
        let finding = diagnosis.the("session.notifications")?;
        assert_eq!(finding["session"], screen.session(), "{finding}");
        Ok(finding.clone())
    };
    assert_eq!(level()?["level"], "ok");

    servers::kill(&screen)?;
    let nowhere = wait_until(SOON, "the server to be missed", || {
        let finding = level()?;
        if finding["level"] == "ok" {
            return Err(Failure::new(finding.to_string()));
        }
        Ok(finding)
    })?;
    assert_eq!(nowhere["level"], "warning", "{nowhere}");
    let (what, fix) = (nowhere["what"].to_string(), nowhere["fix"].to_string());
    assert!(what.contains("no notification server"), "{what}");
    assert!(fix.contains("mako"), "{fix}");
    // Only root gets this finding, since nobody else may call the agent.
    let alice = machine.run("runuser --user alice -- session-timeout doctor --verbose")?;
    assert!(!alice.contains("notification server"), "{alice}");

    let pid = screen.agent_pid()?;
    machine.run(&format!("kill -STOP {pid}"))?;
    let unsaid = level();
    machine.run(&format!("kill -CONT {pid}"))?;
    let unsaid = unsaid?;
    assert_eq!(unsaid["level"], "warning", "{unsaid}");
    let what = unsaid["what"].to_string();
    assert!(what.contains("does not answer"), "{what}");
    Ok(())
}
