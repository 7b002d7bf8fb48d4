//! Input while a warning stands.
//!
//! A key must withdraw a warning at once, and the time stamps of terminals move in steps of eight
//! seconds. inotify is exact: `IN_ACCESS` comes when somebody reads from the terminal. Not so for
//! who reads through `/dev/tty`, a file of its own: the time stamp of the terminal moves all the
//! same (Linux 6.4), and the next look sees it. It also sees terminals that were not there when
//! the user was warned.

use std::collections::BTreeSet;
use std::io;

use nix::sys::inotify::AddWatchFlags;
use session_timeout_policy::SessionKey;

use crate::inotify::Watches;
use crate::ttys::Terminal;

/// Watches the terminals of warned sessions.
#[derive(Default)]
pub(crate) struct Watcher {
    watches: Watches<SessionKey>,
    /// A failure is told once, until the next success: the journal may hang, and this is the driver.
    failing: bool,
}

impl Watcher {
    /// Watches these terminals of the session, beside those that are watched.
    pub(crate) fn add(&mut self, session: &SessionKey, terminals: &BTreeSet<Terminal>) {
        for terminal in terminals {
            let (path, flags) = (&terminal.path, AddWatchFlags::IN_ACCESS);
            match self.watches.add(path, flags, session.clone()) {
                Ok(()) => self.failing = false,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // The next look at the session sees the input, a little later.
                Err(error) if !self.failing => {
                    self.failing = true;
                    log::warn!("cannot watch {} for input: {error}", path.display());
                }
                Err(_) => {}
            }
        }
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
