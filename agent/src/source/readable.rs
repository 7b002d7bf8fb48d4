//! A library's connection, in tokio's event loop.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net;

use tokio::io::Interest;
use tokio::net::UnixStream;

/// Whether there is still somebody at the other side of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    There,
    Gone,
}

/// Tells when there is something to read from a socket that a library reads.
pub(super) struct Readable(UnixStream);

impl Readable {
    /// Of this socket. It is duplicated: the library keeps its own, and closes it when it likes.
    pub(super) fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let socket = net::UnixStream::from(socket.try_clone_to_owned()?);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket).map(Self)
    }

    /// Waits until there is something, or the other side has gone. Cancel safe.
    pub(super) async fn ready(&self) -> Side {
        match self.0.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => Side::There,
            _ => Side::Gone,
        }
    }

    /// Has the library read; it says `WouldBlock` when it has read everything.
    pub(super) fn read<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.0.try_io(Interest::READABLE, read)
    }
}
