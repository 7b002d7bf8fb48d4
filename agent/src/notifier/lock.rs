//! The signals of logind about the lock of the screen, which hides notifications.

use std::collections::HashMap;

use zbus::names::MemberName;
use zbus::wire::OwnedVariant;
use zbus::{Connection, Message, MessageStream};

use crate::bus;
use crate::session::{self, LOGIND, SESSION};

/// The signals of logind about this session, for [`unlocks`].
///
/// # Errors
/// The connection has failed, or logind does not know the session.
pub(super) async fn changes(bus: &Connection, session: &str) -> zbus::Result<MessageStream> {
    let path = session::path(bus, session).await?;
    let path = path.ok_or_else(|| zbus::Error::Failure(format!("no session {session}")))?;
    bus::signals(bus, &format!("sender='{LOGIND}',path='{path}'")).await
}

/// Whether the screen was unlocked, or is to be. Any peer can send such a signal, so its sender is
/// verified.
pub(super) async fn unlocks(bus: &Connection, message: &Message) -> bool {
    is_unlock(message) && bus::is_from(bus, message, LOGIND).await
}

fn is_unlock(message: &Message) -> bool {
    let header = message.header();
    match header.member().map(MemberName::as_str) {
        Some("Unlock") => true,
        Some("PropertiesChanged") => {
            type Changed = (String, HashMap<String, OwnedVariant>, Vec<String>);
            let body = message.body();
            let Ok((interface, mut changed, _)) = body.deserialize::<Changed>() else {
                return false;
            };
            let hint = changed.remove("LockedHint");
            let hint = hint.and_then(|hint| bool::try_from(hint).ok());
            interface == SESSION && hint == Some(false)
        }
        _ => false,
    }
}
