//! The notification server of the desktop: `org.freedesktop.Notifications` on the bus of the user
//! (Desktop Notifications Specification 1.2).

use std::collections::HashMap;
use std::fmt;

use session_timeout_protocol::bus::agent;
use session_timeout_texts::{Language, Sentence};
use zbus::names::OwnedUniqueName;
use zbus::wire::Variant;
use zbus::{Connection, Message, MessageStream, fdo};

use crate::bus::{self, timely};
use crate::notice::{Abilities, Actions, Button, Closed, Content, Id, Stays, Urgency};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const BUS: &str = "org.freedesktop.DBus";

/// Of the freedesktop.org Icon Naming Specification.
const ICON: &str = "dialog-warning";

/// `NotificationClosed` because the user has dismissed it.
const DISMISSED: u32 = 2;

/// `expire_timeout`: as the server likes, or never.
const AS_THE_SERVER_LIKES: i32 = -1;
const NEVER: i32 = 0;

/// How notifications reach the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Ok,
    /// Without buttons.
    NoActions,
    /// Not at all.
    None,
}

impl Reach {
    /// By what the server can do, where there is one.
    pub(super) const fn of(server: Option<Abilities>) -> Self {
        match server {
            Some(Abilities {
                actions: Actions::Shown,
                ..
            }) => Self::Ok,
            Some(_) => Self::NoActions,
            None => Self::None,
        }
    }

    /// The word for it, as the daemon's side knows it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => agent::DELIVERED,
            Self::NoActions => agent::WITHOUT_ACTIONS,
            Self::None => agent::NOT_DELIVERED,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a server says unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Closed(Id, Closed),
    Pressed(Id, Button),
}

/// How notifications would reach the user of this desktop. Where the server is one that is started
/// when it is needed, it is.
pub(crate) async fn look() -> Reach {
    let looked = async {
        let bus = Connection::session().await?;
        reach(&bus).await
    };
    timely(looked).await.unwrap_or(Reach::None)
}

/// The same, on this bus.
pub(super) async fn reach(bus: &Connection) -> zbus::Result<Reach> {
    start(bus).await?;
    let Some(owner) = bus::owner(bus, NAME).await? else {
        return Ok(Reach::None);
    };
    abilities(bus, &owner).await.map(|it| Reach::of(Some(it)))
}

/// The bus's word of who is the server from now on.
///
/// # Errors
/// The connection has failed.
pub(super) async fn changes(bus: &Connection) -> zbus::Result<MessageStream> {
    bus::owner_changes(bus, NAME).await
}

/// Who is the server, where there is one.
///
/// # Errors
/// The connection has failed.
pub(super) async fn owner(bus: &Connection) -> zbus::Result<Option<OwnedUniqueName>> {
    bus::owner(bus, NAME).await
}

/// What servers say unasked, for [`word`]; to all, and not only of what is ours.
///
/// # Errors
/// The connection has failed.
pub(super) async fn words(bus: &Connection) -> zbus::Result<MessageStream> {
    bus::signals(bus, &format!("path='{PATH}',interface='{NAME}'")).await
}

/// What this message says, if it is from that server.
pub(super) fn word(message: &Message, server: &OwnedUniqueName) -> Option<Word> {
    let header = message.header();
    if header.sender()? != server {
        return None;
    }
    let body = message.body();
    match header.member()?.as_str() {
        "NotificationClosed" => {
            let (id, why): (u32, u32) = body.deserialize().ok()?;
            let why = match why {
                DISMISSED => Closed::Dismissed,
                _ => Closed::Otherwise,
            };
            Some(Word::Closed(Id(id), why))
        }
        "ActionInvoked" => {
            let (id, key): (u32, &str) = body.deserialize().ok()?;
            Some(Word::Pressed(Id(id), Button::parse(key)?))
        }
        _ => None,
    }
}

/// Has the bus start a server, where it knows how to.
///
/// # Errors
/// It does not, or the server does not come up.
pub(super) async fn start(bus: &Connection) -> zbus::Result<()> {
    let body = (NAME, 0_u32);
    let path = "/org/freedesktop/DBus";
    let call = bus.call_method(Some(BUS), path, Some(BUS), "StartServiceByName", &body);
    call.await.map(drop)
}

/// Why no server was started.
pub(super) fn why_not(error: &zbus::Error) -> String {
    match error {
        zbus::Error::FDO(error) => match &**error {
            fdo::Error::ServiceUnknown(_) => "there is none on the bus of the user".to_owned(),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// What this server can do. It answers when it has come up.
///
/// # Errors
/// It is gone, or none.
pub(super) async fn abilities(
    bus: &Connection,
    server: &OwnedUniqueName,
) -> zbus::Result<Abilities> {
    let call = bus.call_method(Some(server), PATH, Some(NAME), "GetCapabilities", &());
    let words: Vec<String> = call.await?.body().deserialize()?;
    Ok(Abilities::of(&words))
}

/// Has this server show something in the place of what it has shown. It answers when it likes.
///
/// # Errors
/// It does not show it, or is gone.
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
        match content.stays {
            Stays::Open => NEVER,
            Stays::Briefly => AS_THE_SERVER_LIKES,
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
    let stays = match content.stays {
        // It is still there after a button was pressed.
        Stays::Open => "resident",
        // It is not kept for those who were away.
        Stays::Briefly => "transient",
    };
    HashMap::from([
        ("urgency", Variant::from(urgency)),
        (stays, Variant::from(true)),
    ])
}

/// Has this server take something away.
pub(super) async fn close(bus: &Connection, server: &OwnedUniqueName, id: Id) {
    let (method, body) = ("CloseNotification", (id.0,));
    let call = bus.call_method(Some(server), PATH, Some(NAME), method, &body);
    // It may be gone already.
    let _ = timely(call).await;
}
