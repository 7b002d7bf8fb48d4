//! What both buses are asked the same way.

use std::num::NonZeroUsize;
use std::time::Duration;

use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, MessageStream, fdo};

/// How long anybody on a bus may take to answer. The reference bus has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(5);

/// Signals that may wait.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

const BUS: &str = "org.freedesktop.DBus";

/// D-Bus itself lets a call wait for ever; we do not.
pub(crate) async fn timely<T>(call: impl Future<Output = zbus::Result<T>>) -> zbus::Result<T> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(result) => result,
        Err(_elapsed) => Err(zbus::Error::Failure(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// The signals that match this rule. Anybody may send one to us alone that matches, too.
pub(crate) async fn signals(connection: &Connection, rule: &str) -> zbus::Result<MessageStream> {
    let rule = format!("type='signal',{rule}");
    timely(MessageStream::for_match_rule(
        rule.as_str(),
        connection,
        Some(QUEUE),
    ))
    .await
}

/// The bus's word of who owns this name from now on, for [`new_owner`].
pub(crate) async fn owner_changes(
    connection: &Connection,
    name: &str,
) -> zbus::Result<MessageStream> {
    let rule = format!("sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{name}'");
    signals(connection, &rule).await
}

/// Who owns the name now; `Some(None)`: nobody. `None` where it is not the bus that says so.
pub(crate) fn new_owner(message: &Message) -> Option<Option<OwnedUniqueName>> {
    if message.header().sender()?.as_str() != BUS {
        return None;
    }
    let (_, _, owner): (String, String, String) = message.body().deserialize().ok()?;
    Some(OwnedUniqueName::try_from(owner).ok())
}

/// Who owns this name.
pub(crate) async fn owner(
    connection: &Connection,
    name: &str,
) -> zbus::Result<Option<OwnedUniqueName>> {
    let reply = timely(connection.call_method(
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
