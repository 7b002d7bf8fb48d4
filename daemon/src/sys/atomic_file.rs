//! Replaces files atomically: after a failure the old content is still there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What the new content has to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlives {
    /// A restart of the daemon. Files in `/run` are in memory, so there is nothing to sync.
    Daemon,
    /// A power failure, so the file is synced to disk.
    PowerFailure,
}

/// Replaces the content of the file at `path`, with access for root only. If that fails, the file
/// is unchanged.
///
/// # Errors
/// The error of the operating system.
pub(crate) fn replace(path: &Path, content: &[u8], outlives: Outlives) -> io::Result<()> {
    replace_with(path, |file| file.write_all(content), outlives)
}

/// The same as [`replace`], with content that is written in parts and need not be in memory as a
/// whole.
///
/// # Errors
/// The error of the operating system or of the writer.
pub(crate) fn replace_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    outlives: Outlives,
) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let draft = Path::new(&name);
    let mut file = BufWriter::new(create(draft)?);
    write(&mut file)?;
    let file = file.into_inner()?;
    if outlives == Outlives::PowerFailure {
        file.sync_all()?;
    }
    fs::rename(draft, path)
}

/// Creates the temporary file. One that a crash has left is removed first, so a symbolic link is
/// not followed and old content is not kept.
fn create(draft: &Path) -> io::Result<File> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_for_root_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        for content in ["one", "a longer two"] {
            replace(&path, content.as_bytes(), Outlives::PowerFailure).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_that_somebody_has_put_there_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("state.json"), dir.path().join("other"));
        fs::write(&other, "mine").unwrap();
        symlink(&other, dir.path().join("state.json.new")).unwrap();
        replace(&path, b"state", Outlives::Daemon).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
        assert_eq!(fs::read_to_string(&path).unwrap(), "state");
    }

    #[test]
    fn where_it_fails_what_was_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        fs::write(&path, "before").unwrap();
        // A directory is not removed by unlink(2).
        fs::create_dir(dir.path().join("state.json.new")).unwrap();
        assert!(replace(&path, b"after", Outlives::Daemon).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    }
}
