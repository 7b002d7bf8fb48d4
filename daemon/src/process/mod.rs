//! Processes, identified by process id and start time, so that a reused id is another process.

pub(crate) mod cgroup;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use session_timeout_policy::{AuditSession, BootTime, Pid};

/// Maximum number of processes that are read. A default kernel has 4,194,304 process ids at most,
/// and limits the tasks of each user to a third of the machine's.
const PROCESSES_MAX: usize = 262_144;

/// Tolerance between the clocks of a leader's start and of its session's, since the leader starts
/// before its session.
const START_TOLERANCE: Duration = Duration::from_secs(1);

/// One process, identified for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    start: Ticks,
}

/// A time since boot in clock ticks, the unit of `/proc` (`sysconf(_SC_CLK_TCK)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ticks(u64);

impl Process {
    /// The process that has this id now.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        Stat::of(pid).and_then(|stat| stat.alive(pid))
    }

    /// The process with this id, if it started before the session.
    pub(crate) fn before(pid: Pid, began: BootTime) -> Option<Self> {
        Self::of(pid).filter(|process| process.began_before(began))
    }

    /// Whether it started before the session that began at this time.
    pub(crate) fn began_before(self, began: BootTime) -> bool {
        self.start.time() <= began.saturating_add(START_TOLERANCE)
    }

    /// Whether it runs. A zombie does not.
    pub(crate) fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// The audit session of the login that this process leads. `None` if its parent is in the same
    /// one, as with su(1): then it leads none.
    pub(crate) fn audit_of_login(self) -> Option<AuditSession> {
        let parent = Stat::of(self.pid)?.parent;
        let audit = audit(self.pid)?;
        (self.lives() && self::audit(parent) != Some(audit)).then_some(audit)
    }

    /// Start time, since boot.
    pub(crate) fn started(self) -> BootTime {
        self.start.time()
    }

    /// The ancestors, nearest first, without PID 1.
    pub(crate) fn ancestors(self) -> Vec<Self> {
        let mut found = Vec::new();
        let mut next = Stat::of(self.pid).map(|stat| stat.parent);
        while let Some(pid) = next.filter(|pid| pid.as_raw() > 1 && found.len() < ANCESTORS_MAX) {
            let Some(stat) = Stat::of(pid) else { break };
            found.extend(stat.alive(pid));
            next = Some(stat.parent);
        }
        found
    }
}

/// The process and all its descendants; empty if it does not run. Some thirty microseconds for each
/// of them, however many others there are.
///
/// The kernel may leave out a child while another one exits (`get_children_pid()`), so a caller
/// that needs them all reads again, or takes a [`Snapshot`].
pub(crate) fn tree(top: Process) -> BTreeSet<Process> {
    if !*LISTS_CHILDREN {
        return Snapshot::take().tree(top);
    }
    let mut found = BTreeSet::new();
    let mut waiting = if top.lives() { vec![top] } else { vec![] };
    while let Some(process) = waiting.pop() {
        if found.len() < PROCESSES_MAX && found.insert(process) {
            waiting.extend(children(process));
        }
    }
    found
}

/// Whether the kernel lists the children of a process (`CONFIG_PROC_CHILDREN`).
static LISTS_CHILDREN: LazyLock<bool> =
    LazyLock::new(|| Path::new("/proc/thread-self/children").exists());

/// The children of all threads of a process.
fn children(parent: Process) -> Vec<Process> {
    let tasks = fs::read_dir(format!("/proc/{}/task", parent.pid.as_raw()));
    let tasks = tasks.into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let mut found = Vec::new();
    for list in lists {
        let pids = list.split_ascii_whitespace();
        let pids = pids.filter_map(|pid| pid.parse().ok().map(Pid::new));
        // The id of a child that has exited may be another process's by now.
        found.extend(pids.filter_map(|pid| {
            let stat = Stat::of(pid).filter(|stat| stat.parent == parent.pid)?;
            stat.alive(pid)
        }));
    }
    // Otherwise they may be the children of a process that has reused its id.
    if parent.lives() { found } else { Vec::new() }
}

/// All processes of an audit session. Reads `/proc`: some ten microseconds for each process.
pub(crate) fn in_audit_session(wanted: AuditSession) -> BTreeSet<Process> {
    let pids = all().filter(|&pid| audit(pid) == Some(wanted));
    pids.filter_map(Process::of).collect()
}

fn audit(pid: Pid) -> Option<AuditSession> {
    let number = fs::read_to_string(format!("/proc/{}/sessionid", pid.as_raw())).ok()?;
    AuditSession::new(number.trim().parse().ok()?)
}

fn all() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.take(PROCESSES_MAX).map(Pid::new)
}

/// Maximum depth of ancestors.
const ANCESTORS_MAX: usize = 64;

impl Ticks {
    fn time(self) -> BootTime {
        BootTime::from_micros(self.0.saturating_mul(1_000_000 / per_second()))
    }
}

fn per_second() -> u64 {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
    let ticks = ticks.ok().flatten();
    // The value of every architecture of Debian.
    ticks
        .and_then(|ticks| u64::try_from(ticks).ok())
        .filter(|&ticks| ticks > 0)
        .unwrap_or(100)
}

/// Fields of `/proc/PID/stat` (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: State,
    /// Field 4, `ppid`.
    parent: Pid,
    /// Field 22, `starttime`.
    start: Ticks,
}

/// Field 3, `state`, reduced to what is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Alive,
    /// A zombie, or dead.
    Ended,
}

impl Stat {
    fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw())).ok()?;
        Self::parse(&String::from_utf8_lossy(&stat))
    }

    fn parse(stat: &str) -> Option<Self> {
        // The second field is the name in parentheses, which may contain any byte.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let state = match fields.next()? {
            "Z" | "X" | "x" => State::Ended,
            _ => State::Alive,
        };
        let parent = fields.next()?.parse().ok()?;
        let start = fields.nth(17)?.parse().ok()?;
        Some(Self {
            state,
            parent: Pid::new(parent),
            start: Ticks(start),
        })
    }

    fn alive(&self, pid: Pid) -> Option<Process> {
        let process = Process {
            pid,
            start: self.start,
        };
        (self.state == State::Alive).then_some(process)
    }
}

/// A snapshot of all processes, not atomic.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    all: BTreeMap<Pid, Stat>,
    children: BTreeMap<Pid, Vec<Pid>>,
}

impl Snapshot {
    /// Takes a snapshot of `/proc`. Some ten microseconds for each process.
    pub(crate) fn take() -> Self {
        Self::of(
            all()
                .filter_map(|pid| Some((pid, Stat::of(pid)?)))
                .collect(),
        )
    }

    fn of(all: BTreeMap<Pid, Stat>) -> Self {
        let mut children = BTreeMap::<Pid, Vec<Pid>>::new();
        for (&pid, stat) in &all {
            children.entry(stat.parent).or_default().push(pid);
        }
        Self { all, children }
    }

    /// The process and all its descendants; empty if it is not there.
    pub(crate) fn tree(&self, top: Process) -> BTreeSet<Process> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = if self.has(top) { vec![top.pid] } else { vec![] };
        while let Some(pid) = waiting.pop() {
            // An id may be reused while the others are read.
            if !seen.insert(pid) {
                continue;
            }
            found.extend(self.all.get(&pid).and_then(|stat| stat.alive(pid)));
            waiting.extend(self.children.get(&pid).into_iter().flatten());
        }
        found
    }

    fn has(&self, process: Process) -> bool {
        let stat = self.all.get(&process.pid);
        stat.and_then(|stat| stat.alive(process.pid)) == Some(process)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    /// Processes by their id and their parent's.
    fn snapshot<const N: usize>(rows: [(u32, u32); N]) -> Snapshot {
        let one = |(pid, parent): (u32, u32)| {
            let stat = Stat {
                state: State::Alive,
                parent: Pid::new(parent),
                start: Ticks(u64::from(pid)),
            };
            (Pid::new(pid), stat)
        };
        Snapshot::of(rows.map(one).into())
    }

    fn process(pid: u32) -> Process {
        Process {
            pid: Pid::new(pid),
            start: Ticks(u64::from(pid)),
        }
    }

    fn numbers(processes: &BTreeSet<Process>) -> Vec<u32> {
        processes.iter().map(|one| one.pid.as_raw()).collect()
    }

    #[test]
    fn what_descends_from_a_process_is_found_and_nothing_else() {
        let all = snapshot([(10, 1), (11, 10), (12, 11), (20, 1), (21, 20)]);
        let below = all.tree(process(10));
        assert_eq!(numbers(&below), [10, 11, 12]);
    }

    #[test]
    fn a_number_that_was_given_out_again_is_somebody_else() {
        let all = snapshot([(10, 1), (11, 10)]);
        let former = Process {
            start: Ticks(9),
            ..process(10)
        };
        assert_eq!(all.tree(former), BTreeSet::new());
    }

    #[test]
    fn numbers_that_lead_around_in_circles_come_to_an_end() {
        let all = snapshot([(10, 11), (11, 10)]);
        assert_eq!(numbers(&all.tree(process(10))), [10, 11]);
    }

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let line = "42 (a) b (c)) S 7 42 42 34819 42 4194304 100 0 0 0 1 2 0 0 20 0 1 0 9876 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.parent, Pid::new(7));
        assert_eq!((stat.start, stat.state), (Ticks(9876), State::Alive));
        let zombie = Stat::parse(&line.replace(") S", ") Z")).unwrap();
        assert_eq!(zombie.alive(Pid::new(42)), None);
        assert_eq!(Stat::parse("42 (bash) S 1"), None);
    }

    #[test]
    fn a_child_lives_until_it_has_ended_and_is_found_below_us() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let one = Process::of(Pid::new(child.id())).unwrap();
        let us = Process::of(Pid::new(std::process::id())).unwrap();
        assert!(Snapshot::take().tree(us).contains(&one));
        assert!(tree(us).contains(&one));
        assert_eq!(tree(one), [one].into());
        assert!(one.ancestors().contains(&us));
        // It inherits the audit session of the test's caller, if there is one.
        assert_eq!(one.audit_of_login(), None);
        if let Some(audit) = audit(us.pid) {
            assert!(in_audit_session(audit).contains(&one));
        }
        assert!(Process::before(one.pid, one.started()).is_some());
        assert!(
            Process::before(one.pid, us.start.time().saturating_sub(START_TOLERANCE * 2)).is_none()
        );
        child.kill().unwrap();
        // A zombie: it has exited, and the test has not waited for it.
        let ended = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            !one.lives()
        });
        assert!(ended);
        child.wait().unwrap();
        assert_eq!(tree(one), BTreeSet::new());
    }

    #[test]
    fn a_grandchild_is_of_the_family_and_the_parent_is_not() {
        let script = "sleep 60 & echo $!; wait";
        let mut shell = std::process::Command::new("sh")
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        let one = Process::of(Pid::new(shell.id())).unwrap();
        let below = Process::of(Pid::new(said.trim().parse().unwrap())).unwrap();
        assert_eq!(tree(one), [one, below].into());
        assert_eq!(tree(one), Snapshot::take().tree(one));
        shell.kill().unwrap();
        shell.wait().unwrap();
        let below = i32::try_from(below.pid.as_raw()).unwrap();
        let below = nix::unistd::Pid::from_raw(below);
        nix::sys::signal::kill(below, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}
