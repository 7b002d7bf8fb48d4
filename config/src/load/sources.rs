//! The paths of the files that make up a policy.

use std::path::{Path, PathBuf};

use crate::load::last_good;

/// The main file, and the directories of its drop-ins.
///
/// Drop-ins are the files `*.toml` of these directories, sorted by their names regardless of the
/// directory. A file hides those of the same name in earlier directories; an empty file, or a
/// symbolic link to `/dev/null`, only hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    pub(crate) main: Option<PathBuf>,
    /// In ascending order of precedence.
    pub(crate) drop_ins: Vec<PathBuf>,
    pub(crate) above: ParentCheck,
    pub(crate) absent: MissingMain,
}

/// Which directories above the files are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParentCheck {
    /// All of them: only root may be able to change them.
    Roots,
    /// None: the caller named the files.
    Any,
}

/// How a missing main file is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MissingMain {
    /// It was never written: no error.
    NeverWritten,
    /// As lost, if the copy at this path was read from it.
    AsRemembered(PathBuf),
    /// As lost.
    Lost,
}

/// The main file of the machine.
const MAIN: &str = "/etc/session-timeout/policy.toml";

/// As for units (systemd.unit(5)): the vendor's, those of this boot, the administrator's.
const DROP_INS: [&str; 3] = [
    "/usr/lib/session-timeout/policy.d",
    "/run/session-timeout/policy.d",
    "/etc/session-timeout/policy.d",
];

impl Sources {
    /// The files of the machine: `/etc/session-timeout/policy.toml`, and the directories
    /// `session-timeout/policy.d` of `/usr/lib`, `/run` and `/etc`.
    #[must_use]
    pub fn system() -> Self {
        Self::with_main(MAIN)
    }

    /// Another main file, and the machine's drop-ins. All directories above them must be root's and
    /// writable by nobody else.
    #[must_use]
    pub fn with_main(path: impl Into<PathBuf>) -> Self {
        Self {
            above: ParentCheck::Roots,
            ..Self::new(path, DROP_INS).remembered_in(last_good::PATH)
        }
    }

    /// Makes a missing main file an error if this copy of the last good policy was read from it
    /// ([`remember`](crate::load::last_good::remember)).
    #[must_use]
    pub fn remembered_in(self, last_good: impl Into<PathBuf>) -> Self {
        let absent = MissingMain::AsRemembered(last_good.into());
        Self { absent, ..self }
    }

    /// Makes a missing main file an error: it existed before.
    #[must_use]
    pub fn known_to_be_there(self) -> Self {
        let absent = MissingMain::Lost;
        Self { absent, ..self }
    }

    /// This main file, and the drop-ins of these directories, in ascending order of precedence.
    #[must_use]
    pub fn new<D: Into<PathBuf>>(
        path: impl Into<PathBuf>,
        drop_ins: impl IntoIterator<Item = D>,
    ) -> Self {
        Self {
            main: Some(path.into()),
            drop_ins: drop_ins.into_iter().map(Into::into).collect(),
            above: ParentCheck::Any,
            absent: MissingMain::NeverWritten,
        }
    }

    /// This file alone.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(path, <[PathBuf; 0]>::default())
    }

    /// The policy at this path: of a directory that contains `policy.toml` or `policy.d`, those
    /// two; of another directory its files `*.toml`, as drop-ins; otherwise that file alone.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let (main, drop_ins) = (path.join("policy.toml"), path.join("policy.d"));
        // Not `exists()`: a file that exists and cannot be read must be reported.
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        if !path.is_dir() {
            Self::file(path)
        } else if is_there(&main) || is_there(&drop_ins) {
            Self::new(main, [drop_ins])
        } else {
            Self {
                main: None,
                ..Self::new(PathBuf::new(), [path])
            }
        }
    }

    /// The path of the main file, if the policy has one.
    #[must_use]
    pub fn main_path(&self) -> Option<&Path> {
        self.main.as_deref()
    }
}
