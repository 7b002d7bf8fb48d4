//! Logins without a logind session are held to their limits, too.

use session_timeout_tests::{Account, Machine, Outcome, Ssh, Terminal, Wanted, wait_until};

use super::{SOON, assert_after, assert_between, secs};

const POLICY: &str = r#"[default]
    session-timeout = "60min"

    [[rule]]
    name = "alice"
    match = { user = ["alice", "20250001"] }
    session-timeout = "20s"
    session-warnings = ["5s"]
    grace = "3s""#;

pub(crate) fn a_login_that_logind_has_no_room_for_is_warned_and_ended(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
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
    machine.policy(POLICY)?;
    let ssh = Ssh::open_unregistered(machine, "20250001")?;
    is_kept_and_ended(machine, &ssh, "20250001", "name-refused")
}

pub(crate) fn a_login_without_pam_systemd_survives_the_daemon_and_is_ended(
    machine: &Machine,
) -> Outcome {
    machine.run("sed -i '/pam_systemd/d' /etc/pam.d/common-session")?;
    machine.policy(POLICY)?;
    let ssh = Ssh::open_unregistered(machine, "alice")?;
    let login = Wanted::event("login").with("USER_NAME", "alice");
    machine.journal().wait_for(&login, SOON)?;
    let pid = machine.daemon_pid()?;
    machine.run(&format!("kill -KILL {pid}"))?;
    is_kept_and_ended(machine, &ssh, "alice", "not-in-stack")
}

/// What the daemon of before an upgrade has put into a scope without a start in its name ends with
/// the login, although it does not descend from its leader.
pub(crate) fn a_scope_that_was_named_before_an_upgrade_ends_with_its_login(
    machine: &Machine,
) -> Outcome {
    machine.run("sed -i '/pam_systemd/d' /etc/pam.d/common-session")?;
    machine.policy(POLICY)?;
    let mut ssh = Ssh::open_unregistered(machine, "alice")?;
    let login = Wanted::event("login").with("USER_NAME", "alice");
    let login = machine.journal().wait_for(&login, SOON)?;
    let id = login.field("SESSION_ID").unwrap_or_default().to_owned();
    // What is started before the login is in its scope may stay out of it.
    ssh.send("until grep -q session-timeout-login /proc/self/cgroup; do sleep 0.1; done\n")?;
    ssh.send("(trap '' TERM HUP; setsid sleep 4242 &)\n")?;
    let detached = "pgrep -fx 'sleep 4242'";
    wait_until(SOON, "it to run", || machine.run(detached).map(drop))?;
    let leader = id.trim_start_matches("login-");
    machine.run(&format!(
        "set -e
         systemctl stop session-timeoutd.socket session-timeoutd
         slice=user-$(id -u alice).slice
         pids=$(cat /sys/fs/cgroup/user.slice/$slice/session-timeout-{id}-*.scope/cgroup.procs)
         busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
             org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' \
             session-timeout-{id}.scope fail 3 Slice s $slice Delegate b true \
             PIDs au $(echo $pids | wc -w) $pids 0
         until grep -q session-timeout-{id}.scope /proc/{leader}/cgroup; do sleep 0.1; done
         grep -q session-timeout-{id}.scope /proc/$({detached})/cgroup
         systemctl start session-timeoutd.socket session-timeoutd"
    ))?;
    let closed = ssh.wait_closed(secs(30))?;
    assert_between(login.at, "the close", closed, secs(20), secs(20 + 3 + 2));
    let gone = Wanted::event("gone").session(&id);
    machine.journal().wait_for(&gone, SOON)?;
    let left = machine.attempt(detached)?;
    assert_eq!(left.stdout, "");
    Ok(())
}

/// A login that the daemon did not end is forgotten when its user has left.
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
    // In clock ticks, of which there are a hundred a second (proc_pid_stat(5)).
    let started = machine.run(&format!(
        "sed 's/.*) //' /proc/{leader}/stat | cut -d ' ' -f 20"
    ))?;
    let started = format!("{}0000", started.trim());
    wait_until(SOON, "the login to be in a scope", || {
        let group = machine.run(&format!("cat /proc/{leader}/cgroup"))?;
        if group.contains(&format!("/session-timeout-{id}-{started}.scope")) {
            Ok(())
        } else {
            Err(session_timeout_tests::Failure::new(group))
        }
    })?;
    let warning = Wanted::event("warning").session(&id);
    let warning = machine.journal().wait_for(&warning, secs(30))?;
    assert_after(login.at, "the warning", warning.at, secs(15));
    let closed = ssh.wait_closed(secs(30))?;
    assert_between(login.at, "the close", closed, secs(20), secs(20 + 3 + 2));
    assert!(ssh.terminal().text().contains("Session timeout"));
    let gone = Wanted::event("gone").session(&id);
    machine.journal().wait_for(&gone, SOON).map(drop)
}
