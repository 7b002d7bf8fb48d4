//! Calls to and signals of the notification server of the desktop, `org.freedesktop.Notifications`
//! on the session bus (Desktop Notifications Specification 1.2).

use std::collections::HashMap;
use std::fmt;

use session_timeout_protocol::bus::agent;
use session_timeout_texts::{Language, Sentence};
use zbus::names::OwnedUniqueName;
use zbus::wire::Variant;
use zbus::{Connection, Message, MessageStream, fdo};

use crate::bus::{self, with_timeout};
use crate::notice::{Actions, Button, Capabilities, CloseReason, Content, Expiry, Id, Urgency};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const BUS: &str = "org.freedesktop.DBus";

/// An icon of the freedesktop.org Icon Naming Specification.
const ICON: &str = "dialog-warning";

/// The reason in `NotificationClosed` that the user has dismissed the notification.
const DISMISSED: u32 = 2;

/// `expire_timeout`: the server's default.
const EXPIRES_BY_DEFAULT: i32 = -1;

/// `expire_timeout`: never.
const EXPIRES_NEVER: i32 = 0;

/// How warnings are shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    WithActions,
    /// Without buttons.
    WithoutActions,
    NotDelivered,
}

impl Delivery {
    /// From the capabilities of the server, if there is one.
    pub(super) const fn from_server(server: Option<Capabilities>) -> Self {
        match server {
            Some(Capabilities {
                actions: Actions::Supported,
                ..
            }) => Self::WithActions,
            Some(_) => Self::WithoutActions,
            None => Self::NotDelivered,
        }
    }

    /// The string on D-Bus.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::WithActions => agent::DELIVERED,
            Self::WithoutActions => agent::WITHOUT_ACTIONS,
            Self::NotDelivered => agent::NOT_DELIVERED,
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A signal of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerSignal {
    Closed(Id, CloseReason),
    Pressed(Id, Button),
}

/// How warnings would be shown on this desktop. Starts the server if it is D-Bus activated.
pub(crate) async fn probe_delivery() -> Delivery {
    let probe = async {
        let bus = Connection::session().await?;
        delivery(&bus).await
    };
    with_timeout(probe).await.unwrap_or(Delivery::NotDelivered)
}

/// The same, on this bus.
pub(super) async fn delivery(bus: &Connection) -> zbus::Result<Delivery> {
    start(bus).await?;
    let Some(owner) = bus::owner(bus, NAME).await? else {
        return Ok(Delivery::NotDelivered);
    };
    capabilities(bus, &owner)
        .await
        .map(|it| Delivery::from_server(Some(it)))
}

/// The bus's signals about the owner of the server's name.
///
/// # Errors
/// The connection has failed.
pub(super) async fn owner_changes(bus: &Connection) -> zbus::Result<MessageStream> {
    bus::owner_changes(bus, NAME).await
}

/// The unique name of the server, if there is one.
///
/// # Errors
/// The connection has failed.
pub(super) async fn owner(bus: &Connection) -> zbus::Result<Option<OwnedUniqueName>> {
    bus::owner(bus, NAME).await
}

/// The signals of servers, for [`parse_signal`], also about notifications of other programs.
///
/// # Errors
/// The connection has failed.
pub(super) async fn signals(bus: &Connection) -> zbus::Result<MessageStream> {
    bus::signals(bus, &format!("path='{PATH}',interface='{NAME}'")).await
}

/// Parses a signal, if it is from that server.
pub(super) fn parse_signal(message: &Message, server: &OwnedUniqueName) -> Option<ServerSignal> {
    let header = message.header();
    if header.sender()? != server {
        return None;
    }
    let body = message.body();
    match header.member()?.as_str() {
        "NotificationClosed" => {
            let (id, why): (u32, u32) = body.deserialize().ok()?;
            let why = match why {
                DISMISSED => CloseReason::Dismissed,
                _ => CloseReason::Other,
            };
            Some(ServerSignal::Closed(Id(id), why))
        }
        "ActionInvoked" => {
            let (id, key): (u32, &str) = body.deserialize().ok()?;
            Some(ServerSignal::Pressed(Id(id), Button::parse(key)?))
        }
        _ => None,
    }
}

/// Has the bus start a server, if one is D-Bus activated.
///
/// # Errors
/// None is, or it does not start.
pub(super) async fn start(bus: &Connection) -> zbus::Result<()> {
    let body = (NAME, 0_u32);
    let path = "/org/freedesktop/DBus";
    let call = bus.call_method(Some(BUS), path, Some(BUS), "StartServiceByName", &body);
    call.await.map(drop)
}

/// Why no server was started.
pub(super) fn start_error(error: &zbus::Error) -> String {
    match error {
        zbus::Error::FDO(error) => match &**error {
            fdo::Error::ServiceUnknown(_) => "there is none on the bus of the user".to_owned(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// The capabilities of this server. No timeout: it may still be starting.
///
/// # Errors
/// It has left the bus, or replies with an error.
pub(super) async fn capabilities(
    bus: &Connection,
    server: &OwnedUniqueName,
) -> zbus::Result<Capabilities> {
    let call = bus.call_method(Some(server), PATH, Some(NAME), "GetCapabilities", &());
    let names: Vec<String> = call.await?.body().deserialize()?;
    Ok(Capabilities::from_names(&names))
}

/// Shows a notification, which replaces the one with that id. No timeout: the server may be slow.
///
/// # Errors
/// The server has left the bus, or replies with an error.
pub(super) async fn show(
    language: Language,
    bus: &Connection,
    server: &OwnedUniqueName,
    replaced: Option<Id>,
    content: &Content,
) -> zbus::Result<Id> {
    let buttons = content.buttons.iter();
    let actions: Vec<&str> = buttons
        .flat_map(|(button, label)| [button.key(), label])
        .collect();
    let body = (
        language.say(Sentence::Program),
        replaced.map_or(0, |Id(id)| id),
        ICON,
        &content.summary,
        &content.body,
        actions,
        hints(content),
        match content.expiry {
            Expiry::Never => EXPIRES_NEVER,
            Expiry::ServerDefault => EXPIRES_BY_DEFAULT,
        },
    );
    let call = bus.call_method(Some(server), PATH, Some(NAME), "Notify", &body);
    call.await?.body().deserialize().map(Id)
}

fn hints(content: &Content) -> HashMap<&'static str, Variant<'static>> {
    let urgency: u8 = match content.urgency {
        Urgency::Normal => 1,
        Urgency::Critical => 2,
    };
    let hint = match content.expiry {
        // It stays after a button was pressed.
        Expiry::Never => "resident",
        // It is not kept in the history.
        Expiry::ServerDefault => "transient",
    };
    HashMap::from([
        ("urgency", Variant::from(urgency)),
        (hint, Variant::from(true)),
    ])
}

/// Closes a notification.
pub(super) async fn close(bus: &Connection, server: &OwnedUniqueName, id: Id) {
    let (method, body) = ("CloseNotification", (id.0,));
    let call = bus.call_method(Some(server), PATH, Some(NAME), method, &body);
    // It may be closed already.
    let _ = with_timeout(call).await;
}
