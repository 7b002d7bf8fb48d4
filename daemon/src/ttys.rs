//! The terminals of a session: which there are, when they were last read, and writing to them.
//!
//! logind forgets the terminal of an SSH connection with a second one, and on Debian 13 it never
//! knows one, so the terminals are found through the processes of the login.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use nix::libc;
use session_timeout_policy::{Mesg, SessionFacts, StampSource, Uid, WallTime};

use crate::descent;
use crate::writes::Writes;

/// A terminal device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Terminal {
    pub(crate) path: PathBuf,
    device: u64,
}

/// What became of a text for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Written,
    /// The terminal refuses messages, and the policy respects that.
    Spared,
}

/// The terminals of a login: those that are its user's. A process with a `/dev/pts` of its own has
/// terminals whose numbers are those of other users' here.
pub(crate) fn of_session(session: &SessionFacts) -> BTreeSet<Terminal> {
    let owner = session.uid.as_raw();
    descent::terminals(session)
        .into_iter()
        .filter_map(|device| Terminal::of(device, owner))
        .collect()
}

/// When each of these terminals was last read from.
pub(crate) fn input_stamps(terminals: &BTreeSet<Terminal>) -> BTreeMap<StampSource, WallTime> {
    let stamp = |terminal: &Terminal| {
        let stamp = seconds(terminal.about()?.atime())?;
        Some((StampSource::Terminal(terminal.device), stamp))
    };
    terminals.iter().filter_map(stamp).collect()
}

/// When each of these terminals was last written to by somebody else than us.
pub(crate) fn output_stamps(
    terminals: &BTreeSet<Terminal>,
    writes: &Writes,
) -> BTreeMap<StampSource, WallTime> {
    let stamp = |terminal: &Terminal| {
        let stamp = seconds(terminal.about()?.mtime())?;
        let stamp = writes.without_ours(terminal.device, stamp);
        Some((StampSource::Output(terminal.device), stamp))
    };
    terminals.iter().filter_map(stamp).collect()
}

/// Writes `text` to the terminal if it is the user's, and never waits: one that is stopped by ^S,
/// or whose buffer is full, does without.
///
/// # Errors
/// What the system says; `PermissionDenied` where the terminal is somebody else's by now.
pub(crate) fn write(
    terminal: &Terminal,
    owner: Uid,
    text: &str,
    mesg: Mesg,
    writes: &Writes,
) -> io::Result<Shown> {
    let mut file = terminal.open()?;
    let about = file.metadata()?;
    // The number of a terminal is given out again at once, so only what is open can be trusted.
    if !terminal.is(&about) || about.uid() != owner.as_raw() || !nix::unistd::isatty(&file)? {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if mesg == Mesg::Respected && refuses_messages(&about) {
        return Ok(Shown::Spared);
    }
    let written = file.write_all(text.as_bytes());
    // Part of it may have been written, even so.
    if let (Some(before), Ok(after)) = (seconds(about.mtime()), file.metadata())
        && let Some(after) = seconds(after.mtime())
    {
        writes.note(terminal.device, before, after);
    }
    written.map(|()| Shown::Written)
}

/// Whether its user does not want to be written to: `mesg n` of mesg(1) takes this bit away.
fn refuses_messages(about: &fs::Metadata) -> bool {
    about.mode() & libc::S_IWGRP == 0
}

/// A time of stat(2), where zero says nothing.
fn seconds(secs: i64) -> Option<WallTime> {
    let secs = u64::try_from(secs).ok().filter(|&secs| secs != 0)?;
    Some(WallTime::from_micros(secs.saturating_mul(1_000_000)))
}

impl Terminal {
    /// The terminal with this device number, if it has a name and this owner.
    fn of(device: u64, owner: u32) -> Option<Self> {
        let (major, minor) = (libc::major(device), libc::minor(device));
        let path = match major {
            // UNIX98_PTY_SLAVE_MAJOR and the seven after it (Documentation/admin-guide/devices.txt).
            136..=143 => PathBuf::from(format!("/dev/pts/{}", (major - 136) * 256 + minor)),
            _ => PathBuf::from("/dev").join(device_name(major, minor)?),
        };
        let terminal = Self { path, device };
        let about = terminal.about()?;
        (about.uid() == owner).then_some(terminal)
    }

    /// Its name as people know it: `pts/3`.
    pub(crate) fn name(&self) -> String {
        let name = self.path.strip_prefix("/dev").unwrap_or(&self.path);
        name.display().to_string()
    }

    /// What the file system says of it, if it is still there.
    fn about(&self) -> Option<fs::Metadata> {
        let about = fs::symlink_metadata(&self.path).ok()?;
        self.is(&about).then_some(about)
    }

    fn is(&self, about: &fs::Metadata) -> bool {
        about.file_type().is_char_device() && about.rdev() == self.device
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&self.path)
    }
}

/// The kernel's name of a character device, such as `tty1`.
fn device_name(major: u32, minor: u32) -> Option<String> {
    let about = fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent")).ok()?;
    let name = about
        .lines()
        .find_map(|line| line.strip_prefix("DEVNAME="))?;
    name.split('/')
        .all(|part| !part.is_empty() && part != "..")
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use nix::pty::OpenptyResult;

    use super::*;

    /// A terminal of our own.
    fn own_pty() -> (OpenptyResult, Terminal, Uid) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let path = nix::unistd::ttyname(&pty.slave).unwrap();
        let device = fs::metadata(&path).unwrap().rdev();
        let me = Uid::new(nix::unistd::geteuid().as_raw());
        (pty, Terminal { path, device }, me)
    }

    /// All that was written to it. The kernel hands it over in its own time, but has done so when
    /// nobody has the terminal open any more (EIO).
    fn shown(pty: OpenptyResult) -> Vec<u8> {
        let OpenptyResult { master, slave } = pty;
        drop(slave);
        let (mut all, mut some) = (Vec::new(), [0; 64]);
        while let Ok(read @ 1..) = nix::unistd::read(&master, &mut some) {
            all.extend_from_slice(&some[..read]);
        }
        all
    }

    #[test]
    fn a_terminal_of_somebody_else_is_none_of_the_logins() {
        let (_pty, terminal, me) = own_pty();
        let found = Terminal::of(terminal.device, me.as_raw());
        assert_eq!(found.as_ref(), Some(&terminal));
        assert_eq!(Terminal::of(terminal.device, me.as_raw() + 1), None);
    }

    #[test]
    fn a_pty_is_written_to_by_its_owner_alone() {
        let (pty, terminal, me) = own_pty();
        let writes = Writes::default();

        write(&terminal, me, "hello", Mesg::Ignored, &writes).unwrap();

        let stranger = Uid::new(me.as_raw() + 1);
        let refused = write(&terminal, stranger, "x", Mesg::Ignored, &writes).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let reused = Terminal {
            device: terminal.device + 1,
            ..terminal
        };
        assert_eq!(
            write(&reused, me, "x", Mesg::Ignored, &writes)
                .unwrap_err()
                .kind(),
            io::ErrorKind::PermissionDenied
        );
        assert_eq!(shown(pty), b"hello");
    }

    #[test]
    fn a_terminal_that_refuses_messages_is_spared_where_that_counts() {
        let (pty, terminal, me) = own_pty();
        let writes = Writes::default();
        let write = |mesg| write(&terminal, me, "x", mesg, &writes).unwrap();
        // (mode, where `mesg` is ignored, where it is respected)
        for (mode, ignored, respected) in [
            (0o620, Shown::Written, Shown::Written),
            (0o600, Shown::Written, Shown::Spared),
        ] {
            fs::set_permissions(&terminal.path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(write(Mesg::Ignored), ignored, "{mode:o}");
            assert_eq!(write(Mesg::Respected), respected, "{mode:o}");
        }
        assert_eq!(shown(pty), b"xxx");
    }

    #[test]
    fn a_terminal_that_is_full_or_stopped_is_never_waited_for() {
        let (_pty, terminal, me) = own_pty();
        let writes = Writes::default();
        let line = "x".repeat(1024);
        let full = (0..1000)
            .find_map(|_| write(&terminal, me, &line, Mesg::Ignored, &writes).err())
            .unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_we_write_ourselves_is_no_output() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let path = nix::unistd::ttyname(&pty.slave).unwrap();
        let device = fs::metadata(&path).unwrap().rdev();
        let terminal = Terminal { path, device };
        let me = Uid::new(nix::unistd::geteuid().as_raw());
        // Long ago, so that a write moves the stamp for certain.
        let old = nix::sys::time::TimeVal::new(1_000_000, 0);
        nix::sys::stat::utimes(&terminal.path, &old, &old).unwrap();

        let writes = Writes::default();
        write(&terminal, me, "warning", Mesg::Ignored, &writes).unwrap();
        let about = fs::metadata(&terminal.path).unwrap();
        assert_ne!(about.mtime(), 1_000_000);
        let stamps = output_stamps(&BTreeSet::from([terminal]), &writes);
        let expected = WallTime::from_micros(1_000_000 * 1_000_000);
        assert_eq!(stamps[&StampSource::Output(device)], expected);
    }
}
