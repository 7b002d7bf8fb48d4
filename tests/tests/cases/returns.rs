//! A user who comes back to a desktop without input in it, as through the greeter of a display
//! manager that has locked it.

use std::time::Instant;

use session_timeout_tests::{
    Account, Class, Desktop, Entry, Failure, Locker, Machine, Outcome, Vt, Vts, Wanted, wait_until,
};

use super::{SOON, assert_after, login_of, secs};

const POLICY: &str = r#"[default]
    session-timeout = "1h"

    [[rule]]
    name = "short"
    match = { user = "alice" }
    session-timeout = "1h"
    inactivity-timeout = "15s"
    inactivity-warnings = ["7s"]
    unknown-idle = "count-from-login"
    grace = "3s""#;

pub(crate) fn an_unlock_that_logind_signals_is_activity(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::None)?;
    let id = desktop.session();
    desktop.turn_idle()?;
    // LightDM does this when the password was typed into its greeter.
    let unlock = || machine.run(&format!("loginctl unlock-session {id}"));

    // Not warned yet.
    machine.wait_known(id)?;
    wait_until(SOON, "some idle time", || {
        match machine.session_status(id)?["left_seconds"].as_u64() {
            Some(left) if left <= 11 => Ok(()),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    })?;
    unlock()?;
    let first = Instant::now();
    let warning = warning(machine, id, first)?;
    assert_after(first, "the warning", warning.at, secs(8));

    unlock()?;
    let second = Instant::now();
    let withdrawn = Wanted::event("withdrawn").session(id);
    let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
    assert_after(second, "the withdrawal", withdrawn.at, secs(0));
    assert_end(machine, id, second)?;
    desktop.wait_closed(SOON)?;
    Ok(())
}

pub(crate) fn a_session_that_its_seat_shows_again_was_used(machine: &Machine) -> Outcome {
    let Some(vts) = Vts::lend(machine)? else {
        return Ok(());
    };
    machine.policy(POLICY)?;
    let desktop = vts.log_in(Account::Alice, Class::User, Vt::A)?;
    let other = vts.log_in(Account::Bob, Class::User, Vt::B)?;
    let id = desktop.session();
    vts.show(Vt::A)?;
    vts.show(Vt::B)?;
    let login = login_of(machine, id)?;
    warning(machine, id, login.at)?;

    machine.run(&format!("loginctl activate {id}"))?;
    let shown = Instant::now();
    let withdrawn = Wanted::event("withdrawn").session(id);
    let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
    assert_after(shown, "the withdrawal", withdrawn.at, secs(0));
    // A session that ceases to be shown was not used, nor one that a restarted logind finds shown.
    let status = machine.session_status(id)?;
    machine.wait_status(id, SOON, |now| {
        now["left_seconds"] != status["left_seconds"]
    })?;
    machine.run("systemctl restart systemd-logind")?;
    machine.wait_status(id, SOON, |now| {
        now["left_seconds"].as_u64().is_some_and(|left| left <= 11)
    })?;
    machine.run(&format!("loginctl activate {}", other.session()))?;
    assert_end(machine, id, shown)?;
    desktop.wait_closed(SOON)?;
    Ok(())
}

fn assert_end(machine: &Machine, id: &str, since: Instant) -> Outcome {
    let warning = warning(machine, id, since)?;
    assert_after(since, "the warning", warning.at, secs(8));
    let end = Wanted::event("end").session(id);
    let end = machine.journal().wait_for(&end, secs(20))?;
    assert_after(since, "the end", end.at, secs(15));
    Ok(())
}

/// The first warning after this.
fn warning(machine: &Machine, id: &str, since: Instant) -> Outcome<Entry> {
    let warning = Wanted::event("warning").session(id);
    wait_until(secs(20), &warning.to_string(), || {
        let entries = machine.journal().all(&warning);
        let mut later = entries.iter().filter(|entry| entry.at > since);
        later.next().cloned().ok_or_else(|| Failure::new("none"))
    })
}
