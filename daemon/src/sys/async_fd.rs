//! Registers file descriptors of `nix` types in tokio's event loop.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use tokio::io::unix::AsyncFd;

/// A wrapper that implements `AsRawFd`, which tokio's `AsyncFd` requires, for types with `AsFd`
/// only.
pub(crate) struct OwnsFd<T>(T);

impl<T: AsFd + Into<OwnedFd>> OwnsFd<T> {
    /// Registers the file descriptor in the event loop.
    ///
    /// # Errors
    /// The kernel refuses to add it (epoll_ctl(2)).
    pub(crate) fn register(inner: T) -> io::Result<AsyncFd<Self>> {
        #[expect(
            deprecated,
            reason = "the other way is unsafe, for types whose descriptor is closed or replaced \
                      while it is registered; T owns its descriptor and lends it only by reference"
        )]
        AsyncFd::new(Self(inner))
    }

    pub(crate) const fn get(&self) -> &T {
        &self.0
    }
}

impl<T: AsFd> AsRawFd for OwnsFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
