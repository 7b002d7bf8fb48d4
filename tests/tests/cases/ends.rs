//! Ends are requested and completed on time while logind or the bus is flooded or stopped, and in
//! whatever control group the processes of the login are.

use session_timeout_tests::{Account, Failure, Machine, Outcome, Ssh, Terminal, wait_until};

use super::limited::{assert_ends_on_time, policy};
use super::mallory::{self, FLOOD};
use super::{SOON, login_of, secs};

pub(crate) fn a_flood_of_logind_delays_no_end(machine: &Machine) -> Outcome {
    let ssh = flooded(machine, &["logind"; 4])?;
    assert_reason_shown(&ssh);
    Ok(())
}

/// PID 1 starts no unit during the flood.
pub(crate) fn a_flood_of_pid_1_delays_no_warning_and_no_end(machine: &Machine) -> Outcome {
    let ssh = flooded(machine, &["systemd"; 2])?;
    let text = ssh.terminal().text();
    assert!(text.contains("this session ends in 5 s"), "{text}");
    Ok(())
}

pub(crate) fn an_end_comes_while_the_bus_is_stopped(machine: &Machine) -> Outcome {
    without(machine, "systemctl stop dbus.socket dbus.service")
}

/// logind is masked, since a call over the bus would start it.
pub(crate) fn an_end_comes_while_logind_is_stopped(machine: &Machine) -> Outcome {
    without(
        machine,
        "systemctl mask --runtime --now systemd-logind.service",
    )
}

pub(crate) fn an_end_comes_while_logind_and_the_bus_are_stopped(machine: &Machine) -> Outcome {
    without(
        machine,
        "systemctl stop systemd-logind.service dbus.socket dbus.service",
    )
}

/// The daemon must close its connection to PID 1: each connection receives all signals of PID 1.
pub(crate) fn an_end_comes_while_logind_hangs(machine: &Machine) -> Outcome {
    let pid = "systemctl show --property=MainPID --value systemd-logind.service";
    machine.policy(&policy(&["alice"]))?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    let daemon = machine.daemon_pid()?;
    let sockets = || machine.run(&format!("ls -l /proc/{daemon}/fd | grep -c socket:"));
    let before = sockets()?;
    machine.run(&format!("kill -STOP $({pid})"))?;
    assert_ends_on_time(machine, &ssh, &login)?;
    assert_reason_shown(&ssh);
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

/// As with pam_slurm_adopt: the scope that logind knows is empty.
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
    machine.policy(&policy(&["alice"]))?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    assert_ends_on_time(machine, &ssh, &login)?;
    assert_reason_shown(&ssh);
    Ok(())
}

/// A shell in another scope belongs to the login while it descends from the leader.
pub(crate) fn processes_outside_of_the_scope_end_with_their_login(machine: &Machine) -> Outcome {
    machine.policy(&policy(&["alice"]))?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    ssh.send(
        "systemd-run --user --scope sh -c 'trap \"\" TERM HUP; setsid sleep 4242 & sleep 4242'\n",
    )?;
    let there = "pgrep -fx 'sleep 4242' | wc -l";
    wait_until(SOON, "both to run", || {
        machine.run(&format!("test $({there}) = 2")).map(drop)
    })?;
    assert_ends_on_time(machine, &ssh, &login)?;
    wait_until(secs(5), "nothing of it to be left", || {
        machine.run(&format!("test $({there}) = 0")).map(drop)
    })?;
    Ok(())
}

fn flooded(machine: &Machine, whom: &[&str]) -> Outcome<Ssh> {
    machine.policy(&policy(&["alice"]))?;
    mallory::install(machine)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    let asks = |whom| mallory::start(machine, Account::Mallory, &format!("asks {FLOOD} {whom}"));
    let mut floods: Vec<_> = whom.iter().map(asks).collect::<Outcome<_>>()?;
    assert_ends_on_time(machine, &ssh, &login)?;
    mallory::assert_running(&mut floods)?;
    Ok(ssh)
}

fn without(machine: &Machine, stop: &str) -> Outcome {
    machine.policy(&policy(&["alice"]))?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    machine.run(stop)?;
    assert_ends_on_time(machine, &ssh, &login)?;
    assert_reason_shown(&ssh);
    Ok(())
}

fn assert_reason_shown(ssh: &Ssh) {
    let text = ssh.terminal().text();
    assert!(text.contains("Session timeout"), "{text}");
}
