//! The scope of a session: the control group that holds its processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session_timeout_policy::{InvocationId, Pid, Uid};

/// Where the control groups of systemd are: the unified hierarchy, the one of a hybrid machine,
/// and systemd's own on an old one.
const ROOTS: [&str; 3] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup/systemd",
];

/// More processes than this are not looked at; a session with more has other troubles.
const PROCESSES_MAX: usize = 65_536;
/// Control groups below a scope that are looked into, deepest last.
const DEPTH_MAX: usize = 8;

/// The unit of a session's scope; `None` where the id is not one that logind makes
/// (`session_id_valid()`: ASCII letters and digits).
pub(crate) fn unit(session: &str) -> Option<String> {
    let valid = !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_alphanumeric());
    valid.then(|| format!("session-{session}.scope"))
}

/// The `InvocationID` of this unit, while it is loaded: PID 1 has a link for each whose target is
/// the id (`unit_export_invocation_id()`, systemd 238 and later).
pub(crate) fn invocation(unit: &str) -> Option<InvocationId> {
    let link = fs::read_link(format!("/run/systemd/units/invocation:{unit}")).ok()?;
    InvocationId::parse(link.to_str()?)
}

/// The processes in the scope of a session, in no order.
pub(crate) fn processes(session: &str, uid: Uid) -> Vec<Pid> {
    let Some(below) = below(session, uid) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for root in ROOTS {
        collect(&Path::new(root).join(&below), DEPTH_MAX, &mut found);
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// The processes in the scopes of this user's other sessions, in no order.
pub(crate) fn processes_beside(session: &str, uid: Uid) -> Vec<Pid> {
    let own = unit(session);
    let mut found = Vec::new();
    for root in ROOTS {
        let slice = Path::new(root).join(format!("user.slice/user-{uid}.slice"));
        let groups = fs::read_dir(slice).into_iter().flatten().flatten();
        for group in groups {
            let name = group.file_name();
            let name = name.to_str().unwrap_or_default();
            let is_scope = name.starts_with("session-") && name.ends_with(".scope");
            if is_scope && Some(name) != own.as_deref() {
                collect(&group.path(), DEPTH_MAX, &mut found);
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// The processor time that the processes of a session have used so far, the ones that are gone
/// included: `usage_usec` in `cpu.stat`, which cgroup v2 has for each group, whatever controllers
/// are on (Documentation/admin-guide/cgroup-v2.rst).
pub(crate) fn processor_time(session: &str, uid: Uid) -> Option<Duration> {
    let below = below(session, uid)?;
    let stat = ROOTS.iter().find_map(|root| {
        let group = Path::new(root).join(&below);
        fs::read_to_string(group.join("cpu.stat")).ok()
    })?;
    usage(&stat)
}

fn usage(stat: &str) -> Option<Duration> {
    let used = stat
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "))?;
    Some(Duration::from_micros(used.parse().ok()?))
}

/// Where the scope of a session is in the tree of control groups.
fn below(session: &str, uid: Uid) -> Option<String> {
    let unit = unit(session)?;
    Some(format!("user.slice/user-{uid}.slice/{unit}"))
}

/// The session in whose scope a process runs, by its control group.
pub(crate) fn session_of(process: Pid) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", process.as_raw())).ok()?;
    groups.lines().find_map(session_in)
}

/// The session in a line of `/proc/PID/cgroup`.
fn session_in(line: &str) -> Option<String> {
    line.rsplit('/')
        .find_map(|part| part.strip_prefix("session-")?.strip_suffix(".scope"))
        .filter(|id| unit(id).is_some())
        .map(str::to_owned)
}

fn collect(group: &Path, depth: usize, found: &mut Vec<Pid>) {
    let Ok(pids) = fs::read_to_string(group.join("cgroup.procs")) else {
        return;
    };
    let room = PROCESSES_MAX.saturating_sub(found.len());
    found.extend(
        pids.lines()
            .filter_map(|pid| pid.parse().ok())
            .map(Pid::new)
            .take(room),
    );
    if depth == 0 {
        return;
    }
    let children = fs::read_dir(group).into_iter().flatten().flatten();
    let groups: Vec<PathBuf> = children
        .filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|child| child.path())
        .collect();
    for child in groups {
        collect(&child, depth - 1, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_that_logind_makes_names_a_scope() {
        assert_eq!(unit("c1").as_deref(), Some("session-c1.scope"));
        assert_eq!(unit("42").as_deref(), Some("session-42.scope"));
        for id in ["", "../1", "c1/x", "c1.scope", "c 1", "c1\n"] {
            assert_eq!(unit(id), None, "{id:?}");
        }
    }

    #[test]
    fn the_processor_time_is_read_from_cpu_stat() {
        let stat = "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n";
        assert_eq!(usage(stat), Some(Duration::from_micros(1_234_567)));
        assert_eq!(usage("nr_periods 0\n"), None);
        assert_eq!(usage("usage_usec much\n"), None);
    }

    #[test]
    fn the_session_of_a_process_is_read_from_its_control_group() {
        let line = "0::/user.slice/user-1000.slice/session-c7.scope";
        assert_eq!(session_in(line).as_deref(), Some("c7"));
        let line = "0::/user.slice/user-1000.slice/session-c7.scope/inner";
        assert_eq!(session_in(line).as_deref(), Some("c7"));
        assert_eq!(session_in("0::/system.slice/ssh.service"), None);
        assert_eq!(session_in("0::/user.slice/session-..scope"), None);
    }
}
