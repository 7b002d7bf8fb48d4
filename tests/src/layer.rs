//! Cached root trees, the lower layers of the machines' overlay file systems, in `target/machines`.
//!
//! A layer is a directory whose name has a hash of its recipe (`trixie-<hash>`). It is built under
//! another name and renamed when complete, so an existing directory is always complete. A lock file
//! is beside it: its builder holds an exclusive lock, and every machine that uses the layer a
//! shared one. Only an unused layer is removed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::{Context, Outcome};

/// A root tree, and a shared lock that prevents its removal.
#[derive(Debug)]
pub(crate) struct Layer {
    path: PathBuf,
    _lease: File,
}

impl Layer {
    /// The layer with this name; `build` creates it if it does not exist.
    ///
    /// # Errors
    /// It cannot be built.
    pub(crate) fn get(name: &str, build: impl Fn(&Path) -> Outcome) -> Outcome<Self> {
        let path = machines_dir()?.join(name);
        let lock = path.with_extension("lock");
        loop {
            let lease = open_lock(&lock)?;
            lease.lock_shared().context("lock a layer")?;
            if path.is_dir() {
                return Ok(Self {
                    path,
                    _lease: lease,
                });
            }
            // The lock is not upgraded in place, since flock(2) releases the old lock first.
            drop(lease);
            let building = open_lock(&lock)?;
            building.lock().context("lock a layer to build it")?;
            if !path.is_dir() {
                build_at(&path, &build)?;
            }
        }
    }

    /// The path of the tree.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the unused layers whose name is `outdated`.
///
/// # Errors
/// The directory cannot be read.
pub(crate) fn remove_unused(outdated: impl Fn(&str) -> bool) -> Outcome {
    for entry in fs::read_dir(machines_dir()?).context("list the layers")? {
        let path = entry.context("list the layers")?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if !path.is_dir() || !name.is_some_and(&outdated) {
            continue;
        }
        let lock = open_lock(&path.with_extension("lock"))?;
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(&path).context(format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// `target/machines`; creates it if it does not exist.
///
/// # Errors
/// It cannot be created.
pub(crate) fn machines_dir() -> Outcome<PathBuf> {
    let dir = workspace_dir().join("target/machines");
    fs::create_dir_all(&dir).context(format!("make {}", dir.display()))?;
    Ok(dir)
}

/// The root of the workspace.
#[must_use]
pub fn workspace_dir() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// A name for `content`: 64 bits of FNV-1a. It must be the same in every build, which the standard
/// library's hasher does not guarantee. Collisions on purpose are no concern here.
pub(crate) fn digest(content: &[u8]) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = content.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    format!("{hash:016x}")
}

pub(crate) fn open_lock(path: &Path) -> Outcome<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .context(format!("open {}", path.display()))
}

fn build_at(path: &Path, build: impl Fn(&Path) -> Outcome) -> Outcome {
    let unfinished = path.with_extension("new");
    if unfinished.exists() {
        // A builder that was killed left it; its lock is now held here.
        fs::remove_dir_all(&unfinished).context(format!("remove {}", unfinished.display()))?;
    }
    build(&unfinished)?;
    fs::rename(&unfinished, path).context(format!("name {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_stay_as_they_are() {
        // The published value of FNV-1a for "foobar".
        assert_eq!(digest(b"foobar"), "85944171f73967e8");
    }
}
