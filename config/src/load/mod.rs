//! Loads a policy from its files.

pub(crate) mod check;
mod file;
pub mod last_good;
pub(crate) mod parents;
pub(crate) mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use session_timeout_texts::sanitize;

use self::file::{DropInDirectory, Found};
use self::parents::distrusted;
use self::sources::{MissingMain, ParentCheck, Sources};
use crate::diagnostic::{Diagnostic, Source};
use crate::keys::range::Minima;
use crate::parse::document::MAX_FILE_BYTES;
use crate::settings::{Settings, read};

/// The maximum number of drop-ins.
pub const MAX_DROP_INS: usize = 256;

/// A policy that can be put in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its settings.
    pub settings: Settings,
    /// The files that it was read from, in this order.
    pub files: Vec<PathBuf>,
}

/// Why a policy cannot be put in force.
#[derive(Debug)]
pub enum LoadError {
    /// There is no file; the built-in policy holds.
    Missing,
    /// A file or a directory cannot be read, or must not be.
    Unreadable {
        /// The file, the reason and what to do.
        reason: String,
    },
    /// It is invalid: the errors of all files.
    Invalid(Vec<Diagnostic>),
}

impl fmt::Display for LoadError {
    /// One line: the first diagnostic, and the number of the others.
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

/// Reads a policy.
///
/// # Errors [`LoadError`]; it is returned quickly, whatever is at these paths. If one file cannot
/// be used, the whole policy is refused: a part of a policy could do harm.
pub fn load(sources: &Sources, minima: Minima) -> Result<Loaded, LoadError> {
    let mut files = Files::default();
    if let Some(path) = sources.main.iter().find(|path| files.trusts(path, sources)) {
        let found = match file::read(path) {
            Found::Missing if is_lost(path, sources) => Found::Refused(lost(path)),
            found => found,
        };
        files.add(path.clone(), found);
    }
    let mut drop_ins = sources.drop_ins.clone();
    drop_ins.retain(|path| files.trusts(path, sources));
    files.add_drop_ins(&drop_ins);
    let Files {
        read: taken,
        refused,
        ..
    } = files;
    if !refused.is_empty() {
        let reason = reasons(refused);
        return Err(LoadError::Unreadable { reason });
    }
    if taken.is_empty() {
        return Err(LoadError::Missing);
    }
    let mut sources = Vec::new();
    let mut paths = Vec::new();
    for (path, bytes) in taken {
        sources.push(Source::from_bytes(&path.to_string_lossy(), &bytes));
        paths.push(path);
    }
    let settings = read(sources, minima).map_err(LoadError::Invalid)?;
    Ok(Loaded {
        settings,
        files: paths,
    })
}

/// Whether this main file existed before, though it is missing now.
fn is_lost(path: &Path, sources: &Sources) -> bool {
    match &sources.absent {
        MissingMain::NeverWritten => false,
        MissingMain::AsRemembered(copy) => last_good::is_from(copy, path),
        MissingMain::Lost => true,
    }
}

fn lost(path: &Path) -> String {
    let path = sanitize(&path.to_string_lossy());
    format!(
        "it was there and is gone; put it back or, to do without it, make it empty: touch {path}"
    )
}

/// The reasons on one line of bounded length.
fn reasons(mut refused: Vec<String>) -> String {
    const SHOWN: usize = 5;
    let more = refused.len().saturating_sub(SHOWN);
    refused.truncate(SHOWN);
    if more > 0 {
        refused.push(format!("and {more} more"));
    }
    refused.join("; ")
}

/// The files that were read so far.
#[derive(Default)]
struct Files {
    read: Vec<(PathBuf, Vec<u8>)>,
    /// The files that cannot be used, and why.
    refused: Vec<String>,
    bytes: u64,
    /// Directories that others may change, so that files below them are refused.
    distrusted: BTreeSet<PathBuf>,
}

impl Files {
    /// Checks the directories above this path; each one that fails is reported once.
    fn trusts(&mut self, path: &Path, sources: &Sources) -> bool {
        if sources.above == ParentCheck::Any {
            return true;
        }
        let Some(found) = path.parent().and_then(distrusted) else {
            return true;
        };
        if self.distrusted.insert(found.directory.clone()) {
            let directory = sanitize(&found.directory.to_string_lossy());
            self.refused.push(format!(
                "cannot trust what is below {directory}: {}",
                found.objection
            ));
        }
        false
    }

    fn add(&mut self, path: PathBuf, found: Found<Vec<u8>>) {
        match found {
            Found::Missing | Found::Mask => {}
            Found::Refused(objection) => self.refuse(&path, &objection),
            Found::Good(bytes) => {
                self.bytes = self.bytes.saturating_add(bytes.len() as u64);
                if self.bytes > MAX_FILE_BYTES {
                    let most = MAX_FILE_BYTES / 1024;
                    self.refuse(
                        &path,
                        &format!("all files together are longer than {most} KiB"),
                    );
                } else {
                    self.read.push((path, bytes));
                }
            }
        }
    }

    fn refuse(&mut self, path: &Path, objection: &str) {
        let path = sanitize(&path.to_string_lossy());
        self.refused
            .push(format!("cannot read {path}: {objection}"));
    }

    /// The drop-ins of all directories, each name once.
    fn add_drop_ins(&mut self, paths: &[PathBuf]) {
        let mut directories = Vec::new();
        for path in paths {
            match DropInDirectory::open(path) {
                Found::Missing | Found::Mask => {}
                Found::Refused(objection) => self.refuse(path, &objection),
                Found::Good(directory) => directories.push((path, directory)),
            }
        }
        // The index of the last directory that has each name.
        let mut names: BTreeMap<OsString, usize> = BTreeMap::new();
        for (index, (path, directory)) in directories.iter_mut().enumerate() {
            match directory.names() {
                Ok(found) => names.extend(found.into_iter().map(|name| (name, index))),
                Err(objection) => self.refuse(path, &objection),
            }
        }
        if names.len() > MAX_DROP_INS {
            let reason = format!("there are {} drop-ins; at most {MAX_DROP_INS}", names.len());
            self.refused.push(reason);
            return;
        }
        for (name, index) in names {
            if !self.refused.is_empty() && self.bytes > MAX_FILE_BYTES {
                return;
            }
            if let Some((path, directory)) = directories.get(index) {
                let drop_in = path.join(&name);
                match directory.read(&name) {
                    // An empty file only hides others of the same name.
                    Found::Good(bytes) if bytes.is_empty() => {}
                    found => self.add(drop_in, found),
                }
            }
        }
    }
}
