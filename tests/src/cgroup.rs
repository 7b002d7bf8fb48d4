//! A control group for each machine.
//!
//! With `--keep-unit` systemd-nspawn uses its own control group for the machine. Machines that were
//! started in one group would share its `payload`, and the end of one would kill sessions of
//! another. The group also finds and ends all processes of a machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Context, Failure, Outcome};
use crate::wait::wait_until;

/// The prefix of the names of these groups.
const PREFIX: &str = "session-timeout-";

/// The control group of one machine.
#[derive(Clone, Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    /// The same name in the `name=systemd` hierarchy, if the host has one: systemd-nspawn creates
    /// the group there as well, and does not remove it.
    shadow: Option<PathBuf>,
}

impl Cgroup {
    /// The group of the machine with this name; it is not created yet.
    ///
    /// # Errors
    /// The host has no cgroup2.
    pub(crate) fn of(name: &str) -> Outcome<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("read the mounts")?;
        let name = format!("{PREFIX}{name}");
        let unified = mount_point(&mounts, |fstype, _| fstype == "cgroup2")
            .context("this host mounts no cgroup2 (at /sys/fs/cgroup or below)")?;
        let shadow = mount_point(&mounts, |fstype, options| {
            fstype == "cgroup" && options.split(',').any(|option| option == "name=systemd")
        });
        Ok(Self {
            path: unified.join(&name),
            shadow: shadow.map(|hierarchy| hierarchy.join(&name)),
        })
    }

    /// Creates the group.
    ///
    /// # Errors
    /// The host does not allow it.
    pub(crate) fn make(&self) -> Outcome {
        fs::create_dir(&self.path).context(format!("make the cgroup {}", self.path.display()))
    }

    /// The file for the pids of processes that enter the group.
    pub(crate) fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// The processor time that its processes have used.
    ///
    /// # Errors
    /// The kernel's statistics cannot be read.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        let path = self.path.join("cpu.stat");
        let text = fs::read_to_string(&path).context(format!("read {}", path.display()))?;
        let used = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "));
        let micros = used.and_then(|used| used.parse().ok());
        micros
            .map(Duration::from_micros)
            .context(format!("usage_usec in {text}"))
    }

    /// Kills all processes of the group and removes the group, if it exists.
    ///
    /// # Errors
    /// A process of the group remains.
    pub(crate) fn remove(&self) -> Outcome {
        if self.path.exists() {
            // Kills every process of the group and of its descendants (Linux 5.14).
            fs::write(self.path.join("cgroup.kill"), "1")
                .context("kill the processes of a cgroup")?;
        }
        for path in [Some(&self.path), self.shadow.as_ref()]
            .into_iter()
            .flatten()
        {
            wait_until(Duration::from_secs(10), "an empty cgroup", || {
                remove_tree(path)
            })?;
        }
        Ok(())
    }
}

/// The first mount point whose type and options match.
fn mount_point(mounts: &str, suits: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut columns = line.split(' ').skip(1);
        let (point, fstype, options) = (columns.next()?, columns.next()?, columns.next()?);
        suits(fstype, options).then(|| PathBuf::from(point))
    })
}

/// Removes the group at `path` after its descendants. The kernel removes the files in it.
fn remove_tree(path: &Path) -> Result<(), Failure> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.context("list a cgroup")?,
    };
    for entry in entries {
        let entry = entry.context("list a cgroup")?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path).context(format!("remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchies_are_found_beside_each_other_and_alone() {
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
        let pure = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        let unified = |mounts| mount_point(mounts, |fstype, _| fstype == "cgroup2");
        assert_eq!(unified(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(unified(pure), Some("/sys/fs/cgroup".into()));
        assert_eq!(mount_point(pure, |fstype, _| fstype == "cgroup"), None);
    }
}
