//! The two connections to the system bus, and the one to PID 1 without the bus.
//!
//! A bus limits each peer's pending calls, and a peer reads one message after another: a sender of
//! many messages delays all users of the receiving connection. So ends of sessions use a private
//! connection, which has no name and no objects, and calls only logind, polkit and the display
//! manager. The public connection serves the calls of other processes, and calls agents. Each
//! reconnects by itself when it is lost, without an effect on the other.

mod link;
mod message_filter;
mod pid1;
mod socket;

use std::time::Duration;

use tokio::sync::watch;
use zbus::Connection;

pub(crate) use link::{Link, Object};
use message_filter::{AllowedSender, SizeLimits};
pub(crate) use pid1::Pid1;

/// The private connection while there is one.
pub(crate) type PrivateBus = watch::Receiver<Option<Link>>;

/// The public connection while there is one.
pub(crate) type PublicBus = watch::Receiver<Option<Connection>>;

/// Timeout of a call of a trusted peer. The reference bus has none.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum length of a call, a signal, or a reply of an agent, which are far shorter.
const MESSAGE_MAX_BYTES: u64 = 64 << 10;

/// Maximum length of a reply of a trusted peer: logind's list of 8192 sessions takes less than a
/// tenth.
const REPLY_MAX_BYTES: u64 = 16 << 20;

/// Delay before the first attempt to reconnect, and the longest.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Opens a public connection.
///
/// # Errors
/// There is no bus.
pub(crate) async fn public() -> zbus::Result<Connection> {
    let limits = SizeLimits {
        reply: MESSAGE_MAX_BYTES,
        other: MESSAGE_MAX_BYTES,
    };
    with_timeout(socket::connect(limits, AllowedSender::default())).await
}

/// Adds the timeout of a call: D-Bus itself has none.
pub(crate) async fn with_timeout<T>(
    call: impl Future<Output = zbus::Result<T>>,
) -> zbus::Result<T> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(result) => result,
        Err(_elapsed) => Err(timed_out()),
    }
}

fn timed_out() -> zbus::Error {
    zbus::Error::Failure(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))
}

/// Delays between attempts to connect: each is twice the one before, up to a maximum.
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(BACKOFF)
    }
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(BACKOFF_MAX);
        pause
    }
}
