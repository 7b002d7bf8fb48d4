//! The backstop: PID 1 ends sessions without the daemon.

use std::time::Instant;

use serde_json::Value;
use session_timeout_tests::{
    Account, Context as _, Failure, Machine, Outcome, Package, Ssh, Terminal, UNIT, hold_for,
    wait_until,
};

use super::{SOON, assert_between, secs};

const COMMON: &str = "/etc/pam.d/common-session";
const OURS: &str = "pam_session_timeout.so";
const ENABLE: &str = "pam-auth-update --enable session-timeout-backstop";
/// systemctl's formats of 25 h and of no limit.
const USUAL: &str = "1d 1h";
const NONE: &str = "infinity";

pub(crate) fn people_have_a_backstop_where_the_administrator_enables_it_and_nobody_else(
    machine: &Machine,
) -> Outcome {
    machine.run("test -e /usr/share/pam-configs/session-timeout-backstop")?;
    assert_eq!(runtime_max(machine, Account::Alice)?, NONE);
    assert_eq!(lines(machine)?.len(), 1, "as installed");
    let off = doctor(machine)?;
    assert!(off["what"].to_string().contains("is off"), "{off}");

    machine.run(ENABLE)?;
    let stack = machine.run(&format!("grep ^session {COMMON}"))?;
    let place = |word: &str| stack.lines().position(|line| line.contains(word));
    assert!(place("backstop=25h").is_some(), "{stack}");
    assert!(place("backstop=25h") < place("pam_systemd.so"), "{stack}");
    assert_eq!(lines(machine)?.len(), 2, "{stack}");
    let jobs = machine.run(&format!("cat {COMMON}-noninteractive"))?;
    assert!(!jobs.contains(OURS), "{jobs}");

    for (account, expected) in [
        (Account::Alice, USUAL),
        (Account::Root, NONE),
        (Account::Robot, NONE),
    ] {
        assert_eq!(runtime_max(machine, account)?, expected, "{account:?}");
    }
    let on = doctor(machine)?;
    assert_eq!(on["level"], "ok", "{on}");
    assert!(on["what"].to_string().contains("after 25 h"), "{on}");
    // A login inside another session has no scope of its own.
    let mut root = Ssh::open(machine, Account::Root, Terminal::Pty)?;
    root.send("su --login alice\n")?;
    root.terminal().wait_for("session=.", SOON)?;
    assert_eq!(runtime_max_of(machine, root.session())?, NONE);
    // PAM reports it as before, and the daemon enforces its own limit.
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let status = machine.wait_known(ssh.session())?;
    assert_eq!(status["service"], "sshd", "{status}");
    assert_eq!(status["absolute_seconds"], 86_400, "{status}");
    Ok(())
}

pub(crate) fn pid_1_ends_a_session_without_a_daemon(machine: &Machine) -> Outcome {
    const BACKSTOP: u64 = 5;
    machine.run(ENABLE)?;
    machine.run(&format!(
        "sed -i 's/backstop=25h/backstop={BACKSTOP}s allow-short-limits/' {COMMON}"
    ))?;
    machine.run(&format!(
        "systemctl mask --now session-timeoutd.socket {UNIT} && ! systemctl is-active {UNIT}"
    ))?;
    let root = Ssh::open(machine, Account::Root, Terminal::Pty)?;
    // Processes that survive a logout are not a login, and the backstop does not apply to them.
    let mut left = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    left.send("setsid -f sleep 7777; exit\n")?;
    left.wait_closed(SOON)?;
    let before = Instant::now();
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = ssh.session();
    let closed = ssh.wait_closed(secs(30))?;
    // Two seconds for the login and for sshd to exit.
    let (earliest, latest) = (secs(BACKSTOP), secs(BACKSTOP + 2));
    assert_between(before, "the end", closed, earliest, latest);
    let said = wait_until(SOON, "logind to forget the session", || {
        let session = machine.attempt(&format!("loginctl show-session {id}"))?;
        let unit = format!("systemctl show --property=ActiveState,Result session-{id}.scope");
        match session.code {
            Some(0) => Err(Failure::new(session.stdout)),
            _ => machine.run(&unit),
        }
    })?;
    for word in ["ActiveState=failed", "Result=timeout"] {
        assert!(said.contains(word), "{said}");
    }
    machine.run("pgrep --uid alice --full 'sleep 7777'")?;
    hold_for(secs(2), "root's session to stay open", || {
        if root.terminal().is_open() {
            Ok(())
        } else {
            Err("it was ended")
        }
    })
}

pub(crate) fn the_administrators_time_is_kept_and_goes_with_the_package(
    machine: &Machine,
) -> Outcome {
    machine.run(ENABLE)?;
    machine.run(&format!("sed -i s/backstop=25h/backstop=13h/ {COMMON}"))?;
    Package::built()?.install_on(machine)?;
    machine.wait_active()?;
    let kept = lines(machine)?;
    let ours: Vec<_> = kept.iter().map(|line| line.contains("backstop=")).collect();
    assert_eq!(ours, [true, false], "{kept:?}");
    assert!(kept[0].contains("backstop=13h"), "{kept:?}");
    assert_eq!(runtime_max(machine, Account::Alice)?, "13h");
    let short = doctor(machine)?;
    assert_eq!(short["level"], "warning", "{short}");
    assert!(short["fix"].to_string().contains("backstop=25h"), "{short}");

    machine.run("dpkg --remove session-timeout")?;
    assert_eq!(lines(machine)?.len(), 0);
    assert_eq!(runtime_max(machine, Account::Alice)?, NONE);
    Ok(())
}

/// The lines of the common stack with the package's module.
fn lines(machine: &Machine) -> Outcome<Vec<String>> {
    let stack = machine.run(&format!("cat {COMMON}"))?;
    let ours = stack.lines().filter(|line| line.contains(OURS));
    Ok(ours.map(str::to_owned).collect())
}

/// `RuntimeMaxUSec` of a new session of this account.
fn runtime_max(machine: &Machine, account: Account) -> Outcome<String> {
    let ssh = Ssh::open(machine, account, Terminal::Pty)?;
    runtime_max_of(machine, ssh.session())
}

fn runtime_max_of(machine: &Machine, session: &str) -> Outcome<String> {
    let scope = format!("session-{session}.scope");
    let shown = machine.run(&format!(
        "systemctl show --property=RuntimeMaxUSec --value {scope}"
    ))?;
    Ok(shown.trim().to_owned())
}

/// `doctor`'s finding about the backstop.
fn doctor(machine: &Machine) -> Outcome<Value> {
    let output = machine.attempt("session-timeout doctor --json")?;
    let json: Value = serde_json::from_str(&output.stdout).context(output.stdout)?;
    let findings = json["findings"].as_array();
    let mut findings = findings.map(Vec::as_slice).unwrap_or_default().iter();
    let found = findings
        .find(|found| found["id"] == "pam.backstop")
        .cloned();
    found.ok_or_else(|| Failure::new(json.to_string()))
}
