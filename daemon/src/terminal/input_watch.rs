//! Input while a warning stands.
//!
//! A key must withdraw a warning at once, and the time stamps of terminals move in steps of eight
//! seconds. inotify is exact: `IN_ACCESS` comes when somebody reads from the terminal. Not so for
//! who reads through `/dev/tty`, a file of its own: the time stamp of the terminal moves all the
//! same (Linux 6.4), and the next look sees it. It also sees terminals that were not there when
//! the user was warned.
//!
//! inotify requires read permission on the file, which the daemon does not have: it lends its
//! inotify instance to `session-timeout-terminals`, which has, and receives the events itself.

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
    /// A failure is told once, until the next success: the journal may hang, and this is the driver.
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

    /// Removes these watches, whose session need not be watched any more.
    pub(crate) fn give_up(&mut self, watches: &[i32]) {
        self.watches.take_back(watches, None);
    }

    /// Watches the session no more.
    pub(crate) fn remove(&mut self, session: &SessionKey) {
        self.watches.remove(|key| key == session);
    }

    /// Waits for input in a watched session. Cancel safe.
    pub(crate) async fn next(&mut self) -> io::Result<BTreeSet<SessionKey>> {
        Ok(self.watches.next().await?.into_iter().collect())
    }
}
