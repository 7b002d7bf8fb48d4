//! The private connection to the system bus, which calls trusted services and is replaced when
//! calls get no reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Notify, Semaphore};
use zbus::names::UniqueName;
use zbus::wire::DynamicType;
use zbus::{Connection, Message, fdo};

use super::message_filter::{AllowedSender, SizeLimits};
use super::{CALL_TIMEOUT, MESSAGE_MAX_BYTES, REPLY_MAX_BYTES, socket, timed_out, with_timeout};

/// Number of consecutive calls without a reply after which the connection is replaced.
const STALLS_MAX: u32 = 3;

/// Maximum number of concurrent calls; others queue. The reference bus allows 128 pending replies
/// for each peer (`max_replies_per_connection`), and refuses more.
const MAX_CONCURRENT: usize = 64;

/// The destination of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
}

/// The private connection. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    connection: Connection,
    allowed: AllowedSender,
    turns: Arc<Semaphore>,
    stalls: Arc<Stalls>,
}

impl Link {
    /// Connects to the bus.
    ///
    /// # Errors
    /// There is no bus.
    pub(crate) async fn open() -> zbus::Result<Self> {
        let limits = SizeLimits {
            reply: REPLY_MAX_BYTES,
            other: MESSAGE_MAX_BYTES,
        };
        let allowed = AllowedSender::default();
        Ok(Self {
            connection: with_timeout(socket::connect(limits, allowed.clone())).await?,
            allowed,
            turns: Arc::new(Semaphore::new(MAX_CONCURRENT)),
            stalls: Arc::default(),
        })
    }

    /// The connection itself, for signals, and for calls with a timeout of their own.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Accepts the signals of this connection, beside those of the bus.
    pub(crate) fn allow(&self, name: &UniqueName<'_>) {
        self.allowed.allow(name);
    }

    /// Calls a method.
    ///
    /// # Errors
    /// It returned an error, or there was no reply in time.
    pub(crate) async fn call<B>(
        &self,
        to: Object<'_>,
        method: &str,
        body: &B,
    ) -> zbus::Result<Message>
    where
        B: serde::Serialize + DynamicType,
    {
        let Object {
            name,
            path,
            interface,
        } = to;
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        if self.stalls.are_enough() {
            // A call that has queued does not wait for a reply that will not come.
            return Err(timed_out());
        }
        let connection = &self.connection;
        let call = connection.call_method(Some(name), path, Some(interface), method, body);
        let answer = tokio::time::timeout(CALL_TIMEOUT, call).await;
        self.stalls.count(match &answer {
            Ok(Err(error)) if is_limit(error) => Outcome::Stalled,
            Ok(_) => Outcome::Answered,
            Err(_elapsed) => Outcome::Stalled,
        });
        answer.unwrap_or_else(|_elapsed| Err(timed_out()))
    }

    /// Waits until `STALLS_MAX` consecutive calls had no reply. A new connection has no pending
    /// replies on the bus.
    pub(crate) async fn given_up(&self) {
        self.stalls.enough.notified().await;
    }
}

/// Counts consecutive calls without a reply.
#[derive(Debug, Default)]
struct Stalls {
    count: AtomicU32,
    enough: Notify,
}

/// The result of a call. An error is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    Stalled,
}

impl Stalls {
    /// Whether the connection is to be replaced.
    fn are_enough(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= STALLS_MAX
    }

    fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Answered => self.count.store(0, Ordering::Relaxed),
            Outcome::Stalled => {
                if self.count.fetch_add(1, Ordering::Relaxed) + 1 >= STALLS_MAX {
                    self.enough.notify_one();
                }
            }
        }
    }
}

/// Whether the bus refused the call because the peer waits for too many answers
/// (`max_replies_per_connection`).
fn is_limit(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::FDO(error) if matches!(**error, fdo::Error::LimitsExceeded(_)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn given_up_after(outcomes: &[Outcome]) -> bool {
        let stalls = Stalls::default();
        outcomes.iter().for_each(|outcome| stalls.count(*outcome));
        let enough = stalls.enough.notified();
        tokio::time::timeout(Duration::ZERO, enough).await.is_ok()
    }

    #[tokio::test]
    async fn only_stalls_in_a_row_give_a_connection_up() {
        use Outcome::{Answered, Stalled};
        assert!(given_up_after(&[Stalled, Stalled, Stalled]).await);
        assert!(!given_up_after(&[Stalled, Stalled, Answered, Stalled, Stalled]).await);
    }

    #[test]
    fn a_call_that_waited_for_its_turn_is_not_made_where_nobody_answers() {
        let stalls = Stalls::default();
        for _ in 0..STALLS_MAX {
            assert!(!stalls.are_enough());
            stalls.count(Outcome::Stalled);
        }
        assert!(stalls.are_enough());
        stalls.count(Outcome::Answered);
        assert!(!stalls.are_enough(), "somebody answers after all");
    }

    #[test]
    fn a_bus_that_passes_on_no_more_calls_is_no_answer() {
        let failed = |error| zbus::Error::FDO(Box::new(error));
        assert!(is_limit(&failed(fdo::Error::LimitsExceeded(String::new()))));
        assert!(!is_limit(&failed(fdo::Error::AccessDenied(String::new()))));
        assert!(!is_limit(&timed_out()));
    }
}
