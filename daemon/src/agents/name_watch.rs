//! Waits until a connection has left the bus.

use std::num::NonZeroUsize;

use futures_util::StreamExt as _;
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, MessageStream, fdo};

const BUS: &str = "org.freedesktop.DBus";

/// Size of the signal queue: a unique name leaves the bus once.
const QUEUE_MAX: NonZeroUsize = NonZeroUsize::MIN;

/// Waits until this name has left the bus.
pub(crate) async fn wait_until_gone(
    connection: &Connection,
    name: &OwnedUniqueName,
) -> zbus::Result<()> {
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(BUS)
        .interface(BUS)
        .member("NameOwnerChanged")
        .arg(0, name.as_str())
        .build()?;
    let mut changes = MessageStream::for_match_rule(rule, connection, Some(QUEUE_MAX)).await?;
    // After the subscription, so that a departure is not missed.
    let bus = fdo::DBusProxy::new(connection).await?;
    if !bus.name_has_owner(name.clone().into()).await? {
        return Ok(());
    }
    while let Some(change) = changes.next().await {
        let change = change?;
        let from_the_bus = change.header().sender().is_some_and(|from| from == BUS);
        let body = change.body().deserialize::<(String, String, String)>();
        if from_the_bus && body.is_ok_and(|(_, _, new)| new.is_empty()) {
            return Ok(());
        }
    }
    Ok(())
}
