//! Loads the policy file, and falls back to the last good copy if it is invalid.
//!
//! An invalid policy at a reload leaves the current one in force. At the start the last good copy
//! is used, and without a copy nothing is enforced. Both are logged as errors, and neither locks
//! users out or ends all sessions.

use std::cell::Cell;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use session_timeout_config::{
    LoadError, MAX_FILE_BYTES, Minima, Settings, Sources, last_good, load, login_defs, parse,
};
use session_timeout_policy::Policy;

use crate::sys::atomic_file::{Outlives, replace};

/// The origin of the policy in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyOrigin {
    /// The policy file.
    File,
    /// There is no policy file; the built-in limits apply.
    BuiltIn,
    /// The policy file is invalid; the last good copy is used.
    LastGood,
    /// The policy file is invalid and there is no good copy; nothing is enforced.
    Nowhere,
}

impl PolicyOrigin {
    /// The name in the D-Bus property and in `status`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::File => "in-force",
            Self::BuiltIn => "built-in",
            Self::LastGood => "last-good",
            Self::Nowhere => "none",
        }
    }
}

/// The policy file and its last good copy.
pub(crate) struct PolicyFile {
    pub(crate) path: PathBuf,
    pub(crate) minima: Minima,
    last_good: PathBuf,
    /// Whether the policy in force came from the main file. The copy on disk records it as well, if
    /// there is one.
    is_from_main: Cell<bool>,
}

/// A policy that can be put in force.
#[derive(Debug)]
pub(crate) struct LoadedPolicy {
    pub(crate) policy: Policy,
    /// Its settings and where each was set; `None` if nothing is enforced.
    pub(crate) settings: Option<Settings>,
    pub(crate) origin: PolicyOrigin,
    /// The files that it was read from.
    pub(crate) files: Vec<PathBuf>,
}

impl LoadedPolicy {
    /// Settings that are valid but probably unintended, one line each.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        let settings = self.settings.iter();
        settings.flat_map(|settings| settings.warnings.iter().map(ToString::to_string))
    }
}

impl PolicyFile {
    pub(crate) fn new(path: PathBuf, minima: Minima) -> Self {
        Self {
            path,
            minima,
            last_good: last_good::PATH.into(),
            is_from_main: Cell::new(false),
        }
    }

    /// Reads the policy from its files.
    ///
    /// # Errors
    /// All errors of the files, as text for the administrator.
    pub(crate) fn read(&self) -> Result<LoadedPolicy, String> {
        self.read_from(Sources::with_main(&self.path))
    }

    /// The policy to enforce at the start if the files are invalid.
    pub(crate) fn fall_back(&self) -> LoadedPolicy {
        match load(&Sources::file(&self.last_good), self.minima) {
            Ok(loaded) => found(Some(loaded.settings), PolicyOrigin::LastGood, loaded.files),
            Err(_) => found(None, PolicyOrigin::Nowhere, Vec::new()),
        }
    }

    fn read_from(&self, sources: Sources) -> Result<LoadedPolicy, String> {
        let sources = if self.is_from_main.get() {
            sources.known_to_be_there()
        } else {
            sources
        };
        let loaded = match load(&sources, self.minima) {
            Ok(loaded) => loaded,
            Err(LoadError::Missing) => {
                let built_in = parse("built-in", "", self.minima).ok();
                return Ok(found(built_in, PolicyOrigin::BuiltIn, Vec::new()));
            }
            Err(error) => return Err(error.to_string()),
        };
        let main = loaded.files.iter().find(|path| **path == self.path);
        self.is_from_main.set(main.is_some());
        if let Err(error) = self.keep(&last_good::remember(
            &loaded.settings.print(),
            main.map(PathBuf::as_path),
        )) {
            log::warn!(
                "cannot keep a copy of the policy in {}: {error}",
                self.last_good.display()
            );
        }
        Ok(found(
            Some(loaded.settings),
            PolicyOrigin::File,
            loaded.files,
        ))
    }

    fn keep(&self, text: &str) -> io::Result<()> {
        // The copy has all values in full, so it may exceed the limit that reading enforces.
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if let Some(directory) = self.last_good.parent() {
            make(directory)?;
        }
        replace(&self.last_good, text.as_bytes(), Outlives::PowerFailure)
    }
}

/// Creates this directory with mode 0700 if it does not exist. The package creates it, but not for
/// a daemon that is run by hand.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !directory.is_dir() => {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn found(settings: Option<Settings>, origin: PolicyOrigin, files: Vec<PathBuf>) -> LoadedPolicy {
    let first_regular_uid = login_defs::first_regular_uid();
    let policy = match &settings {
        Some(settings) => settings.policy(first_regular_uid),
        None => Policy {
            first_regular_uid,
            ..Policy::of(None)
        },
    };
    LoadedPolicy {
        policy,
        settings,
        origin,
        files,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn in_dir(dir: &Path) -> PolicyFile {
        PolicyFile {
            path: dir.join("policy.toml"),
            minima: Minima::Enforced,
            last_good: dir.join("state/last-good.toml"),
            is_from_main: Cell::new(false),
        }
    }

    /// Without the drop-ins of the machine that the tests run on.
    fn read(file: &PolicyFile) -> Result<LoadedPolicy, String> {
        file.read_from(Sources::file(&file.path).remembered_in(&file.last_good))
    }

    fn hours(found: &LoadedPolicy) -> Option<u64> {
        found
            .policy
            .default
            .as_ref()
            .map(|limits| limits.absolute.length.as_secs() / 3600)
    }

    #[test]
    fn a_missing_policy_is_the_built_in_one() {
        let dir = tempfile::tempdir().unwrap();
        let found = read(&in_dir(dir.path())).unwrap();
        assert_eq!(
            (found.origin, hours(&found)),
            (PolicyOrigin::BuiltIn, Some(24))
        );
    }

    #[test]
    fn a_broken_policy_falls_back_to_the_last_good_one_or_to_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = in_dir(dir.path());
        fs::write(&file.path, "[default]\nsession-timeout = \"48h\"\n").unwrap();
        let error = read(&file).unwrap_err();
        assert!(error.contains("policy.toml:2:19"), "{error}");
        let found = file.fall_back();
        assert_eq!((found.origin, hours(&found)), (PolicyOrigin::Nowhere, None));

        fs::write(&file.path, "[default]\nsession-timeout = \"12h\"\n").unwrap();
        let good = read(&file).unwrap();
        assert_eq!(hours(&good), Some(12));
        assert_eq!(good.files, [file.path.as_path()]);
        fs::write(&file.path, "nonsense").unwrap();
        assert!(read(&file).is_err());
        let found = file.fall_back();
        assert_eq!(
            (found.origin, hours(&found)),
            (PolicyOrigin::LastGood, Some(12))
        );
    }

    #[test]
    fn a_main_file_that_is_gone_leaves_the_policy_in_force_and_an_empty_one_is_built_in() {
        let dir = tempfile::tempdir().unwrap();
        let (running, next) = (in_dir(dir.path()), in_dir(dir.path()));
        fs::write(&running.path, "[default]\nsession-timeout = \"12h\"\n").unwrap();
        assert_eq!(hours(&read(&running).unwrap()), Some(12));
        fs::remove_file(&running.path).unwrap();
        for file in [&running, &next] {
            let error = read(file).unwrap_err();
            assert!(error.contains("it was there and is gone"), "{error}");
            let found = file.fall_back();
            assert_eq!(
                (found.origin, hours(&found)),
                (PolicyOrigin::LastGood, Some(12))
            );
        }
        // Without a copy on disk, the running daemon still knows that the main file existed.
        fs::remove_file(&running.last_good).unwrap();
        assert!(read(&running).is_err());
        assert_eq!(read(&next).unwrap().origin, PolicyOrigin::BuiltIn);

        fs::write(&running.path, "").unwrap();
        for file in [&running, &next] {
            let found = read(file).unwrap();
            assert_eq!(
                (found.origin, hours(&found)),
                (PolicyOrigin::File, Some(24))
            );
        }
    }

    #[test]
    fn a_policy_that_cannot_be_kept_is_put_in_force_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = in_dir(dir.path());
        fs::write(&file.path, "[default]\nsession-timeout = \"12h\"\n").unwrap();
        fs::write(dir.path().join("state"), "no directory").unwrap();
        assert_eq!(hours(&read(&file).unwrap()), Some(12));
    }
}
