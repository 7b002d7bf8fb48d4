//! The Debian package: installed, upgraded, removed and purged.

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Package, Ssh, Terminal, UNIT, wait_until,
};

use super::{SOON, assert_not_ended};

const HELPER: &str = "session-timeout-terminals.service";
const HELPER_SOCKET: &str = "session-timeout-terminals.socket";

pub(crate) fn installing_ends_no_session_and_enforces_the_shipped_limit(
    machine: &Machine,
) -> Outcome {
    let before = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    Package::built()?.install_on(machine)?;
    machine.wait_active()?;
    machine.run(&format!(
        "systemctl is-enabled {UNIT} session-timeoutd.socket"
    ))?;

    let stack = pam_modules(machine)?;
    let place = |module: &str| stack.iter().position(|line| line.contains(module));
    assert!(
        place("pam_session_timeout.so") > place("pam_systemd.so"),
        "{stack:?}"
    );
    let count = stack
        .iter()
        .filter(|line| line.contains("pam_session_timeout.so"));
    assert_eq!(count.count(), 1, "{stack:?}");

    let after = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let shown = after.terminal().text();
    assert!(shown.contains("This session ends after 24 h."), "{shown}");
    for ssh in [&before, &after] {
        let status = machine.wait_known(ssh.session())?;
        assert_eq!(status["absolute_seconds"], 86_400, "{status}");
        assert_eq!(
            status["inactivity_seconds"],
            serde_json::Value::Null,
            "{status}"
        );
        assert_eq!(status["ends_by"], "absolute", "{status}");
        let left = status["left_seconds"].as_u64().unwrap_or_default();
        assert!((86_300..=86_400).contains(&left), "{status}");
        assert!(ssh.terminal().is_open());
        assert_not_ended(machine, ssh.session());
    }
    let status = machine.status()?;
    assert_eq!(status["policy"]["state"], "in-force", "{status}");
    assert_eq!(status["short_limits"], false, "{status}");

    // debhelper compresses longer documents.
    let files = machine.run("dpkg -L session-timeout")?;
    for guide in [
        "README",
        "SECURITY",
        "guide",
        "idle-sources",
        "threat-model",
    ] {
        let path = format!("/usr/share/doc/session-timeout/{guide}.md");
        assert!(files.contains(&path), "{guide}: {files}");
    }
    Ok(())
}

pub(crate) fn a_drop_in_from_before_makes_the_first_start_report_only(
    machine: &Machine,
) -> Outcome {
    // As in the README.
    machine.run(
        r#"mkdir -p /etc/session-timeout/policy.d
           printf '[default]\naction = "report"\n' >/etc/session-timeout/policy.d/00-report.toml"#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    Package::built()?.install_on(machine)?;
    machine.wait_active()?;
    let status = machine.wait_known(ssh.session())?;
    assert_eq!(status["absolute_seconds"], 86_400, "{status}");
    assert_eq!(status["end_action"], "report", "{status}");

    machine.run("rm /etc/session-timeout/policy.d/00-report.toml")?;
    machine.reload()?;
    wait_until(SOON, "the limit to be enforced", || {
        let status = machine.session_status(ssh.session())?;
        if status["end_action"] == "terminate" {
            Ok(())
        } else {
            Err(Failure::new(status.to_string()))
        }
    })
}

pub(crate) fn upgrading_keeps_the_deadline_of_a_live_session(machine: &Machine) -> Outcome {
    machine.policy("[default]\nsession-timeout = \"10min\"\n")?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let deadline = || {
        let status = machine.wait_known(ssh.session())?;
        let left = status["left_seconds"].as_i64().unwrap_or_default();
        let uptime = machine.run("cut -d. -f1 /proc/uptime")?;
        Ok::<_, session_timeout_tests::Failure>(left + uptime.trim().parse::<i64>().unwrap_or(0))
    };
    let (pid, before) = (machine.daemon_pid()?, deadline()?);
    let helper = machine.main_pid(HELPER)?;
    Package::built()?.install_on(machine)?;
    machine.wait_active()?;
    assert_ne!(machine.daemon_pid()?, pid, "the new daemon does not run");
    wait_until(SOON, "the new helper to run", || {
        let now = machine.main_pid(HELPER)?;
        if now == helper {
            Err(Failure::new("the old one runs"))
        } else {
            Ok(())
        }
    })?;
    let after = deadline()?;
    assert!((before - after).abs() <= 2, "{before} s became {after} s");
    assert!(ssh.terminal().is_open());
    let stack = pam_modules(machine)?;
    let ours = stack
        .iter()
        .filter(|line| line.contains("pam_session_timeout.so"));
    assert_eq!(ours.count(), 1, "{stack:?}");
    // The administrator's changes are kept.
    let policy = machine.run("cat /etc/session-timeout/policy.toml")?;
    assert_eq!(policy, "[default]\nsession-timeout = \"10min\"\n");
    Ok(())
}

pub(crate) fn removing_leaves_logins_working_and_purging_leaves_nothing(
    machine: &Machine,
) -> Outcome {
    let was = pam_modules(machine)?;
    Package::built()?.install_on(machine)?;
    machine.wait_active()?;
    let before = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(before.session())?;

    machine.run("dpkg --remove session-timeout")?;
    assert_eq!(pam_modules(machine)?, was);
    let active = machine.attempt(&format!(
        "systemctl is-active {UNIT} session-timeoutd.socket {HELPER} {HELPER_SOCKET}"
    ))?;
    assert!(
        !active.stdout.lines().any(|state| state == "active"),
        "{}",
        active.stdout
    );
    machine.run("test -e /etc/session-timeout/policy.toml")?;
    Ssh::open(machine, Account::Alice, Terminal::Pty)?;

    machine.run("dpkg --purge session-timeout")?;
    let places = "/etc/session-timeout /var/lib/session-timeout /run/session-timeout \
        /etc/pam.d /etc/systemd /usr/lib/systemd /usr/share /usr/bin /usr/sbin /var/lib/systemd";
    let found = machine.attempt(&format!(
        "find {places} -name '*session?timeout*' -not -name 'session-timeout-[bt]*' 2>/dev/null"
    ))?;
    assert_eq!(found.stdout, "");
    Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    assert!(before.terminal().is_open());
    machine.run("systemctl is-system-running")?;
    Ok(())
}

/// The session lines of the stack that interactive logins share.
fn pam_modules(machine: &Machine) -> Outcome<Vec<String>> {
    let stack = machine.run("grep '^session' /etc/pam.d/common-session")?;
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(stack.lines().map(words).collect())
}
