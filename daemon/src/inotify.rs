//! What is watched through inotify.
//!
//! An instance is taken when there is something to watch, and given back when there is not: a user
//! has few of them (`fs.inotify.max_user_instances`, 128), and all of root's services share
//! root's. Where there is none left, [`Watches::add`] says so, and [`Watches::next`] waits for ever.

use std::collections::HashMap;
use std::future;
use std::io;
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use crate::pollable::Pollable;

/// Files that are watched, each for somebody.
pub(crate) struct Watches<K> {
    instance: Option<AsyncFd<Pollable<Inotify>>>,
    watched: HashMap<WatchDescriptor, K>,
}

impl<K> Default for Watches<K> {
    fn default() -> Self {
        Self {
            instance: None,
            watched: HashMap::new(),
        }
    }
}

impl<K: Clone> Watches<K> {
    /// Watches a file, from now on for these alone.
    ///
    /// # Errors
    /// It cannot be watched, or the kernel has no instance left.
    pub(crate) fn add(&mut self, path: &Path, flags: AddWatchFlags, whose: K) -> io::Result<()> {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => {
                let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
                Pollable::register(Inotify::init(flags)?)?
            }
        };
        let instance = self.instance.insert(instance);
        let added = instance.get_ref().get().add_watch(path, flags);
        if let Ok(watch) = added {
            self.watched.insert(watch, whose);
        }
        self.let_go();
        Ok(added.map(drop)?)
    }

    /// Watches nothing more for those.
    pub(crate) fn remove(&mut self, whose: impl Fn(&K) -> bool) {
        let Some(instance) = &self.instance else {
            return;
        };
        self.watched.retain(|watch, key| {
            let goes = whose(key);
            if goes {
                // A file that is gone took its watch with it.
                let _ = instance.get_ref().get().rm_watch(*watch);
            }
            !goes
        });
        self.let_go();
    }

    /// For whom something has happened, for ever where nothing is watched. Cancel safe.
    ///
    /// # Errors
    /// The kernel says so.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<K>> {
        let Some(instance) = &self.instance else {
            return future::pending().await;
        };
        loop {
            let mut ready = instance.readable().await?;
            let read = ready.try_io(|instance| Ok(instance.get_ref().get().read_events()?));
            let events = match read {
                Ok(events) => events?,
                Err(_would_block) => continue,
            };
            let mut told = Vec::new();
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    self.watched.remove(&event.wd);
                } else if let Some(whose) = self.watched.get(&event.wd) {
                    told.push(whose.clone());
                }
            }
            if !told.is_empty() {
                return Ok(told);
            }
        }
    }

    fn let_go(&mut self) {
        if self.watched.is_empty() {
            self.instance = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::time::Duration;

    use nix::errno::Errno;

    use super::*;

    /// Set in a process for which the kernel has no instance left.
    const NONE_LEFT: &str = "NO_INOTIFY_INSTANCE_LEFT";

    #[tokio::test]
    async fn what_happens_to_a_file_is_told_to_whom_it_is_watched_for() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        fs::write(&one, "").unwrap();
        fs::write(&other, "").unwrap();
        let mut watches = Watches::default();
        watches.add(&one, AddWatchFlags::IN_MODIFY, 1).unwrap();
        watches.add(&other, AddWatchFlags::IN_MODIFY, 2).unwrap();
        fs::write(&other, "news").unwrap();
        assert!(
            watches
                .next()
                .await
                .unwrap()
                .iter()
                .all(|whose| *whose == 2)
        );
        watches.remove(|whose| *whose == 2);
        fs::write(&other, "more").unwrap();
        fs::write(&one, "news").unwrap();
        assert!(
            watches
                .next()
                .await
                .unwrap()
                .iter()
                .all(|whose| *whose == 1)
        );
    }

    #[tokio::test]
    async fn an_instance_is_kept_for_as_long_as_something_is_watched() {
        let directory = tempfile::tempdir().unwrap();
        let mut watches = Watches::default();
        assert!(watches.instance.is_none());
        watches
            .add(directory.path(), AddWatchFlags::IN_CREATE, 1)
            .unwrap();
        assert!(watches.instance.is_some());
        let missing = directory.path().join("missing");
        watches
            .add(&missing, AddWatchFlags::IN_CREATE, 2)
            .unwrap_err();
        assert!(watches.instance.is_some());
        watches.remove(|whose| *whose == 1);
        assert!(watches.instance.is_none());
        watches
            .add(&missing, AddWatchFlags::IN_CREATE, 2)
            .unwrap_err();
        assert!(watches.instance.is_none());
    }

    /// The limit is also one of each user namespace, and this test's is in one of its own.
    #[tokio::test]
    async fn without_an_instance_nothing_is_told_and_nothing_fails() {
        if std::env::var_os(NONE_LEFT).is_none() {
            let name = "inotify::tests::without_an_instance_nothing_is_told_and_nothing_fails";
            let limit =
                "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$0\" --exact \"$1\"";
            let done = Command::new("unshare")
                .args(["--user", "--map-root-user", "sh", "-c", limit])
                .arg(std::env::current_exe().unwrap())
                .arg(name)
                .env(NONE_LEFT, "")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(
                done.status.success(),
                "{said}{}",
                String::from_utf8_lossy(&done.stderr)
            );
            assert!(said.contains("1 passed"), "{said}");
            return;
        }
        let mut watches = Watches::default();
        let error = watches
            .add(Path::new("/"), AddWatchFlags::IN_CREATE, ())
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::EMFILE as i32));
        watches.remove(|()| true);
        let told = tokio::time::timeout(Duration::from_millis(20), watches.next()).await;
        assert!(told.is_err(), "something was told");
    }
}
