//! Helpers for both buses: calls with a timeout, signals, and owners of names.

use std::num::NonZeroUsize;
use std::time::Duration;

use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, MessageStream, fdo};

/// Timeout of a call. The reference bus has none by default (dbus-daemon(1), `reply_timeout`).
const TIMEOUT: Duration = Duration::from_secs(5);

/// Signals that can be queued in a stream.
const SIGNAL_QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

const BUS: &str = "org.freedesktop.DBus";

/// Fails if the call takes longer than [`TIMEOUT`].
pub(crate) async fn with_timeout<T>(
    call: impl Future<Output = zbus::Result<T>>,
) -> zbus::Result<T> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(result) => result,
        Err(_elapsed) => Err(zbus::Error::Failure(format!(
            "no answer within {} s",
            TIMEOUT.as_secs()
        ))),
    }
}

/// The signals that match this rule. Any peer can send the agent a unicast signal that matches.
pub(crate) async fn signals(connection: &Connection, rule: &str) -> zbus::Result<MessageStream> {
    let rule = format!("type='signal',{rule}");
    with_timeout(MessageStream::for_match_rule(
        rule.as_str(),
        connection,
        Some(SIGNAL_QUEUE),
    ))
    .await
}

/// The bus's signals about the owner of this name, for [`new_owner`].
pub(crate) async fn owner_changes(
    connection: &Connection,
    name: &str,
) -> zbus::Result<MessageStream> {
    let rule = format!("sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{name}'");
    signals(connection, &rule).await
}

/// The new owner of the name; `Some(None)` if it has none. `None` if the signal is not from the
/// bus.
pub(crate) fn new_owner(message: &Message) -> Option<Option<OwnedUniqueName>> {
    if message.header().sender()?.as_str() != BUS {
        return None;
    }
    let (_, _, owner): (String, String, String) = message.body().deserialize().ok()?;
    Some(OwnedUniqueName::try_from(owner).ok())
}

/// Whether the owner of this name has sent the message.
pub(crate) async fn is_from(connection: &Connection, message: &Message, name: &str) -> bool {
    let owner = owner(connection, name).await.ok().flatten();
    let header = message.header();
    owner.is_some_and(|owner| header.sender().is_some_and(|sender| *sender == owner))
}

/// The owner of this name, if it has one.
pub(crate) async fn owner(
    connection: &Connection,
    name: &str,
) -> zbus::Result<Option<OwnedUniqueName>> {
    let reply = with_timeout(connection.call_method(
        Some(BUS),
        "/org/freedesktop/DBus",
        Some(BUS),
        "GetNameOwner",
        &(name,),
    ))
    .await;
    match reply {
        Ok(reply) => reply.body().deserialize().map(Some),
        Err(zbus::Error::FDO(error)) if matches!(*error, fdo::Error::NameHasNoOwner(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
