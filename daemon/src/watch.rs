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
pub(crate) struct Watcher(Watches<SessionKey>);

impl Watcher {
    /// Watches these terminals of the session, beside those that are watched.
    pub(crate) fn add(&mut self, session: &SessionKey, terminals: &BTreeSet<Terminal>) {
        for terminal in terminals {
            let (path, flags) = (&terminal.path, AddWatchFlags::IN_ACCESS);
            match self.0.add(path, flags, session.clone()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // The next look at the session sees the input, a little later.
                Err(error) => log::warn!("cannot watch {} for input: {error}", path.display()),
            }
        }
    }

    /// Watches the session no more.
    pub(crate) fn remove(&mut self, session: &SessionKey) {
        self.0.remove(|key| key == session);
    }

    /// Waits for input in a watched session. Cancel safe.
    pub(crate) async fn next(&mut self) -> io::Result<BTreeSet<SessionKey>> {
        Ok(self.0.next().await?.into_iter().collect())
    }
}
