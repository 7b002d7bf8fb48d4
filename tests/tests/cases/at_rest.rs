//! Nothing to do: a daemon that only waits costs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Instant;

use session_timeout_tests::{
    Account, Context, Failure, Machine, Outcome, Ssh, Terminal, UNIT, hold_for, wait_until,
};

use super::{SOON, secs};

const SESSIONS: usize = 100;

/// Limits that are far away, and of every kind that there is.
const POLICY: &str = r#"[default]
    session-timeout = "24h"
    inactivity-timeout = "2h"
    activity = ["input", "output", "inhibitor"]"#;

pub(crate) fn a_hundred_idle_sessions_cost_no_wake_up(machine: &Machine) -> Outcome {
    machine.write(
        "/etc/ssh/sshd_config.d/crowd.conf",
        "MaxStartups 200\nMaxSessions 200\n",
    )?;
    machine.run("systemctl reload ssh")?;
    machine.policy(POLICY)?;
    let first = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(first.session())?;
    let alone = resting(machine)?;
    let memory_of_one = memory(machine)?;
    // What the daemon takes of the memory; some 1.5 MB of libc's beside it are there anyway.
    let own = memory_of_one.get("Pss").copied().unwrap_or(u64::MAX);
    assert!(own <= 4 * 1024, "{memory_of_one:?}");

    let crowd = crowd(machine, SESSIONS - 1)?;
    wait_until(SOON, "a hundred sessions", || {
        let status = machine.status()?;
        let sessions = status["sessions"].as_array().map_or(0, Vec::len);
        if sessions == SESSIONS {
            Ok(())
        } else {
            Err(Failure::new(format!("{sessions} sessions")))
        }
    })?;
    let before = resting(machine)?;
    hold_for(secs(60), "a minute to pass", || Ok::<_, Failure>(()))?;
    let after = Work::of_daemon(machine)?;
    assert_eq!(after, before, "the daemon has done something");

    let memory_of_all = memory(machine)?;
    for (part, most) in [("Rss", 8 * 1024), ("Private_Dirty", 4 * 1024)] {
        let used = memory_of_all.get(part).copied().unwrap_or(u64::MAX);
        assert!(used <= most, "{part}: {used} kB");
    }
    let asked = Instant::now();
    machine.status()?;
    let asked = asked.elapsed();
    let answered = Work::of_daemon(machine)?;
    // Every session is looked at when an inhibitor lock is taken, and again when it is released.
    machine.run("systemd-inhibit --what=idle sleep 2")?;
    let looked = resting(machine)?;
    eprintln!(
        "{}: with 1 session {memory_of_one:?} kB, {alone:?}; \
         with {SESSIONS} {memory_of_all:?} kB, {before:?}; \
         status took {} ms, for {} us of which the daemon worked; a look takes {} us",
        machine.suite(),
        asked.as_millis(),
        answered.micros - after.micros,
        (looked.micros - answered.micros) / (2 * SESSIONS as u64),
    );
    drop(crowd);
    Ok(())
}

/// As many as logind keeps (`sessions_max` in logind-core.c, systemd 252 to 257), of a logind that
/// has nothing but them.
pub(crate) fn all_the_sessions_that_logind_can_have_fit_into_24_mib(machine: &Machine) -> Outcome {
    const ALL: usize = 8192;
    let crowd = fs::read(env!("CARGO_BIN_EXE_crowd")).context("read the crowd")?;
    machine.write("/var/tmp/crowd", crowd)?;
    machine.policy(
        r#"[default]
           session-timeout = "24h"
           inactivity-timeout = "2h""#,
    )?;
    machine.run("systemctl mask --quiet --runtime --now systemd-logind.service")?;
    machine.run(&format!(
        "chmod 755 /var/tmp/crowd && systemd-run --quiet /var/tmp/crowd {ALL}"
    ))?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    let started = Instant::now();
    let last = format!("session-timeout explain crowd{}", ALL - 1);
    wait_until(secs(60), "all sessions to be known", || machine.run(&last))?;
    let known = started.elapsed();
    let work = resting(machine)?;
    let memory_at_rest = memory(machine)?;

    let asked = Instant::now();
    let status = machine.status()?;
    let asked = asked.elapsed();
    assert_eq!(status["sessions"].as_array().map(Vec::len), Some(ALL));
    let memory_after = memory(machine)?;
    let pid = machine.daemon_pid()?;
    let most = number(&machine.run(&format!("grep VmHWM /proc/{pid}/status"))?)?;
    eprintln!(
        "{}: {ALL} sessions known after {} ms, {work:?}, {memory_at_rest:?} kB; \
         status took {} ms, then {memory_after:?} kB, at most {most} kB",
        machine.suite(),
        known.as_millis(),
        asked.as_millis(),
    );
    let rss = memory_at_rest.get("Rss").copied().unwrap_or(u64::MAX);
    assert!(rss <= 24 * 1024, "{rss} kB");
    Ok(())
}

/// What the daemon has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Work {
    /// How often one of its threads was woken or had to wait for a processor.
    switches: u64,
    threads: usize,
    /// The time that it has run, threads that are gone included.
    micros: u64,
}

impl Work {
    fn of_daemon(machine: &Machine) -> Outcome<Self> {
        let pid = machine.daemon_pid()?;
        let statuses = machine.run(&format!("cat /proc/{pid}/task/*/status"))?;
        let lines = || statuses.lines();
        let switches = lines().filter(|line| line.contains("ctxt_switches"));
        let group = format!("/sys/fs/cgroup/system.slice/{UNIT}");
        let used = machine.run(&format!("grep usage_usec {group}/cpu.stat"))?;
        Ok(Self {
            switches: switches.map(number).sum::<Outcome<_>>()?,
            threads: lines().filter(|line| line.starts_with("Pid:")).count(),
            micros: number(&used)?,
        })
    }
}

/// What the daemon has done when it does nothing more: threads that were needed for a moment go
/// after ten seconds.
fn resting(machine: &Machine) -> Outcome<Work> {
    wait_until(secs(60), "the daemon to be at rest", || {
        let before = Work::of_daemon(machine)?;
        hold_for(secs(12), "a pause", || Ok::<_, Failure>(()))?;
        let after = Work::of_daemon(machine)?;
        if after == before {
            Ok(after)
        } else {
            Err(Failure::new(format!("{before:?}, then {after:?}")))
        }
    })
}

/// Sessions of two people, several at a time.
fn crowd(machine: &Machine, count: usize) -> Outcome<Vec<Ssh>> {
    const AT_ONCE: usize = 4;
    let some = |first: usize| -> Outcome<Vec<Ssh>> {
        let numbers = (first..count).step_by(AT_ONCE);
        let account = [Account::Alice, Account::Bob][first % 2];
        numbers
            .map(|_| Ssh::open(machine, account, Terminal::Pty))
            .collect()
    };
    thread::scope(|scope| {
        let openers: Vec<_> = (0..AT_ONCE)
            .map(|first| scope.spawn(move || some(first)))
            .collect();
        let mut all = Vec::new();
        for opener in openers {
            let opened = opener.join().map_err(|_| Failure::new("a panic"))?;
            all.extend(opened?);
        }
        Ok(all)
    })
}

/// The daemon's memory in kB, by the kernel's words for its parts.
fn memory(machine: &Machine) -> Outcome<BTreeMap<String, u64>> {
    let pid = machine.daemon_pid()?;
    let parts = machine.run(&format!("cat /proc/{pid}/smaps_rollup"))?;
    let wanted = ["Rss:", "Pss:", "Private_Dirty:"];
    parts
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
        .map(|line| {
            let name = line.split(':').next().unwrap_or_default();
            Ok((name.to_owned(), number(line)?))
        })
        .collect()
}

/// The number in a line such as `Rss:   4096 kB`.
fn number(line: &str) -> Outcome<u64> {
    let number = line.split_whitespace().nth(1).unwrap_or_default();
    number.parse().context(line.to_owned())
}
