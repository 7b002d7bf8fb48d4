//! Checks of the daemon, its socket and its policy.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::{fs, io};

use session_timeout_config::{CheckStatus, Checked, Minima, Sources};

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::doctor::root::Root;
use crate::doctor::unit::{Helper, Outcome};
use crate::error::Error;
use crate::status::{Policy, Status};
use crate::text::listed;

const SOCKET: &str = "/run/session-timeout/login.sock";
/// Both: a socket cannot be started under a daemon that runs.
const RESTART: &str = "systemctl restart session-timeoutd.socket session-timeoutd.service";
const START: &str = "systemctl enable --now session-timeoutd.socket session-timeoutd.service";
const SEE_WHY: &str = "see why: journalctl -b -u session-timeoutd; then: \
    systemctl enable --now session-timeoutd.socket session-timeoutd.service";
const RELOAD: &str = "systemctl reload session-timeoutd";
/// Both, as of the daemon's.
const RESTART_HELPER: &str =
    "systemctl restart session-timeout-terminals.socket session-timeout-terminals.service";

/// The state of the login socket in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Socket {
    Is { mode: u32, uid: u32 },
    Missing,
    SomethingElse,
    Hidden,
}

impl Socket {
    pub(crate) fn gather(root: &Root) -> Self {
        match fs::symlink_metadata(root.path(SOCKET)) {
            Ok(file) if file.file_type().is_socket() => Self::Is {
                mode: file.mode() & 0o777,
                uid: file.uid(),
            },
            Ok(_) => Self::SomethingElse,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::Hidden,
            Err(_) => Self::Missing,
        }
    }
}

/// Reads the policy files as the daemon would read them now.
pub(crate) fn files(answer: &Result<Status, Error>) -> Checked {
    let (sources, minima) = match answer {
        Ok(status) if !status.policy.path.is_empty() => {
            let minima = if status.short_limits {
                Minima::Lifted
            } else {
                Minima::Enforced
            };
            (Sources::with_main(&status.policy.path), minima)
        }
        _ => (Sources::system(), Minima::Enforced),
    };
    Checked::of(&sources, minima)
}

/// All findings about the daemon, its socket and its policy.
pub(crate) fn examine(
    answer: &Result<Status, Error>,
    socket: Socket,
    files: &Checked,
    outcome: &Outcome,
) -> Vec<Finding> {
    let mut findings = vec![running(answer, outcome), login_socket(socket)];
    match answer {
        Ok(status) => {
            findings.extend([
                version(status),
                logind(status),
                rejected(status),
                state(&status.policy),
            ]);
            if status.policy.error.is_none() {
                findings.push(on_disk(files));
            }
            findings.push(short_limits(status));
        }
        Err(_) => findings.push(on_disk(files)),
    }
    findings
}

fn running(answer: &Result<Status, Error>, outcome: &Outcome) -> Finding {
    let check = Check::DaemonRunning;
    let Err(why) = answer else {
        return Finding::ok(check, "session-timeoutd runs and answers");
    };
    match why {
        Error::NotRunning => {
            let what = "session-timeoutd does not run: no limit is enforced";
            match outcome.failure() {
                None => Finding::error(check, what).run_this(START),
                Some(why) => Finding::error(check, &format!("{what} ({why})")).do_this(SEE_WHY),
            }
        }
        Error::NoAnswer(_) => {
            let what = "session-timeoutd runs and does not answer";
            Finding::error(check, what).run_this("systemctl restart session-timeoutd")
        }
        Error::NoBus(why) => {
            let what = format!("there is no system bus to ask session-timeoutd on ({why})");
            Finding::error(check, &what).run_this("systemctl start dbus.socket")
        }
        other => Finding::error(check, &other.to_string()),
    }
}

/// Whether it is started at boot. `units` are the states of the unit files.
pub(crate) fn enabled(units: &[(&str, String)]) -> Option<Finding> {
    let check = Check::DaemonEnabled;
    let missing: Vec<&str> = units
        .iter()
        .filter(|(_, state)| state != "enabled")
        .map(|(unit, _)| *unit)
        .collect();
    Some(match (units, missing.as_slice()) {
        ([], _) => return None,
        (_, []) => Finding::ok(check, "session-timeoutd is started at the next boot, too"),
        (_, missing) => {
            let what = format!("{} is not started at the next boot", listed(missing, "and"));
            Finding::warning(check, &what).run_this(START)
        }
    })
}

/// Whether warnings can be written to terminals. The helper is stopped with the daemon, so this is
/// only checked while the daemon runs.
pub(crate) fn terminals(helper: &Helper) -> Finding {
    let check = Check::DaemonTerminals;
    let states = (helper.socket.as_str(), helper.service.as_str());
    let finding = match states {
        ("active", "active") => {
            return Finding::ok(
                check,
                "session-timeout-terminals runs, for warnings on terminals",
            );
        }
        ("active", state) => {
            let what = format!(
                "session-timeout-terminals.service is {state}: warnings on terminals wait until \
                 systemd has started it, and users can delay that"
            );
            Finding::warning(check, &what)
        }
        (state, _) => {
            let what =
                format!("session-timeout-terminals.socket is {state}: no terminal shows a warning");
            Finding::error(check, &what)
        }
    };
    finding.run_this(RESTART_HELPER)
}

fn login_socket(socket: Socket) -> Finding {
    let check = Check::DaemonSocket;
    let wrong = |what: &str| Finding::error(check, &format!("{SOCKET} {what}")).run_this(RESTART);
    match socket {
        Socket::Is {
            mode: 0o600,
            uid: 0,
        } => Finding::ok(check, &format!("{SOCKET} is there, for root alone")),
        Socket::Is { mode, uid } => wrong(&format!(
            "has the mode {mode:04o} and the owner {uid}, not 0600 and 0"
        )),
        Socket::Missing => wrong("is not there, so no login is recorded"),
        Socket::SomethingElse => wrong("is no socket, so no login is recorded"),
        Socket::Hidden => Finding::unseen(check, SOCKET),
    }
}

fn version(status: &Status) -> Finding {
    let check = Check::DaemonVersion;
    let (theirs, ours) = (&status.version, env!("CARGO_PKG_VERSION"));
    if theirs == ours {
        return Finding::ok(check, "daemon and command are of one version");
    }
    let what = format!("the daemon that runs is of version {theirs}, this command of {ours}");
    Finding::warning(check, &what).run_this("systemctl restart session-timeoutd")
}

fn logind(status: &Status) -> Finding {
    let check = Check::DaemonLogind;
    if status.logind == "connected" {
        return Finding::ok(check, "logind answers the daemon");
    }
    let what = "logind does not answer the daemon: it learns of no new session, and has PID 1 alone \
                to end those that it knows";
    Finding::error(check, what).run_this("systemctl restart systemd-logind")
}

fn rejected(status: &Status) -> Finding {
    let check = Check::DaemonRejectedFrames;
    let count = match status.rejected_frames {
        0 => return Finding::ok(check, "every login that was told of was understood"),
        1 => "1 message".to_owned(),
        n => format!("{n} messages"),
    };
    let what = format!("{count} on the login socket made no sense to the daemon");
    Finding::warning(check, &what).do_this(
        "see why: journalctl -t session-timeoutd; a restart of the daemon resets the count",
    )
}

fn state(policy: &Policy) -> Finding {
    let check = Check::PolicyState;
    let path = &policy.path;
    let refused = format!("the policy of {path} was refused");
    let fix = format!("correct what `session-timeout check` shows, then: {RELOAD}");
    let what = match (policy.state.as_str(), &policy.error) {
        ("in-force", None) => {
            return Finding::ok(check, &format!("the policy of {path} is in force"));
        }
        ("built-in", None) => {
            let what = format!("there is no {path}; the built-in policy is in force");
            return Finding::note(check, &what);
        }
        ("in-force", Some(_)) => format!("{refused}; the one before it is still in force"),
        ("built-in", Some(_)) => format!("{refused}; the built-in one is in force"),
        ("last-good", _) => format!("{refused}; a copy of the last good one is in force"),
        ("none", _) => format!("{refused} and there is no last good one: no limit is enforced"),
        (other, _) => format!("the state of the policy of {path} is \"{other}\""),
    };
    // Only the first line; `check` shows the rest.
    let why = policy.error.as_deref().and_then(|why| why.lines().next());
    let what = why.map_or(what.clone(), |why| format!("{what} ({why})"));
    Finding::error(check, &what).do_this(&fix)
}

fn on_disk(files: &Checked) -> Finding {
    let check = Check::PolicyFiles;
    match files.status() {
        CheckStatus::Good => match files.warnings().len() {
            0 => Finding::ok(check, "the policy files have no errors"),
            count => {
                let what = format!("the policy files have {}", counted(count, "warning"));
                Finding::note(check, &what).do_this("see them: session-timeout check")
            }
        },
        CheckStatus::Invalid => {
            let count = counted(files.errors().len(), "error");
            let what = format!("the policy files have {count}: the daemon will refuse them");
            let fix = format!("correct what `session-timeout check` shows, then: {RELOAD}");
            Finding::error(check, &what).do_this(&fix)
        }
        CheckStatus::Unreadable => {
            let why = files.unreadable().unwrap_or_default();
            if nix::unistd::geteuid().is_root() {
                return Finding::error(check, &why).do_this("see: session-timeout check");
            }
            Finding::unseen(check, &format!("whether the policy files are good ({why})"))
        }
    }
}

fn short_limits(status: &Status) -> Finding {
    let check = Check::PolicyShortLimits;
    if !status.short_limits {
        return Finding::ok(check, "the minima of limits hold");
    }
    let what = "the daemon takes limits below the minima (--allow-short-limits)";
    Finding::warning(check, what).do_this(
        "take it out of SESSION_TIMEOUTD_OPTIONS (systemctl edit session-timeoutd), then: \
         systemctl restart session-timeoutd",
    )
}

fn counted(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::doctor::finding::{Fix, Level};
    use crate::doctor::root::fake;
    use crate::status::sample;

    const GOOD: Socket = Socket::Is {
        mode: 0o600,
        uid: 0,
    };

    fn good_files() -> Checked {
        let (_dir, root) = fake::root(&[("/policy.toml", "[default]\n")]);
        Checked::of(&Sources::file(root.path("/policy.toml")), Minima::Enforced)
    }

    /// The levels of the findings that are not ok.
    fn problems(answer: &Result<Status, Error>, socket: Socket) -> Vec<(Check, Level)> {
        let findings = examine(answer, socket, &good_files(), &Outcome::default());
        let problems = findings.iter().filter(|finding| finding.level > Level::Ok);
        problems
            .map(|finding| (finding.check, finding.level))
            .collect()
    }

    fn with(change: impl FnOnce(&mut Status)) -> Vec<(Check, Level)> {
        let mut status = sample();
        change(&mut status);
        problems(&Ok(status), GOOD)
    }

    #[test]
    fn a_healthy_daemon_has_nothing_wrong() {
        assert_eq!(with(|_| ()), []);
        assert_eq!(
            examine(&Ok(sample()), GOOD, &good_files(), &Outcome::default()).len(),
            8
        );
    }

    #[test]
    fn each_thing_that_can_be_wrong_is_named() {
        let error = |check| vec![(check, Level::Error)];
        assert_eq!(
            with(|s| s.logind = "waiting".into()),
            error(Check::DaemonLogind)
        );
        assert_eq!(
            with(|s| s.policy.state = "none".into()),
            error(Check::PolicyState)
        );
        assert_eq!(
            with(|s| s.policy.state = "last-good".into()),
            error(Check::PolicyState)
        );
        let refused = |s: &mut Status| s.policy.error = Some("line 3".into());
        assert_eq!(with(refused), error(Check::PolicyState));
        let warning = |check| vec![(check, Level::Warning)];
        assert_eq!(
            with(|s| s.short_limits = true),
            warning(Check::PolicyShortLimits)
        );
        assert_eq!(
            with(|s| s.rejected_frames = 1),
            warning(Check::DaemonRejectedFrames)
        );
        assert_eq!(
            with(|s| s.version = "0.0.9".into()),
            warning(Check::DaemonVersion)
        );
        let built_in = with(|s| s.policy.state = "built-in".into());
        assert_eq!(built_in, [(Check::PolicyState, Level::Note)]);
    }

    #[test]
    fn a_daemon_that_is_not_there_can_be_started_as_the_fix_says() {
        let findings = examine(
            &Err(Error::NotRunning),
            Socket::Missing,
            &good_files(),
            &Outcome::default(),
        );
        assert_eq!(findings[0].level, Level::Error);
        assert_eq!(findings[0].fix, Some(Fix::Run(START.into())));
        assert_eq!(findings[1].check, Check::DaemonSocket);
        for why in [
            Error::NoAnswer(std::time::Duration::ZERO),
            Error::NoBus("no".into()),
            Error::AccessDenied("no".into()),
        ] {
            assert_eq!(
                problems(&Err(why), GOOD),
                [(Check::DaemonRunning, Level::Error)]
            );
        }
    }

    #[test]
    fn a_daemon_that_does_not_come_back_is_said() {
        let units = |socket: &str, service: &str| {
            let states = [
                ("a.socket", socket.to_owned()),
                ("b.service", service.to_owned()),
            ];
            enabled(&states).unwrap()
        };
        assert_eq!(units("enabled", "enabled").level, Level::Ok);
        let disabled = units("enabled", "disabled");
        assert_eq!(disabled.level, Level::Warning);
        assert_eq!(disabled.what, "b.service is not started at the next boot");
        assert_eq!(disabled.fix, Some(Fix::Run(START.into())));
        assert_eq!(enabled(&[]), None);
    }

    #[test]
    fn a_helper_that_does_not_run_is_said_and_can_be_started_as_the_fix_says() {
        for (socket, service, level) in [
            ("active", "active", Level::Ok),
            ("active", "inactive", Level::Warning),
            ("active", "failed", Level::Warning),
            ("active", "activating", Level::Warning),
            ("inactive", "inactive", Level::Error),
            ("failed", "active", Level::Error),
        ] {
            let (socket, service) = (socket.to_owned(), service.to_owned());
            let finding = terminals(&Helper { socket, service });
            assert_eq!(finding.level, level, "{finding:?}");
            let fix = (level > Level::Ok).then(|| Fix::Run(RESTART_HELPER.into()));
            assert_eq!(finding.fix, fix);
        }
    }

    #[test]
    fn the_socket_is_roots_alone_or_it_is_said() {
        for (socket, level) in [
            (GOOD, Level::Ok),
            (
                Socket::Is {
                    mode: 0o666,
                    uid: 0,
                },
                Level::Error,
            ),
            (
                Socket::Is {
                    mode: 0o600,
                    uid: 1000,
                },
                Level::Error,
            ),
            (Socket::Missing, Level::Error),
            (Socket::SomethingElse, Level::Error),
            (Socket::Hidden, Level::Note),
        ] {
            assert_eq!(login_socket(socket).level, level, "{socket:?}");
        }
    }

    #[test]
    fn the_socket_is_checked_below_the_root() {
        let (_dir, root) = fake::root(&[("/run/session-timeout/x", "")]);
        assert_eq!(Socket::gather(&root), Socket::Missing);
        let _listener = UnixListener::bind(root.path(SOCKET)).unwrap();
        assert!(matches!(Socket::gather(&root), Socket::Is { .. }));
        let (_dir, root) = fake::root(&[(SOCKET, "")]);
        assert_eq!(Socket::gather(&root), Socket::SomethingElse);
    }

    #[test]
    fn files_that_would_be_refused_are_an_error_before_they_are() {
        let (_dir, root) = fake::root(&[
            ("/good.toml", "[default]\nsession-timeout = \"2h\"\n"),
            ("/bad.toml", "[default]\nsession-timeout = \"2 parsecs\"\n"),
        ]);
        let level = |path: &str| {
            let sources = Sources::file(root.path(path));
            on_disk(&Checked::of(&sources, Minima::Enforced)).level
        };
        assert_eq!(level("/good.toml"), Level::Ok);
        assert_eq!(level("/bad.toml"), Level::Error);
    }
}
