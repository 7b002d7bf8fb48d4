//! Calls to PID 1 over its private socket, without the message bus. systemctl uses it for root,
//! too.
//!
//! This way works while logind or the bus is flooded or stopped: systemd accepts only root on this
//! socket (`bus_on_connection()` in src/core/dbus.c). PID 1 sends each of its signals to every
//! connected peer, so a connection is open only while a call waits for its reply.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{Mutex, Semaphore};
use zbus::names::BusName;
use zbus::wire::DynamicType;
use zbus::{Connection, Message};

use super::message_filter::SizeLimits;
use super::{MESSAGE_MAX_BYTES, socket};

/// The socket has existed since systemd 15; systemctl(1) uses it before D-Bus is up and after it is
/// down.
const SOCKET: &str = "/run/systemd/private";

/// Timeout of one call, including the connect.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of concurrent calls; others queue, and their time in the queue does not count
/// against the timeout.
const MAX_CONCURRENT: usize = 64;

/// Calls to PID 1. Clones share one connection.
#[derive(Clone, Debug)]
pub(crate) struct Pid1 {
    /// The connection that concurrent calls share, while there is one.
    shared: Arc<RwLock<Weak<Connection>>>,
    connecting: Arc<Mutex<()>>,
    turns: Arc<Semaphore>,
}

impl Default for Pid1 {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            connecting: Arc::default(),
            turns: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        }
    }
}

impl Pid1 {
    /// Calls a method of the object at `path`.
    ///
    /// # Errors
    /// PID 1 returned an error, or did not reply within a second.
    pub(crate) async fn call<B>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> zbus::Result<Message>
    where
        B: serde::Serialize + DynamicType,
    {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let call = async {
            let connection = self.connection().await?;
            let nobody = None::<BusName<'_>>;
            let call = connection.call_method(nobody, path, Some(interface), method, body);
            let answer = call.await;
            if matches!(answer, Err(zbus::Error::InputOutput(_))) {
                self.forget(&connection);
            }
            answer
        };
        tokio::time::timeout(TIMEOUT, call)
            .await
            .unwrap_or_else(|_elapsed| {
                *self.shared.write().unwrap_or_else(PoisonError::into_inner) = Weak::new();
                Err(zbus::Error::Failure("PID 1 does not answer".to_owned()))
            })
    }

    async fn connection(&self) -> zbus::Result<Arc<Connection>> {
        if let Some(connection) = self.shared() {
            return Ok(connection);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(connection) = self.shared() {
            return Ok(connection);
        }
        let connection = Arc::new(connect(Path::new(SOCKET)).await?);
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        *shared = Arc::downgrade(&connection);
        Ok(connection)
    }

    fn shared(&self) -> Option<Arc<Connection>> {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade()
    }

    fn forget(&self, connection: &Arc<Connection>) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        if shared.as_ptr() == Arc::as_ptr(connection) {
            *shared = Weak::new();
        }
    }
}

async fn connect(path: &Path) -> zbus::Result<Connection> {
    let limits = SizeLimits {
        reply: MESSAGE_MAX_BYTES,
        other: MESSAGE_MAX_BYTES,
    };
    let stream = UnixStream::connect(path).await?;
    socket::pid1(stream, limits).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pid_1_that_is_not_there_is_an_error_at_once() {
        let there = connect(Path::new("/nonexistent/private")).await;
        assert!(
            matches!(there, Err(zbus::Error::InputOutput(_))),
            "{there:?}"
        );
    }
}
