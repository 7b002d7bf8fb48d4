//! A hostile user floods the system bus, blocks terminals and creates processes: the sessions of
//! other users still end on time.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use session_timeout_tests::{
    Account, Context, Desktop, Failure, Locker, Machine, Outcome, Ssh, Terminal, Wanted,
    wait_until, workspace_dir,
};

use super::mallory::{self, FLOOD};
use super::{SOON, assert_after, assert_between, late, login_of, secs};

/// The number of desktops of the hostile user: eight calls a second, of which the bus allows 128
/// pending.
const DESKTOPS: usize = 8;

/// Maximum memory of the daemon, in kB. A third of it was measured, and one accepted message may be
/// 32 MiB long.
const MEMORY: u64 = 16 * 1024;

const POLICY: &str = r#"[default]
    session-timeout = "60min"
    inactivity-timeout = "50min"

    [[rule]]
    name = "alice"
    match = { user = "alice" }
    session-timeout = "30s"
    session-warnings = ["10s"]
    grace = "3s""#;

pub(crate) fn an_agent_without_replies_delays_no_other_user(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    mallory::install(machine)?;
    let desktops = (0..DESKTOPS).map(|_| Desktop::open(machine, Account::Mallory, Locker::None));
    let desktops: Vec<_> = desktops.collect::<Outcome<_>>()?;
    let ids: Vec<_> = desktops.iter().map(Desktop::session).collect();
    for id in &ids {
        machine.wait_known(id)?;
    }
    let _mallory = mallory::start(
        machine,
        Account::Mallory,
        &format!("silent {FLOOD} {}", ids.join(" ")),
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let silent = Wanted::event("agent-silent").session(ids[0]);
    machine.journal().wait_for(&silent, SOON)?;
    assert_ends_on_time(machine, &ssh)?;
    assert_answers(machine, secs(5))
}

pub(crate) fn a_flood_of_calls_and_forged_signals_delays_nobody(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    mallory::install(machine)?;
    let daemon = machine.daemon_pid()?;
    let floods = [
        format!("calls {FLOOD} many"),
        format!("calls {FLOOD} big"),
        format!("calls {FLOOD} fds"),
        format!("signals {FLOOD} {daemon}"),
    ];
    let floods = floods
        .iter()
        .map(|flood| mallory::start(machine, Account::Mallory, flood));
    let mut floods: Vec<_> = floods.collect::<Outcome<_>>()?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    assert_ends_on_time(machine, &ssh)?;
    assert_answers(machine, secs(5))?;
    mallory::assert_running(&mut floods)?;
    assert_eq!(machine.daemon_pid()?, daemon, "the daemon was restarted");
    let most = most_memory(machine, daemon)?;
    let open = machine.run(&format!("ls /proc/{daemon}/fd | wc -l"))?;
    let open = open.trim();
    eprintln!("{}: {most} kB at most, {open} descriptors", machine.suite());
    assert!(most <= MEMORY, "{most} kB");
    let lost = machine.journal().all(&Wanted::event("logind-lost"));
    assert!(lost.is_empty(), "{}", lost[0]);
    Ok(())
}

/// A rule for the hostile user: an absolute limit of `limit`, an inactivity limit one second
/// shorter, and a warning every two seconds in the second half.
fn mallorys(limit: u32) -> String {
    let leads: Vec<_> = (1..=limit / 4)
        .map(|count| format!("{}s", 2 * count))
        .collect();
    format!(
        r#"

    [[rule]]
    name = "mallory"
    match = {{ user = "mallory" }}
    session-timeout = "{limit}s"
    session-warnings = {leads:?}
    inactivity-timeout = "{}s"
    inactivity-warnings = {leads:?}
    grace = "3s""#,
        limit - 1
    )
}

pub(crate) fn terminals_that_block_every_process_that_opens_them_delay_nobody(
    machine: &Machine,
) -> Outcome {
    machine.policy(&format!("{POLICY}{}", mallorys(40)))?;
    // As udev creates it; a container does not have it.
    machine.run("test -e /dev/fuse || mknod /dev/fuse c 10 229; chmod 0666 /dev/fuse")?;
    let stall = compiled(machine, "stall")?;
    let daemon = machine.daemon_pid()?;
    let mut attack = Ssh::open(machine, Account::Mallory, Terminal::Pty)?;
    let login = login_of(machine, attack.session())?;
    attack.send(&format!("{stall} 8 4 {FLOOD} &\n"))?;
    attack
        .terminal()
        .wait_for("stalling 8-terminals", secs(30))?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    assert_ends_on_time(machine, &ssh)?;
    let warned = ssh
        .terminal()
        .count("Session timeout: this session ends in 10 s");
    assert_eq!(warned, 1, "{}", ssh.terminal().text());

    let end = Wanted::event("end").session(attack.session());
    let end = machine.journal().wait_for(&end, secs(60))?;
    assert_after(login.at, "the end of the attack", end.at, secs(39));
    machine.wait_session_gone(attack.session(), secs(30))?;
    assert_answers(machine, secs(5))?;
    assert_eq!(machine.daemon_pid()?, daemon, "the daemon was restarted");
    // Sessions that begin afterwards are warned as before.
    let next = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    machine.wait_known(next.session())?;
    Ok(())
}

pub(crate) fn a_user_with_very_many_processes_delays_nobody(machine: &Machine) -> Outcome {
    // The attacker's end, which ends thousands of processes, is due after the other one.
    machine.policy(&format!("{POLICY}{}", mallorys(60)))?;
    let crowd = compiled(machine, "crowd")?;
    let mut attack = Ssh::open(machine, Account::Mallory, Terminal::Pty)?;
    attack.send(&format!("{crowd} {PROCESSES} {FLOOD} &\n"))?;
    attack.terminal().wait_for("crowd of ", secs(30))?;
    let there = machine.run("ps --no-headers -u mallory | wc -l")?;
    let there: u32 = there.trim().parse().context(there.clone())?;
    eprintln!("{}: {there} processes", machine.suite());
    assert!(there > PROCESSES / 4, "only {there} processes");
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    // From here on, the daemon always probes or warns the hostile user.
    let warning = Wanted::event("warning").session(attack.session());
    machine.journal().wait_for(&warning, secs(40))?;
    let mut longest = Duration::ZERO;
    wait_until(secs(60), "the end of the other", || {
        let asked = Instant::now();
        machine.status()?;
        longest = longest.max(asked.elapsed());
        let end = Wanted::event("end").session(ssh.session());
        let ends = machine.journal().all(&end);
        if ends.is_empty() {
            Err(Failure::new("the end was not requested"))
        } else {
            Ok(())
        }
    })?;
    eprintln!("{}: an answer took {longest:?} at most", machine.suite());
    // The daemon waits at most three seconds for the state of the user's terminals.
    assert!(longest < secs(5), "an answer took {longest:?}");
    assert_ends_on_time(machine, &ssh)?;
    let end = Wanted::event("end").session(attack.session());
    machine.journal().wait_for(&end, secs(60))?;
    Ok(())
}

pub(crate) fn an_end_waits_for_no_program_that_writes_to_terminals(machine: &Machine) -> Outcome {
    const HELPER: &str = "session-timeout-terminals.service";
    machine.policy(POLICY)?;
    let pid = machine.main_pid(HELPER)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    ssh.terminal()
        .wait_for("this session ends in 10 s", secs(40))?;
    machine.run(&format!("kill -STOP {pid}"))?;
    assert_ends_on_time(machine, &ssh)?;
    machine.run(&format!("kill -CONT {pid}"))?;
    let group = format!("/sys/fs/cgroup/system.slice/{HELPER}/cgroup.procs");
    wait_until(secs(30), "its workers to end when nobody is warned", || {
        let processes = machine.run(&format!("cat {group}"))?;
        if processes.trim() == pid.to_string() {
            Ok(())
        } else {
            Err(Failure::new(processes))
        }
    })?;

    // After SIGKILL systemd starts it again, with the same socket.
    machine.run(&format!("kill -KILL {pid}"))?;
    wait_until(SOON, "it to run again", || {
        let next = machine.main_pid(HELPER)?;
        if next == pid {
            Err(Failure::new("the old one"))
        } else {
            Ok(())
        }
    })?;

    // Stopping the socket also stops the service.
    machine.run("systemctl stop session-timeout-terminals.socket")?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    assert_ends_on_time(machine, &ssh)?;
    let warned = Wanted::event("warning").session(ssh.session());
    let warned = machine.journal().wait_for(&warned, SOON)?;
    assert_eq!(warned.field("REACHED"), Some("0"), "{warned}");
    assert!(
        warned.message().starts_with("Nobody could be warned"),
        "{warned}"
    );
    Ok(())
}

/// Enough processes to keep the daemon busy for most of a second.
const PROCESSES: u32 = 15_000;

/// Builds a hostile program and copies it into the machine; returns its path there.
fn compiled(machine: &Machine, name: &str) -> Outcome<String> {
    let source = workspace_dir().join(format!("tests/hostile/{name}.c"));
    let built = format!("{name}-{}", machine.suite());
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join(built);
    // Static, since the machine may have another C library.
    let status = Command::new("cc")
        .args(["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&built, &source])
        .status()
        .context("run the C compiler")?;
    assert!(status.success(), "{name}.c: {status}");
    let path = format!("/var/tmp/{name}");
    machine.write(&path, fs::read(&built).context("read a program")?)?;
    machine.run(&format!("chmod 0755 {path}"))?;
    Ok(path)
}

fn assert_ends_on_time(machine: &Machine, ssh: &Ssh) -> Outcome {
    let id = ssh.session();
    let login = login_of(machine, id)?;
    let warning = Wanted::event("warning").session(id).with("LEAD_SEC", "10");
    let warning = machine.journal().wait_for(&warning, secs(40))?;
    assert_after(login.at, "the warning", warning.at, secs(20));
    let end = Wanted::event("end").session(id);
    let end = machine.journal().wait_for(&end, secs(20))?;
    assert_after(login.at, "the end", end.at, secs(30));
    // On a busy host the shell may live until the end of the grace.
    let closed = ssh.wait_closed(secs(20))?;
    let limit = login.at + secs(30);
    late(machine, "the end was requested", limit, end.at);
    late(machine, "the connection was closed", limit, closed);
    assert_between(login.at, "the close", closed, secs(30), secs(30 + 3 + 2));
    machine.wait_session_gone(id, SOON)?;
    Ok(())
}

/// Checks that root gets a status within `bound`.
fn assert_answers(machine: &Machine, bound: Duration) -> Outcome {
    let asked = Instant::now();
    machine.status()?;
    let took = asked.elapsed();
    assert!(took < bound, "the status took {took:?}");
    Ok(())
}

fn most_memory(machine: &Machine, pid: u32) -> Outcome<u64> {
    let line = machine.run(&format!("grep VmHWM: /proc/{pid}/status"))?;
    let number = line.split_whitespace().nth(1).unwrap_or_default();
    number.parse().context(line.clone())
}
