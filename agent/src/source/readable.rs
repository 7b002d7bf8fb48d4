//! Waits in tokio's event loop for the socket of a library's connection.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net;

use tokio::io::Interest;
use tokio::net::UnixStream;

/// Whether the peer of a socket is still connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Connected,
    Closed,
}

/// The readiness of a socket that a library reads.
pub(super) struct Readable(UnixStream);

impl Readable {
    /// For this socket. The descriptor is duplicated, since the library owns and closes its own.
    pub(super) fn new(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let socket = net::UnixStream::from(socket.try_clone_to_owned()?);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket).map(Self)
    }

    /// Waits until the socket is readable or the peer has closed it. Cancel safe.
    pub(super) async fn ready(&self) -> Peer {
        match self.0.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => Peer::Connected,
            _ => Peer::Closed,
        }
    }

    /// Calls the library to read, which returns `WouldBlock` when it has read everything.
    pub(super) fn read<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.0.try_io(Interest::READABLE, read)
    }
}
