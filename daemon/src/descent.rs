//! The terminals of a login: those of the processes that descend from its leader.
//!
//! The control group of a session alone does not tell. A server of tmux or screen stays in the
//! group in which it was started, with the terminals inside of it, and whoever attaches types
//! into those from another session. Such a server is nobody's child. The other way around,
//! `systemd-run --user --scope` takes a shell out of the group, and it is still the login's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::libc;
use session_timeout_policy::{Pid, SessionFacts};

use crate::scope;

/// More processes than this are not looked at, as in [`scope::processes`].
const PROCESSES_MAX: usize = 65_536;

/// The device numbers of the controlling terminals of a login.
pub(crate) fn terminals(session: &SessionFacts) -> BTreeSet<u64> {
    let processes = scope::processes(&session.key.id, session.uid);
    let processes: BTreeMap<_, _> = processes.into_iter().filter_map(with_stat).collect();
    match session.leader {
        Some(leader) if processes.contains_key(&leader) => below(leader, &processes, children),
        // Its leader was killed, and its user may work on.
        Some(_) | None => processes
            .values()
            .filter_map(|stat| stat.terminal)
            .collect(),
    }
}

/// Whether an X server runs in the session: startx(1) leaves it the console login that it was, and
/// the keys go to the server instead of the console.
pub(crate) fn has_x_server(session: &SessionFacts) -> bool {
    let processes = scope::processes(&session.key.id, session.uid);
    processes.into_iter().any(|process| {
        let name = fs::read_to_string(format!("/proc/{}/comm", process.as_raw()));
        name.is_ok_and(|name| name.trim_end() == "Xorg")
    })
}

/// What is told of a process in `/proc/PID/stat` (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    /// Field 4, `ppid`.
    parent: Pid,
    /// Field 7, `tty_nr`: the device number of the controlling terminal.
    terminal: Option<u64>,
}

/// The terminals of the leader and of what descends from it: in the scope, and where `children`
/// says so also out of it.
fn below(
    leader: Pid,
    scope: &BTreeMap<Pid, Stat>,
    children: impl Fn(Pid) -> BTreeMap<Pid, Stat>,
) -> BTreeSet<u64> {
    let mut families = BTreeMap::<Pid, Vec<(Pid, Stat)>>::new();
    for (&process, &stat) in scope {
        let family = families.entry(stat.parent).or_default();
        family.push((process, stat));
    }
    let mut terminals = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<_> = scope
        .get(&leader)
        .map(|&stat| (leader, stat))
        .into_iter()
        .collect();
    while let Some((process, stat)) = waiting.pop() {
        if !seen.insert(process) || seen.len() > PROCESSES_MAX {
            continue;
        }
        waiting.extend(families.remove(&process).unwrap_or_default());
        match stat.terminal {
            // What has left the scope from here has this terminal as well.
            Some(terminal) => {
                terminals.insert(terminal);
            }
            None => waiting.extend(children(process)),
        }
    }
    terminals
}

/// The children of a process, wherever they are; of its first thread, which is the only one of
/// what carries logins. The kernel may leave one out while others end, so this only adds to what
/// the scope tells.
fn children(process: Pid) -> BTreeMap<Pid, Stat> {
    let pid = process.as_raw();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    let children = list.split_ascii_whitespace();
    let children = children.filter_map(|pid| pid.parse().ok().map(Pid::new));
    children.filter_map(with_stat).collect()
}

fn with_stat(process: Pid) -> Option<(Pid, Stat)> {
    let stat = fs::read(format!("/proc/{}/stat", process.as_raw())).ok()?;
    Some((process, Stat::parse(&String::from_utf8_lossy(&stat))?))
}

impl Stat {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the name in parentheses, and may itself hold anything.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let number: i32 = fields.nth(2)?.parse().ok()?;
        // The minor number is in bits 31 to 20 and 7 to 0, the major in bits 15 to 8.
        let bits = number.cast_unsigned();
        let (major, minor) = ((bits >> 8) & 0xff, (bits & 0xff) | ((bits >> 12) & 0xfff00));
        let device = libc::makedev(major, minor);
        Some(Self {
            parent: Pid::new(parent),
            terminal: (device != 0).then_some(device),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: Pid = Pid::new(10);

    /// Processes, by their number, their parent, and the number of their terminal or 0.
    fn processes<const N: usize>(rows: [(u32, u32, u64); N]) -> BTreeMap<Pid, Stat> {
        let process = |(pid, parent, terminal): (u32, u32, u64)| {
            let parent = Pid::new(parent);
            let terminal = (terminal != 0).then_some(terminal);
            (Pid::new(pid), Stat { parent, terminal })
        };
        rows.map(process).into()
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
        ]);
        assert_eq!(below(LEADER, &scope, nothing), BTreeSet::from([1, 2, 3]));
    }

    #[test]
    fn what_a_server_holds_that_is_nobodys_child_is_not_the_logins() {
        let scope = processes([(10, 1, 0), (11, 10, 1), (20, 1, 0), (21, 20, 2)]);
        assert_eq!(below(LEADER, &scope, nothing), BTreeSet::from([1]));
    }

    #[test]
    fn a_shell_that_left_the_scope_is_found_by_its_parent() {
        let scope = processes([(10, 1, 0), (11, 10, 0)]);
        let moved = |parent| match parent {
            parent if parent == Pid::new(11) => processes([(12, 11, 1)]),
            _ => BTreeMap::new(),
        };
        assert_eq!(below(LEADER, &scope, moved), BTreeSet::from([1]));
    }

    #[test]
    fn numbers_that_are_given_out_again_lead_nobody_around_in_circles() {
        let scope = processes([(10, 11, 0), (11, 10, 0), (12, 12, 1)]);
        let all = |_| scope.clone();
        assert_eq!(below(LEADER, &scope, nothing), BTreeSet::new());
        assert_eq!(below(LEADER, &scope, all), BTreeSet::from([1]));
    }

    #[test]
    fn the_parent_and_the_terminal_are_found_behind_any_name() {
        let stat = |parent, terminal| {
            let parent = Pid::new(parent);
            Some(Stat { parent, terminal })
        };
        let line = "42 (a) b (c)) S 7 42 42 34819 42 4194304 100";
        assert_eq!(Stat::parse(line), stat(7, Some(libc::makedev(136, 3))));
        assert_eq!(Stat::parse("42 (bash) S 1 42 42 0 -1"), stat(1, None));
        assert_eq!(Stat::parse("42 (bash) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn minor_numbers_beyond_a_byte_are_put_together() {
        // /dev/pts/300 is minor 44 of the next major; a console 300 would be 4:300.
        let number = (4 << 8) | (300 & 0xff) | ((300 & 0xfff00) << 12);
        let stat = Stat::parse(&format!("1 (x) S 1 1 1 {number} 1"));
        let terminal = stat.and_then(|stat| stat.terminal);
        assert_eq!(terminal, Some(libc::makedev(4, 300)));
    }

    #[test]
    fn the_children_of_a_process_are_told_by_the_kernel() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        // A test runs in a thread that is not the first.
        let thread = fs::read_link("/proc/thread-self").unwrap();
        let list = fs::read_to_string(format!("/proc/{}/children", thread.display())).unwrap();
        assert!(list.split(' ').any(|pid| pid == child.id().to_string()));
        let (_, stat) = with_stat(Pid::new(child.id())).unwrap();
        assert_eq!(stat.parent, Pid::new(std::process::id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
