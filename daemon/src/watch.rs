//! Input while a warning stands.
//!
//! A key must withdraw a warning at once, and the time stamps of terminals move in steps of eight
//! seconds. inotify is exact: `IN_ACCESS` comes when somebody reads from the terminal. Not so for
//! who reads through `/dev/tty`, a file of its own: the time stamp of the terminal moves all the
//! same (Linux 6.4), and the next look sees it. It also sees terminals that were not there when
//! the user was warned.

use std::collections::{BTreeSet, HashMap};
use std::io;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use session_timeout_policy::SessionKey;
use tokio::io::unix::AsyncFd;

use crate::pollable::Pollable;
use crate::ttys::Terminal;

/// Watches the terminals of warned sessions.
pub(crate) struct Watcher {
    inotify: AsyncFd<Pollable<Inotify>>,
    watched: HashMap<WatchDescriptor, SessionKey>,
}

impl Watcher {
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Self {
            inotify: Pollable::register(inotify)?,
            watched: HashMap::new(),
        })
    }

    /// Watches these terminals of the session, beside those that are watched.
    pub(crate) fn add(&mut self, session: &SessionKey, terminals: &BTreeSet<Terminal>) {
        for terminal in terminals {
            let flags = AddWatchFlags::IN_ACCESS;
            match self
                .inotify
                .get_ref()
                .get()
                .add_watch(&terminal.path, flags)
            {
                Ok(watch) => {
                    self.watched.insert(watch, session.clone());
                }
                // The next look at the session sees the input, a little later.
                Err(error) => log::debug!("cannot watch {}: {error}", terminal.path.display()),
            }
        }
    }

    /// Watches the session no more.
    pub(crate) fn remove(&mut self, session: &SessionKey) {
        let inotify = &self.inotify.get_ref().get();
        self.watched.retain(|watch, key| {
            if key == session {
                // A terminal that is gone took its watch with it.
                let _ = inotify.rm_watch(*watch);
            }
            key != session
        });
    }

    /// Waits for input in a watched session. Cancel safe.
    pub(crate) async fn next(&mut self) -> io::Result<BTreeSet<SessionKey>> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let read = ready.try_io(|inotify| Ok(inotify.get_ref().get().read_events()?));
            let events = match read {
                Ok(events) => events?,
                Err(_would_block) => continue,
            };
            let mut active = BTreeSet::new();
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    self.watched.remove(&event.wd);
                } else if let Some(session) = self.watched.get(&event.wd) {
                    active.insert(session.clone());
                }
            }
            if !active.is_empty() {
                return Ok(active);
            }
        }
    }
}
