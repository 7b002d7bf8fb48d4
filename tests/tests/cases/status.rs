//! The output of `session-timeout status`, and the sandbox of the daemon's unit.

use session_timeout_tests::{Account, Context, Machine, Outcome, Ssh, Terminal, UNIT};

pub(crate) fn everybody_sees_their_own_sessions_and_root_sees_all(machine: &Machine) -> Outcome {
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let bob = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    for ssh in [&alice, &bob] {
        machine.wait_known(ssh.session())?;
    }
    let table = machine.run("session-timeout status")?;
    for word in ["alice", "bob", "sshd"] {
        assert!(table.contains(word), "{table}");
    }
    let table = machine.run("runuser -u alice -- session-timeout status")?;
    assert!(table.contains("alice") && !table.contains("bob"), "{table}");

    let json = machine.run("runuser -u alice -- session-timeout status --json")?;
    let status: serde_json::Value = serde_json::from_str(&json).context("read the status")?;
    let sessions = status["sessions"].as_array().cloned().unwrap_or_default();
    assert!(!sessions.is_empty(), "{json}");
    for session in &sessions {
        assert_eq!(session["user"], "alice", "{json}");
    }
    assert!(
        sessions
            .iter()
            .any(|session| session["id"] == alice.session()),
        "{json}"
    );
    Ok(())
}

pub(crate) fn the_exposure_of_the_units_is_as_promised(machine: &Machine) -> Outcome {
    // The promised exposure of each unit, in tenths, as the maximum.
    for (unit, threshold) in [(UNIT, 12), ("session-timeout-terminals.service", 12)] {
        let shown = machine.run(&format!(
            "systemd-analyze security --no-pager --threshold={threshold} {unit}"
        ))?;
        let overall = shown.lines().find(|line| line.contains("Overall exposure"));
        eprintln!("{}: {}", machine.suite(), overall.unwrap_or("?").trim());
    }
    Ok(())
}

pub(crate) fn the_daemon_can_signal_processes_and_has_no_other_capability(
    machine: &Machine,
) -> Outcome {
    let daemon = machine.daemon_pid()?;
    let sets = machine.run(&format!("grep '^Cap[PEB]' /proc/{daemon}/status"))?;
    assert_eq!(sets.lines().count(), 3, "{sets}");
    for set in sets.lines() {
        // CAP_KILL is number 5 (linux/capability.h).
        assert!(set.ends_with("\t0000000000000020"), "{sets}");
    }
    Ok(())
}
