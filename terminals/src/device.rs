//! Writes to and watches a terminal. Calls that open it may block, and run in workers only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};

use rustix::fs::OFlags;
use rustix::fs::inotify::{self, WatchFlags};
use session_timeout_terminals::{Mesg, Outcome, Stamps, Terminal, WriteResult, process};

use crate::job::Job;

/// `S_IWGRP`: `mesg n` of mesg(1) takes this bit away.
const WRITABLE_BY_GROUP: u32 = 0o020;

/// Writes the text to the terminal if it still belongs to the session; does not wait for room.
pub(crate) fn write(job: &Job) -> WriteResult {
    match try_write(job) {
        Ok(result) => result,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => WriteResult::only(Outcome::Full),
        Err(_) => WriteResult::only(Outcome::Refused),
    }
}

/// Watches the terminal for input with this inotify instance, if it still belongs to the session.
/// This does not block: inotify watches the file, and does not open the terminal.
///
/// # Errors
/// The error of the system call; `PermissionDenied` if the terminal belongs to another user.
pub(crate) fn watch(terminal: &Terminal, user: u32, instance: &OwnedFd) -> io::Result<i32> {
    if !is_below_dev(&terminal.path) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let flags = WatchFlags::ACCESS | WatchFlags::DONT_FOLLOW;
    let watch = inotify::add_watch(instance, &terminal.path, flags)?;
    // Checked after the watch was added, since the terminal's number may be reused before.
    let checked = fs::symlink_metadata(&terminal.path).and_then(|about| {
        let same = is_still(terminal, user, &about);
        same.then_some(())
            .ok_or_else(|| io::ErrorKind::PermissionDenied.into())
    });
    if let Err(error) = checked {
        // The watch of a deleted file is gone with it.
        let _ = inotify::remove_watch(instance, watch);
        return Err(error);
    }
    Ok(watch)
}

fn try_write(job: &Job) -> io::Result<WriteResult> {
    let mut file = open(&job.terminal.path)?;
    let about = file.metadata()?;
    // A terminal's number is reused at once, so only the open descriptor is checked.
    if !is_still(&job.terminal, job.user, &about) || !rustix::termios::isatty(&file) {
        return Ok(WriteResult::only(Outcome::Refused));
    }
    if job.mesg == Mesg::Respected && about.mode() & WRITABLE_BY_GROUP == 0 {
        return Ok(WriteResult::only(Outcome::Spared));
    }
    let outcome = match file.write_all(job.text.as_bytes()) {
        Ok(()) => Outcome::Written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Outcome::Full,
        Err(_) => Outcome::Refused,
    };
    // Part of the text may have been written in spite of the error.
    let stamps = file.metadata().ok().map(|after| Stamps {
        before: about.mtime(),
        after: after.mtime(),
    });
    Ok(WriteResult { outcome, stamps })
}

fn open(path: &Path) -> io::Result<File> {
    if !is_below_dev(path) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn is_below_dev(path: &Path) -> bool {
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    path.starts_with("/dev") && path.components().all(plain)
}

/// Whether the file is this terminal, has the same owner as before, and belongs to the session.
fn is_still(terminal: &Terminal, user: u32, about: &fs::Metadata) -> bool {
    let same = about.file_type().is_char_device()
        && about.rdev() == terminal.device
        && about.uid() == terminal.owner;
    let of_user = terminal.owner == user;
    let witness = terminal.witness;
    same && (of_user || witness.is_some_and(|one| process::controls(one, terminal.device)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use session_timeout_terminals::Witness;

    use super::*;

    /// A pseudoterminal for the test.
    struct Pty {
        master: OwnedFd,
        terminal: Terminal,
        /// The terminal exists while this is open.
        slave: File,
    }

    fn pty() -> Pty {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let path = std::path::PathBuf::from(path.to_str().unwrap());
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .clone();
        let slave = options.open(&path).unwrap();
        let about = slave.metadata().unwrap();
        let terminal = Terminal {
            path,
            device: about.rdev(),
            owner: about.uid(),
            witness: None,
        };
        Pty {
            master,
            terminal,
            slave,
        }
    }

    fn job(terminal: &Terminal, mesg: Mesg) -> Job {
        Job {
            user: rustix::process::geteuid().as_raw(),
            terminal: terminal.clone(),
            text: "hello".to_owned(),
            mesg,
        }
    }

    /// Everything that was written to it. The kernel delivers it asynchronously, and completely
    /// once no process has the terminal open (EIO).
    fn shown(pty: Pty) -> String {
        drop(pty.slave);
        let (mut all, mut some) = (Vec::new(), [0; 64]);
        while let Ok(read @ 1..) = rustix::io::read(&pty.master, &mut some) {
            all.extend_from_slice(&some[..read]);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_terminal_is_written_to_as_long_as_it_is_what_it_was() {
        let pty = pty();
        let mine = write(&job(&pty.terminal, Mesg::Ignored));
        assert_eq!(mine.outcome, Outcome::Written);
        assert!(mine.stamps.is_some());
        let device = pty.terminal.device + 1;
        let owner = pty.terminal.owner + 1;
        for other in [
            Terminal {
                device,
                ..pty.terminal.clone()
            },
            Terminal {
                owner,
                ..pty.terminal.clone()
            },
            Terminal {
                path: "/dev/null".into(),
                ..pty.terminal.clone()
            },
            Terminal {
                path: "/dev/pts/../null".into(),
                ..pty.terminal.clone()
            },
        ] {
            let refused = WriteResult::only(Outcome::Refused);
            assert_eq!(write(&job(&other, Mesg::Ignored)), refused, "{other:?}");
        }
        assert_eq!(shown(pty), "hello");
    }

    #[test]
    fn a_terminal_of_another_user_takes_a_witness_that_has_it() {
        let pty = pty();
        let mut foreign = job(&pty.terminal, Mesg::Ignored);
        foreign.user += 1;
        assert_eq!(write(&foreign).outcome, Outcome::Refused);
        // It is not the controlling terminal of this process.
        let pid = std::process::id();
        let started = process::Stat::of(pid).unwrap().started;
        foreign.terminal.witness = Some(Witness { pid, started });
        assert_eq!(write(&foreign).outcome, Outcome::Refused);

        let mut child = std::process::Command::new("setsid")
            .args(["--ctty", "sleep", "60"])
            .stdin(pty.slave.try_clone().unwrap())
            .spawn()
            .unwrap();
        let pid = child.id();
        let has_it = || {
            let stat = process::Stat::of(pid)?;
            (stat.terminal == Some(pty.terminal.device)).then_some(stat)
        };
        let stat = std::iter::repeat_with(has_it)
            .take(1_000_000)
            .flatten()
            .next();
        let started = stat.unwrap().started;
        foreign.terminal.witness = Some(Witness { pid, started });
        assert_eq!(write(&foreign).outcome, Outcome::Written);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(write(&foreign).outcome, Outcome::Refused);
    }

    #[test]
    fn a_terminal_that_refuses_messages_is_spared_where_that_counts() {
        let pty = pty();
        for (mode, ignored, respected) in [
            (0o620, Outcome::Written, Outcome::Written),
            (0o600, Outcome::Written, Outcome::Spared),
        ] {
            fs::set_permissions(&pty.terminal.path, fs::Permissions::from_mode(mode)).unwrap();
            for (mesg, outcome) in [(Mesg::Ignored, ignored), (Mesg::Respected, respected)] {
                assert_eq!(
                    write(&job(&pty.terminal, mesg)).outcome,
                    outcome,
                    "{mode:o}"
                );
            }
        }
    }

    #[test]
    fn a_terminal_that_is_full_or_stopped_is_never_waited_for() {
        let pty = pty();
        let mut job = job(&pty.terminal, Mesg::Ignored);
        job.text = "x".repeat(1024);
        let mut outcomes = (0..1000).map(|_| write(&job).outcome);
        assert_eq!(
            outcomes.find(|outcome| *outcome != Outcome::Written),
            Some(Outcome::Full)
        );
    }

    #[test]
    fn input_is_an_event_of_the_instance_that_was_lent() {
        let pty = pty();
        let instance = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        let user = rustix::process::geteuid().as_raw();
        assert!(watch(&pty.terminal, user + 1, &instance).is_err());
        let watch = watch(&pty.terminal, user, &instance).unwrap();
        rustix::io::write(&pty.master, b"x\n").unwrap();
        rustix::io::read(&pty.slave, &mut [0; 8]).unwrap();
        let mut buffer = [std::mem::MaybeUninit::uninit(); 512];
        let mut reader = inotify::Reader::new(&instance, &mut buffer);
        let seen = std::iter::repeat_with(|| {
            let event = reader.next().unwrap();
            (event.wd(), event.events())
        });
        let seen = seen
            .take(2)
            .any(|(seen, events)| seen == watch && events.contains(inotify::ReadFlags::ACCESS));
        assert!(seen);
    }
}
