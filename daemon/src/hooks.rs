//! The administrator's own programs, run when a user is warned, a limit is put off, or a session
//! ends.
//!
//! Each runs in a unit of its own, started by PID 1: it has none of the daemon's confinement,
//! cannot hold it up, and is ended after a while.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session_timeout_policy::{LimitKind, SessionFacts};
use session_timeout_texts::harmless;
use zbus::wire::Variant;

use crate::bus::{Object, PrivateBus};
use crate::clock::boot_now;

const DIRECTORY: &str = "/etc/session-timeout/hooks.d";
/// A hook that runs for longer is ended.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long one may take to end that was told to.
const STOPPING: Duration = Duration::from_secs(5);
/// More than this are not run.
const HOOKS_MAX: usize = 32;

/// What hooks are run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The user was warned.
    Warn,
    /// The absolute limit was put off.
    Extend,
    /// The session is asked to end, or to lock.
    End,
}

impl Occasion {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Extend => "extend",
            Self::End => "end",
        }
    }
}

/// What a hook is told, in its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts(Vec<String>);

impl Facts {
    pub(crate) fn of(session: &SessionFacts, limit: LimitKind) -> Self {
        let mut facts = Self::default();
        facts.add("SESSION_ID", &session.key.id);
        facts.add("USER_NAME", &session.user);
        facts.add("USER_UID", &session.uid);
        facts.add("LIMIT", &limit);
        for (name, value) in [
            ("SERVICE", &session.service),
            ("REMOTE_HOST", &session.remote_host),
            ("TERMINAL", &session.terminal),
            ("SEAT", &session.seat),
        ] {
            if let Some(value) = value {
                facts.add(name, value);
            }
        }
        facts
    }

    pub(crate) fn with(mut self, name: &str, value: &impl ToString) -> Self {
        self.add(name, value);
        self
    }

    /// How much time is left, in whole seconds: a timer that fires a moment late makes no 59 of 60.
    pub(crate) fn left(self, left: Duration) -> Self {
        let rounded = left.saturating_add(Duration::from_millis(500));
        self.with("LEFT_SEC", &rounded.as_secs())
    }

    /// With our name before it, so that none of them means anything to a program by accident.
    fn add(&mut self, name: &str, value: &impl ToString) {
        let value = harmless(&value.to_string());
        self.0.push(format!("SESSION_TIMEOUT_{name}={value}"));
    }
}

/// Runs hooks. Clones are the same.
#[derive(Clone)]
pub(crate) struct Hooks {
    bus: PrivateBus,
    count: Arc<AtomicU64>,
}

impl Hooks {
    pub(crate) fn new(bus: PrivateBus) -> Self {
        Self {
            bus,
            count: Arc::default(),
        }
    }

    /// Has PID 1 run what there is, and does not wait for any of it.
    pub(crate) fn run(&self, occasion: Occasion, facts: Facts) {
        let hooks = self.clone();
        tokio::spawn(async move {
            let list = tokio::task::spawn_blocking(|| hooks_in(Path::new(DIRECTORY))).await;
            for hook in list.unwrap_or_default() {
                if let Err(error) = hooks.start(occasion, &facts, &hook).await {
                    log::warn!("cannot run {}: {error}", hook.display());
                }
            }
        });
    }

    async fn start(&self, occasion: Occasion, facts: &Facts, hook: &Path) -> zbus::Result<()> {
        let failed = |why: &str| zbus::Error::Failure(why.to_owned());
        let link = self.bus.borrow().clone();
        let link = link.ok_or_else(|| failed("there is no system bus"))?;
        let program = hook.to_str().ok_or_else(|| failed("its name is no text"))?;
        let facts = facts.clone().with("EVENT", &occasion.as_str());
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let now = boot_now().as_micros();
        let unit = format!("session-timeout-hook-{now}-{number}.service");
        let argv = vec![program.to_owned(), occasion.as_str().to_owned()];
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (timeout, stopping) = (micros(TIMEOUT), micros(STOPPING));
        let properties = vec![
            (
                "Description",
                Variant::from(format!("{program} {}", occasion.as_str())),
            ),
            ("Type", Variant::from("oneshot")),
            (
                "ExecStart",
                Variant::from(vec![(program.to_owned(), argv, false)]),
            ),
            ("Environment", Variant::from(facts.0)),
            // Of a oneshot service this is all the time that there is.
            ("TimeoutStartUSec", Variant::from(timeout)),
            // And that after it, for what does not heed SIGTERM.
            ("TimeoutStopUSec", Variant::from(stopping)),
            ("CollectMode", Variant::from("inactive-or-failed")),
            ("SyslogIdentifier", Variant::from("session-timeout-hook")),
        ];
        let auxiliary: Vec<(String, Vec<(String, Variant<'_>)>)> = Vec::new();
        let body = (unit, "fail", properties, auxiliary);
        let manager = Object {
            name: "org.freedesktop.systemd1",
            path: "/org/freedesktop/systemd1",
            interface: "org.freedesktop.systemd1.Manager",
        };
        let started = link.call(manager, "StartTransientUnit", &body).await;
        started.map(drop)
    }
}

/// The hooks in this directory, in the order of their names: programs that nobody but root could
/// have put there or changed.
fn hooks_in(directory: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) if is_roots(directory).unwrap_or_default() => entries,
        Ok(_) => {
            log::warn!(
                "{} is not taken: others could write to it",
                directory.display()
            );
            return Vec::new();
        }
        Err(_) => return Vec::new(),
    };
    let mut hooks: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_hook(path))
        .collect();
    hooks.sort();
    hooks.truncate(HOOKS_MAX);
    hooks
}

/// As run-parts(8) has it: nothing that an editor or dpkg leaves behind.
fn is_hook(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let named = name.is_some_and(|name| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !name.is_empty() && name.bytes().all(plain)
    });
    let runs = fs::metadata(path).is_ok_and(|about| about.is_file() && about.mode() & 0o111 != 0);
    named && runs && is_roots(path).unwrap_or_default()
}

fn is_roots(path: &Path) -> io::Result<bool> {
    let about = fs::metadata(path)?;
    Ok(about.uid() == nix::unistd::geteuid().as_raw() && about.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use session_timeout_policy::{BootTime, SessionClass, SessionKey, SessionType, Uid};

    use super::*;

    fn put(directory: &Path, name: &str, mode: u32) {
        let path = directory.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_programs_that_nobody_else_could_have_written_are_run_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        put(path, "20-second", 0o755);
        put(path, "10-first", 0o700);
        put(path, "not-executable", 0o644);
        put(path, "group-writable", 0o775);
        put(path, "left.dpkg-old", 0o755);
        put(path, "editor~", 0o755);
        fs::create_dir(path.join("directory")).unwrap();
        let found: Vec<_> = ["10-first", "20-second"].map(|name| path.join(name)).into();
        assert_eq!(hooks_in(path), found);

        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(hooks_in(path).is_empty());
        assert!(hooks_in(&path.join("missing")).is_empty());
    }

    #[test]
    fn a_hook_is_told_facts_and_nothing_that_ends_a_line() {
        let session = SessionFacts {
            key: SessionKey {
                id: "c1".into(),
                stamp: 1,
            },
            user: "alice".into(),
            uid: Uid::new(1000),
            class: SessionClass::User,
            session_type: SessionType::Tty,
            leader: None,
            service: Some("sshd".into()),
            remote_host: Some("evil\nPATH=/tmp".into()),
            terminal: None,
            seat: None,
            started: BootTime::default(),
            keeper: session_timeout_policy::Keeper::Logind,
            invocation: None,
        };
        let facts = Facts::of(&session, LimitKind::Absolute).left(Duration::from_millis(59_990));
        let expected = [
            "SESSION_TIMEOUT_SESSION_ID=c1",
            "SESSION_TIMEOUT_USER_NAME=alice",
            "SESSION_TIMEOUT_USER_UID=1000",
            "SESSION_TIMEOUT_LIMIT=absolute",
            "SESSION_TIMEOUT_SERVICE=sshd",
            "SESSION_TIMEOUT_REMOTE_HOST=evil\u{fffd}PATH=/tmp",
            "SESSION_TIMEOUT_LEFT_SEC=60",
        ];
        assert_eq!(facts.0, expected);
    }
}
