//! The scope of a session: the control group that holds its processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use session_timeout_policy::{InvocationId, Keeper, Pid, SessionFacts, SessionId, Uid};

/// The roots of systemd's control groups: cgroup v2, the hybrid layout, and cgroup v1.
const ROOTS: [&str; 3] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup/systemd",
];

/// Maximum number of processes that are read for one session.
const PROCESSES_MAX: usize = 65_536;
/// Maximum depth of the control groups below a scope that are read.
const DEPTH_MAX: usize = 8;

/// The id of a login that logind has no session for, made of its leader's process id; no id of
/// logind's has a hyphen.
pub(crate) fn kept_id(leader: Pid) -> SessionId {
    SessionId::new(format!("login-{}", leader.as_raw()))
}

/// The unit of the scope of logind's session with this id; `None` if it is none of logind's
/// (`session_id_valid()`: ASCII letters and digits).
pub(crate) fn session_unit(session: &SessionId) -> Option<String> {
    let session = session.as_str();
    let valid = !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_alphanumeric());
    valid.then(|| format!("session-{session}.scope"))
}

/// The unit of the scope that holds a session's processes: the daemon's if it keeps the login,
/// logind's otherwise.
pub(crate) fn unit_of(session: &SessionFacts) -> Option<String> {
    match session.keeper {
        Keeper::Logind => session_unit(&session.key.id),
        Keeper::Daemon(_) => Some(kept_unit(session.leader?, session.key.stamp)),
    }
}

/// The unit of the scope of a login that the daemon keeps. The process id of the leader may be
/// reused while processes of the login run on in its scope, so the name has the stamp of the login
/// as well: the start of the leader, in microseconds since boot, or of the session that logind had
/// for it.
fn kept_unit(leader: Pid, stamp: u64) -> String {
    format!("session-timeout-{}-{stamp}.scope", kept_id(leader))
}

/// The `InvocationID` of this unit, while it is loaded. PID 1 keeps a symbolic link for each unit
/// whose target is the id (`unit_export_invocation_id()`, systemd 238 and later).
pub(crate) fn invocation(unit: &str) -> Option<InvocationId> {
    let link = fs::read_link(format!("/run/systemd/units/invocation:{unit}")).ok()?;
    InvocationId::parse(link.to_str()?)
}

/// The processes in the scope of a session, unordered.
pub(crate) fn processes(session: &SessionFacts) -> Vec<Pid> {
    unit_of(session).map_or_else(Vec::new, |unit| processes_in(&unit, session.uid))
}

/// The processes of a scope in the slice of this user, unordered.
pub(crate) fn processes_in(unit: &str, uid: Uid) -> Vec<Pid> {
    processes_below(&format!("/user.slice/user-{uid}.slice/{unit}"))
}

/// The processes in a control group and below it, unordered.
pub(crate) fn processes_below(group: &str) -> Vec<Pid> {
    let below = group.trim_start_matches('/');
    let mut found = Vec::new();
    for root in ROOTS {
        collect(&Path::new(root).join(below), DEPTH_MAX, &mut found);
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// Whether a scope in the slice of this user is empty; a scope that does not exist is.
pub(crate) fn is_empty(unit: &str, uid: Uid) -> bool {
    let below = format!("user.slice/user-{uid}.slice/{unit}");
    // `cgroup.events` covers the group and its descendants (cgroup-v2.rst); without that file the
    // processes are listed.
    let events = ROOTS.iter().find_map(|root| {
        let group = Path::new(root).join(&below);
        fs::read_to_string(group.join("cgroup.events")).ok()
    });
    match events {
        Some(events) => events.lines().any(|line| line == "populated 0"),
        None => processes_in(unit, uid).is_empty(),
    }
}

/// Whether a process is in a scope in the slice of this user whose name begins with this prefix.
pub(crate) fn is_in_unit_like(prefix: &str, uid: Uid, process: Pid) -> bool {
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", process.as_raw()));
    groups.is_ok_and(|groups| groups.lines().any(|line| is_in_scope_of(line, uid, prefix)))
}

/// Control groups below a user's manager may have any name, so only the place where PID 1 creates
/// scopes counts.
fn is_in_scope_of(line: &str, uid: Uid, prefix: &str) -> bool {
    let slice = format!("/user.slice/user-{uid}.slice/");
    let path = line.splitn(3, ':').nth(2).unwrap_or_default();
    path.strip_prefix(&slice)
        .is_some_and(|unit| unit.starts_with(prefix))
}

/// Whether a process is in this scope in the slice of this user, or in a group below it.
pub(crate) fn is_in_unit(unit: &str, uid: Uid, process: Pid) -> bool {
    let below = format!("user.slice/user-{uid}.slice/{unit}");
    let Ok(groups) = fs::read_to_string(format!("/proc/{}/cgroup", process.as_raw())) else {
        return false;
    };
    let inside = |line: &str| {
        let path = line.splitn(3, ':').nth(2).unwrap_or_default();
        let rest = path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(&below));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    groups.lines().any(inside)
}

/// The processes in the scopes of this user's other sessions, unordered.
pub(crate) fn processes_of_others(session: &SessionFacts) -> Vec<Pid> {
    let (own, uid) = (unit_of(session), session.uid);
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

/// The processor time of a session's processes so far, including processes that have exited:
/// `usage_usec` in `cpu.stat`, which cgroup v2 has for each group even without controllers
/// (Documentation/admin-guide/cgroup-v2.rst).
pub(crate) fn processor_time(session: &SessionFacts) -> Option<Duration> {
    let below = format!(
        "user.slice/user-{}.slice/{}",
        session.uid,
        unit_of(session)?
    );
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

/// The scope in a user's slice that a process runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserScope {
    user: Uid,
    unit: String,
}

/// The scope of a process, from its control group.
pub(crate) fn scope_of(process: Pid) -> Option<UserScope> {
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", process.as_raw())).ok()?;
    let root = ROOT.as_str();
    groups.lines().find_map(|line| UserScope::parse(line, root))
}

impl UserScope {
    /// The scope in a line of `/proc/PID/cgroup`.
    ///
    /// A user may create groups with any name below `user@.service`. Only the place where systemd
    /// puts the scopes of sessions counts, where only root can create groups.
    fn parse(line: &str, root: &str) -> Option<Self> {
        let below = systemd_group(line)?.strip_prefix(root)?;
        let mut parts = below.strip_prefix("/user.slice/")?.split('/');
        let uid = parts.next()?;
        let uid = uid.strip_prefix("user-")?.strip_suffix(".slice")?;
        Some(Self {
            user: Uid::new(uid.parse().ok()?),
            unit: parts
                .next()
                .filter(|unit| unit.ends_with(".scope"))?
                .to_owned(),
        })
    }

    /// The id of logind's session that this scope belongs to.
    pub(crate) fn session(&self) -> Option<SessionId> {
        let id = self.unit.strip_prefix("session-")?.strip_suffix(".scope")?;
        let id = SessionId::new(id);
        session_unit(&id).is_some().then_some(id)
    }

    /// Whether it is the scope of this login, which the daemon keeps.
    pub(crate) fn is_kept(&self, session: &SessionFacts) -> bool {
        let is_its = |leader| self.unit == kept_unit(leader, session.key.stamp);
        self.user == session.uid && session.leader.is_some_and(is_its)
    }
}

/// The control group that all units of this machine's PID 1 are below: empty, except in a container
/// without a control group namespace, where paths are the host's (cgroup_namespaces(7)).
static ROOT: LazyLock<String> = LazyLock::new(|| {
    let groups = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    groups.lines().find_map(root_in).unwrap_or_default()
});

/// The root group from a line of `/proc/1/cgroup`: PID 1 is in `init.scope` directly below it
/// (`cg_get_root_path()` of systemd).
fn root_in(line: &str) -> Option<String> {
    systemd_group(line)?
        .strip_suffix("/init.scope")
        .map(str::to_owned)
}

/// The control group of a line of `/proc/PID/cgroup`, if its hierarchy is one of systemd's: the
/// unified one, with number 0 and no name, or the named one of a machine with cgroup v1
/// (cgroups(7)).
fn systemd_group(line: &str) -> Option<&str> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, group) = rest.split_once(':')?;
    let is_systemds = controllers == "name=systemd" || (number == "0" && controllers.is_empty());
    is_systemds.then_some(group)
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
    use session_timeout_policy::{BootTime, NoSession};

    use super::*;

    #[test]
    fn only_an_id_that_logind_makes_names_a_scope() {
        assert_eq!(
            session_unit(&"c1".into()).as_deref(),
            Some("session-c1.scope")
        );
        assert_eq!(
            session_unit(&"42".into()).as_deref(),
            Some("session-42.scope")
        );
        for id in ["", "../1", "c1/x", "c1.scope", "c 1", "c1\n", "login-1"] {
            assert_eq!(session_unit(&id.into()), None, "{id:?}");
        }
    }

    fn login(leader: Pid, stamp: u64) -> SessionFacts {
        let began = BootTime::from_micros(stamp);
        let mut login = crate::fixtures::own_session(leader, began);
        login.keeper = Keeper::Daemon(NoSession::NotInStack);
        login.key.stamp = stamp;
        login
    }

    #[test]
    fn a_login_whose_leader_has_the_id_of_an_earlier_one_has_a_scope_of_its_own() {
        let leader = Pid::new(u32::MAX);
        let unit = |stamp| unit_of(&login(leader, stamp)).unwrap();
        assert_eq!(unit(7), "session-timeout-login-4294967295-7.scope");
        assert_ne!(unit(7), unit(8));
    }

    #[test]
    fn the_processor_time_is_read_from_cpu_stat() {
        let stat = "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n";
        assert_eq!(usage(stat), Some(Duration::from_micros(1_234_567)));
        assert_eq!(usage("nr_periods 0\n"), None);
        assert_eq!(usage("usage_usec much\n"), None);
    }

    fn session_in(line: &str, root: &str) -> Option<String> {
        Some(UserScope::parse(line, root)?.session()?.to_string())
    }

    #[test]
    fn the_login_of_a_process_is_read_from_its_control_group() {
        let (leader, uid) = (Pid::new(u32::MAX), nix::unistd::geteuid());
        let is_kept = |uid, path: &str| {
            let line = format!("0::/user.slice/user-{uid}.slice/{path}");
            let scope = UserScope::parse(&line, "").unwrap();
            scope.is_kept(&login(leader, 7))
        };
        let own = "session-timeout-login-4294967295-7.scope";
        assert!(is_kept(uid.as_raw(), own));
        assert!(is_kept(uid.as_raw(), &format!("{own}/inner")));
        assert!(!is_kept(uid.as_raw() + 1, own));
        for other in [
            "session-c7.scope",
            "session-timeout-login-4294967295-8.scope",
        ] {
            assert!(!is_kept(uid.as_raw(), other), "{other}");
        }
    }

    #[test]
    fn the_session_of_a_process_is_read_from_its_control_group() {
        let session = |line| session_in(line, "");
        for line in [
            "0::/user.slice/user-1000.slice/session-c7.scope",
            "0::/user.slice/user-1000.slice/session-c7.scope/inner",
            "1:name=systemd:/user.slice/user-1000.slice/session-c7.scope",
            "7:name=systemd:/user.slice/user-1000.slice/session-c7.scope",
        ] {
            assert_eq!(session(line).as_deref(), Some("c7"), "{line}");
        }
        for line in [
            "",
            "0::/",
            "0::/system.slice/ssh.service",
            "0::/user.slice/session-..scope",
            "0::/user.slice/user-1000.slice/session-..scope",
            "0::/user.slice/user-1000.slice",
            "4:cpu,cpuacct:/user.slice/user-1000.slice/session-c7.scope",
        ] {
            assert_eq!(session(line), None, "{line}");
        }
    }

    #[test]
    fn a_group_that_a_user_has_named_is_no_session() {
        let own = "user.slice/user-1000.slice/user@1000.service";
        for line in [
            format!("0::/{own}/session-99.scope"),
            format!("0::/{own}/app.slice/session-99.scope/inner"),
            format!("0::/{own}/user.slice/user-1000.slice/session-99.scope"),
            format!("1:name=systemd:/{own}/session-99.scope"),
            format!("0::/../machine.slice/x/{own}/session-99.scope"),
            "0::/machine.slice/user.slice/user-1000.slice/session-99.scope".to_owned(),
            "0::/user.slice/user-x.slice/session-99.scope".to_owned(),
        ] {
            assert_eq!(session_in(&line, ""), None, "{line}");
        }
        let inner =
            format!("0::/user.slice/user-1000.slice/session-c7.scope/{own}/session-9.scope");
        assert_eq!(session_in(&inner, "").as_deref(), Some("c7"));
    }

    #[test]
    fn a_group_that_a_user_has_named_is_no_scope_of_the_daemons() {
        let is_in = |path: &str| {
            let line = format!("0::/user.slice/user-1000.slice/{path}");
            is_in_scope_of(&line, Uid::new(1000), "session-timeout-end-c7-")
        };
        assert!(is_in("session-timeout-end-c7-42.scope"));
        assert!(is_in("session-timeout-end-c7-42.scope/inner"));
        assert!(!is_in("user@1000.service/session-timeout-end-c7-42.scope"));
        assert!(!is_in("session-c7.scope"));
    }

    #[test]
    fn in_a_container_that_shares_the_namespace_paths_begin_where_its_pid_1_is() {
        assert_eq!(root_in("0::/init.scope").as_deref(), Some(""));
        let root = root_in("0::/lxc/box/init.scope").unwrap();
        assert_eq!(root, "/lxc/box");
        let line = "0::/lxc/box/user.slice/user-1000.slice/session-c7.scope";
        assert_eq!(session_in(line, &root).as_deref(), Some("c7"));
        assert_eq!(session_in(line, ""), None);
        let of_host = "0::/user.slice/user-1000.slice/session-c7.scope";
        assert_eq!(session_in(of_host, &root), None);
    }
}
