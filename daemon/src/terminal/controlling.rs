//! Finds the terminals of a login: those of the leader's descendants, and those of other processes
//! in the session's control group.
//!
//! The control group alone is not sufficient. A server of tmux or screen stays in the group in
//! which it was started, together with its terminals, and a user types into those from another
//! session. Such a server is not a descendant of the leader. Conversely, `systemd-run --user
//! --scope` moves a shell out of the group, and it still belongs to the login.
//!
//! A connection without a terminal may have started such a server as well (that of a remote
//! editor). Then the server's terminals are the only ones of the login.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};
use session_timeout_policy::{BootTime, Pid, SessionFacts};
use session_timeout_terminals::Witness;
use session_timeout_terminals::process::Stat;

use crate::process::cgroup;

/// Maximum number of processes that are read, as in [`cgroup::processes`].
const PROCESSES_MAX: usize = 65_536;

/// Tolerance between logind's time stamp of the session and the start of its leader, which the
/// kernel counts in clock ticks.
const START_TOLERANCE: Duration = Duration::from_secs(1);

/// Terminals by device number, each with a process whose controlling terminal it is.
pub(crate) type Devices = BTreeMap<u64, Witness>;

/// The terminals of a login.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ControllingTerminals {
    /// Controlling terminals of the leader and its descendants.
    pub(crate) own: Devices,
    /// Controlling terminals of other processes in the session's scope, unless another session has
    /// them as well.
    pub(crate) left: Devices,
}

/// Finds the terminals of a login.
pub(crate) fn terminals(session: &SessionFacts) -> ControllingTerminals {
    let processes = cgroup::processes(session);
    let processes: BTreeMap<_, _> = processes.into_iter().filter_map(with_stat).collect();
    let all = controlled(&processes);
    // If the leader was killed, other processes of the login may still run.
    let Some(leader) = leader(session, &processes) else {
        return ControllingTerminals {
            own: all,
            left: Devices::new(),
        };
    };
    let own = below(leader, &processes, children);
    let mut left = all;
    left.retain(|device, _| !own.contains_key(device));
    if !left.is_empty() {
        let others = cgroup::processes_of_others(session);
        let others = others.into_iter().filter_map(with_stat);
        for device in others.filter_map(|(_, stat)| stat.terminal) {
            left.remove(&device);
        }
    }
    ControllingTerminals { own, left }
}

/// Whether an X server runs in the session: startx(1) leaves it the console login that it was, and
/// the keys go to the server instead of the console.
pub(crate) fn has_x_server(session: &SessionFacts) -> bool {
    let processes = cgroup::processes(session);
    processes.into_iter().any(|process| {
        let name = fs::read_to_string(format!("/proc/{}/comm", process.as_raw()));
        name.is_ok_and(|name| name.trim_end() == "Xorg")
    })
}

/// The leader, while it runs: in the scope, or moved to another control group.
fn leader(session: &SessionFacts, scope: &BTreeMap<Pid, Stat>) -> Option<(Pid, Stat)> {
    let leader = session.leader?;
    if let Some(&stat) = scope.get(&leader) {
        return Some((leader, stat));
    }
    let (_, stat) = with_stat(leader)?;
    // The process id may have been reused by a process that is younger than the session.
    let latest = session.started.saturating_add(START_TOLERANCE);
    (started(&stat)? <= latest).then_some((leader, stat))
}

fn started(stat: &Stat) -> Option<BootTime> {
    let a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten()?;
    let a_second = u64::try_from(a_second).ok().filter(|&ticks| ticks > 0)?;
    let micros = stat.started.saturating_mul(1_000_000) / a_second;
    Some(BootTime::from_micros(micros))
}

fn controlled(processes: &BTreeMap<Pid, Stat>) -> Devices {
    let terminal = |(&process, stat): (&Pid, &Stat)| Some((stat.terminal?, witness(process, stat)));
    processes.iter().filter_map(terminal).collect()
}

const fn witness(process: Pid, stat: &Stat) -> Witness {
    Witness {
        pid: process.as_raw(),
        started: stat.started,
    }
}

/// The terminals of the leader and its descendants: in the scope, and also outside it for those
/// that `children` returns.
fn below(
    leader: (Pid, Stat),
    scope: &BTreeMap<Pid, Stat>,
    children: impl Fn(Pid) -> BTreeMap<Pid, Stat>,
) -> Devices {
    let mut families = BTreeMap::<u32, Vec<(Pid, Stat)>>::new();
    for (&process, &stat) in scope {
        let family = families.entry(stat.parent).or_default();
        family.push((process, stat));
    }
    let mut terminals = Devices::new();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![leader];
    while let Some((process, stat)) = waiting.pop() {
        if !seen.insert(process) || seen.len() > PROCESSES_MAX {
            continue;
        }
        waiting.extend(families.remove(&process.as_raw()).unwrap_or_default());
        match stat.terminal {
            // Processes from here that have left the scope have the same terminal.
            Some(terminal) => {
                terminals
                    .entry(terminal)
                    .or_insert_with(|| witness(process, &stat));
            }
            None => waiting.extend(children(process)),
        }
    }
    terminals
}

/// The children of a process's first thread, in any control group; programs that carry logins have
/// no other thread. The kernel may omit a child while another one exits, so the result only adds to
/// the processes in the scope.
fn children(process: Pid) -> BTreeMap<Pid, Stat> {
    let pid = process.as_raw();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    let children = list.split_ascii_whitespace();
    let children = children.filter_map(|pid| pid.parse().ok().map(Pid::new));
    children.filter_map(with_stat).collect()
}

fn with_stat(process: Pid) -> Option<(Pid, Stat)> {
    Some((process, Stat::of(process.as_raw())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: u32 = 10;

    /// Processes by process id, each with its parent and the device number of its terminal or 0.
    fn processes<const N: usize>(rows: [(u32, u32, u64); N]) -> BTreeMap<Pid, Stat> {
        let process = |(pid, parent, terminal): (u32, u32, u64)| {
            let terminal = (terminal != 0).then_some(terminal);
            let stat = Stat {
                parent,
                session: pid,
                terminal,
                started: u64::from(pid) * 100,
            };
            (Pid::new(pid), stat)
        };
        rows.map(process).into()
    }

    /// The device numbers of the terminals, each with the id of the process that controls it.
    fn below_leader(
        scope: &BTreeMap<Pid, Stat>,
        children: impl Fn(Pid) -> BTreeMap<Pid, Stat>,
    ) -> Vec<(u64, u32)> {
        let leader = (Pid::new(LEADER), scope[&Pid::new(LEADER)]);
        devices(&below(leader, scope, children))
    }

    fn devices(terminals: &Devices) -> Vec<(u64, u32)> {
        let device = |(&device, witness): (&u64, &Witness)| (device, witness.pid);
        terminals.iter().map(device).collect()
    }

    fn nothing(_: Pid) -> BTreeMap<Pid, Stat> {
        BTreeMap::new()
    }

    #[test]
    fn every_terminal_of_a_connection_and_those_within_are_found() {
        let scope = processes([
            (10, 1, 0),
            (11, 10, 0),
            (12, 11, 1),
            (13, 11, 2),
            (14, 13, 3),
            (15, 13, 2),
        ]);
        let found = below_leader(&scope, nothing);
        assert_eq!(found, [(1, 12), (2, 13), (3, 14)]);
    }

    #[test]
    fn what_a_server_holds_that_is_nobodys_child_is_not_the_logins() {
        let scope = processes([(10, 1, 0), (11, 10, 1), (20, 1, 0), (21, 20, 2)]);
        assert_eq!(below_leader(&scope, nothing), [(1, 11)]);
        assert_eq!(devices(&controlled(&scope)), [(1, 11), (2, 21)]);
    }

    #[test]
    fn the_terminal_of_a_leader_that_has_one_is_the_logins() {
        let scope = processes([(10, 1, 7), (11, 10, 7)]);
        assert_eq!(below_leader(&scope, nothing), [(7, 10)]);
    }

    #[test]
    fn a_shell_that_left_the_scope_is_found_by_its_parent() {
        let scope = processes([(10, 1, 0), (11, 10, 0)]);
        let moved = |parent| match parent {
            parent if parent == Pid::new(11) => processes([(12, 11, 1)]),
            _ => BTreeMap::new(),
        };
        assert_eq!(below_leader(&scope, moved), [(1, 12)]);
    }

    #[test]
    fn a_leader_that_was_moved_out_of_the_scope_is_found_and_a_younger_process_is_not() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = Pid::new(child.id());
        let now = started(&Stat::of(child.id()).unwrap()).unwrap();
        let mut session = crate::fixtures::own_session(pid, now);
        assert_eq!(leader(&session, &BTreeMap::new()).unwrap().0, pid);
        session.started = now.saturating_sub(2 * START_TOLERANCE);
        assert!(leader(&session, &BTreeMap::new()).is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn numbers_that_are_given_out_again_lead_nobody_around_in_circles() {
        let scope = processes([(10, 11, 0), (11, 10, 0), (12, 12, 1)]);
        let all = |_| scope.clone();
        assert_eq!(below_leader(&scope, nothing), []);
        assert_eq!(below_leader(&scope, all), [(1, 12)]);
    }

    #[test]
    fn the_kernel_lists_the_children_of_a_process() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        // A test does not run in the first thread.
        let thread = fs::read_link("/proc/thread-self").unwrap();
        let list = fs::read_to_string(format!("/proc/{}/children", thread.display())).unwrap();
        assert!(list.split(' ').any(|pid| pid == child.id().to_string()));
        let (_, stat) = with_stat(Pid::new(child.id())).unwrap();
        assert_eq!(stat.parent, std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
