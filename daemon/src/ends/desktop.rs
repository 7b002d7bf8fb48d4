//! Ends desktops that run as services of the user's manager, such as Plasma. Little of such a
//! desktop is in the session's scope, and it survives as long as the user has another login.
//!
//! The units of a desktop are those that are part of `graphical-session.target`
//! (systemd.special(7)), directly or through other units; other units of the user's manager are
//! left alone. The user's manager refuses root, so PID 1 runs the query as the user. The user
//! controls the answer: only control groups below that manager are accepted from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session_timeout_policy::{SessionClass, SessionFacts, SessionType, Uid};

use super::Ends;
use super::units::AsUser;
use crate::process::Process;
use crate::process::cgroup;
use crate::sys::clock::boot_now;

const TARGET: &str = "graphical-session.target";

/// Directory of root's for the file with the answer; the user's process can write to no other file
/// there.
const ANSWER_DIRECTORY: &str = "/run/session-timeout";

/// Maximum size of the answer in bytes, more than some hundred units fill.
const ANSWER_MAX_BYTES: u64 = 1 << 20;

/// How long an end waits for the user's manager, which takes a tenth of a second on an idle host.
pub(super) const MANAGER_TIMEOUT: Duration = Duration::from_secs(4);

/// Timeout of the query. It is longer, since an answer that comes late still says what is to be
/// ended; systemctl(1) waits 25 seconds for a manager that does not reply.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Prints the properties of all units of the user's manager, and a last line if they are complete.
const ALL_UNITS: &str = "/usr/bin/systemctl --user show --property=Id --property=ConsistsOf \
     --property=ControlGroup '*' && echo complete";
const COMPLETE: &str = "complete";

/// Intervals between the checks whether a program has finished: the first, which is doubled each
/// time, and the longest.
const POLL_MIN: Duration = Duration::from_millis(50);
const POLL_MAX: Duration = Duration::from_millis(500);

/// logind's session files, which libsystemd reads (sd_session_get_type(3)) and which are there
/// without logind.
const SESSIONS: &str = "/run/systemd/sessions";

impl Ends {
    /// Records the control groups of the session's desktop, unless that was done or is being done.
    pub(super) async fn note_desktop(&self, session: &SessionFacts) {
        if self.targets.begins_query(&session.key) {
            let groups = self.desktop(session).await;
            self.targets.end_query(&session.key, groups);
        }
    }

    /// Waits for a query of the session's desktop that is under way, four seconds at most.
    pub(super) async fn await_desktop(&self, session: &SessionFacts) {
        let answered = async {
            while self.targets.is_queried(&session.key) {
                tokio::time::sleep(POLL_MIN).await;
            }
        };
        let _ = tokio::time::timeout(MANAGER_TIMEOUT, answered).await;
    }

    /// The control groups of the session's desktop in its user's manager: empty if the session has
    /// no desktop, or the user has another one; `None` if the manager runs and does not answer.
    async fn desktop(&self, session: &SessionFacts) -> Option<BTreeSet<String>> {
        if !may_have_one(session) || has_another(session) || !has_manager(session.uid) {
            return Some(BTreeSet::new());
        }
        let stamp = boot_now().as_micros();
        let answer = PathBuf::from(format!("{ANSWER_DIRECTORY}/units-{}-{stamp}", session.uid));
        let name = format!("session-timeout-desktop-{}-{stamp}.service", session.uid);
        let asked = self.as_user(AsUser {
            name: &name,
            description: "What belongs to a desktop",
            user: session.uid,
            argv: &["/bin/sh", "-c", ALL_UNITS],
            bound: QUERY_TIMEOUT,
            output: answer.to_str().map(|path| (path, ANSWER_MAX_BYTES)),
        });
        asked.await;
        let said = fs::read(&answer).unwrap_or_default();
        let _ = fs::remove_file(&answer);
        let said = String::from_utf8_lossy(&said);
        is_complete(&said).then(|| groups(&said, session.uid))
    }

    /// Stops the desktop through the user's manager, as a logout does.
    pub(super) async fn stop_desktop(&self, session: &SessionFacts) {
        let stamp = boot_now().as_micros();
        let name = format!("session-timeout-desktop-{}-{stamp}.service", session.uid);
        let asked = self.as_user(AsUser {
            name: &name,
            description: "The end of a desktop",
            user: session.uid,
            argv: &["/usr/bin/systemctl", "--user", "--no-block", "stop", TARGET],
            bound: MANAGER_TIMEOUT,
            output: None,
        });
        asked.await;
    }

    /// Runs the program, and waits for its exit or its timeout.
    async fn as_user(&self, program: AsUser<'_>) {
        if let Err(error) = self.units.run_as(&program).await {
            log::warn!("cannot ask the manager of uid {}: {error}", program.user);
            return;
        }
        let over = async {
            let mut pause = POLL_MIN;
            while let Ok(Some(_)) = self.units.invocation(program.name).await {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(POLL_MAX);
            }
        };
        let _ = tokio::time::timeout(program.bound, over).await;
    }
}

/// The processes in these control groups.
pub(super) fn processes(groups: &BTreeSet<String>) -> BTreeSet<Process> {
    let pids = groups
        .iter()
        .flat_map(|group| cgroup::processes_below(group));
    pids.filter_map(Process::of).collect()
}

/// Whether the session may have a desktop. A user can change a session's type (SetType of
/// org.freedesktop.login1(5)), but not its seat.
pub(super) fn may_have_one(session: &SessionFacts) -> bool {
    session.session_type.is_graphical() || session.seat.is_some()
}

/// Whether the user has a desktop in another session, which the same manager serves. For a desktop
/// at a seat only others at a seat count, since any login can set its type to that of a desktop.
pub(super) fn has_another(session: &SessionFacts) -> bool {
    let seated = session.session_type.is_graphical() && session.seat.is_some();
    files_of_sessions(Path::new(SESSIONS))
        .filter(|(id, _)| id != session.key.id.as_str())
        .filter_map(|(_, path)| seat_of_desktop(&path, session.uid))
        .any(|seat| !seated || !seat.is_empty())
}

/// Whether the user's manager runs.
fn has_manager(user: Uid) -> bool {
    !cgroup::is_empty(&format!("user@{user}.service"), user)
}

/// The session files, by session id. Beside each is a FIFO (`session_create_fifo()` of logind),
/// which must not be opened: open(2) would block.
fn files_of_sessions(directory: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}

/// The seat in this session file, empty for none; `None` unless the session is a desktop of this
/// user.
fn seat_of_desktop(path: &Path, user: Uid) -> Option<String> {
    let about = fs::read_to_string(path).ok()?;
    let fields: BTreeMap<&str, &str> = about
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let field = |name| fields.get(name).copied().unwrap_or_default();
    let is_desktop = field("UID") == user.to_string()
        && field("STATE") != "closing"
        && SessionClass::parse(field("CLASS")).is_login_of_a_person()
        && SessionType::parse(field("TYPE")).is_graphical();
    is_desktop.then(|| field("SEAT").to_owned())
}

/// Whether the output of the query is about all units. A manager that does not reply in time leaves
/// some of it, or nothing.
fn is_complete(said: &str) -> bool {
    said.lines().next_back() == Some(COMPLETE)
}

/// The control groups of the desktop's units, from the output of `systemctl show` about all units.
fn groups(said: &str, user: Uid) -> BTreeSet<String> {
    let units: BTreeMap<&str, Unit<'_>> = said.split("\n\n").filter_map(Unit::parse).collect();
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = vec![TARGET];
    while let Some(name) = waiting.pop() {
        let Some(unit) = units.get(name).filter(|_| seen.insert(name)) else {
            continue;
        };
        waiting.extend(&unit.parts);
        found.extend(
            unit.group
                .filter(|group| is_of_manager(group, user))
                .map(str::to_owned),
        );
    }
    found
}

/// Whether a control group is that of a unit of this user's manager, and not the manager's own.
fn is_of_manager(group: &str, user: Uid) -> bool {
    let manager = format!("/user.slice/user-{user}.slice/user@{user}.service/");
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    group.strip_prefix(&manager).is_some_and(|unit| {
        unit != "init.scope" && !unit.starts_with("init.scope/") && unit.split('/').all(plain)
    })
}

/// The properties of a unit.
#[derive(Debug)]
struct Unit<'a> {
    /// The units that are `PartOf=` this one.
    parts: Vec<&'a str>,
    group: Option<&'a str>,
}

impl<'a> Unit<'a> {
    fn parse(block: &'a str) -> Option<(&'a str, Self)> {
        let field = |name: &str| {
            let mut lines = block.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        let unit = Self {
            parts: field("ConsistsOf")
                .unwrap_or_default()
                .split_whitespace()
                .collect(),
            group: field("ControlGroup").filter(|group| !group.is_empty()),
        };
        Some((field("Id")?, unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Uid = Uid::new(1000);
    const MANAGER: &str = "/user.slice/user-1000.slice/user@1000.service";

    #[test]
    fn the_fifo_beside_what_is_kept_of_a_session_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("c1"), "UID=1000\n").unwrap();
        let fifo = directory.path().join("c1.ref");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let found: Vec<_> = files_of_sessions(directory.path()).collect();
        assert_eq!(found, [("c1".to_owned(), directory.path().join("c1"))]);
    }

    #[test]
    fn units_of_the_desktop_are_distinguished_from_those_that_linger() {
        let said = format!(
            "Id=lingers.service\nConsistsOf=\nControlGroup={MANAGER}/app.slice/lingers.service\n\n\
             Id={TARGET}\nConsistsOf=shell.target agent.service {TARGET}\nControlGroup=\n\n\
             Id=shell.target\nConsistsOf=shell.service\n\n\
             ControlGroup={MANAGER}/session.slice/shell.service\nId=shell.service\n\n\
             Id=agent.service\nControlGroup={MANAGER}/app.slice/agent.service\n"
        );
        let found = groups(&said, USER);
        let expected = ["app.slice/agent.service", "session.slice/shell.service"];
        let expected = expected.map(|unit| format!("{MANAGER}/{unit}"));
        assert_eq!(found, expected.into());
    }

    #[test]
    fn a_partial_answer_is_distinguished_from_a_full_one() {
        let whole = format!("Id={TARGET}\nConsistsOf=\nControlGroup=\ncomplete\n");
        assert!(is_complete(&whole));
        for end in 0..whole.len() - 1 {
            assert!(!is_complete(&whole[..end]), "{end}");
        }
    }

    #[test]
    fn nobody_elses_groups_are_taken_from_a_users_word() {
        for group in [
            "/system.slice/ssh.service",
            "/user.slice/user-1001.slice/user@1001.service/app.slice/a.service",
            &format!("{MANAGER}/../../session-c1.scope"),
            &format!("{MANAGER}/init.scope"),
            MANAGER,
        ] {
            assert!(!is_of_manager(group, USER), "{group}");
        }
    }

    #[test]
    fn another_desktop_of_the_user_is_one_that_a_person_is_logged_in_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c2");
        let desktop = "UID=1000\nSTATE=active\nCLASS=user\nTYPE=wayland\n";
        fs::write(&path, desktop).unwrap();
        assert_eq!(seat_of_desktop(&path, USER).as_deref(), Some(""));
        fs::write(&path, format!("{desktop}SEAT=seat0\n")).unwrap();
        assert_eq!(seat_of_desktop(&path, USER).as_deref(), Some("seat0"));
        for (from, to) in [("1000", "1001"), ("active", "closing"), ("wayland", "tty")] {
            fs::write(&path, desktop.replace(from, to)).unwrap();
            assert_eq!(seat_of_desktop(&path, USER), None, "{to}");
        }
    }
}
