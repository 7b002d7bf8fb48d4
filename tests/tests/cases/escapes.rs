//! Users who move a login out of its session: it still ends at its limit.

use std::time::Duration;

use session_timeout_tests::{
    Account, Entry, Failure, Machine, Outcome, Ssh, Terminal, Wanted, hold_for, wait_until,
};

use super::limited::{GRACE, LATE, assert_closed_within, policy};
use super::{SOON, login_of, mallory, secs};

const LEAVE: &str = include_str!("../../hostile/leave.sh");
const KEEP_OUT: &str = include_str!("../../hostile/keep-out.sh");
const TWINS: &str = include_str!("../../hostile/twins.pl");

/// A connection is closed at most this long after the limit.
const CLOSED: Duration = GRACE.saturating_add(LATE);

pub(crate) fn a_login_that_left_its_session_and_killed_its_leader_ends_at_its_limit(
    machine: &Machine,
) -> Outcome {
    let (ssh, login) = escaped(machine, LEAVE, "", "left by")?;
    assert_closed_within(machine, &ssh, &login, CLOSED)
}

pub(crate) fn a_login_that_is_kept_out_of_every_scope_ends_at_its_limit(
    machine: &Machine,
) -> Outcome {
    mallory::install(machine)?;
    // The script keeps PID 1 busy until after the limit.
    let (ssh, login) = escaped(machine, KEEP_OUT, "45", "kept out by")?;
    assert_closed_within(machine, &ssh, &login, CLOSED + secs(3))
}

pub(crate) fn any_number_of_processes_that_left_a_session_end_with_it(
    machine: &Machine,
) -> Outcome {
    let (mut ssh, login) = escaped(machine, LEAVE, "", "left by")?;
    // More processes than one call can move to the scope.
    ssh.send("for i in $(seq 300); do sleep 6000 & done >/dev/null 2>&1; echo star''ted\n")?;
    ssh.terminal().wait_for("started", SOON)?;
    assert_closed_within(machine, &ssh, &login, CLOSED)?;
    wait_until(SOON, "the processes to be gone", || {
        let left = machine.attempt("pgrep -c -u mallory -x sleep")?.stdout;
        if left.trim() == "0" {
            Ok(())
        } else {
            Err(Failure::new(left))
        }
    })
}

pub(crate) fn detached_processes_survive_where_a_login_is_killed(machine: &Machine) -> Outcome {
    machine.policy(&policy(&["mallory"]))?;
    let mut ssh = Ssh::open(machine, Account::Mallory, Terminal::Pty)?;
    login_of(machine, ssh.session())?;
    ssh.send("loginctl enable-linger; (setsid systemd-run --user --scope --quiet sleep 1000 &)\n")?;
    // This process keeps the session open until SIGKILL.
    ssh.send("(trap '' TERM HUP; setsid sleep 2000 &)\n")?;
    ssh.send("until pgrep -u mallory -x sleep -c | grep 2; do sleep 0.1; done; echo run''ning\n")?;
    ssh.terminal().wait_for("running", SOON)?;
    let killed = Wanted::event("kill").session(ssh.session());
    machine.journal().wait_for(&killed, secs(30))?;
    machine.wait_session_gone(ssh.session(), SOON)?;
    machine.run("pgrep -u mallory -f 'sleep 1000'")?;
    let ignored = machine.attempt("pgrep -u mallory -f 'sleep 2000'")?;
    assert_eq!(ignored.stdout, "");
    Ok(())
}

pub(crate) fn processes_detached_before_a_logout_are_no_login_in_any_scope(
    machine: &Machine,
) -> Outcome {
    machine.policy(&policy(&["mallory"]))?;
    let mut ssh = Ssh::open(machine, Account::Mallory, Terminal::Pty)?;
    let id = ssh.session().to_owned();
    login_of(machine, &id)?;
    ssh.send("loginctl enable-linger; setsid systemd-run --user --scope --quiet sleep 1000 &\n")?;
    ssh.send("until pgrep -u mallory -x sleep; do sleep 0.1; done; echo run''ning\n")?;
    ssh.terminal().wait_for("running", SOON)?;
    ssh.send("exit\n")?;
    ssh.wait_closed(SOON)?;
    let sleeps = || machine.run("pgrep -u mallory -x sleep").map(drop);
    hold_for(secs(25), "the detached processes to run", sleeps)?;
    let ends = machine.journal().all(&Wanted::event("end").session(&id));
    assert!(ends.is_empty(), "{}", ends[0]);
    Ok(())
}

pub(crate) fn terminals_with_the_numbers_of_others_end_no_other_session(
    machine: &Machine,
) -> Outcome {
    machine.policy(&policy(&["mallory"]))?;
    machine.write("/var/tmp/twins.pl", TWINS)?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let root = Ssh::open(machine, Account::Root, Terminal::Pty)?;
    let mut mallory = Ssh::open(machine, Account::Mallory, Terminal::Pty)?;
    mallory.send("unshare -Urm perl /var/tmp/twins.pl 16 600\n")?;
    mallory.terminal().wait_for("twins of", SOON)?;
    let login = login_of(machine, mallory.session())?;
    assert_closed_within(machine, &mallory, &login, CLOSED)?;
    // The remaining processes are ended within some seconds after the session.
    hold_for(secs(10), "the sessions of others", || {
        let open = [&alice, &root].iter().all(|ssh| ssh.terminal().is_open());
        if open { Ok(()) } else { Err("one was closed") }
    })?;
    let left = machine.attempt("pgrep -u mallory -f twins.pl")?;
    assert_eq!(left.stdout, "", "processes of the session are left");
    Ok(())
}

/// Logs in as the hostile user, runs this script, and waits until its output has `done`.
fn escaped(machine: &Machine, script: &str, arguments: &str, done: &str) -> Outcome<(Ssh, Entry)> {
    const PATH: &str = "/var/tmp/escape.sh";
    machine.policy(&policy(&["mallory"]))?;
    machine.write(PATH, script)?;
    let mut ssh = Ssh::open(machine, Account::Mallory, Terminal::Pty)?;
    let login = login_of(machine, ssh.session())?;
    ssh.send(&format!("sh {PATH} {arguments}\n"))?;
    ssh.terminal().wait_for(done, SOON)?;
    Ok((ssh, login))
}
