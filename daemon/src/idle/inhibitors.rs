//! Inhibitor locks on `idle` that are taken and released.
//!
//! logind's property `BlockInhibited` changes only with the first and the last lock of a kind, and
//! so hides one behind another. Each lock has a file below `/run/systemd/inhibit`
//! (`inhibitor_save()` and `inhibitor_stop()` of systemd 252 to 257), and inotify tells of each.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::WatchFlags;
use tokio::time::Instant;

use crate::sys::inotify::Watches;

/// Any user may take and release locks as fast as logind allows, and each change costs a look at
/// every session that they count for: so changes are told once in this time.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Where it cannot be watched, that is tried again after so long.
const BACKOFF: Duration = Duration::from_secs(60);

const DIRECTORY: &str = "/run/systemd/inhibit";

/// Whether changes of inhibitor locks are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Yes,
    No,
}

/// Waits for changes, where anybody wants to know of them.
pub(crate) struct Inhibitors {
    watches: Watches<()>,
    wanted: Wanted,
    watched: Wanted,
    /// Nothing is told before.
    quiet_until: Instant,
}

impl Inhibitors {
    pub(crate) fn new() -> Self {
        Self {
            watches: Watches::default(),
            wanted: Wanted::No,
            watched: Wanted::No,
            quiet_until: Instant::now(),
        }
    }

    /// Watches, or does not: a policy that does not count them leaves the daemon asleep.
    pub(crate) fn watch(&mut self, wanted: Wanted) {
        self.wanted = wanted;
        match (wanted, self.watched) {
            (Wanted::Yes, Wanted::No) => {
                if let Err(error) = self.begin() {
                    // A lock then counts at each look, and its release at the next one.
                    log::warn!("cannot watch {DIRECTORY}: {error}");
                }
            }
            (Wanted::No, Wanted::Yes) => {
                self.watches.remove(|()| true);
                self.watched = Wanted::No;
            }
            (Wanted::Yes, Wanted::Yes) | (Wanted::No, Wanted::No) => {}
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        let flags = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::DELETE;
        self.watches.add(Path::new(DIRECTORY), flags, ())?;
        self.watched = Wanted::Yes;
        Ok(())
    }

    /// Waits for the next change. Cancel safe.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        tokio::time::sleep_until(self.quiet_until).await;
        if self.wanted == self.watched {
            self.watches.next().await?;
            self.quiet_until = Instant::now() + MIN_INTERVAL;
        } else {
            // Either way there may have been changes meanwhile.
            let pause = match self.begin() {
                Ok(()) => MIN_INTERVAL,
                Err(_) => BACKOFF,
            };
            self.quiet_until = Instant::now() + pause;
        }
        Ok(())
    }
}
