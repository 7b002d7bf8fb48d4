//! Locking the screen of a desktop: instead of an end, and some time before one.

use std::time::Instant;

use serde_json::Value;
use session_timeout_tests::{
    Account, Desktop, Entry, Failure, Locker, Machine, Outcome, Ssh, Terminal, UNIT, Wanted,
    hold_for, wait_until,
};

use super::{SOON, assert_after, assert_not_ended, login_of, secs};

const POLICY: &str = r#"[default]
    session-timeout = "8s"
    session-warnings = ["3s"]
    grace = "3s"
    action = "lock""#;

pub(crate) fn a_desktop_is_locked_at_its_limit_and_the_limit_restarts_at_the_unlock(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::Listens)?;
    let id = desktop.session();
    let login = login_of(machine, id)?;
    let journal = machine.journal();
    let warning = Wanted::event("warning").session(id).with("LEAD_SEC", "3");
    let warning = journal.wait_for(&warning, secs(15))?;
    assert!(
        warning.message().contains("it is locked in 3 s"),
        "{warning}"
    );
    let lock = nth(machine, &Wanted::event("lock").session(id), 1)?;
    assert_after(login.at, "the lock", lock.at, secs(8));
    assert_eq!(lock.field("ACTION"), Some("lock"), "{lock}");
    assert_eq!(lock.field("LIMIT"), Some("absolute"), "{lock}");
    nth(machine, &Wanted::event("locked").session(id), 1)?;
    assert_held(machine, id)?;
    let table = machine.run("session-timeout status")?;
    let row = table.lines().find(|line| line.contains("wayland"));
    assert!(row.is_some_and(|row| row.ends_with("locked")), "{table}");
    let explained = machine.run(&format!("session-timeout explain {id}"))?;
    assert!(
        explained.contains("It is locked for a limit"),
        "{explained}"
    );

    // Past the grace, and past the limit since the lock.
    hold_for(secs(10), "the session to be held", || {
        let ends = journal.all(&Wanted::event("end").session(id));
        if ends.is_empty() && desktop.is_open() {
            Ok(())
        } else {
            Err("it was ended")
        }
    })?;
    assert_held(machine, id)?;

    desktop.unlock()?;
    let unlocked = Instant::now();
    let status = wait_running(machine, id)?;
    let left = status["left_seconds"].as_u64().unwrap_or_default();
    assert!((6..=8).contains(&left), "{status}");
    let again = next(machine, &Wanted::event("warning").session(id), unlocked)?;
    assert_after(unlocked, "the second warning", again.at, secs(5));
    let again = next(machine, &Wanted::event("locked").session(id), unlocked)?;
    assert_after(unlocked, "the second lock", again.at, secs(8));
    assert_held(machine, id)?;
    assert!(desktop.is_open());
    assert_not_ended(machine, id);
    Ok(())
}

pub(crate) fn a_desktop_that_does_not_lock_is_terminated_after_the_grace_and_a_terminal_at_once(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::None)?;
    let ssh = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let (id, terminal) = (desktop.session(), ssh.terminal());
    let login = login_of(machine, ssh.session())?;
    terminal.wait_for("this session ends in 3 s, 8 s after the login.", secs(15))?;
    let closed = ssh.wait_closed(secs(15))?;
    assert_after(login.at, "the end of the terminal", closed, secs(8));

    let login = login_of(machine, id)?;
    let warnings = Wanted::event("warning").session(id);
    let warning = nth(machine, &warnings, 1)?;
    assert_after(login.at, "the warning", warning.at, secs(5));
    let lock = nth(machine, &Wanted::event("lock").session(id), 1)?;
    assert_after(login.at, "the lock", lock.at, secs(8));
    assert!(desktop.is_open());
    let end = nth(machine, &Wanted::event("end").session(id), 1)?;
    assert_eq!(end.field("ACTION"), Some("terminate"), "{end}");
    assert!(end.message().contains("which did not lock"), "{end}");
    assert_after(lock.at, "the end", end.at, secs(3));
    desktop.wait_closed(SOON)?;
    machine.wait_session_gone(id, secs(3 + 2))?;
    assert_eq!(machine.journal().all(&warnings).len(), 1);
    let locked = Wanted::event("locked").session(id);
    assert!(machine.journal().all(&locked).is_empty());
    Ok(())
}

pub(crate) fn lock_after_locks_first_and_the_inactivity_limit_ends_later(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "10min"
           lock-after = "4s"
           inactivity-timeout = "12s"
           inactivity-warnings = ["3s"]
           grace = "3s""#,
    )?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::Listens)?;
    let id = desktop.session();
    desktop.turn_idle()?;
    let idle = Instant::now();
    let lock = nth(machine, &Wanted::event("lock").session(id), 1)?;
    assert_after(idle, "the lock", lock.at, secs(4));
    assert!(lock.message().contains("after 4 s without input"), "{lock}");
    nth(machine, &Wanted::event("locked").session(id), 1)?;
    let status = machine.session_status(id)?;
    assert_eq!(status["phase"], "running", "{status}");
    assert_eq!(status["locked"], true, "{status}");
    assert_eq!(status["ends_by"], "inactivity", "{status}");
    assert_eq!(status["lock_after_seconds"], 4, "{status}");

    let warning = nth(machine, &Wanted::event("warning").session(id), 1)?;
    assert_after(idle, "the warning", warning.at, secs(9));
    let end = nth(machine, &Wanted::event("end").session(id), 1)?;
    assert_after(idle, "the end", end.at, secs(12));
    assert_eq!(end.field("LIMIT"), Some("inactivity"), "{end}");
    desktop.wait_closed(SOON)?;
    let locks = Wanted::event("lock").session(id);
    assert_eq!(machine.journal().all(&locks).len(), 1);
    Ok(())
}

pub(crate) fn coming_back_after_lock_after_is_activity(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "10min"
           lock-after = "4s"
           inactivity-timeout = "10s"
           inactivity-warnings = ["4s"]"#,
    )?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::Listens)?;
    let id = desktop.session();
    desktop.turn_idle()?;
    nth(machine, &Wanted::event("locked").session(id), 1)?;
    nth(machine, &Wanted::event("warning").session(id), 1)?;
    desktop.unlock()?;
    desktop.turn_active()?;
    let back = Instant::now();
    nth(machine, &Wanted::event("withdrawn").session(id), 1)?;
    let status = wait_running(machine, id)?;
    assert_eq!(status["locked"], false, "{status}");
    assert_eq!(status["idle_source"], "logind", "{status}");
    // An idle hint of "active" counts as activity: the session is probed again, and never warned.
    hold_for(secs(12), "the session to stay untouched", || {
        let again = machine.journal().all(&Wanted::event("warning").session(id));
        let locked = machine.journal().all(&Wanted::event("lock").session(id));
        if again.len() == 1 && locked.len() == 1 {
            Ok(())
        } else {
            Err(format!("after {:?}", back.elapsed()))
        }
    })?;
    assert!(desktop.is_open());
    assert_not_ended(machine, id);
    Ok(())
}

pub(crate) fn a_session_that_is_held_stays_so_through_a_restart_and_a_crash(
    machine: &Machine,
) -> Outcome {
    machine.policy(POLICY)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::Listens)?;
    let id = desktop.session();
    nth(machine, &Wanted::event("locked").session(id), 1)?;
    let pid = machine.daemon_pid()?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    machine.wait_known(id)?;
    assert_held(machine, id)?;
    let restarted = machine.daemon_pid()?;
    assert_ne!(pid, restarted);
    machine.run(&format!("kill -KILL {restarted}"))?;
    wait_until(SOON, "another daemon", || {
        let now = machine.daemon_pid()?;
        if now == restarted {
            Err(Failure::new("the same one"))
        } else {
            Ok(())
        }
    })?;
    machine.wait_known(id)?;
    // Long enough to notice an unlock.
    hold_for(secs(4), "the session to be held", || {
        assert_held(machine, id)
    })?;
    for event in ["warning", "lock", "locked"] {
        let told = machine.journal().all(&Wanted::event(event).session(id));
        assert_eq!(told.len(), 1, "{event}");
    }

    desktop.unlock()?;
    let unlocked = Instant::now();
    let status = wait_running(machine, id)?;
    let left = status["left_seconds"].as_u64().unwrap_or_default();
    assert!((6..=8).contains(&left), "{status}");
    let again = next(machine, &Wanted::event("locked").session(id), unlocked)?;
    assert_after(unlocked, "the second lock", again.at, secs(8));
    assert_not_ended(machine, id);
    Ok(())
}

/// logind's signal `Unlock` asks the desktop to unlock its screen, and proves nothing.
pub(crate) fn an_unlock_that_is_only_requested_ends_no_hold(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::Listens)?;
    let id = desktop.session();
    nth(machine, &Wanted::event("locked").session(id), 1)?;
    machine.run(&format!("runuser -u alice -- loginctl unlock-session {id}"))?;
    hold_for(secs(4), "the session to be held", || {
        assert_held(machine, id)
    })?;
    desktop.unlock()?;
    wait_running(machine, id)?;
    Ok(())
}

/// The daemon received no signal of the unlock, so it is no proof that the user has authenticated.
/// The limit counts from the lock, and its warnings are repeated.
pub(crate) fn an_unlock_that_the_daemon_did_not_see_renews_nothing(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::Listens)?;
    let id = desktop.session();
    let locked = nth(machine, &Wanted::event("locked").session(id), 1)?;
    hold_for(secs(2), "the session to be held", || {
        assert_held(machine, id)
    })?;
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    desktop.unlock()?;
    // Not the time of the start: on a busy host the start may take until the warning.
    let unlocked = Instant::now();
    machine.run(&format!("systemctl start {UNIT}"))?;
    machine.wait_status(id, SOON, |session| session["locked"] == false)?;
    let warning = next(machine, &Wanted::event("warning").session(id), unlocked)?;
    assert_after(locked.at, "the second warning", warning.at, secs(5));
    let again = next(machine, &Wanted::event("locked").session(id), unlocked)?;
    assert_after(locked.at, "the second lock", again.at, secs(8));
    assert_held(machine, id)?;
    assert_not_ended(machine, id);
    Ok(())
}

/// A restarted logind has forgotten that the screen is locked. That is no unlock, and no reason to
/// end the session. The limit counts from the lock.
pub(crate) fn a_restart_of_logind_unlocks_nothing(machine: &Machine) -> Outcome {
    let (desktop, locked) = locked_and_forgotten(machine)?;
    let id = desktop.session();
    // The daemon probes when logind is back, and gets the lost hint.
    machine.wait_status(id, SOON, |session| session["locked"] == false)?;
    let warning = nth(machine, &Wanted::event("warning").session(id), 2)?;
    assert_after(locked.at, "the second warning", warning.at, secs(5));
    let again = nth(machine, &Wanted::event("locked").session(id), 2)?;
    assert_after(locked.at, "the second lock", again.at, secs(8));
    assert_held(machine, id)?;
    assert_not_ended(machine, id);
    Ok(())
}

/// A desktop that was locked for a limit some seconds ago, after a restart of logind; and the entry
/// of the lock.
fn locked_and_forgotten(machine: &Machine) -> Outcome<(Desktop<'_>, Entry)> {
    machine.policy(POLICY)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::Listens)?;
    let id = desktop.session();
    let locked = nth(machine, &Wanted::event("locked").session(id), 1)?;
    hold_for(secs(3), "the session to be held", || {
        assert_held(machine, id)
    })?;
    machine.run("systemctl restart systemd-logind")?;
    // Checks the assumption that logind forgets the lock.
    assert_eq!(machine.logind_property(id, "LockedHint")?, "no");
    Ok((desktop, locked))
}

/// The matching entry with this number; the first is 1.
fn nth(machine: &Machine, wanted: &Wanted, number: usize) -> Outcome<Entry> {
    wait_until(secs(20), &format!("{wanted}, number {number}"), || {
        let entries = machine.journal().all(wanted);
        let entry = entries.get(number - 1).cloned();
        entry.ok_or_else(|| Failure::new(format!("{} of them", entries.len())))
    })
}

/// The first matching entry after `since`.
fn next(machine: &Machine, wanted: &Wanted, since: Instant) -> Outcome<Entry> {
    wait_until(secs(20), &wanted.to_string(), || {
        let entries = machine.journal().all(wanted);
        let mut later = entries.iter().filter(|entry| entry.at > since);
        later.next().cloned().ok_or_else(|| Failure::new("none"))
    })
}

fn wait_running(machine: &Machine, id: &str) -> Outcome<Value> {
    machine.wait_status(id, SOON, |session| session["phase"] == "running")
}

/// Checks that a session is locked for a limit, in the status and in logind.
#[track_caller]
fn assert_held(machine: &Machine, id: &str) -> Outcome {
    let status = machine.session_status(id)?;
    assert_eq!(status["phase"], "held", "{status}");
    assert_eq!(status["locked"], true, "{status}");
    assert_eq!(status["left_seconds"], Value::Null, "{status}");
    assert_eq!(machine.logind_property(id, "LockedHint")?, "yes");
    Ok(())
}
