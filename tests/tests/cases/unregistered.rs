//! Logins without a logind session are warned and ended as well.

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Ssh, Terminal, Wanted, wait_until,
};

use super::limited::{GRACE, LATE, LIMIT, assert_closed_within, policy};
use super::{SOON, assert_after, secs};

pub(crate) fn a_login_that_logind_has_no_room_for_is_warned_and_ended(
    machine: &Machine,
) -> Outcome {
    machine.policy(&policy(&["alice"]))?;
    let bob = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    machine.wait_known(bob.session())?;
    machine.run(
        "mkdir -p /etc/systemd/logind.conf.d
         printf '[Login]\nSessionsMax=1\n' >/etc/systemd/logind.conf.d/full.conf
         systemctl restart systemd-logind",
    )?;
    let ssh = Ssh::open_unregistered(machine, "alice")?;
    is_kept_and_ended(machine, &ssh, "alice", "logind-full")?;
    assert!(bob.terminal().is_open(), "{}", bob.terminal().text());
    Ok(())
}

pub(crate) fn a_user_whose_name_systemd_refuses_is_warned_and_ended(machine: &Machine) -> Outcome {
    // Another account name and uid with alice's keys and shell.
    machine.run(
        "sed -n 's/^alice:x:[0-9]*:[0-9]*:/20250001:x:1234500004:1234500004:/p' /etc/passwd \
             >>/etc/passwd
         sed -n 's/^alice:[^:]*:/20250001:*:/p' /etc/shadow >>/etc/shadow
         sed -i 's#^\\(20250001:.*\\):/home/alice:#\\1:/home/digits:#' /etc/passwd
         cp -a /home/alice /home/digits
         chown -R 1234500004:1234500004 /home/digits",
    )?;
    machine.policy(&policy(&["20250001"]))?;
    let ssh = Ssh::open_unregistered(machine, "20250001")?;
    is_kept_and_ended(machine, &ssh, "20250001", "name-refused")
}

pub(crate) fn a_login_without_pam_systemd_survives_the_daemon_and_is_ended(
    machine: &Machine,
) -> Outcome {
    machine.run("sed -i '/pam_systemd/d' /etc/pam.d/common-session")?;
    machine.policy(&policy(&["alice"]))?;
    let ssh = Ssh::open_unregistered(machine, "alice")?;
    let login = Wanted::event("login").with("USER_NAME", "alice");
    machine.journal().wait_for(&login, SOON)?;
    let pid = machine.daemon_pid()?;
    machine.run(&format!("kill -KILL {pid}"))?;
    is_kept_and_ended(machine, &ssh, "alice", "not-in-stack")
}

/// The daemon forgets a login that it did not end when its user has left.
pub(crate) fn a_login_that_logind_does_not_know_is_over_when_its_user_leaves(
    machine: &Machine,
) -> Outcome {
    machine.run("sed -i '/pam_systemd/d' /etc/pam.d/common-session")?;
    machine.policy("[default]\nsession-timeout = \"60min\"")?;
    let mut ssh = Ssh::open_unregistered(machine, "alice")?;
    let login = Wanted::event("login").with("USER_NAME", "alice");
    let login = machine.journal().wait_for(&login, SOON)?;
    let id = login.field("SESSION_ID").unwrap_or_default().to_owned();
    ssh.send("exit\n")?;
    ssh.wait_closed(SOON)?;
    let over = Wanted::event("logout").session(&id);
    machine.journal().wait_for(&over, SOON).map(drop)
}

fn is_kept_and_ended(machine: &Machine, ssh: &Ssh, user: &str, why: &str) -> Outcome {
    let login = Wanted::event("login").with("USER_NAME", user);
    let login = machine.journal().wait_for(&login, SOON)?;
    let id = login.field("SESSION_ID").unwrap_or_default().to_owned();
    assert!(id.starts_with("login-"), "{id}");
    let status = machine.wait_known(&id)?;
    assert_eq!(status["no_session"], why, "{status}");
    let leader = id.trim_start_matches("login-");
    // In clock ticks of 10 ms (proc_pid_stat(5)).
    let started = machine.run(&format!(
        "sed 's/.*) //' /proc/{leader}/stat | cut -d ' ' -f 20"
    ))?;
    let started = format!("{}0000", started.trim());
    wait_until(SOON, "the login to be in a scope", || {
        let group = machine.run(&format!("cat /proc/{leader}/cgroup"))?;
        if group.contains(&format!("/session-timeout-{id}-{started}.scope")) {
            Ok(())
        } else {
            Err(Failure::new(group))
        }
    })?;
    let warning = Wanted::event("warning").session(&id);
    let warning = machine.journal().wait_for(&warning, secs(30))?;
    assert_after(login.at, "the warning", warning.at, LIMIT - secs(5));
    assert_closed_within(machine, ssh, &login, GRACE + LATE)?;
    assert!(ssh.terminal().text().contains("Session timeout"));
    let gone = Wanted::event("gone").session(&id);
    machine.journal().wait_for(&gone, SOON).map(drop)
}
