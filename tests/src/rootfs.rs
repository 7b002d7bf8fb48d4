//! The root file system of one machine: an overlay over shared layers, with the machine's cgroup.
//!
//! Each has a directory under `target/machines/run` and a lock file beside it. Its process holds
//! the lock until it ends. A directory without a lock was left by a process that was killed; it is
//! removed before the next one is made.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::cgroup::Cgroup;
use crate::failure::{Context, Outcome};
use crate::layer::{Layer, machines_dir, open_lock};
use crate::suite::Suite;
use crate::wait::wait_until;

/// The root file system of one machine; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Rootfs {
    name: String,
    dir: PathBuf,
    cgroup: Cgroup,
    _layers: Vec<Layer>,
    _lock: File,
}

impl Rootfs {
    /// Creates a root file system from `layers`, the first on top.
    pub(crate) fn make(suite: Suite, layers: Vec<Layer>) -> Outcome<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{suite}-{}-{number}", process::id());
        let run = run_dir()?;
        let lock = {
            // Held until the lock file is locked, so that no other process removes it as a
            // leftover.
            let all = open_lock(&run.join("all"))?;
            all.lock().context("lock the machines")?;
            remove_left(&run)?;
            let lock = open_lock(&run.join(&name).with_extension("lock"))?;
            lock.lock().context("lock a machine")?;
            lock
        };
        // From here on, `Drop` removes it after an error.
        let rootfs = Self {
            dir: run.join(&name),
            cgroup: Cgroup::of(&name)?,
            name,
            _layers: layers,
            _lock: lock,
        };
        for part in ["upper", "work", "root"] {
            let path = rootfs.dir.join(part);
            fs::create_dir_all(&path).context(format!("make {}", path.display()))?;
        }
        rootfs.mount()?;
        rootfs.cgroup.make()?;
        Ok(rootfs)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The path of the root file system.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The log file of the console.
    pub(crate) fn console_log(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// The file for the pids of processes that enter the cgroup.
    pub(crate) fn cgroup_procs(&self) -> PathBuf {
        self.cgroup.procs()
    }

    /// The processor time that the machine has used.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        self.cgroup.processor_time()
    }

    /// Unmounts it, and moves the changes over the layers to `path`.
    pub(crate) fn keep_changes(&self, path: &Path) -> Outcome {
        unmount_root(&self.dir)?;
        fs::rename(self.dir.join("upper"), path).context(format!("move to {}", path.display()))
    }

    fn mount(&self) -> Outcome {
        let layers = self._layers.iter();
        let lower: Vec<_> = layers
            .map(|layer| layer.path().display().to_string())
            .collect();
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.join(":"),
            self.dir.join("upper").display(),
            self.dir.join("work").display()
        );
        let options = CString::new(options).context("name the layers")?;
        mount(
            "overlay",
            self.root(),
            "overlay",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .context("mount an overlay (this needs root)")
    }
}

impl Drop for Rootfs {
    fn drop(&mut self) {
        if let Err(failure) = remove(&self.dir) {
            eprintln!("{}: {failure}", self.name);
        }
    }
}

/// Ends all machines of this process and removes their files, when it receives a signal.
pub(crate) fn remove_own() -> Outcome {
    let own = format!("-{}-", process::id());
    for dir in directories(&run_dir()?)? {
        if dir.to_string_lossy().contains(&own) {
            remove(&dir)?;
        }
    }
    Ok(())
}

fn run_dir() -> Outcome<PathBuf> {
    let dir = machines_dir()?.join("run");
    fs::create_dir_all(&dir).context(format!("make {}", dir.display()))?;
    Ok(dir)
}

/// The directories of all machines, including those with only a lock file.
fn directories(run: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(run).context("list the machines")?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let locks = paths.filter(|path| path.extension().is_some_and(|suffix| suffix == "lock"));
    Ok(locks.map(|lock| lock.with_extension("")).collect())
}

fn remove_left(run: &Path) -> Outcome {
    for dir in directories(run)? {
        let lock = open_lock(&dir.with_extension("lock"))?;
        if lock.try_lock().is_ok() {
            remove(&dir)?;
        }
    }
    Ok(())
}

fn remove(dir: &Path) -> Outcome {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    Cgroup::of(&name)?.remove()?;
    unmount_root(dir)?;
    // systemd-nspawn leaves this directory when it is killed.
    let _ = fs::remove_dir(Path::new("/run/systemd/nspawn/propagate").join(&*name));
    if dir.exists() {
        fs::remove_dir_all(dir).context(format!("remove {}", dir.display()))?;
    }
    fs::remove_file(dir.with_extension("lock")).context("remove a lock file")
}

fn unmount_root(dir: &Path) -> Outcome {
    let root = dir.join("root");
    let bound = Duration::from_secs(10);
    wait_until(bound, "the root file system to be free", || {
        if !is_mounted(&root)? {
            return Ok(());
        }
        unmount(&root, UnmountFlags::NOFOLLOW).context("unmount")
    })
}

fn is_mounted(root: &Path) -> Outcome<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("read the mounts")?;
    let point = root.display().to_string();
    Ok(mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(&point)))
}
