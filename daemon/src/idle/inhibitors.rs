//! Detects changes of inhibitor locks on `idle`.
//!
//! logind's property `BlockInhibited` changes only with the first and the last lock of a kind, so
//! it does not show the others. Each lock has a file below `/run/systemd/inhibit`
//! (`inhibitor_save()` and `inhibitor_stop()` of systemd 252 to 257), which is watched with
//! inotify.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::WatchFlags;
use tokio::time::Instant;

use crate::sys::inotify::Watches;

/// Minimum interval between two reported changes: any user may take and release locks as fast as
/// logind allows, and each reported change causes a probe of every session that the locks affect.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Delay before another attempt to watch the directory.
const BACKOFF: Duration = Duration::from_secs(60);

const DIRECTORY: &str = "/run/systemd/inhibit";

/// Whether changes of inhibitor locks are to be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Yes,
    No,
}

/// Waits for changes of inhibitor locks while they are to be reported.
pub(crate) struct Inhibitors {
    watches: Watches<()>,
    wanted: Wanted,
    watched: Wanted,
    /// No change is reported before this time.
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

    /// Starts or stops watching. A policy that does not count inhibitor locks causes no wake-ups.
    pub(crate) fn watch(&mut self, wanted: Wanted) {
        self.wanted = wanted;
        match (wanted, self.watched) {
            (Wanted::Yes, Wanted::No) => {
                if let Err(error) = self.begin() {
                    // Without the watch, a lock and its release take effect at the next probe.
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
            // In both cases there may have been changes meanwhile.
            let pause = match self.begin() {
                Ok(()) => MIN_INTERVAL,
                Err(_) => BACKOFF,
            };
            self.quiet_until = Instant::now() + pause;
        }
        Ok(())
    }
}
