//! A connection to the X server whose events are waited for in tokio's event loop.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::rust_connection::RustConnection;

use super::readable::{Peer, Readable};

/// A connection to the X server of the session.
pub(crate) struct XConnection {
    connection: Arc<RustConnection>,
    readable: Readable,
}

impl XConnection {
    /// From a connection of the library, which must not be used to wait for events.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated.
    pub(crate) fn new(connection: RustConnection) -> io::Result<Self> {
        Ok(Self {
            readable: Readable::new(AsFd::as_fd(connection.stream()))?,
            connection: Arc::new(connection),
        })
    }

    /// The connection, for requests. A reply blocks until the server sends it.
    pub(crate) fn requests(&self) -> &Arc<RustConnection> {
        &self.connection
    }

    /// Waits until there may be events for [`XConnection::next_event`]. Cancel safe.
    pub(crate) async fn ready(&self) -> Peer {
        self.readable.ready().await
    }

    /// The next event that the server has sent.
    ///
    /// An event may be queued in the library while the socket is not readable: the library reads
    /// events while it waits for a reply.
    ///
    /// # Errors
    /// The connection has ended.
    pub(crate) fn next_event(&self) -> io::Result<Option<Event>> {
        let poll = || self.connection.poll_for_event().map_err(io::Error::other);
        if let Some(event) = poll()? {
            return Ok(Some(event));
        }
        let read = || poll()?.ok_or_else(|| io::ErrorKind::WouldBlock.into());
        match self.readable.read(read) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            read => read.map(Some),
        }
    }
}
