//! The hang-up: the connection or terminal is closed as if the user had left, and detached
//! processes keep running.

use session_timeout_tests::{
    Account, Console, Entry, Failure, Machine, Outcome, Ssh, Terminal, UNIT, Wanted, hold_for,
    wait_until,
};

use super::{SOON, assert_after, assert_between, login_of, secs};

fn policy(action: &str) -> String {
    format!(
        r#"[default]
           session-timeout = "8s"
           session-warnings = ["3s"]
           grace = "3s"
           action = "{action}""#
    )
}

/// Processes that a user starts: two that survive a hang-up, and one that does not.
const LEFT: &str =
    "tmux new-session -d -s left sleep 1000; nohup sleep 1001 >/dev/null 2>&1 & sleep 1002 &\n";

const END: &str = "Session timeout: this session has ended, 8 s after the login.";

pub(crate) fn a_hang_up_closes_the_connection_and_leaves_what_was_detached(
    machine: &Machine,
) -> Outcome {
    machine.policy(&policy("hang-up"))?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.send(LEFT)?;
    let (terminal, id) = (ssh.terminal(), ssh.session());
    let login = login_of(machine, id)?;
    let leader = machine.logind_property(id, "Leader")?;
    let last = terminal.wait_for(END, secs(15))?;
    assert_after(login.at, "the last line", last.at, secs(8));
    let closed = ssh.wait_closed(secs(5))?;
    assert_after(login.at, "the end of the connection", closed, secs(8));
    assert_eq!(terminal.count("this session ends in 3 s"), 1);

    let journal = machine.journal();
    let end = Wanted::event("end").session(id).with("LIMIT", "absolute");
    let end = journal.wait_for(&end.with("ACTION", "hang-up"), SOON)?;
    assert!(end.message().starts_with("Hanging up"), "{end}");
    let hung_up = Wanted::event("hung-up").session(id);
    let hung_up = hung_up.with("LIMIT", "absolute");
    journal.wait_for(&hung_up, SOON)?;
    // sshd itself closed the PAM session, so the module was called.
    let closed = "pam_unix(sshd:session): session closed for user alice";
    let closed = Wanted::default().with("MESSAGE", closed);
    journal.wait_for(&closed.with("_PID", &leader), SOON)?;

    assert_left_alone(machine, id)?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    assert_left_alone(machine, id)?;
    assert_eq!(journal.all(&hung_up).len(), 1);
    assert!(runs(machine, "alice", "sleep 1001")?, "nohup did not help");
    assert!(!runs(machine, "alice", "sleep 1002")?, "nothing hung up");
    assert!(!runs(machine, "alice", "-bash")?, "the shell runs on");

    // The user can return to these processes, until the next limit in eight seconds.
    let again = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.run("runuser -u alice -- tmux has-session -t left")?;
    again.wait_closed(secs(15))?;
    Ok(())
}

pub(crate) fn a_termination_ends_detached_processes(machine: &Machine) -> Outcome {
    machine.policy(&policy("terminate"))?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.send(LEFT)?;
    let id = ssh.session();
    ssh.terminal().wait_for(END, secs(15))?;
    ssh.wait_closed(secs(5))?;
    let end = Wanted::event("end").session(id);
    let end = end.with("ACTION", "terminate");
    let end = machine.journal().wait_for(&end, SOON)?;
    let gone = machine.wait_session_gone(id, secs(3 + 2))?;
    // Long before SIGKILL.
    assert_between(end.at, "the end of all", gone, secs(0), secs(1));
    for process in ["sleep 1001", "sleep 1002", "tmux"] {
        assert!(!runs(machine, "alice", process)?, "{process} runs on");
    }
    Ok(())
}

/// login(1) of Debian 12 exits without closing its PAM session, so only logind reports the end.
pub(crate) fn a_console_is_hung_up_as_well(machine: &Machine) -> Outcome {
    machine.policy(&policy("hang-up"))?;
    let mut console = Console::open(machine, Account::Bob)?;
    console.send(LEFT)?;
    let id = console.session();
    let login = login_of(machine, id)?;
    let last = console.terminal().wait_for(END, secs(15))?;
    assert_after(login.at, "the last line", last.at, secs(8));
    console.wait_logged_out(SOON)?;
    let hung_up = Wanted::event("hung-up").session(id);
    let hung_up = machine.journal().wait_for(&hung_up, SOON)?;
    assert_after(login.at, "the hang-up", hung_up.at, secs(8));
    assert_left_alone(machine, id)?;
    assert!(runs(machine, "bob", "sleep 1001")?, "nohup did not help");
    assert!(!runs(machine, "bob", "sleep 1002")?, "nothing hung up");
    assert!(!runs(machine, "bob", "-bash")?, "the shell runs on");
    machine.run("runuser -u bob -- tmux has-session -t left")?;
    Ok(())
}

pub(crate) fn a_session_that_does_not_hang_up_is_terminated_and_then_killed(
    machine: &Machine,
) -> Outcome {
    machine.policy(&policy("hang-up"))?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.send("(trap '' TERM HUP; exec sleep 1003) &\n")?;
    let id = ssh.session();
    stop_leader(machine, id)?;
    let login = login_of(machine, id)?;
    let end = end_by(machine, id, "hang-up")?;
    assert_after(login.at, "the hang-up", end.at, secs(8));
    let terminate = end_by(machine, id, "terminate")?;
    assert_after(end.at, "the termination", terminate.at, secs(3));
    assert!(runs(machine, "alice", "sleep 1003")?);
    let kill = Wanted::event("kill").session(id);
    let kill = machine.journal().wait_for(&kill, SOON)?;
    assert_after(end.at, "the kill", kill.at, secs(3 + 3));
    machine.wait_session_gone(id, secs(5))?;
    assert!(!runs(machine, "alice", "sleep 1003")?);
    Ok(())
}

/// The next daemon repeats a hang-up that was under way, and the stages after it follow.
pub(crate) fn a_hang_up_under_way_survives_the_daemon(machine: &Machine) -> Outcome {
    machine.policy(&policy("hang-up"))?;
    let mut ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.send("(trap '' TERM HUP; exec sleep 1003) &\n")?;
    let id = ssh.session();
    stop_leader(machine, id)?;
    // Before the end: what comes after it must not outlast the grace.
    let pid = machine.daemon_pid()?;
    let end = end_by(machine, id, "hang-up")?;
    machine.run(&format!("kill -KILL {pid}"))?;
    let asked = Wanted::event("end").session(id).with("ACTION", "hang-up");
    let again = wait_until(SOON, "the hang-up to be asked for again", || {
        let times = machine.journal().all(&asked);
        match times.as_slice() {
            [_, again] => Ok(again.clone()),
            other => Err(Failure::new(format!("{} times", other.len()))),
        }
    })?;
    assert_between(end.at, "the second hang-up", again.at, secs(0), secs(1));
    let terminate = end_by(machine, id, "terminate")?;
    assert_after(again.at, "the termination", terminate.at, secs(3));
    assert_eq!(machine.journal().all(&asked).len(), 2);
    let failed = Wanted::event("end-failed");
    assert!(machine.journal().all(&failed).is_empty());
    machine.wait_session_gone(id, secs(3 + 3))?;
    ssh.wait_closed(SOON)?;
    let warnings = ssh.terminal().count("this session ends in");
    assert_eq!(warnings, 1, "{}", ssh.terminal().text());
    Ok(())
}

/// Waits until the daemon ends a session by this action.
fn end_by(machine: &Machine, id: &str, action: &str) -> Outcome<Entry> {
    let end = Wanted::event("end").session(id).with("ACTION", action);
    machine.journal().wait_for(&end, secs(15))
}

/// Whether a process of this user has a command line that begins with `command`.
fn runs(machine: &Machine, user: &str, command: &str) -> Outcome<bool> {
    let found = machine.attempt(&format!("pgrep --uid {user} --full -- '^{command}'"))?;
    Ok(found.code == Some(0))
}

/// Stops the leader, so that it does not react to the hang-up.
fn stop_leader(machine: &Machine, id: &str) -> Outcome {
    let leader = machine.logind_property(id, "Leader")?;
    machine.run(&format!("kill -STOP {leader}")).map(drop)
}

/// Checks that no stage follows the hang-up, not even after the grace and the limit, and that the
/// status gives the reason.
#[track_caller]
fn assert_left_alone(machine: &Machine, id: &str) -> Outcome {
    let harder = [("end", "terminate"), ("kill", "")];
    hold_for(secs(4), "the session to stay untouched", || {
        for (event, action) in harder {
            let wanted = Wanted::event(event).session(id);
            let wanted = match action {
                "" => wanted,
                action => wanted.with("ACTION", action),
            };
            if let Some(entry) = machine.journal().all(&wanted).first() {
                return Err(entry.to_string());
            }
        }
        Ok(())
    })?;
    let status = machine.wait_known(id)?;
    assert_eq!(status["phase"], "exempt", "{status}");
    assert_eq!(status["exemption"], "logged out", "{status}");
    assert_eq!(machine.logind_property(id, "State")?, "closing");
    Ok(())
}
