//! Watches files with inotify.
//!
//! An inotify instance is created for the first watch and closed after the last one: a user has few
//! of them (`fs.inotify.max_user_instances`, 128), and all of root's services share root's. If none
//! is left, [`Watches::add`] and [`Watches::lend`] return an error, and [`Watches::next`] waits for
//! ever.

use std::collections::HashMap;
use std::future;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::sys::async_fd::OwnsFd;

/// Buffer for some 250 events: events about the watched file itself carry no name.
const BUFFER_BYTES: usize = 4096;

/// Watched files, each with an owner: the key that its events are reported for.
pub(crate) struct Watches<K> {
    instance: Option<AsyncFd<OwnsFd<OwnedFd>>>,
    /// The owner of each watch, by watch descriptor.
    watched: HashMap<i32, K>,
    /// A duplicate of the instance's descriptor, shared by all who borrow it.
    copy: Option<Arc<OwnedFd>>,
    /// The number of borrowers.
    lent: usize,
}

impl<K> Default for Watches<K> {
    fn default() -> Self {
        Self {
            instance: None,
            watched: HashMap::new(),
            copy: None,
            lent: 0,
        }
    }
}

impl<K: Clone> Watches<K> {
    /// Watches a file for this owner, in place of an earlier owner.
    ///
    /// # Errors
    /// The file cannot be watched, or no inotify instance is left.
    pub(crate) fn add(&mut self, path: &Path, flags: WatchFlags, owner: K) -> io::Result<()> {
        let added = inotify::add_watch(self.instance()?, path, flags);
        if let Ok(watch) = added {
            self.watched.insert(watch, owner);
        }
        self.let_go();
        Ok(added.map(drop)?)
    }

    /// Lends the instance to a process that may watch files that the daemon may not, until
    /// [`Self::take_back`].
    ///
    /// # Errors
    /// The user has reached the limit of inotify instances.
    pub(crate) fn lend(&mut self) -> io::Result<Arc<OwnedFd>> {
        let copy = match &self.copy {
            Some(copy) => Arc::clone(copy),
            None => match self.instance()?.try_clone() {
                Ok(copy) => Arc::new(copy),
                Err(error) => {
                    self.let_go();
                    return Err(error);
                }
            },
        };
        self.copy = Some(Arc::clone(&copy));
        self.lent += 1;
        Ok(copy)
    }

    /// Registers the watches that the borrower has added, for this owner; without an owner they are
    /// removed.
    pub(crate) fn take_back(&mut self, watches: &[i32], owner: Option<&K>) {
        self.lent = self.lent.saturating_sub(1);
        for &watch in watches {
            if let Some(owner) = owner {
                self.watched.insert(watch, owner.clone());
            } else if let Some(instance) = &self.instance
                && !self.watched.contains_key(&watch)
            {
                let _ = inotify::remove_watch(instance.get_ref().get(), watch);
            }
        }
        self.let_go();
    }

    /// Removes the watches of these owners.
    pub(crate) fn remove(&mut self, is_owner: impl Fn(&K) -> bool) {
        let Some(instance) = &self.instance else {
            return;
        };
        self.watched.retain(|watch, key| {
            let goes = is_owner(key);
            if goes {
                // The kernel removes the watch of a deleted file by itself.
                let _ = inotify::remove_watch(instance.get_ref().get(), *watch);
            }
            !goes
        });
        self.let_go();
    }

    /// Waits for events, and returns the owners of their watches; waits for ever without a watch.
    /// Cancel safe.
    ///
    /// # Errors
    /// The events cannot be read.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<K>> {
        let Some(instance) = &self.instance else {
            return future::pending().await;
        };
        loop {
            let mut ready = instance.readable().await?;
            let events = match ready.try_io(|instance| read(instance.get_ref().get())) {
                Ok(events) => events?,
                Err(_would_block) => continue,
            };
            let mut owners = Vec::new();
            for (watch, what) in events {
                if what.contains(ReadFlags::IGNORED) {
                    self.watched.remove(&watch);
                } else if let Some(owner) = self.watched.get(&watch) {
                    owners.push(owner.clone());
                }
            }
            if !owners.is_empty() {
                return Ok(owners);
            }
        }
    }

    fn instance(&mut self) -> io::Result<&OwnedFd> {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => {
                let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
                OwnsFd::register(inotify::init(flags)?)?
            }
        };
        Ok(self.instance.insert(instance).get_ref().get())
    }

    fn let_go(&mut self) {
        if self.watched.is_empty() && self.lent == 0 {
            self.instance = None;
            self.copy = None;
        }
    }
}

/// The pending events: the watch descriptor and the mask of each.
fn read(instance: &OwnedFd) -> io::Result<Vec<(i32, ReadFlags)>> {
    let mut room = [MaybeUninit::uninit(); BUFFER_BYTES];
    let mut reader = inotify::Reader::new(instance, &mut room);
    let mut events = Vec::new();
    loop {
        match reader.next() {
            Ok(event) => events.push((event.wd(), event.events())),
            Err(Errno::AGAIN) if !events.is_empty() => return Ok(events),
            Err(error) => return Err(error.into()),
        }
        if reader.is_buffer_empty() {
            return Ok(events);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    /// Set in a process that has no inotify instance left.
    const NONE_LEFT: &str = "NO_INOTIFY_INSTANCE_LEFT";

    /// The owners of the watches with events; one write may be several events.
    async fn owners(watches: &mut Watches<i32>) -> BTreeSet<i32> {
        watches.next().await.unwrap().into_iter().collect()
    }

    #[tokio::test]
    async fn an_event_is_reported_for_the_owner_of_the_watch() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        fs::write(&one, "").unwrap();
        fs::write(&other, "").unwrap();
        let mut watches = Watches::default();
        watches.add(&one, WatchFlags::MODIFY, 1).unwrap();
        watches.add(&other, WatchFlags::MODIFY, 2).unwrap();
        fs::write(&other, "news").unwrap();
        assert_eq!(owners(&mut watches).await, BTreeSet::from([2]));
        watches.remove(|owner| *owner == 2);
        fs::write(&other, "more").unwrap();
        fs::write(&one, "news").unwrap();
        assert_eq!(owners(&mut watches).await, BTreeSet::from([1]));
    }

    #[tokio::test]
    async fn an_instance_is_kept_for_as_long_as_something_is_watched() {
        let directory = tempfile::tempdir().unwrap();
        let mut watches = Watches::default();
        assert!(watches.instance.is_none());
        watches
            .add(directory.path(), WatchFlags::CREATE, 1)
            .unwrap();
        assert!(watches.instance.is_some());
        let missing = directory.path().join("missing");
        watches.add(&missing, WatchFlags::CREATE, 2).unwrap_err();
        assert!(watches.instance.is_some());
        watches.remove(|owner| *owner == 1);
        assert!(watches.instance.is_none());
        watches.add(&missing, WatchFlags::CREATE, 2).unwrap_err();
        assert!(watches.instance.is_none());
    }

    #[tokio::test]
    async fn watches_of_a_borrower_are_reported_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let mut watches = Watches::default();
        let lent = watches.lend().unwrap();
        let again = watches.lend().unwrap();
        assert!(Arc::ptr_eq(&lent, &again), "one descriptor for all");
        watches.take_back(&[], None);
        let watch = inotify::add_watch(&lent, &file, WatchFlags::MODIFY).unwrap();
        watches.remove(|_| true);
        watches.take_back(&[watch], Some(&1));
        fs::write(&file, "news").unwrap();
        assert!(watches.next().await.unwrap().contains(&1));
        watches.remove(|_| true);
        assert!(watches.instance.is_none());

        let lent = watches.lend().unwrap();
        let watch = inotify::add_watch(&lent, &file, WatchFlags::MODIFY).unwrap();
        watches.take_back(&[watch], None);
        assert!(watches.instance.is_none());
        fs::write(&file, "more").unwrap();
        let mut room = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(&lent, &mut room);
        // The last event of this watch.
        assert_eq!(reader.next().unwrap().events(), ReadFlags::IGNORED);
        assert!(reader.next().is_err(), "nobody wants to know");
    }

    /// The limit also applies to each user namespace, and this test uses one of its own.
    #[tokio::test]
    async fn without_an_instance_there_are_no_events_and_no_failures() {
        if std::env::var_os(NONE_LEFT).is_none() {
            let name =
                "sys::inotify::tests::without_an_instance_there_are_no_events_and_no_failures";
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
            .add(Path::new("/"), WatchFlags::CREATE, ())
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
        watches.remove(|()| true);
        let event = tokio::time::timeout(Duration::from_millis(20), watches.next()).await;
        assert!(event.is_err(), "there was an event");
    }
}
