//! Opens a file or a drop-in directory of the policy, only if no other user could have written it.
//!
//! The daemon reads as root. So it refuses symbolic links and files that another user could have
//! written, and files whose opening or reading might not end: FIFOs, devices, files of unbounded
//! length.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{Uid, geteuid};

use crate::parse::document::MAX_FILE_BYTES;

/// A directory with more entries than this, of any name, is refused.
const MAX_ENTRIES: usize = 4096;

const NOT_REGULAR: &str = "it is not a regular file";

/// What was found at a path.
pub(crate) enum Found<T> {
    Missing,
    /// A symbolic link to `/dev/null`.
    Mask,
    /// It must not be used: the reason, and what to do.
    Refused(String),
    Good(T),
}

impl<T> Found<T> {
    fn failed(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT => Self::Missing,
            errno => Self::Refused(errno.desc().to_owned()),
        }
    }
}

/// A directory of drop-ins.
pub(crate) struct DropInDirectory(Dir);

impl DropInDirectory {
    /// Opens the directory, unless others could have put files into it.
    pub(crate) fn open(path: &Path) -> Found<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        let directory = match Dir::open(path, flags, Mode::empty()) {
            Ok(directory) => directory,
            // The errors of O_DIRECTORY and O_NOFOLLOW for a symbolic link and a file (open(2)).
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                let objection = "it is not a directory, or only a symbolic link to one";
                return Found::Refused(objection.to_owned());
            }
            Err(errno) => return Found::failed(errno),
        };
        let attributes = match fstat(&directory) {
            Ok(stat) => Attributes::from(&stat),
            Err(errno) => return Found::failed(errno),
        };
        match attributes.writable_by_others(geteuid()) {
            Some(objection) => Found::Refused(objection),
            None => Found::Good(Self(directory)),
        }
    }

    /// The names of its drop-ins, unsorted. Hidden files are no drop-ins.
    pub(crate) fn names(&mut self) -> Result<Vec<OsString>, String> {
        let mut names = Vec::new();
        for (number, entry) in self.0.iter().enumerate() {
            if number >= MAX_ENTRIES {
                return Err(format!("there are more than {MAX_ENTRIES} files in it"));
            }
            let entry = entry.map_err(|errno| errno.desc().to_owned())?;
            let name = entry.file_name().to_bytes();
            if name.ends_with(b".toml") && !name.starts_with(b".") {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// The content of this drop-in.
    pub(crate) fn read(&self, name: &OsStr) -> Found<Vec<u8>> {
        match read_at(self.0.as_fd(), Path::new(name)) {
            Found::Refused(_) if self.is_mask(name) => Found::Mask,
            found => found,
        }
    }

    fn is_mask(&self, name: &OsStr) -> bool {
        readlinkat(&self.0, name).is_ok_and(|target| target == "/dev/null")
    }
}

/// The content of this file.
pub(crate) fn read(path: &Path) -> Found<Vec<u8>> {
    read_at(AT_FDCWD, path)
}

fn read_at(directory: BorrowedFd<'_>, path: &Path) -> Found<Vec<u8>> {
    // O_NONBLOCK: opening a FIFO for reading waits for a writer otherwise (open(2)).
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = match openat(directory, path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // The error of O_NOFOLLOW for a symbolic link (open(2)).
        Err(Errno::ELOOP) => {
            let objection = "it is a symbolic link; put the file itself there";
            return Found::Refused(objection.to_owned());
        }
        // The error for a socket.
        Err(Errno::ENXIO) => return Found::Refused(NOT_REGULAR.to_owned()),
        Err(errno) => return Found::failed(errno),
    };
    let attributes = match fstat(&file) {
        Ok(stat) => Attributes::from(&stat),
        Err(errno) => return Found::failed(errno),
    };
    match attributes.objection(geteuid()) {
        Some(objection) => Found::Refused(objection),
        None => read_bounded(file),
    }
}

/// Reads at most the maximum: the file may grow while it is read.
fn read_bounded(file: File) -> Found<Vec<u8>> {
    let mut bytes = Vec::new();
    match file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes) {
        Err(error) => Found::Refused(error.to_string()),
        Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => Found::Refused(too_long()),
        Ok(_) => Found::Good(bytes),
    }
}

/// The attributes of an open file, from fstat(2).
struct Attributes {
    is_regular: bool,
    owner: Uid,
    mode: u32,
    length: u64,
}

impl From<&FileStat> for Attributes {
    fn from(stat: &FileStat) -> Self {
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        Self {
            is_regular: kind == SFlag::S_IFREG,
            owner: Uid::from_raw(stat.st_uid),
            mode: stat.st_mode & 0o7777,
            length: u64::try_from(stat.st_size).unwrap_or_default(),
        }
    }
}

impl Attributes {
    /// The reason not to read this file, and what to do.
    fn objection(&self, reader: Uid) -> Option<String> {
        if !self.is_regular {
            return Some(NOT_REGULAR.to_owned());
        }
        let too_long = || (self.length > MAX_FILE_BYTES).then(too_long);
        self.writable_by_others(reader).or_else(too_long)
    }

    /// Which other user could have written it, and what to do.
    fn writable_by_others(&self, reader: Uid) -> Option<String> {
        const WRITABLE_BY_OTHERS: u32 = 0o022;
        let (owner, mode) = (self.owner, self.mode);
        // A user may check a draft in a file of their own.
        if !owner.is_root() && owner != reader {
            return Some(format!(
                "uid {owner} owns it; make it root's: chown root:root"
            ));
        }
        (mode & WRITABLE_BY_OTHERS != 0)
            .then(|| format!("others than its owner may write to it (mode {mode:04o}): chmod go-w"))
    }
}

fn too_long() -> String {
    format!("it is longer than {} KiB", MAX_FILE_BYTES / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Uid = Uid::from_raw(0);
    const ALICE: Uid = Uid::from_raw(1000);

    fn attributes(owner: Uid, mode: u32) -> Attributes {
        Attributes {
            is_regular: true,
            owner,
            mode,
            length: MAX_FILE_BYTES,
        }
    }

    fn refused(owner: Uid, mode: u32, reader: Uid) -> bool {
        attributes(owner, mode).objection(reader).is_some()
    }

    #[test]
    fn only_a_file_of_root_or_of_the_reader_is_read() {
        assert!(!refused(ROOT, 0o644, ROOT));
        assert!(!refused(ROOT, 0o644, ALICE));
        assert!(!refused(ALICE, 0o600, ALICE));
        assert!(refused(ALICE, 0o644, ROOT));
        assert!(refused(Uid::from_raw(1001), 0o644, ALICE));
    }

    #[test]
    fn a_file_that_others_may_write_is_not_read() {
        assert!(refused(ROOT, 0o664, ROOT));
        assert!(refused(ROOT, 0o646, ROOT));
        assert!(refused(ROOT, 0o620, ROOT));
        assert!(!refused(ROOT, 0o4755, ROOT));
    }

    #[test]
    fn a_file_that_is_too_long_is_not_even_read() {
        let attributes = Attributes {
            length: MAX_FILE_BYTES + 1,
            ..attributes(ROOT, 0o644)
        };
        assert_eq!(attributes.objection(ROOT), Some(too_long()));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(read_bounded(file), Found::Refused(_)));
    }
}
