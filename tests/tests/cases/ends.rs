//! Ends are requested and completed on time while logind or the bus is flooded or stopped, and
//! wherever the processes of the login are.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use session_timeout_tests::{
    Account, Context, Entry, Failure, Machine, Outcome, Ssh, Terminal, Wanted, wait_until,
};

use super::{SOON, login_of, secs};

const MALLORY: &str = include_str!("../../hostile/mallory.pl");

/// In seconds: longer than any case. The flood ends with the machine.
const FLOOD: u32 = 120;

const LIMIT: Duration = secs(20);
const GRACE: Duration = secs(3);

const POLICY: &str = r#"[default]
    session-timeout = "60min"

    [[rule]]
    name = "alice"
    match = { user = "alice" }
    session-timeout = "20s"
    session-warnings = ["5s"]
    grace = "3s""#;

pub(crate) fn a_flood_of_logind_delays_no_end(machine: &Machine) -> Outcome {
    let ssh = flooded(machine, &["logind"; 4])?;
    assert_told(&ssh);
    Ok(())
}

/// PID 1 starts no unit meanwhile.
pub(crate) fn a_flood_of_pid_1_delays_no_warning_and_no_end(machine: &Machine) -> Outcome {
    let ssh = flooded(machine, &["systemd"; 2])?;
    let text = ssh.terminal().text();
    assert!(text.contains("this session ends in 5 s"), "{text}");
    Ok(())
}

pub(crate) fn an_end_comes_while_the_bus_is_stopped(machine: &Machine) -> Outcome {
    without(machine, "systemctl stop dbus.socket dbus.service")
}

pub(crate) fn an_end_comes_while_logind_is_stopped(machine: &Machine) -> Outcome {
    without(machine, "systemctl stop systemd-logind.service")
}

pub(crate) fn an_end_comes_while_logind_and_the_bus_are_stopped(machine: &Machine) -> Outcome {
    without(
        machine,
        "systemctl stop systemd-logind.service dbus.socket dbus.service",
    )
}

/// Peers of PID 1's socket receive all of its signals: the daemon does not stay connected.
pub(crate) fn an_end_comes_while_logind_hangs(machine: &Machine) -> Outcome {
    let pid = "systemctl show --property=MainPID --value systemd-logind.service";
    machine.policy(POLICY)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    let daemon = machine.daemon_pid()?;
    let sockets = || machine.run(&format!("ls -l /proc/{daemon}/fd | grep -c socket:"));
    let before = sockets()?;
    machine.run(&format!("kill -STOP $({pid})"))?;
    ends_on_time(machine, &ssh, &login)?;
    assert_told(&ssh);
    machine.run(&format!("kill -CONT $({pid})"))?;
    wait_until(SOON, "the connection to PID 1 to be closed", || {
        let now = sockets()?;
        if now == before {
            Ok(())
        } else {
            Err(Failure::new(format!("{now} and not {before}")))
        }
    })
}

/// As pam_slurm_adopt does: the scope that logind knows is empty.
pub(crate) fn a_login_that_pam_moved_elsewhere_is_warned_and_ended(machine: &Machine) -> Outcome {
    machine.run(
        r#"mkdir -p /sys/fs/cgroup/job
           cat >/usr/local/bin/adopt <<'END'
#!/bin/sh
[ "$PAM_TYPE" = open_session ] || exit 0
echo $PPID >/sys/fs/cgroup/job/cgroup.procs
END
           chmod +x /usr/local/bin/adopt
           echo "session required pam_exec.so quiet /usr/local/bin/adopt" >>/etc/pam.d/sshd"#,
    )?;
    machine.policy(POLICY)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    ends_on_time(machine, &ssh, &login)?;
    assert_told(&ssh);
    Ok(())
}

/// A shell in another scope belongs to the login while it descends from the leader.
pub(crate) fn what_of_a_login_is_not_in_its_scope_ends_with_it(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    ssh.send(
        "systemd-run --user --scope sh -c 'trap \"\" TERM HUP; setsid sleep 4242 & sleep 4242'\n",
    )?;
    let there = "pgrep -fx 'sleep 4242' | wc -l";
    wait_until(SOON, "both to run", || {
        machine.run(&format!("test $({there}) = 2")).map(drop)
    })?;
    ends_on_time(machine, &ssh, &login)?;
    wait_until(secs(5), "nothing of it to be left", || {
        machine.run(&format!("test $({there}) = 0")).map(drop)
    })?;
    Ok(())
}

fn flooded(machine: &Machine, whom: &[&str]) -> Outcome<Ssh> {
    machine.policy(POLICY)?;
    machine.write("/var/tmp/mallory.pl", MALLORY)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    let floods = whom.iter().map(|whom| mallory(machine, whom));
    let mut floods: Vec<_> = floods.collect::<Outcome<_>>()?;
    ends_on_time(machine, &ssh, &login)?;
    for flood in &mut floods {
        let ended = flood.try_wait().context("look after a flood")?;
        assert!(ended.is_none(), "a flood has ended before: {ended:?}");
    }
    Ok(ssh)
}

fn without(machine: &Machine, stop: &str) -> Outcome {
    machine.policy(POLICY)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    machine.run(stop)?;
    ends_on_time(machine, &ssh, &login)?;
    assert_told(&ssh);
    Ok(())
}

fn assert_told(ssh: &Ssh) {
    let text = ssh.terminal().text();
    assert!(text.contains("Session timeout"), "{text}");
}

/// Checks that the end begins within two seconds after the limit, and is completed within three
/// seconds after the grace.
fn ends_on_time(machine: &Machine, ssh: &Ssh, login: &Entry) -> Outcome {
    let id = ssh.session();
    let end = Wanted::event("end").session(id);
    let end = machine.journal().wait_for(&end, LIMIT + secs(10))?;
    let closed = ssh.wait_closed(GRACE + secs(30))?;
    let after = |at: Instant| at.saturating_duration_since(login.at + LIMIT);
    eprintln!(
        "{}: the end began {:.2} s after the limit, the session was gone {:.2} s after it",
        machine.suite(),
        after(end.at).as_secs_f32(),
        after(closed).as_secs_f32(),
    );
    assert!(after(end.at) < secs(2), "the end began late");
    assert!(after(closed) < GRACE + secs(3), "the session lived on");
    wait_until(SOON, "the session to be forgotten", || {
        let left = Wanted::event("gone").session(id);
        machine.journal().wait_for(&left, Duration::ZERO).map(drop)
    })
}

fn mallory(machine: &Machine, whom: &str) -> Outcome<Child> {
    let what = ["asks", &FLOOD.to_string(), whom].map(str::to_owned);
    machine
        .command("runuser")
        .args([
            "-u",
            Account::Mallory.name(),
            "--",
            "perl",
            "/var/tmp/mallory.pl",
        ])
        .args(what)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("start a flood")
}
