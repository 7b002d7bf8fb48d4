//! Resources of an idle daemon: no wake-ups, and little memory, also with very many sessions.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use session_timeout_tests::{
    Account, Context, Failure, Machine, Outcome, Ssh, Terminal, UNIT, hold_for, wait_until,
};

use super::{SOON, secs};

const SESSIONS: usize = 100;

/// It writes to terminals, and has nothing to do here.
const HELPER: &str = "session-timeout-terminals.service";

/// Limits of all kinds, far in the future.
const POLICY: &str = r#"[default]
    session-timeout = "24h"
    inactivity-timeout = "2h"
    activity = ["input", "output", "inhibitor"]"#;

pub(crate) fn a_hundred_idle_sessions_cost_no_wake_up(machine: &Machine) -> Outcome {
    machine.write(
        "/etc/ssh/sshd_config.d/many.conf",
        "MaxStartups 200\nMaxSessions 200\n",
    )?;
    machine.run("systemctl reload ssh")?;
    machine.policy(POLICY)?;
    let first = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(first.session())?;
    let alone = resting(machine)?;
    let memory_of_one = memory(machine, UNIT)?;
    // The daemon's own share of the memory; about 1.5 MB of libc are shared with other processes.
    let own = memory_of_one.get("Pss").copied().unwrap_or(u64::MAX);
    assert!(own <= 4 * 1024, "{memory_of_one:?}");
    let helper = Work::of(machine, HELPER)?;

    let sessions = open_many(machine, SESSIONS - 1)?;
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
    let after = Work::of(machine, UNIT)?;
    assert_eq!(after, before, "the daemon has done something");
    let helper_after = Work::of(machine, HELPER)?;
    assert_eq!(helper_after, helper, "the helper has done something");
    let memory_of_helper = memory(machine, HELPER)?;
    let own = memory_of_helper.get("Pss").copied().unwrap_or(u64::MAX);
    assert!(own <= 2 * 1024, "{memory_of_helper:?}");

    let memory_of_all = memory(machine, UNIT)?;
    for (part, most) in [("Rss", 8 * 1024), ("Private_Dirty", 4 * 1024)] {
        let used = memory_of_all.get(part).copied().unwrap_or(u64::MAX);
        assert!(used <= most, "{part}: {used} kB");
    }
    let asked = Instant::now();
    machine.status()?;
    let asked = asked.elapsed();
    let answered = Work::of(machine, UNIT)?;
    // Every session is probed when an inhibitor lock is taken, and again when it is released.
    machine.run("systemd-inhibit --what=idle sleep 2")?;
    let probed = resting(machine)?;
    eprintln!(
        "{}: with 1 session {memory_of_one:?} kB, {alone:?}; \
         with {SESSIONS} {memory_of_all:?} kB, {before:?}; \
         the helper {memory_of_helper:?} kB, {helper:?}; \
         status took {} ms, for {} us of which the daemon worked; a probe takes {} us",
        machine.suite(),
        asked.as_millis(),
        answered.micros - after.micros,
        (probed.micros - answered.micros) / (2 * SESSIONS as u64),
    );
    drop(sessions);
    Ok(())
}

pub(crate) fn all_the_sessions_that_logind_can_have_fit_into_20_mib(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "24h"
           inactivity-timeout = "2h""#,
    )?;
    let mut known = know_all(machine)?;
    // The daemon's start, and the limit of its private memory in MiB. Shared memory (the C library,
    // the program text) does not grow with the number of sessions.
    for (occasion, most) in [("all at once", 28), ("from the state", 18)] {
        let work = resting(machine)?;
        let memory = memory(machine, UNIT)?;
        eprintln!(
            "{}: {ALL} sessions {occasion}: known after {} ms, {work:?}, {memory:?} kB",
            machine.suite(),
            known.as_millis(),
        );
        let private = memory.get("Private_Dirty").copied().unwrap_or(u64::MAX);
        assert!(private <= most * 1024, "{occasion}: {private} kB");
        known = restart(machine)?;
    }
    Ok(())
}

/// As if all users of a large machine had logged in at the same time.
pub(crate) fn all_the_sessions_that_logind_can_have_are_warned_and_ended(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "60s"
           session-warnings = ["20s"]
           grace = "10s""#,
    )?;
    know_all(machine)?;
    let gone = wait_until(secs(150), "all to be ended", || {
        let gone = Burst::of(machine, "gone")?;
        if gone.count == ALL {
            Ok(gone)
        } else {
            Err(Failure::new(format!("{gone:?}")))
        }
    })?;
    let (warned, ended) = (Burst::of(machine, "warning")?, Burst::of(machine, "end")?);
    eprintln!("{}: {warned:?}, {ended:?}, {gone:?}", machine.suite());
    assert_eq!((warned.count, ended.count), (ALL, ALL));
    // Measured on two processors: 0.6 s, 1.7 s, and 6 s from the first end to the last departure.
    assert!(warned.last - warned.first < 5.0, "{warned:?}");
    assert!(ended.last - ended.first < 10.0, "{ended:?}");
    assert!(gone.last - ended.first < 20.0, "{gone:?}");
    Ok(())
}

/// The journal's entries of one kind of event.
#[derive(Debug)]
struct Burst {
    count: usize,
    /// In seconds since the boot of the host.
    first: f64,
    last: f64,
}

impl Burst {
    fn of(machine: &Machine, event: &str) -> Outcome<Self> {
        let told = machine.run(&format!(
            "journalctl --quiet --output=short-monotonic SESSION_TIMEOUT_EVENT={event} \
             | sed 's/^\\[ *\\([0-9.]*\\)\\].*/\\1/'"
        ))?;
        let time = |line: Option<&str>| -> Outcome<f64> {
            let line = line.context(format!("no {event} in the journal"))?;
            line.parse().context(format!("the time of {event}: {line}"))
        };
        Ok(Self {
            count: told.lines().count(),
            first: time(told.lines().next())?,
            last: time(told.lines().last())?,
        })
    }
}

/// logind's maximum (`sessions_max` in logind-core.c, systemd 252 to 257).
const ALL: usize = 8192;

/// Replaces logind by a fake one that has only sessions. Returns the time until the daemon knows
/// all of them.
fn know_all(machine: &Machine) -> Outcome<Duration> {
    let program = fs::read(env!("CARGO_BIN_EXE_fake-logind")).context("read fake-logind")?;
    machine.write("/var/tmp/fake-logind", program)?;
    machine.run("systemctl mask --quiet --runtime --now systemd-logind.service")?;
    machine.run(&format!(
        "chmod 755 /var/tmp/fake-logind && systemd-run --quiet /var/tmp/fake-logind {ALL}"
    ))?;
    restart(machine)
}

/// Restarts the daemon. Returns the time until it knows the last session.
fn restart(machine: &Machine) -> Outcome<Duration> {
    machine.run(&format!("systemctl restart {UNIT}"))?;
    let started = Instant::now();
    let last = format!("session-timeout explain fake{}", ALL - 1);
    wait_until(secs(60), "all sessions to be known", || machine.run(&last))?;
    Ok(started.elapsed())
}

/// The resources that a service has used so far.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Work {
    /// The number of context switches of its threads.
    switches: u64,
    threads: usize,
    /// The CPU time, including that of exited threads.
    micros: u64,
}

impl Work {
    fn of(machine: &Machine, unit: &str) -> Outcome<Self> {
        let pid = machine.main_pid(unit)?;
        let statuses = machine.run(&format!("cat /proc/{pid}/task/*/status"))?;
        let lines = || statuses.lines();
        let switches = lines().filter(|line| line.contains("ctxt_switches"));
        let group = format!("/sys/fs/cgroup/system.slice/{unit}");
        let used = machine.run(&format!("grep usage_usec {group}/cpu.stat"))?;
        Ok(Self {
            switches: switches.map(number).sum::<Outcome<_>>()?,
            threads: lines().filter(|line| line.starts_with("Pid:")).count(),
            micros: number(&used)?,
        })
    }
}

/// The resources used when the daemon has become idle: temporary threads exit after ten seconds.
fn resting(machine: &Machine) -> Outcome<Work> {
    wait_until(secs(60), "the daemon to be idle", || {
        let before = Work::of(machine, UNIT)?;
        hold_for(secs(12), "a pause", || Ok::<_, Failure>(()))?;
        let after = Work::of(machine, UNIT)?;
        if after == before {
            Ok(after)
        } else {
            Err(Failure::new(format!("{before:?}, then {after:?}")))
        }
    })
}

/// Opens sessions of two users, several at a time.
fn open_many(machine: &Machine, count: usize) -> Outcome<Vec<Ssh>> {
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

/// The memory of a service in kB, by the kernel's names of its parts.
fn memory(machine: &Machine, unit: &str) -> Outcome<BTreeMap<String, u64>> {
    let pid = machine.main_pid(unit)?;
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
