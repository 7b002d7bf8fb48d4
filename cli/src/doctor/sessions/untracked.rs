//! Checks for logins through sshd that neither logind nor the daemon knows.

use crate::doctor::checks::Check;
use crate::doctor::finding::{Finding, Level};
use crate::doctor::root::Root;
use crate::status::Session;
use crate::text::one_line;

/// The programs of sshd; the second one exists since OpenSSH 9.8.
const PROGRAMS: [&str; 2] = ["/usr/sbin/sshd", "/usr/lib/openssh/sshd-session"];
/// The prefix of their process titles (`setproctitle()`).
const TITLES: [&str; 2] = ["sshd: ", "sshd-session: "];

/// A connection with a completed login that is in no session's scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UntrackedLogin {
    user: String,
    /// The process that called PAM.
    leader: u32,
}

/// All such logins; only root can read enough of other users' processes.
pub(crate) fn gather(root: &Root) -> Option<Vec<UntrackedLogin>> {
    nix::unistd::geteuid().is_root().then(|| found(root))
}

fn found(root: &Root) -> Vec<UntrackedLogin> {
    let own = root.link("/proc/self/ns/pid");
    let directories = root.matching("/proc/[0-9]*");
    let pids = directories.iter().filter_map(|path| {
        let name = path.rsplit('/').next()?;
        name.parse().ok()
    });
    let logins = pids.filter_map(|pid: u32| {
        let login = login(root, pid)?;
        // Processes of a container belong to the container.
        let namespace = root.link(&format!("/proc/{}/ns/pid", login.leader));
        (namespace == own && !is_in_a_session(root, login.leader)).then_some(login)
    });
    logins.collect()
}

/// The login that this process serves, as in `sshd: alice@pts/0`. Its parent is the privileged
/// process that called PAM, `sshd: alice [priv]`; for root there is only one process.
fn login(root: &Root, pid: u32) -> Option<UntrackedLogin> {
    let title = title(root, pid)?;
    let (user, _) = title.rsplit_once('@').filter(|_| !title.ends_with(']'))?;
    let leader = match status(root, pid, "Uid")? {
        0 => pid,
        _ => status(root, pid, "PPid")?,
    };
    // Any process can set such a title, so it must be a program of sshd that runs as root.
    let program = root.link(&format!("/proc/{leader}/exe"))?;
    let program = program.strip_suffix(" (deleted)").unwrap_or(&program);
    let is_sshd = PROGRAMS.contains(&program) && status(root, leader, "Uid") == Some(0);
    is_sshd.then(|| UntrackedLogin {
        user: one_line(user),
        leader,
    })
}

/// The title of this process after the prefix.
fn title(root: &Root, pid: u32) -> Option<String> {
    let arguments = root.read(&format!("/proc/{pid}/cmdline")).or_empty();
    let title = arguments.split('\0').next()?;
    let mut titles = TITLES.iter();
    titles
        .find_map(|prefix| title.strip_prefix(prefix))
        .map(str::to_owned)
}

/// The first number in a line of `/proc/PID/status` (proc_pid_status(5)).
fn status(root: &Root, pid: u32, key: &str) -> Option<u32> {
    let status = root.read(&format!("/proc/{pid}/status")).or_empty();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether it is in the scope of one of logind's sessions. Below `user@.service` users can create
/// groups with any name.
fn is_in_a_session(root: &Root, pid: u32) -> bool {
    let groups = root.read(&format!("/proc/{pid}/cgroup")).or_empty();
    groups.lines().any(|line| {
        let below = line.split_once("/user.slice/user-");
        let unit = below.and_then(|(_, below)| below.split('/').nth(1));
        // `session_id_valid()`. A scope of session-timeoutd's own does not count.
        let id = unit.and_then(|unit| unit.strip_prefix("session-")?.strip_suffix(".scope"));
        id.is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    })
}

/// All findings about such logins; none if they could not be read. `sessions` are those that the
/// daemon knows.
pub(crate) fn examine(logins: Option<&[UntrackedLogin]>, sessions: &[&Session]) -> Vec<Finding> {
    let Some(logins) = logins else {
        return Vec::new();
    };
    let is_known = |login: &&UntrackedLogin| {
        let mut leaders = sessions.iter().filter_map(|session| session.leader);
        leaders.any(|leader| leader == login.leader)
    };
    let unknown = logins.iter().filter(|login| !is_known(login));
    let findings: Vec<Finding> = unknown.map(untracked).collect();
    if findings.is_empty() {
        let what = "no login through sshd is unknown to logind and to session-timeoutd";
        return vec![Finding::ok(Check::SessionUntracked, what)];
    }
    findings
}

fn untracked(login: &UntrackedLogin) -> Finding {
    let UntrackedLogin { user, leader } = login;
    let level = match user.as_str() {
        "root" => Level::Note,
        _ => Level::Warning,
    };
    let what = format!(
        "{user} is logged in through sshd (process {leader}), and neither logind nor \
         session-timeoutd knows of it: no limit holds for it"
    );
    Finding::new(Check::SessionUntracked, level, &what).do_this(&format!(
        "session-timeoutd did not run at that login, or was not told: see `Login` above; this one \
         ends with: kill {leader}"
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::doctor::root::fake;

    struct Process<'a> {
        pid: u32,
        parent: u32,
        uid: u32,
        title: &'a str,
        group: &'a str,
        program: &'a str,
        namespace: &'a str,
    }

    impl Process<'_> {
        const MONITOR: Self = Self {
            pid: 20,
            parent: 1,
            uid: 0,
            title: "sshd: alice [priv]",
            group: "/system.slice/ssh.service",
            program: "/usr/sbin/sshd",
            namespace: "pid:[1]",
        };
        const CHILD: Self = Self {
            pid: 21,
            parent: 20,
            uid: 1000,
            title: "sshd: alice@pts/0",
            ..Self::MONITOR
        };

        fn write(&self, root: &Root) {
            let dir = root.path(&format!("/proc/{}", self.pid));
            fs::create_dir_all(dir.join("ns")).unwrap();
            let status = format!(
                "Name:\tsshd\nPPid:\t{}\nUid:\t{}\t{}\n",
                self.parent, self.uid, self.uid
            );
            fs::write(dir.join("status"), status).unwrap();
            fs::write(dir.join("cmdline"), format!("{}\0\0\0", self.title)).unwrap();
            fs::write(dir.join("cgroup"), format!("0::{}\n", self.group)).unwrap();
            symlink(self.program, dir.join("exe")).unwrap();
            symlink(self.namespace, dir.join("ns/pid")).unwrap();
        }
    }

    fn logins(processes: &[Process<'_>]) -> Vec<(String, u32)> {
        let (_dir, root) = fake::root(&[("/proc/self/status", "")]);
        fs::create_dir_all(root.path("/proc/self/ns")).unwrap();
        symlink("pid:[1]", root.path("/proc/self/ns/pid")).unwrap();
        for process in processes {
            process.write(&root);
        }
        let found = found(&root).into_iter();
        found.map(|login| (login.user, login.leader)).collect()
    }

    #[test]
    fn a_login_outside_of_a_session_is_found_by_the_process_that_called_pam() {
        let alice = vec![("alice".to_owned(), 20)];
        assert_eq!(logins(&[Process::MONITOR, Process::CHILD]), alice);
        let trixie = [
            Process {
                title: "sshd-session: alice [priv]",
                program: "/usr/lib/openssh/sshd-session (deleted)",
                ..Process::MONITOR
            },
            Process {
                title: "sshd-session: alice@notty",
                ..Process::CHILD
            },
        ];
        assert_eq!(logins(&trixie), alice);
        let root = Process {
            title: "sshd: root@pts/3",
            ..Process::MONITOR
        };
        assert_eq!(logins(&[root]), [("root".to_owned(), 20)]);
        let at = Process {
            title: "sshd: joe@corp@pts/0",
            ..Process::CHILD
        };
        assert_eq!(
            logins(&[Process::MONITOR, at]),
            [("joe@corp".to_owned(), 20)]
        );
    }

    #[test]
    fn sessions_other_titles_other_programs_and_containers_are_none() {
        let in_a_session = Process {
            group: "/user.slice/user-1000.slice/session-3.scope",
            ..Process::MONITOR
        };
        assert_eq!(logins(&[in_a_session, Process::CHILD]), []);
        let of_a_users_own = Process {
            group: "/user.slice/user-1000.slice/user@1000.service/session-3.scope",
            ..Process::MONITOR
        };
        assert_eq!(logins(&[of_a_users_own, Process::CHILD]).len(), 1);
        let adopted = Process {
            group: "/user.slice/user-1000.slice/session-timeout-login-20-1234560000.scope",
            ..Process::MONITOR
        };
        assert_eq!(logins(&[adopted, Process::CHILD]).len(), 1);
        for title in ["sshd: joe@corp [net]", "sshd: alice [net]", "vi a@b"] {
            let other = Process {
                title,
                ..Process::CHILD
            };
            assert_eq!(logins(&[Process::MONITOR, other]), [], "{title}");
        }
        for (program, uid) in [("/usr/bin/su", 0), ("/usr/sbin/sshd", 1000)] {
            let forged = Process {
                program,
                uid,
                ..Process::MONITOR
            };
            assert_eq!(logins(&[forged, Process::CHILD]), [], "{program}");
        }
        let contained = Process {
            namespace: "pid:[2]",
            ..Process::MONITOR
        };
        assert_eq!(logins(&[contained, Process::CHILD]), []);
    }

    #[test]
    fn what_the_daemon_knows_is_not_complained_of() {
        let login = |user: &str| UntrackedLogin {
            user: user.into(),
            leader: 20,
        };
        let known = Session {
            leader: Some(20),
            ..Session::default()
        };
        let level = |login: UntrackedLogin, sessions: &[&Session]| {
            let found = examine(Some(&[login]), sessions);
            found.iter().map(|found| found.level).max()
        };
        assert_eq!(level(login("alice"), &[&known]), Some(Level::Ok));
        assert_eq!(level(login("alice"), &[]), Some(Level::Warning));
        assert_eq!(level(login("root"), &[]), Some(Level::Note));
    }
}
