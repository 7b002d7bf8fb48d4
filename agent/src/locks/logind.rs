//! logind's part: its requests to lock the session, and its hint whether the session is locked.

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::wire::{OwnedObjectPath, OwnedVariant};
use zbus::{Connection, MessageStream};

use super::Input;
use super::tracker::LockedHint;
use crate::bus::{self, with_timeout};
use crate::session::{self, LOGIND, SESSION};

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The session in logind.
#[derive(Clone)]
pub(super) struct LogindSession {
    bus: Connection,
    path: OwnedObjectPath,
}

/// The subscriptions to logind.
pub(super) struct Subscription {
    bus: Connection,
    owners: MessageStream,
    requests: MessageStream,
}

impl LogindSession {
    /// # Errors
    /// The connection has failed, or logind does not know the session.
    pub(super) async fn find(bus: &Connection, session: &str) -> zbus::Result<Self> {
        let path = session::path(bus, session).await?;
        let path = path.ok_or_else(|| zbus::Error::Failure(format!("no session {session}")))?;
        Ok(Self {
            bus: bus.clone(),
            path,
        })
    }

    /// # Errors
    /// The connection has failed.
    pub(super) async fn subscribe(&self) -> zbus::Result<Subscription> {
        let path = &self.path;
        let rule = format!("sender='{LOGIND}',path='{path}',interface='{SESSION}',member='Lock'");
        Ok(Subscription {
            bus: self.bus.clone(),
            owners: bus::owner_changes(&self.bus, LOGIND).await?,
            requests: bus::signals(&self.bus, &rule).await?,
        })
    }

    /// # Errors
    /// logind does not reply.
    pub(super) async fn locked_hint(&self) -> zbus::Result<LockedHint> {
        let property = &(SESSION, "LockedHint");
        let (path, interface) = (&self.path, Some(PROPERTIES));
        let call = self
            .bus
            .call_method(Some(LOGIND), path, interface, "Get", property);
        let value: OwnedVariant = with_timeout(call).await?.body().deserialize()?;
        Ok(match bool::try_from(value)? {
            true => LockedHint::Locked,
            false => LockedHint::Unlocked,
        })
    }

    /// # Errors
    /// logind does not reply, or refuses.
    pub(super) async fn set_locked_hint(&self, hint: LockedHint) -> zbus::Result<()> {
        let locked = hint == LockedHint::Locked;
        let (path, interface) = (&self.path, Some(SESSION));
        let call = self
            .bus
            .call_method(Some(LOGIND), path, interface, "SetLockedHint", &locked);
        with_timeout(call).await.map(drop)
    }
}

impl Subscription {
    /// Reports requests and restarts of logind until the bus has ended.
    pub(super) async fn watch(mut self, inputs: mpsc::Sender<Input>) {
        loop {
            let input = tokio::select! {
                Some(Ok(message)) = self.owners.next() => match bus::new_owner(&message) {
                    Some(Some(_)) => Some(Input::HintLost),
                    Some(None) | None => None,
                },
                Some(Ok(message)) = self.requests.next() => {
                    // Any peer of the system bus can send a signal that matches.
                    let genuine = bus::is_from(&self.bus, &message, LOGIND).await;
                    genuine.then_some(Input::LockRequested)
                }
                else => return,
            };
            if let Some(input) = input
                && inputs.send(input).await.is_err()
            {
                return;
            }
        }
    }
}
