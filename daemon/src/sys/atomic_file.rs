//! A file that is replaced as a whole, or stays as it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What a replacement has to outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlives {
    /// The daemon: in `/run`, which is memory, there is nothing to sync.
    Daemon,
    /// A power failure: that is when it is needed.
    PowerFailure,
}

/// Puts this into the file at `path`, for root alone: either all of it or, where that fails,
/// what was there is there afterwards.
///
/// # Errors
/// What the system says.
pub(crate) fn replace(path: &Path, content: &[u8], outlives: Outlives) -> io::Result<()> {
    replace_with(path, |file| file.write_all(content), outlives)
}

/// As [`replace`], with what is written bit by bit: all of it need not be in memory.
///
/// # Errors
/// What the system or the writing says.
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

/// A draft may have been left behind by a crash; whatever it is, it is not followed and not
/// appended to.
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
        // A directory is not removed as a file is.
        fs::create_dir(dir.path().join("state.json.new")).unwrap();
        assert!(replace(&path, b"after", Outlives::Daemon).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    }
}
