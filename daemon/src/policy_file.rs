//! Which policy is in force, and what becomes of one that is broken.
//!
//! A broken policy at a reload leaves the one in force; at the start the last good one takes its
//! place, and where there is none nothing is enforced. Either is loud, and neither locks anybody
//! out or ends everybody's session.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use session_timeout_config::{LoadError, Minima, Style, load};
use session_timeout_policy::{Limits, Policy, Uid};

/// Where the last good policy is kept, below systemd's `StateDirectory=`.
const LAST_GOOD: &str = "/var/lib/session-timeout/policy.last-good.toml";
/// Where Debian's `UID_MIN` is (login.defs(5)), and its value where that file has none.
const LOGIN_DEFS: &str = "/etc/login.defs";
const UID_MIN: Uid = Uid::new(1000);

/// Where the policy in force came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The policy file.
    File,
    /// There is no policy file: the limits are the built-in ones.
    BuiltIn,
    /// The policy file is broken: the last good one.
    LastGood,
    /// The policy file is broken, and there is no good one: nothing is enforced.
    Nowhere,
}

impl Origin {
    /// The word for it in `status`.
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
}

/// A policy to be put in force.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) policy: Policy,
    pub(crate) origin: Origin,
    /// What is allowed in it and hardly meant, one line each.
    pub(crate) warnings: Vec<String>,
}

impl PolicyFile {
    pub(crate) fn new(path: PathBuf, minima: Minima) -> Self {
        Self {
            path,
            minima,
            last_good: LAST_GOOD.into(),
        }
    }

    /// The policy as the file has it now.
    ///
    /// # Errors
    /// Every error of the file, as an administrator wants to see it.
    pub(crate) fn read(&self) -> Result<Found, String> {
        let loaded = match load(&self.path, self.minima) {
            Ok(loaded) => loaded,
            Err(LoadError::Missing) => return Ok(found(Some(Limits::default()), Origin::BuiltIn)),
            Err(error) => return Err(error.to_string()),
        };
        if let Err(error) = self.keep(&loaded.text) {
            log::warn!(
                "cannot keep a copy of the policy in {}: {error}",
                self.last_good.display()
            );
        }
        let warnings = loaded
            .settings
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect();
        Ok(Found {
            warnings,
            ..found(Some(loaded.settings.limits), Origin::File)
        })
    }

    /// What to enforce where the file is broken and nothing is in force yet.
    pub(crate) fn fall_back(&self) -> Found {
        match load(&self.last_good, self.minima) {
            Ok(loaded) => found(Some(loaded.settings.limits), Origin::LastGood),
            Err(_) => found(None, Origin::Nowhere),
        }
    }

    fn keep(&self, text: &str) -> std::io::Result<()> {
        let draft = self.last_good.with_extension("new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        // It must be whole after a power failure: that is when it is needed.
        file.sync_all()?;
        fs::rename(&draft, &self.last_good)
    }
}

/// `--check`: says what is wrong with this policy. The exit status: 0 nothing, 1 errors, 2 it
/// cannot be read.
pub(crate) fn check(path: &Path, minima: Minima, style: Style) -> u8 {
    match load(path, minima) {
        Ok(loaded) => {
            for warning in &loaded.settings.warnings {
                eprintln!("{}", warning.render(style));
            }
            println!("{}: ok", path.display());
            0
        }
        Err(LoadError::Invalid(errors)) => {
            for error in &errors {
                eprintln!("{}", error.render(style));
            }
            1
        }
        Err(LoadError::Missing) => {
            eprintln!(
                "error: cannot read {}: there is no such file",
                path.display()
            );
            2
        }
        Err(LoadError::Unreadable { reason }) => {
            eprintln!("error: {reason}");
            2
        }
    }
}

fn found(limits: Option<Limits>, origin: Origin) -> Found {
    let policy = Policy {
        default: limits,
        first_regular_uid: first_regular_uid(),
    };
    Found {
        policy,
        origin,
        warnings: Vec::new(),
    }
}

fn first_regular_uid() -> Uid {
    let defs = fs::read_to_string(LOGIN_DEFS).unwrap_or_default();
    uid_min(&defs).unwrap_or(UID_MIN)
}

fn uid_min(defs: &str) -> Option<Uid> {
    defs.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "UID_MIN").then(|| words.next()?.parse().ok().map(Uid::new))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_dir(dir: &Path) -> PolicyFile {
        PolicyFile {
            path: dir.join("policy.toml"),
            minima: Minima::Enforced,
            last_good: dir.join("last-good.toml"),
        }
    }

    fn hours(found: &Found) -> Option<u64> {
        found
            .policy
            .default
            .as_ref()
            .map(|limits| limits.absolute.length.as_secs() / 3600)
    }

    #[test]
    fn a_missing_policy_is_the_built_in_one() {
        let dir = tempfile::tempdir().unwrap();
        let found = in_dir(dir.path()).read().unwrap();
        assert_eq!((found.origin, hours(&found)), (Origin::BuiltIn, Some(24)));
    }

    #[test]
    fn a_broken_policy_falls_back_to_the_last_good_one_or_to_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = in_dir(dir.path());
        fs::write(&file.path, "[default]\nsession-timeout = \"48h\"\n").unwrap();
        let error = file.read().unwrap_err();
        assert!(error.contains("policy.toml:2:19"), "{error}");
        let found = file.fall_back();
        assert_eq!((found.origin, hours(&found)), (Origin::Nowhere, None));

        fs::write(&file.path, "[default]\nsession-timeout = \"12h\"\n").unwrap();
        assert_eq!(hours(&file.read().unwrap()), Some(12));
        fs::write(&file.path, "nonsense").unwrap();
        assert!(file.read().is_err());
        let found = file.fall_back();
        assert_eq!((found.origin, hours(&found)), (Origin::LastGood, Some(12)));
    }

    #[test]
    fn the_first_uid_of_people_is_read_from_login_defs() {
        assert_eq!(
            uid_min("# UID_MIN 5\nUID_MAX 60000\nUID_MIN\t\t 500\n"),
            Some(Uid::new(500))
        );
        assert_eq!(uid_min("UID_MIN many"), None);
        assert_eq!(uid_min(""), None);
    }
}
