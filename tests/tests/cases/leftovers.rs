//! Sessions with logind's state `closing`: the user has left, and a process remains.

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Ssh, Terminal, Wanted, wait_until,
};

use super::{SOON, assert_after, assert_not_ended, login_of, secs};

pub(crate) fn processes_that_survive_a_logout_are_not_ended(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "12s"
           session-warnings = ["3s"]
           grace = "3s""#,
    )?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    alice.send("tmux new-session -d -s left; exit\n")?;
    alice.wait_closed(SOON)?;
    let id = alice.session();
    wait_closing(machine, id)?;

    // A session with the same limit that began later has ended, so the limit of the first has
    // passed.
    let bob = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    bob.wait_closed(secs(25))?;
    let status = machine.session_status(id)?;
    assert_eq!(status["phase"], "exempt", "{status}");
    assert_eq!(status["exemption"], "logged out", "{status}");
    machine.run("runuser -u alice -- tmux has-session -t left")?;
    assert_not_ended(machine, id);
    Ok(())
}

/// For a session that is `closing` already, `TerminateSession` of systemd 257 succeeds and does
/// nothing. The daemon must check the state first.
pub(crate) fn a_session_whose_leader_was_killed_is_ended(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "12s"
           session-warnings = ["3s"]
           grace = "3s""#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = ssh.session();
    let login = login_of(machine, id)?;
    let leader = machine.run(&format!(
        "loginctl show-session {id} --property=Leader --value"
    ))?;
    let leader = leader.trim();
    machine.run(&format!("kill -KILL {leader}"))?;
    wait_until(SOON, "the leader to be gone", || {
        machine.run(&format!("! test -e /proc/{leader}")).map(drop)
    })?;
    assert!(ssh.terminal().is_open(), "{}", ssh.terminal().text());
    let end = Wanted::event("end").session(id);
    let end = machine.journal().wait_for(&end, secs(20))?;
    assert_after(login.at, "the end", end.at, secs(12));
    machine.wait_session_gone(id, secs(3 + 2))?;
    ssh.wait_closed(SOON)?;
    Ok(())
}

fn wait_closing(machine: &Machine, id: &str) -> Outcome {
    wait_until(SOON, "the session to be closing", || {
        let state = format!("loginctl show-session {id} --property=State --value");
        match machine.run(&state)?.trim() {
            "closing" => Ok(()),
            state => Err(Failure::new(state)),
        }
    })
}
