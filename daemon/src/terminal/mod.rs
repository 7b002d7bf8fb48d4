//! The terminals of a session, and the times of their last input and output.
//!
//! logind drops the terminal of an SSH connection when a second one is opened, and on Debian 13 it
//! has none at all, so terminals are found through the processes of the login.
//!
//! The daemon opens none of them: open(2) of a terminal may be blocked by its user. stat(2) cannot
//! be blocked.

pub(crate) mod controlling;
pub(crate) mod helper;
pub(crate) mod input_watch;
pub(crate) mod own_writes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::libc;
use session_timeout_policy::{SessionFacts, StampSource, WallTime};
use session_timeout_terminals::{Terminal, Witness, WriteResult, process};

use self::own_writes::OwnWrites;

/// The terminals of a login, by the processes that use them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Terminals {
    /// Terminals of the leader and its descendants.
    pub(crate) own: BTreeSet<Terminal>,
    /// Terminals of other processes in the scope.
    pub(crate) left: BTreeSet<Terminal>,
}

impl Terminals {
    /// The terminals whose input counts. If the login has terminals of its own, those of other
    /// processes in the scope do not count: a user may type into a tmux server from another login.
    pub(crate) fn counted(&self) -> &BTreeSet<Terminal> {
        if self.own.is_empty() {
            &self.left
        } else {
            &self.own
        }
    }

    /// All terminals of the login.
    pub(crate) fn all(&self) -> BTreeSet<Terminal> {
        self.own.union(&self.left).cloned().collect()
    }
}

/// Finds the terminals of a login. A terminal that its user does not own counts if it is certainly
/// the controlling terminal of one of the login's processes: su(1) and web consoles do not change
/// the owner. For a desktop such terminals do not count: the console that it was started from shows
/// nothing while it runs.
pub(crate) fn of_session(session: &SessionFacts) -> Terminals {
    let user = session.uid.as_raw();
    let graphical = session.session_type.is_graphical();
    let is_of_login = |terminal: &Terminal| {
        let device = terminal.device;
        let controls = |witness: Witness| process::controls(witness, device);
        terminal.owner == user || !graphical && terminal.witness.is_some_and(controls)
    };
    let named = |(device, witness)| named(device, Some(witness));
    let family = controlling::terminals(session);
    let own = family.own.into_iter().filter_map(named);
    let mut own: BTreeSet<_> = own.filter(is_of_login).collect();
    let left = family.left.into_iter().filter_map(named);
    let left: BTreeSet<_> = left.filter(|terminal| terminal.owner == user).collect();
    if own.is_empty() && left.is_empty() {
        let known = session.terminal.as_deref().and_then(known_to_logind);
        own.extend(known.filter(|terminal| terminal.owner == user));
    }
    Terminals { own, left }
}

/// The name without `/dev/`: `pts/3`.
pub(crate) fn name(terminal: &Terminal) -> String {
    let name = terminal.path.strip_prefix("/dev");
    name.unwrap_or(&terminal.path).display().to_string()
}

/// The time of the last input on each of these terminals.
pub(crate) fn input_stamps(terminals: &BTreeSet<Terminal>) -> BTreeMap<StampSource, WallTime> {
    let stamp = |terminal: &Terminal| {
        let stamp = seconds(metadata(terminal)?.atime())?;
        Some((StampSource::Terminal(terminal.device), stamp))
    };
    terminals.iter().filter_map(stamp).collect()
}

/// The time of the last output on each of these terminals that the daemon has not written.
pub(crate) fn output_stamps(
    terminals: &BTreeSet<Terminal>,
    writes: &OwnWrites,
) -> BTreeMap<StampSource, WallTime> {
    let stamp = |terminal: &Terminal| {
        let stamp = seconds(metadata(terminal)?.mtime())?;
        let stamp = writes.without_own(terminal.device, stamp);
        Some((StampSource::Output(terminal.device), stamp))
    };
    terminals.iter().filter_map(stamp).collect()
}

/// Records the time stamps of a write by the daemon, so that it does not count as output.
pub(crate) fn record_write(terminal: &Terminal, result: &WriteResult, writes: &OwnWrites) {
    let stamps = result.stamps;
    let stamps = stamps.and_then(|at| seconds(at.before).zip(seconds(at.after)));
    if let Some((before, after)) = stamps {
        writes.note(terminal.device, before, after);
    }
}

/// A time stamp of stat(2); `None` for zero.
fn seconds(secs: i64) -> Option<WallTime> {
    let secs = u64::try_from(secs).ok().filter(|&secs| secs != 0)?;
    Some(WallTime::from_micros(secs.saturating_mul(1_000_000)))
}

/// The terminal with this device number, if it has a name.
fn named(device: u64, witness: Option<Witness>) -> Option<Terminal> {
    let (major, minor) = (libc::major(device), libc::minor(device));
    let path = match major {
        // UNIX98_PTY_SLAVE_MAJOR and the seven after it (Documentation/admin-guide/devices.txt).
        136..=143 => PathBuf::from(format!("/dev/pts/{}", (major - 136) * 256 + minor)),
        _ => Path::new("/dev").join(device_name(major, minor)?),
    };
    let terminal = Terminal {
        path,
        device,
        owner: 0,
        witness,
    };
    let owner = metadata(&terminal)?.uid();
    Some(Terminal { owner, ..terminal })
}

/// The terminal that logind names for the session.
fn known_to_logind(name: &str) -> Option<Terminal> {
    if !name.split('/').all(is_plain) {
        return None;
    }
    let path = Path::new("/dev").join(name);
    let about = fs::symlink_metadata(&path).ok()?;
    let is_device = about.file_type().is_char_device();
    is_device.then(|| Terminal {
        path,
        device: about.rdev(),
        owner: about.uid(),
        witness: None,
    })
}

/// The terminal's metadata, if its file still exists.
fn metadata(terminal: &Terminal) -> Option<fs::Metadata> {
    let about = fs::symlink_metadata(&terminal.path).ok()?;
    let same = about.file_type().is_char_device() && about.rdev() == terminal.device;
    same.then_some(about)
}

/// The kernel's name of a character device, such as `tty1`.
fn device_name(major: u32, minor: u32) -> Option<String> {
    let about = fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent")).ok()?;
    let name = about
        .lines()
        .find_map(|line| line.strip_prefix("DEVNAME="))?;
    name.split('/').all(is_plain).then(|| name.to_owned())
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part != ".."
}

#[cfg(test)]
mod tests {
    use nix::pty::OpenptyResult;
    use session_timeout_policy::{Pid, SessionType, Uid};
    use session_timeout_terminals::{Outcome, Stamps};

    use super::*;
    use crate::fixtures::own_session;

    /// A new pseudoterminal of the test's own.
    fn own_pty() -> (OpenptyResult, Terminal) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let path = nix::unistd::ttyname(&pty.slave).unwrap();
        let about = fs::metadata(&path).unwrap();
        let terminal = Terminal {
            path,
            device: about.rdev(),
            owner: about.uid(),
            witness: None,
        };
        (pty, terminal)
    }

    #[test]
    fn a_terminal_is_found_by_its_device_and_by_its_name() {
        let (_pty, terminal) = own_pty();
        assert_eq!(named(terminal.device, None).as_ref(), Some(&terminal));
        let name = name(&terminal);
        assert!(name.starts_with("pts/"), "{name}");
        assert_eq!(known_to_logind(&name), Some(terminal));
        for name in ["pts/none", "../dev/null", "", "/dev/null"] {
            assert_eq!(known_to_logind(name), None, "{name}");
        }
    }

    #[test]
    fn who_has_a_terminal_types_there_and_nowhere_else() {
        let terminal = |device| Terminal {
            path: "/dev/pts/1".into(),
            device,
            owner: 0,
            witness: None,
        };
        let mut terminals = Terminals {
            own: [terminal(1)].into(),
            left: [terminal(2)].into(),
        };
        assert_eq!(terminals.counted(), &terminals.own);
        assert_eq!(terminals.all(), [terminal(1), terminal(2)].into());
        terminals.own.clear();
        assert_eq!(terminals.counted(), &terminals.left);
    }

    /// A child process with this controlling terminal, outside the session's scope.
    fn with_terminal(pty: &OpenptyResult) -> std::process::Child {
        std::process::Command::new("setsid")
            .args(["--ctty", "sleep", "60"])
            .stdin(pty.slave.try_clone().unwrap())
            .spawn()
            .unwrap()
    }

    #[test]
    fn the_terminal_of_a_leader_counts_with_any_owner() {
        let (pty, terminal) = own_pty();
        let mut leader = with_terminal(&pty);
        let device = Some(terminal.device);
        let has_it = || process::Stat::of(leader.id()).filter(|stat| stat.terminal == device);
        assert!((0..1_000_000).any(|_| has_it().is_some()));
        let mut session = own_session(Pid::new(leader.id()), crate::sys::clock::boot_now());
        for owner in [session.uid.as_raw(), session.uid.as_raw() + 1] {
            session.uid = Uid::new(owner);
            let found = of_session(&session);
            let devices: Vec<_> = found.own.iter().map(|one| Some(one.device)).collect();
            assert_eq!(devices, [device], "{owner}");
            assert!(found.left.is_empty());
        }
        // A desktop's console shows nothing while the desktop runs.
        session.session_type = SessionType::X11;
        assert_eq!(of_session(&session), Terminals::default());
        leader.kill().unwrap();
        leader.wait().unwrap();
        session.session_type = SessionType::Tty;
        assert_eq!(of_session(&session), Terminals::default());
    }

    #[test]
    fn what_we_write_ourselves_is_no_output() {
        let (_pty, terminal) = own_pty();
        let old = nix::sys::time::TimeVal::new(1_000_000, 0);
        nix::sys::stat::utimes(&terminal.path, &old, &old).unwrap();
        let writes = OwnWrites::default();
        let stamps = Stamps {
            before: 900_000,
            after: 1_000_000,
        };
        let result = WriteResult {
            outcome: Outcome::Full,
            stamps: Some(stamps),
        };
        record_write(&terminal, &result, &writes);
        let stamps = output_stamps(&BTreeSet::from([terminal.clone()]), &writes);
        let expected = WallTime::from_micros(900_000 * 1_000_000);
        assert_eq!(stamps[&StampSource::Output(terminal.device)], expected);
    }
}
