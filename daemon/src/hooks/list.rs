//! Finds the hooks: programs that only root could have put there or changed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use session_timeout_config::distrusted;
use session_timeout_texts::sanitize;

/// Maximum number of hooks that are run.
const HOOKS_MAX: usize = 32;

/// The entries of a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// The hooks, sorted by name.
    pub(super) hooks: Vec<PathBuf>,
    /// The entries that are not run: the reason, and what to do.
    pub(super) refused: BTreeSet<String>,
}

impl Listing {
    /// Lists the hooks in this directory.
    pub(super) fn of(directory: &Path) -> Self {
        if fs::symlink_metadata(directory).is_err() {
            return Self::default();
        }
        if let Some(found) = distrusted(directory) {
            let mut refused = Self::default();
            let above = sanitize(&found.directory.to_string_lossy());
            refused.refuse(directory, &format!("of {above}, {}", found.objection));
            return refused;
        }
        Self::entries(directory)
    }

    fn entries(directory: &Path) -> Self {
        let mut listed = Self::default();
        let is_link = fs::symlink_metadata(directory).is_ok_and(|about| about.is_symlink());
        match fs::read_dir(directory) {
            Ok(_) if is_link => listed.refuse(directory, "it is a symbolic link"),
            Ok(entries) => entries.flatten().for_each(|entry| listed.add(&entry)),
            Err(error) => listed.refuse(directory, &error.to_string()),
        }
        listed.hooks.sort();
        listed.hooks.truncate(HOOKS_MAX);
        listed
    }

    fn add(&mut self, entry: &DirEntry) {
        let path = entry.path();
        match hook(entry) {
            Ok(EntryKind::Hook) => self.hooks.push(path),
            Ok(EntryKind::Other) => {}
            Ok(EntryKind::Refused(objection)) => self.refuse(&path, objection),
            Err(error) => self.refuse(&path, &error.to_string()),
        }
    }

    fn refuse(&mut self, path: &Path, objection: &str) {
        let path = sanitize(&path.to_string_lossy());
        self.refused
            .insert(format!("{path} is not run: {objection}"));
    }
}

/// The kinds of directory entries.
enum EntryKind {
    Hook,
    Refused(&'static str),
    /// Neither run nor reported.
    Other,
}

fn hook(entry: &DirEntry) -> io::Result<EntryKind> {
    if !is_plain(&entry.file_name()) {
        return Ok(EntryKind::Other);
    }
    // The metadata of the link itself: its target lies elsewhere and may be replaced.
    let about = entry.metadata()?;
    Ok(if about.is_symlink() {
        EntryKind::Refused("it is a symbolic link; put the program itself there")
    } else if !about.is_file() || about.mode() & 0o111 == 0 {
        EntryKind::Other
    } else {
        stranger(&about).map_or(EntryKind::Hook, EntryKind::Refused)
    })
}

/// The names that run-parts(8) accepts: no leftovers of editors or dpkg.
fn is_plain(name: &OsStr) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    !name.is_empty() && name.as_encoded_bytes().iter().all(plain)
}

/// The users other than root who could have written this file, and the fix.
fn stranger(about: &Metadata) -> Option<&'static str> {
    if about.uid() != nix::unistd::geteuid().as_raw() {
        return Some("root does not own it: chown root:root");
    }
    (about.mode() & 0o022 != 0).then_some("others than its owner may write to it: chmod go-w")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn put(directory: &Path, name: &str, mode: u32) {
        let path = directory.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_programs_that_nobody_else_could_have_written_are_run_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        put(path, "20-second", 0o755);
        put(path, "10-first", 0o700);
        put(path, "not-executable", 0o644);
        put(path, "group-writable", 0o775);
        put(path, "left.dpkg-old", 0o755);
        put(path, "editor~", 0o755);
        fs::create_dir(path.join("directory")).unwrap();
        symlink("/bin/true", path.join("out")).unwrap();
        symlink(path.join("10-first"), path.join("within")).unwrap();
        symlink("nowhere", path.join("dangling")).unwrap();
        let listed = Listing::entries(path);
        let found: Vec<_> = ["10-first", "20-second"].map(|name| path.join(name)).into();
        assert_eq!(listed.hooks, found);
        let refused: Vec<_> = listed.refused.iter().collect();
        assert_eq!(refused.len(), 4, "{refused:?}");
        for name in ["dangling", "out", "within"] {
            let line = format!(
                "{} is not run: it is a symbolic link",
                path.join(name).display()
            );
            assert!(
                refused.iter().any(|one| one.starts_with(&line)),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_or_that_is_elsewhere_has_no_hooks() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (
            directory.path().join("hooks"),
            directory.path().join("link"),
        );
        fs::create_dir(&path).unwrap();
        put(&path, "10-first", 0o755);
        symlink(&path, &link).unwrap();
        assert_eq!(Listing::entries(&path).hooks.len(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        for refused in [Listing::of(&path), Listing::entries(&link)] {
            assert_eq!((refused.hooks.len(), refused.refused.len()), (0, 1));
        }
        let missing = Listing::of(&path.join("missing"));
        assert_eq!(missing, Listing::default());
    }
}
