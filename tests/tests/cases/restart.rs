//! Restarts of the daemon, of logind and of the bus move no deadline and repeat no warning.

use std::fs;
use std::time::Instant;

use session_timeout_tests::{
    Account, Context as _, Failure, Machine, Outcome, Ssh, Terminal, UNIT, Wanted, hold_for,
    wait_until,
};

use super::{SOON, assert_after, assert_between, login_of, secs};

const POLICY: &str = r#"[default]
    session-timeout = "24s"
    session-warnings = ["16s", "5s"]
    grace = "3s""#;

pub(crate) fn a_daemon_stops_in_time_by_itself(machine: &Machine) -> Outcome {
    machine.policy("[default]\nsession-timeout = \"10min\"\n")?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(ssh.session())?;
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    // Any other result means that systemd killed it after a timeout.
    let result = machine.run("systemctl show --property=Result --value session-timeoutd")?;
    assert_eq!(result.trim(), "success");
    Ok(())
}

pub(crate) fn killing_the_daemon_moves_no_deadline_and_repeats_no_warning(
    machine: &Machine,
) -> Outcome {
    ends_on_time_in_spite_of(machine, |machine| {
        let pid = machine.daemon_pid()?;
        machine.run(&format!("kill -KILL {pid}"))?;
        wait_until(SOON, "another daemon", || {
            let now = machine.daemon_pid()?;
            if now == pid {
                Err(Failure::new("the same one"))
            } else {
                Ok(())
            }
        })
    })
}

pub(crate) fn a_restarted_daemon_keeps_deadlines_and_repeats_no_warning(
    machine: &Machine,
) -> Outcome {
    ends_on_time_in_spite_of(machine, |machine| {
        let pid = machine.daemon_pid()?;
        machine.run(&format!("systemctl restart {UNIT}"))?;
        assert_ne!(machine.daemon_pid()?, pid);
        Ok(())
    })
}

/// A logind that missed the end of a scope keeps the session forever.
pub(crate) fn a_session_that_is_over_and_that_logind_keeps_is_not_ended_again(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let program = fs::read(env!("CARGO_BIN_EXE_fake-logind")).context("read fake-logind")?;
    machine.write("/var/tmp/fake-logind", program)?;
    machine.run("systemctl mask --quiet --runtime --now systemd-logind.service")?;
    machine
        .run("chmod 755 /var/tmp/fake-logind && systemd-run --quiet /var/tmp/fake-logind 2 1")?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    machine.wait_known("fake0")?;
    let gone = Wanted::event("gone").session("fake0");
    machine.journal().wait_for(&gone, secs(60))?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    machine.wait_active()?;
    // If the daemon ended it again, it would do so after the shortest lead.
    hold_for(secs(10), "the ended session to stay untouched", || {
        for event in ["warning", "end", "gone"] {
            let again = Wanted::event(event).session("fake1");
            if let Some(told) = machine.journal().all(&again).first() {
                return Err(Failure::new(told.to_string()));
            }
        }
        Ok(())
    })
}

pub(crate) fn a_restart_of_logind_moves_no_deadline(machine: &Machine) -> Outcome {
    ends_on_time_in_spite_of(machine, |machine| {
        machine.run("systemctl restart systemd-logind")?;
        wait_connected(machine)
    })
}

pub(crate) fn a_restart_of_the_bus_moves_no_deadline(machine: &Machine) -> Outcome {
    ends_on_time_in_spite_of(machine, |machine| {
        // logind exits with its bus; an administrator restarts both.
        machine.run("systemctl restart dbus.service; systemctl restart systemd-logind")?;
        wait_connected(machine)
    })
}

pub(crate) fn a_login_made_while_the_daemon_was_down_is_found_and_ended_on_time(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    wait_until(secs(10), "the session to be five seconds old", || {
        let age = ssh.opened().elapsed();
        if age > secs(5) {
            Ok(())
        } else {
            Err(Failure::new(format!("{age:?}")))
        }
    })?;
    machine.run(&format!("systemctl start {UNIT}"))?;
    machine.wait_known(ssh.session())?;
    let end = "Session timeout: this session has ended, 24 s after the login.";
    let end = ssh.terminal().wait_for(end, secs(30))?;
    assert_after(ssh.opened(), "the end", end.at, secs(24));
    ssh.wait_closed(SOON)?;
    Ok(())
}

/// A test cannot make the daemon hang, so it stops it with SIGSTOP, which also stops the watchdog
/// messages.
pub(crate) fn a_daemon_that_hangs_is_restarted_and_the_session_that_was_due_ends(
    machine: &Machine,
) -> Outcome {
    machine.write(
        "/etc/systemd/system/session-timeoutd.service.d/watchdog.conf",
        "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=1s\n",
    )?;
    machine.policy(
        r#"[default]
           session-timeout = "20s"
           session-warnings = ["5s"]
           grace = "3s""#,
    )?;
    machine.run(&format!(
        "systemctl daemon-reload && systemctl restart {UNIT}"
    ))?;
    let pid = machine.daemon_pid()?;
    // The watchdog does not end an idle daemon, neither without sessions nor with a distant
    // deadline.
    let rests = || {
        hold_for(secs(5), "an idle daemon", || {
            match machine.daemon_pid()? {
                now if now == pid => Ok(()),
                _ => Err(Failure::new("another daemon")),
            }
        })
    };
    rests()?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    rests()?;

    machine.run(&format!("kill -STOP {pid}"))?;
    let warning = "this session ends in 5 s, 20 s after the login.";
    let late = ssh.terminal().wait_for(warning, secs(25))?;
    assert_between(login.at, warning, late.at, secs(15), secs(15 + 3 + 1 + 2));
    let end = "this session has ended, 20 s after the login.";
    let end = ssh.terminal().wait_for(end, SOON)?;
    assert_after(late.at, "the end", end.at, secs(5));
    ssh.wait_closed(SOON)?;
    assert_ne!(machine.daemon_pid()?, pid);
    Ok(())
}

/// Calls `disturb` between the warnings of a session, and checks that it ends as usual.
fn ends_on_time_in_spite_of(machine: &Machine, disturb: impl Fn(&Machine) -> Outcome) -> Outcome {
    machine.policy(POLICY)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let (terminal, id) = (ssh.terminal(), ssh.session());
    let login = login_of(machine, id)?;
    let first = "this session ends in 16 s, 24 s after the login.";
    terminal.wait_for(first, secs(15))?;
    disturb(machine)?;
    assert!(terminal.is_open(), "{}", terminal.text());

    let second = "this session ends in 5 s, 24 s after the login.";
    let seen = terminal.wait_for(second, secs(20))?;
    assert_after(login.at, second, seen.at, secs(19));
    let last = "this session has ended, 24 s after the login.";
    let seen = terminal.wait_for(last, secs(10))?;
    assert_after(login.at, last, seen.at, secs(24));
    ssh.wait_closed(SOON)?;
    machine.wait_session_gone(id, secs(3 + 2))?;
    for text in [first, second, last] {
        assert_eq!(terminal.count(text), 1, "{}", terminal.text());
    }
    let gone = Wanted::event("gone").session(id);
    machine.journal().wait_for(&gone, SOON)?;
    let ends = machine.journal().all(&Wanted::event("end").session(id));
    assert_eq!(ends.len(), 1);
    Ok(())
}

fn wait_connected(machine: &Machine) -> Outcome {
    wait_until(SOON, "the daemon to reach logind", || {
        let status = machine.status()?;
        if status["logind"] == "connected" {
            Ok(())
        } else {
            Err(Failure::new(status.to_string()))
        }
    })
}

pub(crate) fn a_key_withdraws_a_warning_from_before_the_restart_at_once(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           inactivity-timeout = "40s"
           inactivity-warnings = ["30s"]
           grace = "3s""#,
    )?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let warning = "Session timeout: this session ends in 30 s, for lack of input.";
    ssh.terminal().wait_for(warning, secs(30))?;
    machine.run("systemctl restart session-timeoutd")?;
    machine.wait_active()?;
    ssh.send(" ")?;
    let typed = Instant::now();
    let withdrawn = Wanted::event("withdrawn").session(ssh.session());
    let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
    assert_after(typed, "the withdrawal", withdrawn.at, secs(0));
    Ok(())
}

/// The state says that the session was warned, so the next daemon does not repeat the warning.
pub(crate) fn a_warning_that_is_being_written_when_the_daemon_stops_is_in_the_journal(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "60s"
           session-warnings = ["45s"]"#,
    )?;
    let mut stopped = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    // ^S, and more output than the terminal buffers: a write to it blocks.
    stopped.send("yes | head --bytes=1M & \x13")?;
    stopped.send("\n")?;
    let id = stopped.session();
    // The write takes two seconds. One command, so that the daemon stops during it.
    machine.run(&format!(
        "timeout 25 sh -c 'until session-timeout status --json | grep -q phase...warned; do :; done' &&
         systemctl restart {UNIT}"
    ))?;
    let written = Wanted::event("warning").session(id);
    machine.journal().wait_for(&written, SOON)?;
    Ok(())
}

/// All services of root share the limit of inotify instances, which a host of containers can
/// exhaust.
pub(crate) fn without_inotify_the_daemon_warns_and_ends_as_usual(machine: &Machine) -> Outcome {
    machine.write(
        "/etc/systemd/system/session-timeoutd.service.d/none-left.conf",
        "[Service]\nSystemCallFilter=~inotify_init1:EMFILE\n",
    )?;
    machine.policy(
        r#"[default]
           inactivity-timeout = "30s"
           inactivity-warnings = ["10s"]
           activity = ["input", "inhibitor"]
           grace = "3s""#,
    )?;
    machine.run(&format!(
        "systemctl daemon-reload && systemctl restart {UNIT}"
    ))?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.terminal()
        .wait_for("this session ends in 10 s, for lack of input.", secs(35))?;
    ssh.terminal()
        .wait_for("this session has ended", secs(25))?;
    ssh.wait_closed(SOON)?;
    for unwatched in ["/run/systemd/inhibit", "terminals for input"] {
        let told = format!("cannot watch {unwatched}: Too many open files");
        machine.run(&format!("journalctl -u {UNIT} | grep -q '{told}'"))?;
    }
    Ok(())
}
