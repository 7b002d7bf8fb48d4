//! Inhibitor locks on `idle` that are taken and released.
//!
//! logind's property `BlockInhibited` changes only with the first and the last lock of a kind, and
//! so hides one behind another. Each lock has a file below `/run/systemd/inhibit`
//! (`inhibitor_save()` and `inhibitor_stop()` of systemd 252 to 257), and inotify tells of each.

use std::io;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::pollable::Pollable;

/// Any user may take and release locks as fast as logind allows, and each change costs a look at
/// every session that they count for: so changes are told once in this time.
const QUIET: Duration = Duration::from_secs(1);

const DIRECTORY: &str = "/run/systemd/inhibit";

/// Whether changes of inhibitor locks are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Yes,
    No,
}

/// Waits for changes, where anybody wants to know of them.
pub(crate) struct Inhibitors {
    inotify: AsyncFd<Pollable<Inotify>>,
    watch: Option<WatchDescriptor>,
    /// Nothing is told before.
    quiet_until: Instant,
}

impl Inhibitors {
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Self {
            inotify: Pollable::register(inotify)?,
            watch: None,
            quiet_until: Instant::now(),
        })
    }

    /// Watches, or does not: a policy that does not count them leaves the daemon asleep.
    pub(crate) fn watch(&mut self, wanted: Wanted) {
        let inotify = self.inotify.get_ref().get();
        match (wanted, self.watch) {
            (Wanted::Yes, None) => {
                let flags = AddWatchFlags::IN_MOVED_TO
                    | AddWatchFlags::IN_CREATE
                    | AddWatchFlags::IN_DELETE;
                match inotify.add_watch(DIRECTORY, flags) {
                    Ok(watch) => self.watch = Some(watch),
                    // A lock then counts at each look, and its release at the next one.
                    Err(error) => log::warn!("cannot watch {DIRECTORY}: {error}"),
                }
            }
            (Wanted::No, Some(watch)) => {
                let _ = inotify.rm_watch(watch);
                self.watch = None;
            }
            (Wanted::Yes, Some(_)) | (Wanted::No, None) => {}
        }
    }

    /// Waits for the next change. Cancel safe.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        tokio::time::sleep_until(self.quiet_until).await;
        loop {
            let mut ready = self.inotify.readable().await?;
            let read = ready.try_io(|inotify| Ok(inotify.get_ref().get().read_events()?));
            match read {
                Ok(events) => {
                    events?;
                    self.quiet_until = Instant::now() + QUIET;
                    return Ok(());
                }
                Err(_would_block) => {}
            }
        }
    }
}
