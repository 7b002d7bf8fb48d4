//! Screen lockers that lock on logind's request and do not report it: the agent does.

use std::time::Duration;

use session_timeout_tests::{
    Entry, Environment, Failure, Machine, Outcome, Screen, Wanted, hold_for, wait_until,
};

use super::desktops::attached;
use super::doctor::Diagnosis;
use super::{SOON, assert_after, assert_not_ended, secs};

const LOCK_AFTER: &str = r#"[default]
    session-timeout = "10min"
    lock-after = "6s""#;

const LOCK_AT_THE_LIMIT: &str = r#"[default]
    session-timeout = "10min"
    inactivity-timeout = "8s"
    inactivity-warnings = ["3s"]
    grace = "5s"
    action = "lock""#;

/// Bound for a password dialog, and for what follows a password.
const DIALOG: Duration = Duration::from_secs(15);

/// A screen locker of X11.
struct Locker {
    name: &'static str,
    /// A script that configures it to lock and starts it.
    start: &'static str,
    /// A pattern for the program that asks for the password, which does not match itself.
    dialog: &'static str,
}

const XSCREENSAVER: Locker = Locker {
    name: "xscreensaver",
    start: r"printf 'lock: True\nmode: blank\nfade: False\nsplash: False\n' >~/.xscreensaver
        xscreensaver --no-splash >/dev/null 2>&1 &",
    dialog: "[x]screensaver-auth",
};

const MATE_SCREENSAVER: Locker = Locker {
    name: "mate-screensaver",
    start: "mate-screensaver --no-daemon >/dev/null 2>&1 &",
    dialog: "[m]ate-screensaver-dialog",
};

pub(crate) fn a_lock_of_xscreensaver_is_believed_until_it_is_killed(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    let screen = believed(machine, environment, &XSCREENSAVER)?;
    let id = screen.session();
    screen.run("pkill --signal KILL --exact xscreensaver")?;
    wait_until(SOON, "the hint to be cleared", || {
        let hint = machine.logind_property(id, "LockedHint")?;
        if hint == "no" {
            return Ok(());
        }
        Err(Failure::new(hint))
    })
}

pub(crate) fn a_lock_of_mate_screensaver_is_believed_and_ends_nothing(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    let locker = &MATE_SCREENSAVER;
    let mut screen = believed(machine, environment, locker)?;
    let id = screen.session().to_owned();
    unlock(machine, &mut screen, locker)?;

    machine.policy(LOCK_AT_THE_LIMIT)?;
    nth(machine, &id, 2)?;
    // Longer than the grace.
    hold_for(secs(8), "the session to be held", || {
        let status = machine.session_status(&id)?;
        if status["phase"] == "held" && status["locked"] == true {
            return Ok(());
        }
        Err(Failure::new(status.to_string()))
    })?;
    unlock(machine, &mut screen, locker)?;
    machine.wait_status(&id, SOON, |session| session["phase"] == "running")?;
    assert!(screen.is_open());
    assert_not_ended(machine, &id);
    Ok(())
}

/// A desktop with this locker that `lock-after` has locked, which logind and the journal say.
fn believed<'m>(
    machine: &'m Machine,
    environment: Environment,
    locker: &Locker,
) -> Outcome<Screen<'m>> {
    machine.policy(LOCK_AFTER)?;
    let mut screen = attached(machine, environment)?;
    let id = screen.session().to_owned();
    screen.run(locker.start)?;
    wait_until(SOON, "doctor to name the locker", || {
        let finding = Diagnosis::of(machine)?.the("session.lock")?.clone();
        let what = finding["what"].to_string();
        if finding["level"] == "ok" && what.contains(locker.name) {
            return Ok(());
        }
        Err(Failure::new(finding.to_string()))
    })?;
    let pressed = screen.press_key()?;
    let locked = nth(machine, &id, 1)?;
    assert_after(pressed, "the lock", locked.at, secs(6));
    assert_eq!(machine.logind_property(&id, "LockedHint")?, "yes");
    screen.photograph(&format!("{}-{}", machine.suite(), locker.name))?;
    let missed = machine.journal().all(&Wanted::event("report").session(&id));
    assert!(missed.is_empty(), "{}", missed[0]);
    Ok(screen)
}

/// Types the password of the user until the screen is unlocked. A dialog that starts slowly may miss
/// the first keys.
fn unlock(machine: &Machine, screen: &mut Screen<'_>, locker: &Locker) -> Outcome {
    let id = screen.session().to_owned();
    let (alice, dialog) = ("alice", locker.dialog);
    wait_until(secs(60), "the password to be accepted", || {
        screen.press_key()?;
        wait_until(DIALOG, "the password dialog", || {
            screen.run(&format!("pgrep --full '{dialog}'"))
        })?;
        screen.run(&format!(
            "xdotool type --delay 50 {alice}; xdotool key Return"
        ))?;
        wait_until(DIALOG, "the unlock", || {
            let hint = machine.logind_property(&id, "LockedHint")?;
            if hint == "no" {
                return Ok(());
            }
            Err(Failure::new(hint))
        })
    })
}

/// The entry about the lock with this number; the first is 1.
fn nth(machine: &Machine, id: &str, number: usize) -> Outcome<Entry> {
    let wanted = Wanted::event("locked").session(id);
    wait_until(secs(30), &format!("{wanted}, number {number}"), || {
        let entries = machine.journal().all(&wanted);
        let entry = entries.get(number - 1).cloned();
        entry.ok_or_else(|| Failure::new(format!("{} of them", entries.len())))
    })
}
