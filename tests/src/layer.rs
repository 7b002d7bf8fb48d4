//! Cached root trees, the lower layers of the machines' overlay file systems, in `target/machines`.
//!
//! A layer is a directory whose name says what is in it (`trixie-<hash of its recipe>`). It is
//! built under another name and renamed when it is whole, so a directory that exists can be used.
//! Beside it lies a lock file: its builder holds the lock alone, every machine that stands on the
//! layer shares it, and only a layer that nobody stands on is ever removed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::{Context, Outcome};

/// A root tree, and the promise that nobody removes it.
#[derive(Debug)]
pub(crate) struct Layer {
    path: PathBuf,
    _lease: File,
}

impl Layer {
    /// The layer called `name`; `build` makes it where it is not there yet.
    ///
    /// # Errors
    /// Where it cannot be built.
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
            // Not to be upgraded in place: flock(2) lets go of the old lock first.
            drop(lease);
            let building = open_lock(&lock)?;
            building.lock().context("lock a layer to build it")?;
            if !path.is_dir() {
                build_at(&path, &build)?;
            }
        }
    }

    /// Where the tree is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the layers whose name is `outdated` and that nobody stands on.
///
/// # Errors
/// Where the directory cannot be read.
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

/// `target/machines`, made where it is not there.
///
/// # Errors
/// Where it cannot be made.
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

/// A name for `content`: 64 bits of FNV-1a. It has to be the same tomorrow, which the standard
/// library's hasher does not promise, and nobody tries to make two recipes collide.
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
        // Left by a builder that was stopped; its lock is ours now.
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
