//! The policy file on disk: the only part of this crate that opens anything.
//!
//! The daemon reads the file as root, so it takes none that somebody else could have written, and
//! none whose opening or reading might not end: a symbolic link, a FIFO, a device, a file without
//! a bound.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Uid, geteuid};

use crate::diagnostic::{Diagnostic, Problem, Source, locate};
use crate::range::Minima;
use crate::settings::{Settings, parse};

/// The longest policy file that is read.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A policy file that was taken.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// The text, of which the daemon keeps the last good one.
    pub text: String,
}

/// Why a policy file was not taken.
#[derive(Debug)]
pub enum LoadError {
    /// There is no such file.
    Missing,
    /// It cannot be read, or must not be.
    Unreadable {
        /// Which file, why, and what to do.
        reason: String,
    },
    /// It is not a policy.
    Invalid(Vec<Diagnostic>),
}

impl fmt::Display for LoadError {
    /// One line: of several diagnostics the first, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::Unreadable { reason } => f.write_str(reason),
            Self::Invalid(diagnostics) => {
                if let Some(first) = diagnostics.first() {
                    first.fmt(f)?;
                }
                match diagnostics.len() {
                    0 | 1 => Ok(()),
                    more => write!(f, " (and {} more)", more - 1),
                }
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// Reads a policy file.
///
/// # Errors
/// [`LoadError`]; it comes quickly, whatever is at this path.
pub fn load(path: &Path, minima: Minima) -> Result<Loaded, LoadError> {
    let unreadable = |reason: String| LoadError::Unreadable {
        reason: format!("cannot read {}: {reason}", path.display()),
    };
    let bytes = match read(path) {
        Ok(Contents::Missing) => return Err(LoadError::Missing),
        Ok(Contents::Refused(objection)) => return Err(unreadable(objection)),
        Ok(Contents::Bytes(bytes)) => bytes,
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let name = path.to_string_lossy();
    let text = String::from_utf8(bytes).map_err(|error| {
        let lossy = String::from_utf8_lossy(error.as_bytes());
        LoadError::Invalid(not_utf8(&name, &lossy, error.utf8_error().valid_up_to()))
    })?;
    let settings = parse(&name, &text, minima).map_err(LoadError::Invalid)?;
    Ok(Loaded { settings, text })
}

enum Contents {
    Missing,
    Refused(String),
    Bytes(Vec<u8>),
}

fn read(path: &Path) -> io::Result<Contents> {
    // O_NONBLOCK: opening a FIFO for reading waits for a writer otherwise (open(2)). std adds
    // O_CLOEXEC by itself.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    let file = match options.read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::Missing),
        // What O_NOFOLLOW gives for a symbolic link (open(2)).
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            let objection = "it is a symbolic link; put the file itself there";
            return Ok(Contents::Refused(objection.to_owned()));
        }
        Err(error) => return Err(error),
    };
    let facts = Facts::from(&file.metadata()?);
    match facts.objection(geteuid()) {
        Some(objection) => Ok(Contents::Refused(objection)),
        None => read_bounded(file),
    }
}

/// The file may grow while it is read.
fn read_bounded(file: File) -> io::Result<Contents> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Ok(Contents::Refused(too_long()));
    }
    Ok(Contents::Bytes(bytes))
}

/// What fstat(2) tells about the open file.
struct Facts {
    is_regular: bool,
    owner: Uid,
    mode: u32,
    length: u64,
}

impl From<&Metadata> for Facts {
    fn from(metadata: &Metadata) -> Self {
        Self {
            is_regular: metadata.is_file(),
            owner: Uid::from_raw(metadata.uid()),
            mode: metadata.mode(),
            length: metadata.len(),
        }
    }
}

impl Facts {
    /// Why this file must not be read, and what to do.
    fn objection(&self, reader: Uid) -> Option<String> {
        const WRITABLE_BY_OTHERS: u32 = 0o022;
        let (owner, mode) = (self.owner, self.mode & 0o7777);
        if !self.is_regular {
            return Some("it is not a regular file".to_owned());
        }
        // Whoever checks a draft may do so with a file of their own.
        if !owner.is_root() && owner != reader {
            return Some(format!(
                "uid {owner} owns it; make it root's: chown root:root"
            ));
        }
        if mode & WRITABLE_BY_OTHERS != 0 {
            return Some(format!(
                "others than its owner may write to it (mode {mode:04o}): chmod go-w"
            ));
        }
        (self.length > MAX_FILE_BYTES).then(too_long)
    }
}

fn too_long() -> String {
    format!("it is longer than {} KiB", MAX_FILE_BYTES / 1024)
}

/// The diagnostic for the first byte that is no UTF-8. `lossy` has the replacement character there.
fn not_utf8(name: &str, lossy: &str, valid_up_to: usize) -> Vec<Diagnostic> {
    let span = valid_up_to..valid_up_to + char::REPLACEMENT_CHARACTER.len_utf8();
    let problem = Problem::error(span, "not UTF-8").label("save the file in UTF-8");
    locate(Source::new(name, lossy), vec![problem])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Uid = Uid::from_raw(0);
    const ALICE: Uid = Uid::from_raw(1000);

    fn facts(owner: Uid, mode: u32) -> Facts {
        Facts {
            is_regular: true,
            owner,
            mode: 0o100_000 | mode,
            length: MAX_FILE_BYTES,
        }
    }

    fn refused(owner: Uid, mode: u32, reader: Uid) -> bool {
        facts(owner, mode).objection(reader).is_some()
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
        let facts = Facts {
            length: MAX_FILE_BYTES + 1,
            ..facts(ROOT, 0o644)
        };
        assert_eq!(facts.objection(ROOT), Some(too_long()));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(read_bounded(file), Ok(Contents::Refused(_))));
    }
}
