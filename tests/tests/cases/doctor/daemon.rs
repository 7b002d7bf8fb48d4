//! `doctor` on the daemon: as installed, stopped, and with a policy that it refuses.

use session_timeout_tests::{Account, Machine, Outcome, Ssh, Terminal};

use super::{Diagnosis, POLICY, assert_exit, assert_well};
use crate::cases::assert_not_ended;

pub(crate) fn a_machine_as_installed_is_well(machine: &Machine) -> Outcome {
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(ssh.session())?;
    for user in ["root", "alice", "nobody"] {
        let doctor = format!("runuser --user {user} -- session-timeout doctor");
        let output = machine.attempt(&doctor)?;
        assert_exit(&output, 0);
        let last = output.stdout.lines().last().unwrap_or_default();
        assert!(last.starts_with("All is well"), "{user}: {}", output.stdout);
        let verbose = machine.run(&format!("{doctor} --verbose"))?;
        let said = format!("session {} of alice (tty): its terminals", ssh.session());
        assert_eq!(verbose.contains(&said), user != "nobody", "{verbose}");
    }
    let diagnosis = Diagnosis::of(machine)?;
    let source = diagnosis.the("session.idle-source")?;
    assert_eq!(source["session"], ssh.session(), "{source}");
    assert_not_ended(machine, ssh.session());
    Ok(())
}

pub(crate) fn a_daemon_that_is_stopped_is_started_by_the_command_that_doctor_names(
    machine: &Machine,
) -> Outcome {
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    let stopped = Diagnosis::of(machine)?;
    assert_eq!(stopped.exit, 2, "{}", stopped.json);
    assert_eq!(stopped.the("daemon.socket")?["level"], "error");
    stopped.run_the_fix(machine, "daemon.running")?;
    machine.wait_active()?;
    assert_well(machine)?;

    machine.run("rm /run/session-timeout/login.sock")?;
    let unlinked = Diagnosis::of(machine)?;
    unlinked.assert_only(2, "daemon.socket", "error");
    unlinked.run_the_fix(machine, "daemon.socket")?;
    machine.wait_active()?;
    assert_well(machine)?;

    machine.run("systemctl stop session-timeout-terminals.service")?;
    let alone = Diagnosis::of(machine)?;
    alone.assert_only(1, "daemon.terminals", "warning");
    alone.run_the_fix(machine, "daemon.terminals")?;
    assert_well(machine)?;
    machine.run("systemctl stop session-timeout-terminals.socket")?;
    let mute = Diagnosis::of(machine)?;
    mute.assert_only(2, "daemon.terminals", "error");
    mute.run_the_fix(machine, "daemon.terminals")?;
    assert_well(machine)?;

    machine.run("systemctl disable session-timeoutd.service")?;
    let disabled = Diagnosis::of(machine)?;
    disabled.assert_only(1, "daemon.enabled", "warning");
    disabled.run_the_fix(machine, "daemon.enabled")?;
    assert_well(machine)?;

    machine.policy(POLICY)?;
    Diagnosis::of(machine)?.assert_only(1, "policy.short-limits", "warning");
    Ok(())
}

pub(crate) fn a_broken_policy_is_named_before_and_after_it_is_refused(
    machine: &Machine,
) -> Outcome {
    let good = machine.run("cat /etc/session-timeout/policy.toml")?;
    machine.write_policy("[default]\nsession-timeout = \"90parsecs\"\n")?;
    Diagnosis::of(machine)?.assert_only(2, "policy.files", "error");
    assert!(machine.reload().is_err());
    let refused = Diagnosis::of(machine)?;
    refused.assert_only(2, "policy.state", "error");
    let finding = refused.the("policy.state")?;
    let fix = finding["fix"].as_str().unwrap_or_default();
    assert!(
        fix.ends_with("then: systemctl reload session-timeoutd"),
        "{fix}"
    );
    machine.write_policy(&good)?;
    machine.reload()?;
    assert_well(machine)
}
