//! PID 1 without a bus: its own socket, which systemctl of root uses as well.
//!
//! What floods logind or the bus, or stops one of them, leaves this way open: systemd accepts only
//! root there (`bus_on_connection()` in src/core/dbus.c). PID 1 sends each signal of its own to all
//! who are connected there, so a connection is open only while a call waits for its answer.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{Mutex, Semaphore};
use zbus::names::BusName;
use zbus::wire::DynamicType;
use zbus::{Connection, Message};

use super::screen::Longest;
use super::{LONGEST, socket};

/// systemd has it since version 15, for systemctl(1) before and after there is a bus.
const SOCKET: &str = "/run/systemd/private";

/// How long one call may take, connecting included.
const TIMEOUT: Duration = Duration::from_secs(1);

/// So many calls at once; others wait for their turn, which does not count into their time.
const AT_ONCE: usize = 64;

/// The way to PID 1. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    /// The connection that calls share while there is any.
    shared: Arc<RwLock<Weak<Connection>>>,
    connecting: Arc<Mutex<()>>,
    turns: Arc<Semaphore>,
}

impl Default for Direct {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            connecting: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Direct {
    /// Calls a method of the object at `path`.
    ///
    /// # Errors
    /// It was refused, or there was no answer within a second.
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
        // Nobody closes the semaphore.
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
    let longest = Longest {
        reply: LONGEST,
        other: LONGEST,
    };
    let stream = UnixStream::connect(path).await?;
    socket::pid1(stream, longest).await
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
