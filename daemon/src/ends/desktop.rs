//! Desktops that are services of the user's manager, such as Plasma: little of them is in the scope
//! of their session, and they live on with another login of the user's.
//!
//! What belongs to the desktop is told apart from what lingers by the user's own manager: it is
//! part of `graphical-session.target` (systemd.special(7)), through whatever targets of the desktop.
//! root is refused there, so PID 1 has the user ask. What the answer says is the user's word: only
//! groups of that manager are taken from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session_timeout_policy::{SessionClass, SessionFacts, SessionType, Uid};

use super::Ends;
use crate::clock::boot_now;
use crate::process::Process;
use crate::scope;
use crate::units::AsUser;

const TARGET: &str = "graphical-session.target";

/// The answer, which the user is to write to no other place, is kept here until it is read.
const ANSWERS: &str = "/run/session-timeout";

/// More than some hundred units fill.
const ANSWER_MAX: u64 = 1 << 20;

/// How long the user's manager may take: a tenth of a second on a host that has nothing else to do.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// Two looks whether it has answered are so far apart.
const PAUSE: Duration = Duration::from_millis(50);

/// What is known of each session, for whoever asks by libsystemd (sd_session_get_type(3)): it is
/// there without logind.
const SESSIONS: &str = "/run/systemd/sessions";

impl Ends {
    /// The control groups of the session's desktop in its user's manager: none where the session
    /// has no desktop, or the user another one.
    pub(super) async fn desktop(&self, session: &SessionFacts) -> BTreeSet<String> {
        if !may_have_one(session) || has_another(session) {
            return BTreeSet::new();
        }
        let stamp = boot_now().as_micros();
        let answer = PathBuf::from(format!("{ANSWERS}/units-{}-{stamp}", session.uid));
        let name = format!("session-timeout-desktop-{}-{stamp}.service", session.uid);
        let asked = self.as_user(AsUser {
            name: &name,
            description: "What belongs to a desktop",
            user: session.uid,
            argv: &[
                "/usr/bin/systemctl",
                "--user",
                "show",
                "--property=Id",
                "--property=ConsistsOf",
                "--property=ControlGroup",
                "*",
            ],
            bound: PATIENCE,
            output: answer.to_str().map(|path| (path, ANSWER_MAX)),
        });
        asked.await;
        let said = fs::read(&answer).unwrap_or_default();
        let _ = fs::remove_file(&answer);
        let said = String::from_utf8_lossy(&said);
        groups(&said, session.uid)
    }

    /// Has the user's manager stop the desktop, as it does at a logout.
    pub(super) async fn stop_desktop(&self, session: &SessionFacts) {
        let stamp = boot_now().as_micros();
        let name = format!("session-timeout-desktop-{}-{stamp}.service", session.uid);
        let asked = self.as_user(AsUser {
            name: &name,
            description: "The end of a desktop",
            user: session.uid,
            argv: &["/usr/bin/systemctl", "--user", "--no-block", "stop", TARGET],
            bound: PATIENCE,
            output: None,
        });
        asked.await;
    }

    /// Runs it, and waits until it has ended or its time is over.
    async fn as_user(&self, program: AsUser<'_>) {
        if let Err(error) = self.units.run_as(&program).await {
            log::warn!("cannot ask the manager of uid {}: {error}", program.user);
            return;
        }
        let over = async {
            while let Ok(Some(_)) = self.units.invocation(program.name).await {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let _ = tokio::time::timeout(program.bound, over).await;
    }
}

/// The processes in these control groups.
pub(super) fn processes(groups: &BTreeSet<String>) -> BTreeSet<Process> {
    let pids = groups.iter().flat_map(|group| scope::inside(group));
    pids.filter_map(Process::of).collect()
}

/// Whether the session may have a desktop. A user can change its type (SetType of
/// org.freedesktop.login1(5)), and not its seat.
pub(super) fn may_have_one(session: &SessionFacts) -> bool {
    session.session_type.is_graphical() || session.seat.is_some()
}

/// Whether the user has a desktop in another session: the one manager serves both. Beside a desktop
/// at a seat only others at a seat count, since any login can call itself a desktop.
fn has_another(session: &SessionFacts) -> bool {
    let seated = session.session_type.is_graphical() && session.seat.is_some();
    files_of_sessions(Path::new(SESSIONS))
        .filter(|(id, _)| *id != session.key.id)
        .filter_map(|(_, path)| seat_of_desktop(&path, session.uid))
        .any(|seat| !seated || !seat.is_empty())
}

/// What is kept of each session, by its id. Beside each is a FIFO (`session_create_fifo()` of
/// logind), which its login holds open: nobody who opens that comes back.
fn files_of_sessions(directory: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
}

/// The seat of the session that this is kept of, empty for none, where it is a desktop of the user's.
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

/// The control groups of what is part of the desktop, by what `systemctl show` said of all units.
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

/// Whether a control group is one of the units of this user's manager, and not the manager's own.
fn is_of_manager(group: &str, user: Uid) -> bool {
    let manager = format!("/user.slice/user-{user}.slice/user@{user}.service/");
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    group.strip_prefix(&manager).is_some_and(|unit| {
        unit != "init.scope" && !unit.starts_with("init.scope/") && unit.split('/').all(plain)
    })
}

/// What is said of a unit.
#[derive(Debug)]
struct Unit<'a> {
    /// What is `PartOf=` it.
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
    fn what_is_part_of_the_desktop_is_told_from_what_lingers() {
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
