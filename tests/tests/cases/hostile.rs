//! A user who does what a user may do on the system bus, as fast as the bus lets it: nobody else's
//! session lasts any longer for it.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use session_timeout_tests::{
    Account, Context, Desktop, Locker, Machine, Outcome, Ssh, Terminal, Wanted,
};

use super::{SOON, assert_after, assert_between, login_of, secs};

const MALLORY: &str = include_str!("../../hostile/mallory.pl");

/// Desktops of whoever does it: eight questions a second, of which the bus lets 128 be open.
const DESKTOPS: usize = 8;

/// In seconds: longer than any case. It ends with the machine.
const FLOOD: u32 = 120;

/// The daemon's memory at its highest, in kB. A third of that was measured, and one message that is
/// let in may be 32 MiB long.
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

pub(crate) fn an_agent_that_never_answers_keeps_nobody_elses_session(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    machine.write("/var/tmp/mallory.pl", MALLORY)?;
    let desktops = (0..DESKTOPS).map(|_| Desktop::open(machine, Account::Mallory, Locker::None));
    let desktops: Vec<_> = desktops.collect::<Outcome<_>>()?;
    let ids: Vec<_> = desktops.iter().map(Desktop::session).collect();
    for id in &ids {
        machine.wait_known(id)?;
    }
    let _mallory = mallory(machine, &format!("silent {FLOOD} {}", ids.join(" ")))?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let silent = Wanted::event("agent-silent").session(ids[0]);
    machine.journal().wait_for(&silent, SOON)?;
    assert_ends_on_time(machine, &ssh)?;
    assert_answers(machine, secs(5))
}

pub(crate) fn a_flood_of_calls_and_forged_signals_delays_nobody(machine: &Machine) -> Outcome {
    machine.policy(POLICY)?;
    machine.write("/var/tmp/mallory.pl", MALLORY)?;
    let daemon = machine.daemon_pid()?;
    let floods = [
        format!("calls {FLOOD} many"),
        format!("calls {FLOOD} big"),
        format!("calls {FLOOD} fds"),
        format!("signals {FLOOD} {daemon}"),
    ];
    let floods = floods.iter().map(|flood| mallory(machine, flood));
    let mut floods: Vec<_> = floods.collect::<Outcome<_>>()?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    assert_ends_on_time(machine, &ssh)?;
    assert_answers(machine, secs(5))?;
    for flood in &mut floods {
        let ended = flood.try_wait().context("look after a flood")?;
        assert!(ended.is_none(), "a flood has ended before: {ended:?}");
    }
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

/// Starts it, as a user.
fn mallory(machine: &Machine, what: &str) -> Outcome<Child> {
    let arguments = what.split(' ');
    machine
        .command("runuser")
        .args([
            "-u",
            Account::Mallory.name(),
            "--",
            "perl",
            "/var/tmp/mallory.pl",
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("start a flood")
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
    // On a host that is busy the shell may leave it to the end of the grace.
    let closed = ssh.wait_closed(secs(20))?;
    assert_between(login.at, "the close", closed, secs(30), secs(30 + 3 + 2));
    machine.wait_session_gone(id, SOON)?;
    Ok(())
}

/// That root is told where everything stands within `bound`.
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
