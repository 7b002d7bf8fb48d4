//! Detects input on the terminals of warned sessions with inotify.
//!
//! A key must withdraw a warning at once, but the time stamps of terminals have a resolution of
//! eight seconds. inotify reports each read from a terminal (`IN_ACCESS`). It does not report a
//! read through `/dev/tty`, which is another file; that changes the time stamp of the terminal
//! (Linux 6.4), and the next probe detects it. A probe also detects terminals that were opened
//! after the warning.
//!
//! inotify requires read permission on the file, which the daemon lacks: it lends its inotify
//! instance to `session-timeout-terminals`, which has the permission, and receives the events
//! itself.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use session_timeout_policy::SessionKey;

use crate::sys::inotify::Watches;

/// Watches the terminals of warned sessions.
#[derive(Default)]
pub(crate) struct InputWatch {
    watches: Watches<SessionKey>,
    /// Whether the last attempt failed. Only the first failure in a row is logged, since a write to
    /// the journal may block and this is the driver.
    failing: bool,
}

impl InputWatch {
    /// The inotify instance for a session's terminals, until [`Self::add`] or [`Self::give_up`] is
    /// called for it. Without one, the next probe of the session detects input, a little later.
    pub(crate) fn lend(&mut self) -> Option<Arc<OwnedFd>> {
        match self.watches.lend() {
            Ok(lent) => {
                self.failing = false;
                Some(lent)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    log::warn!("cannot watch terminals for input: {error}");
                }
                None
            }
        }
    }

    /// Adds these watches to those of this session.
    pub(crate) fn add(&mut self, session: &SessionKey, watches: &[i32]) {
        self.watches.take_back(watches, Some(session));
    }

    /// Removes these watches, whose session is no longer watched.
    pub(crate) fn give_up(&mut self, watches: &[i32]) {
        self.watches.take_back(watches, None);
    }

    /// Removes the watches of this session.
    pub(crate) fn remove(&mut self, session: &SessionKey) {
        self.watches.remove(|key| key == session);
    }

    /// Waits for input in a watched session. Cancel safe.
    pub(crate) async fn next(&mut self) -> io::Result<BTreeSet<SessionKey>> {
        Ok(self.watches.next().await?.into_iter().collect())
    }
}
