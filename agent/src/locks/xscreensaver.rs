//! xscreensaver, which reports its state in a property of the X server's root window.
//!
//! The first item of `_SCREENSAVER_STATUS` is the atom `LOCK`, `BLANK` or, from xscreensaver 6.11
//! on, `AUTH` (locked, with the password dialog), or zero (xscreensaver 5.45 `windows.c` and 6.15
//! `xscreensaver.c`, `store_saver_status`). The property stays when xscreensaver is killed, so it
//! counts only as long as the window with `_SCREENSAVER_VERSION` exists.
//!
//! X11 has no events for one property alone: the agent is woken by each change of a property of the
//! root window, such as that of the active window.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, Window,
};
use x11rb::rust_connection::RustConnection;

use super::Input;
use super::locker::{Locker, Sighting};
use crate::source::{Peer, XConnection};

/// The X server, with its names of the properties and values.
pub(super) struct XScreenSaver {
    server: XConnection,
    root: Window,
    atoms: Atoms,
}

#[derive(Clone, Copy)]
struct Atoms {
    status: Atom,
    version: Atom,
    lock: Atom,
    auth: Atom,
    blank: Atom,
}

impl XScreenSaver {
    /// # Errors
    /// The X server cannot be reached.
    pub(super) async fn connect() -> io::Result<Self> {
        let (connection, root, atoms) = blocking(|| {
            let (connection, _screen) = x11rb::connect(None).map_err(io::Error::other)?;
            // Also with several screens it is the first.
            let root = connection.setup().roots.first().map(|screen| screen.root);
            let root = root.ok_or_else(|| io::Error::other("the X server has no screen"))?;
            let atoms = Atoms::intern(&connection)?;
            let mask = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
            let changed = connection.change_window_attributes(root, &mask);
            changed.map_err(io::Error::other)?;
            Ok((connection, root, atoms))
        })
        .await?;
        Ok(Self {
            server: XConnection::new(connection)?,
            root,
            atoms,
        })
    }

    /// The state that xscreensaver is in now; from then on, its end is an event as well.
    ///
    /// # Errors
    /// The connection has ended.
    pub(super) async fn sighting(&self) -> io::Result<Sighting> {
        let (connection, root, atoms) = (Arc::clone(self.server.requests()), self.root, self.atoms);
        blocking(move || {
            let Some(window) = daemon_window(&connection, root, atoms)? else {
                return Ok(Sighting::Absent);
            };
            let mask = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
            let changed = connection.change_window_attributes(window, &mask);
            changed.map_err(io::Error::other)?;
            let status = connection
                .get_property(false, root, atoms.status, AtomEnum::INTEGER, 0, 1)
                .map_err(io::Error::other)?
                .reply()
                .map_err(io::Error::other)?;
            let value = status.value32().and_then(|mut values| values.next());
            Ok(atoms.read(value))
        })
        .await
    }

    /// Reports each change until the connection has ended.
    pub(super) async fn watch(self, inputs: mpsc::Sender<Input>) {
        let mut reported = None;
        while let Ok(sighting) = self.sighting().await {
            if reported != Some(sighting) {
                let seen = Input::Seen(Locker::XScreenSaver, sighting);
                if inputs.send(seen).await.is_err() {
                    return;
                }
                reported = Some(sighting);
            }
            if self.changed().await.is_err() {
                break;
            }
        }
        let gone = Input::Seen(Locker::XScreenSaver, Sighting::Absent);
        let _ = inputs.send(gone).await;
    }

    /// Waits for an event that may be about xscreensaver.
    async fn changed(&self) -> io::Result<()> {
        loop {
            while let Some(event) = self.server.next_event()? {
                if self.concerns(&event) {
                    return Ok(());
                }
            }
            if self.server.ready().await == Peer::Closed {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }

    fn concerns(&self, event: &Event) -> bool {
        match event {
            Event::PropertyNotify(notify) => notify.atom == self.atoms.status,
            Event::DestroyNotify(_) => true,
            _ => false,
        }
    }
}

impl Atoms {
    fn intern(connection: &RustConnection) -> io::Result<Self> {
        let atom = |name: &str| {
            let cookie = connection.intern_atom(false, name.as_bytes());
            let reply = cookie.map_err(io::Error::other)?.reply();
            reply.map(|reply| reply.atom).map_err(io::Error::other)
        };
        Ok(Self {
            status: atom("_SCREENSAVER_STATUS")?,
            version: atom("_SCREENSAVER_VERSION")?,
            lock: atom("LOCK")?,
            auth: atom("AUTH")?,
            blank: atom("BLANK")?,
        })
    }

    /// What the first item of the property says.
    fn read(self, status: Option<u32>) -> Sighting {
        match status {
            Some(state) if state == self.lock || state == self.auth => Sighting::Locked,
            Some(state) if state == self.blank => Sighting::Covered,
            Some(_) | None => Sighting::Open,
        }
    }
}

/// The window of the running xscreensaver.
fn daemon_window(
    connection: &RustConnection,
    root: Window,
    atoms: Atoms,
) -> io::Result<Option<Window>> {
    let tree = connection.query_tree(root).map_err(io::Error::other)?;
    let windows = tree.reply().map_err(io::Error::other)?.children;
    let mut requests = Vec::with_capacity(windows.len());
    for window in windows {
        // Of length zero: the reply has only the type.
        let request = connection.get_property(false, window, atoms.version, AtomEnum::ANY, 0, 0);
        requests.push((window, request.map_err(io::Error::other)?));
    }
    let mut found = None;
    for (window, request) in requests {
        // A window may be gone meanwhile.
        if request.reply().is_ok_and(|reply| reply.type_ != 0) {
            found = Some(window);
        }
    }
    Ok(found)
}

/// Runs a blocking call on another thread, so that an X server that hangs blocks only that one.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let result = tokio::task::spawn_blocking(call).await;
    result.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lock_and_auth_mean_a_lock() {
        let atoms = Atoms {
            status: 1,
            version: 2,
            lock: 3,
            auth: 4,
            blank: 5,
        };
        for (status, sighting) in [
            (Some(3), Sighting::Locked),
            (Some(4), Sighting::Locked),
            (Some(5), Sighting::Covered),
            (Some(0), Sighting::Open),
            (Some(9), Sighting::Open),
            (None, Sighting::Open),
        ] {
            assert_eq!(atoms.read(status), sighting, "{status:?}");
        }
    }
}
