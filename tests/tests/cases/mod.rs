//! The cases on booted machines, and functions that several of them use.

pub(crate) mod absolute;
pub(crate) mod activity;
pub(crate) mod agents;
pub(crate) mod backstop;
pub(crate) mod desktops;
pub(crate) mod doctor;
pub(crate) mod dropins;
pub(crate) mod ends;
pub(crate) mod escapes;
pub(crate) mod explain;
pub(crate) mod extend;
pub(crate) mod faults;
pub(crate) mod greeter;
pub(crate) mod groups;
pub(crate) mod hang_up;
pub(crate) mod hostile;
pub(crate) mod inactivity;
pub(crate) mod left;
pub(crate) mod leftovers;
mod limited;
pub(crate) mod lock;
pub(crate) mod lockers;
pub(crate) mod login_managers;
pub(crate) mod login_socket;
mod mallory;
pub(crate) mod notifications;
pub(crate) mod package;
pub(crate) mod policy;
pub(crate) mod resource_use;
pub(crate) mod restart;
pub(crate) mod returns;
pub(crate) mod rules;
pub(crate) mod seats;
mod servers;
pub(crate) mod startx;
pub(crate) mod status;
pub(crate) mod terminal_messages;
pub(crate) mod terminals;
pub(crate) mod transfers;
pub(crate) mod trust;
pub(crate) mod type_changes;
pub(crate) mod unregistered;
pub(crate) mod web_console;

use std::time::{Duration, Instant};

use session_timeout_tests::{Entry, Failure, Machine, Outcome, Wanted, wait_until};

/// Tolerance for the time of a warning or an end. The product promises one second; half a second is
/// for the measurement.
const SLACK: Duration = Duration::from_millis(1500);

/// The steps in which the kernel moves the time of a terminal's last input (`tty_update_time` in
/// drivers/tty/tty_io.c).
const TTY_STEP: Duration = Duration::from_secs(8);

/// Bound for an immediate effect.
const SOON: Duration = Duration::from_secs(10);

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The daemon's entry about the beginning of a session; other times are measured from it.
fn login_of(machine: &Machine, session: &str) -> Outcome<Entry> {
    let login = Wanted::event("login").session(session);
    machine.journal().wait_for(&login, SOON)
}

/// Checks that something happened `expected` after `start`, within the tolerance.
#[track_caller]
fn assert_after(start: Instant, what: &str, at: Instant, expected: Duration) {
    assert_between(start, what, at, expected, expected);
}

/// Checks that something happened between `earliest` and `latest` after `start`, within the
/// tolerance.
#[track_caller]
fn assert_between(start: Instant, what: &str, at: Instant, earliest: Duration, latest: Duration) {
    let after = at.saturating_duration_since(start);
    assert!(
        after + SLACK >= earliest && after <= latest + SLACK,
        "{what}: after {:.2} s, not {:.0} to {:.0} s",
        after.as_secs_f32(),
        earliest.as_secs_f32(),
        latest.as_secs_f32()
    );
}

/// The delay of something after a limit; prints it.
fn late(machine: &Machine, what: &str, limit: Instant, at: Instant) -> Duration {
    let late = at.saturating_duration_since(limit);
    let (suite, seconds) = (machine.suite(), late.as_secs_f32());
    eprintln!("{suite}: {what} {seconds:.2} s after the limit");
    late
}

/// Checks that the daemon never requested the end of a session.
#[track_caller]
fn assert_not_ended(machine: &Machine, session: &str) {
    let ends = machine
        .journal()
        .all(&Wanted::event("end").session(session));
    assert!(ends.is_empty(), "session {session} was ended: {}", ends[0]);
}

/// Waits until no user has a message about a last session to be shown.
fn wait_until_last_session_is_shown(machine: &Machine) -> Outcome {
    wait_until(SOON, "the message to be deleted", || {
        let kept = machine.run("cat /run/session-timeout/endings.json")?;
        if kept.trim() == "{}" {
            Ok(())
        } else {
            Err(Failure::new(kept))
        }
    })
}
