//! Processes: one is told from a later one with the same number by when it started.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use nix::libc;
use session_timeout_policy::{BootTime, Pid};

/// More processes than this are not looked at. A default kernel has numbers for 4,194,304 at most,
/// and the tasks of users are limited to a third of the machine's each.
const PROCESSES_MAX: usize = 262_144;

/// A leader is there before its session is; the clocks that the two are stamped with may differ by
/// so much.
const SLACK: Duration = Duration::from_secs(1);

/// One process, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    start: Ticks,
}

/// A time since boot, in the ticks that `/proc` counts in (`sysconf(_SC_CLK_TCK)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ticks(u64);

impl Process {
    /// The process that has this number now.
    pub(crate) fn of(pid: Pid) -> Option<Self> {
        Stat::of(pid).and_then(|stat| stat.alive(pid))
    }

    /// The process with this number, if it was there when a session began.
    pub(crate) fn before(pid: Pid, began: BootTime) -> Option<Self> {
        Self::of(pid).filter(|process| process.start.time() <= began.saturating_add(SLACK))
    }

    /// Whether it is still there. One that nobody has waited for yet is not.
    pub(crate) fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// When it started, since boot.
    pub(crate) fn started(self) -> BootTime {
        self.start.time()
    }

    /// The ancestors, the nearest first, without PID 1.
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

/// Nobody nests this deep.
const ANCESTORS_MAX: usize = 64;

impl Ticks {
    fn time(self) -> BootTime {
        BootTime::from_micros(self.0.saturating_mul(1_000_000 / per_second()))
    }
}

fn per_second() -> u64 {
    let told = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
    let told = told.ok().flatten();
    // What every architecture of Debian's has.
    told.and_then(|told| u64::try_from(told).ok())
        .filter(|&told| told > 0)
        .unwrap_or(100)
}

/// What is told of a process in `/proc/PID/stat` (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: State,
    /// Field 4, `ppid`.
    parent: Pid,
    /// Field 7, `tty_nr`: the device number of the controlling terminal.
    terminal: Option<u64>,
    /// Field 22, `starttime`.
    start: Ticks,
}

/// Field 3, `state`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Alive,
    /// A zombie, or gone altogether.
    Ended,
}

impl Stat {
    fn of(pid: Pid) -> Option<Self> {
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw())).ok()?;
        Self::parse(&String::from_utf8_lossy(&stat))
    }

    fn parse(stat: &str) -> Option<Self> {
        // The second field is the name in parentheses, and may itself hold anything.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let state = match fields.next()? {
            "Z" | "X" | "x" => State::Ended,
            _ => State::Alive,
        };
        let parent = fields.next()?.parse().ok()?;
        let number: i32 = fields.nth(2)?.parse().ok()?;
        let start = fields.nth(14)?.parse().ok()?;
        // The minor number is in bits 31 to 20 and 7 to 0, the major in bits 15 to 8.
        let bits = number.cast_unsigned();
        let (major, minor) = ((bits >> 8) & 0xff, (bits & 0xff) | ((bits >> 12) & 0xfff00));
        let device = libc::makedev(major, minor);
        Some(Self {
            state,
            parent: Pid::new(parent),
            terminal: (device != 0).then_some(device),
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

/// All processes at one moment, more or less.
#[derive(Debug, Default)]
pub(crate) struct Census {
    all: BTreeMap<Pid, Stat>,
    children: BTreeMap<Pid, Vec<Pid>>,
}

impl Census {
    /// Reads `/proc`. Some ten microseconds for each process.
    pub(crate) fn take() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let stats = pids.take(PROCESSES_MAX).filter_map(|pid| {
            let pid = Pid::new(pid);
            Some((pid, Stat::of(pid)?))
        });
        Self::of(stats.collect())
    }

    fn of(all: BTreeMap<Pid, Stat>) -> Self {
        let mut children = BTreeMap::<Pid, Vec<Pid>>::new();
        for (&pid, stat) in &all {
            children.entry(stat.parent).or_default().push(pid);
        }
        Self { all, children }
    }

    /// The process and all that descend from it; nothing where it is not there.
    pub(crate) fn below(&self, top: Process) -> BTreeSet<Process> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = if self.has(top) { vec![top.pid] } else { vec![] };
        while let Some(pid) = waiting.pop() {
            // A number may be given out again while all are read.
            if !seen.insert(pid) {
                continue;
            }
            found.extend(self.all.get(&pid).and_then(|stat| stat.alive(pid)));
            waiting.extend(self.children.get(&pid).into_iter().flatten());
        }
        found
    }

    /// The controlling terminals of these processes, by their device numbers.
    pub(crate) fn terminals(&self, of: &BTreeSet<Process>) -> BTreeSet<u64> {
        let terminal = |process: &Process| self.all.get(&process.pid)?.terminal;
        of.iter().filter_map(terminal).collect()
    }

    /// The processes whose controlling terminal is one of these.
    pub(crate) fn on(&self, terminals: &BTreeSet<u64>) -> BTreeSet<Process> {
        let on = |stat: &Stat| stat.terminal.is_some_and(|one| terminals.contains(&one));
        let there = self.all.iter().filter(|(_, stat)| on(stat));
        there.filter_map(|(&pid, stat)| stat.alive(pid)).collect()
    }

    fn has(&self, process: Process) -> bool {
        let stat = self.all.get(&process.pid);
        stat.and_then(|stat| stat.alive(process.pid)) == Some(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes, by their number, their parent, and the number of their terminal or 0.
    fn census<const N: usize>(rows: [(u32, u32, u64); N]) -> Census {
        let one = |(pid, parent, terminal): (u32, u32, u64)| {
            let stat = Stat {
                state: State::Alive,
                parent: Pid::new(parent),
                terminal: (terminal != 0).then_some(terminal),
                start: Ticks(u64::from(pid)),
            };
            (Pid::new(pid), stat)
        };
        Census::of(rows.map(one).into())
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
        let all = census([
            (10, 1, 0),
            (11, 10, 7),
            (12, 11, 7),
            (20, 1, 7),
            (21, 20, 0),
        ]);
        let below = all.below(process(10));
        assert_eq!(numbers(&below), [10, 11, 12]);
        assert_eq!(all.terminals(&below), BTreeSet::from([7]));
        assert_eq!(numbers(&all.on(&BTreeSet::from([7]))), [11, 12, 20]);
    }

    #[test]
    fn a_number_that_was_given_out_again_is_somebody_else() {
        let all = census([(10, 1, 0), (11, 10, 0)]);
        let former = Process {
            start: Ticks(9),
            ..process(10)
        };
        assert_eq!(all.below(former), BTreeSet::new());
    }

    #[test]
    fn numbers_that_lead_around_in_circles_come_to_an_end() {
        let all = census([(10, 11, 0), (11, 10, 0)]);
        assert_eq!(numbers(&all.below(process(10))), [10, 11]);
    }

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let line = "42 (a) b (c)) S 7 42 42 34819 42 4194304 100 0 0 0 1 2 0 0 20 0 1 0 9876 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.parent, Pid::new(7));
        assert_eq!(stat.terminal, Some(libc::makedev(136, 3)));
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
        assert!(Census::take().below(us).contains(&one));
        assert!(one.ancestors().contains(&us));
        assert!(Process::before(one.pid, one.started()).is_some());
        assert!(Process::before(one.pid, us.start.time().saturating_sub(SLACK * 2)).is_none());
        child.kill().unwrap();
        // It has ended, and we have not waited for it.
        let ended = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            !one.lives()
        });
        assert!(ended);
        child.wait().unwrap();
    }
}
