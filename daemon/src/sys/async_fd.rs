//! File descriptors of `nix`, in tokio's event loop.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use tokio::io::unix::AsyncFd;

/// A thing that owns a file descriptor, for tokio's `AsyncFd`, which asks for the older of the two
/// traits.
pub(crate) struct OwnsFd<T>(T);

impl<T: AsFd + Into<OwnedFd>> OwnsFd<T> {
    /// Puts it into the event loop.
    ///
    /// # Errors
    /// The kernel has no room for it.
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
