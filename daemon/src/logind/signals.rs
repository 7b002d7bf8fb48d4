//! Receives logind's signals, and drops those of other senders.
//!
//! Any peer may send a signal directly to another peer on the system bus. The bus sets only the
//! sender of its header; the rest may be forged. A match rule for `org.freedesktop.login1` does not
//! stop such signals: they are delivered without a rule, and the receiver does not see which
//! well-known names the sender owns. So the message filter accepts the unique name of logind's
//! connection, which is updated with each new owner, and drops signals of other senders before they
//! are parsed.

use std::collections::HashMap;
use std::future;
use std::num::NonZeroUsize;

use futures_util::StreamExt as _;
use session_timeout_policy::SessionId;
use zbus::message::Type;
use zbus::names::{OwnedUniqueName, UniqueName};
use zbus::wire::{OwnedObjectPath, OwnedVariant};
use zbus::{MatchRule, Message, MessageStream, fdo};

use super::{LOGIND, MANAGER_INTERFACE, MANAGER_PATH, PROPERTIES, SESSION};
use crate::bus::{Link, with_timeout};
use crate::input::{LockHint, Return};

const BUS: &str = "org.freedesktop.DBus";
const SESSIONS: &str = "/org/freedesktop/login1/session";

/// Size of the signal queue: more than logind has sessions (8192).
const QUEUE_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// A signal of logind, or of the bus about logind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The session with this id was created, or its type or class has changed.
    Appeared(SessionId, OwnedObjectPath),
    /// The screen of the session with this id was locked or unlocked.
    LockHint(SessionId, LockHint),
    /// The session with this id was removed.
    Removed(SessionId),
    /// Somebody has come back to the session with this id.
    Returned(SessionId, Return),
    /// logind has started.
    Started,
    /// logind has stopped.
    Stopped,
}

/// The stream of signals.
pub(super) struct Signals {
    link: Link,
    owners: MessageStream,
    logind: Option<Streams>,
}

impl Signals {
    pub(super) async fn subscribe(link: &Link) -> zbus::Result<Self> {
        let connection = link.connection();
        let owners = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(BUS)
            .interface(BUS)
            .member("NameOwnerChanged")
            .arg(0, LOGIND)
            .build()?;
        let owners = MessageStream::for_match_rule(owners, connection, Some(QUEUE_MAX)).await?;
        // After the subscription, so that no change of owner is missed.
        let bus = fdo::DBusProxy::new(connection).await?;
        let owner = bus.get_name_owner(LOGIND.try_into()?).await.ok();
        Ok(Self {
            link: link.clone(),
            owners,
            logind: match owner {
                Some(owner) => Some(Streams::of(link, &owner).await?),
                None => None,
            },
        })
    }

    /// The next signal; `None` when the connection is closed. Not cancel safe.
    ///
    /// # Errors
    /// The connection has failed.
    pub(super) async fn next(&mut self) -> zbus::Result<Option<Signal>> {
        loop {
            let next = tokio::select! {
                next = self.owners.next() => next,
                next = next_of(&mut self.logind) => next,
            };
            let Some(message) = next else {
                return Ok(None);
            };
            match read(&message?) {
                Some(Owned::By(owner)) => return self.changed_hands(owner).await.map(Some),
                Some(Owned::Signal(signal)) => return Ok(Some(signal)),
                None => {}
            }
        }
    }

    /// Subscribes to the signals of the name's current owner. Sessions from before that are found
    /// by a list.
    async fn changed_hands(&mut self, owner: Option<OwnedUniqueName>) -> zbus::Result<Signal> {
        self.logind = None;
        let Some(owner) = owner else {
            return Ok(Signal::Stopped);
        };
        self.logind = Some(with_timeout(Streams::of(&self.link, &owner)).await?);
        Ok(Signal::Started)
    }
}

/// The signals of one logind.
struct Streams {
    manager: MessageStream,
    changes: MessageStream,
    unlocks: MessageStream,
}

impl Streams {
    async fn of(link: &Link, owner: &UniqueName<'_>) -> zbus::Result<Self> {
        link.allow(owner);
        let connection = link.connection();
        let rule = || {
            MatchRule::builder()
                .msg_type(Type::Signal)
                .sender(owner.to_owned())
        };
        let manager = rule()
            .interface(MANAGER_INTERFACE)
            .path(MANAGER_PATH)
            .build()?;
        let changes = rule()
            .interface(PROPERTIES)
            .member("PropertiesChanged")
            .path_namespace(SESSIONS)
            .arg(0, SESSION)
            .build()?;
        let unlocks = rule()
            .interface(SESSION)
            .member("Unlock")
            .path_namespace(SESSIONS)
            .build()?;
        let stream =
            async |rule| MessageStream::for_match_rule(rule, connection, Some(QUEUE_MAX)).await;
        Ok(Self {
            manager: stream(manager).await?,
            changes: stream(changes).await?,
            unlocks: stream(unlocks).await?,
        })
    }
}

/// The next signal of logind; waits for ever while logind does not run. Cancel safe.
async fn next_of(logind: &mut Option<Streams>) -> Option<zbus::Result<Message>> {
    match logind {
        Some(streams) => tokio::select! {
            next = streams.manager.next() => next,
            next = streams.changes.next() => next,
            next = streams.unlocks.next() => next,
        },
        None => future::pending().await,
    }
}

/// A signal of logind, or a new owner of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    By(Option<OwnedUniqueName>),
    Signal(Signal),
}

/// Parses a message; `None` if it is malformed or irrelevant.
fn read(message: &Message) -> Option<Owned> {
    let header = message.header();
    let body = message.body();
    let signal = match header.member()?.as_str() {
        "NameOwnerChanged" => {
            let (_, _, new): (String, String, String) = body.deserialize().ok()?;
            return Some(Owned::By(OwnedUniqueName::try_from(new).ok()));
        }
        "PropertiesChanged" => changed(header.path()?.as_str(), message)?,
        "SessionNew" => {
            let (id, path): (String, OwnedObjectPath) = body.deserialize().ok()?;
            Signal::Appeared(SessionId::new(id), path)
        }
        "SessionRemoved" => {
            let (id, _): (String, OwnedObjectPath) = body.deserialize().ok()?;
            Signal::Removed(SessionId::new(id))
        }
        "Unlock" => Signal::Returned(id_of(header.path()?.as_str())?, Return::Unlock),
        _ => return None,
    };
    Some(Owned::Signal(signal))
}

/// The change of a session. Only a change of type or class, by the session controller or logind,
/// causes a query, which delays the signals behind it: any user can have logind signal locks as
/// fast as the bus allows.
///
/// logind signals `Active` when a seat shows the session or ceases to, and neither at a login nor
/// after its own restart (`seat_set_active()` in src/login/logind-seat.c).
fn changed(path: &str, message: &Message) -> Option<Signal> {
    let body = message.body();
    let (_, changed, _): (String, HashMap<String, OwnedVariant>, Vec<String>) =
        body.deserialize().ok()?;
    if changed.contains_key("Type") || changed.contains_key("Class") {
        let object = OwnedObjectPath::try_from(path).ok()?;
        return Some(Signal::Appeared(id_of(path)?, object));
    }
    let flag = |name| bool::try_from(changed.get(name)?).ok();
    let id = id_of(path)?;
    match (flag("LockedHint"), flag("Active")) {
        (Some(true), _) => Some(Signal::LockHint(id, LockHint::Locked)),
        (Some(false), _) => Some(Signal::LockHint(id, LockHint::Unlocked)),
        (None, Some(true)) => Some(Signal::Returned(id, Return::Shown)),
        (None, Some(false) | None) => None,
    }
}

/// The session id from logind's object path: the last part, in which `bus_label_escape()` of
/// systemd has replaced some bytes, such as a leading digit, by `_` and two hexadecimal digits.
fn id_of(path: &str) -> Option<SessionId> {
    let label = path.strip_prefix(SESSIONS)?.strip_prefix('/')?;
    let mut parts = label.split('_');
    let mut id = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        id.push(char::from(u8::from_str_radix(code, 16).ok()?));
        id.push_str(rest);
    }
    Some(SessionId::new(id))
}

#[cfg(test)]
mod tests {
    use zbus::wire::Variant;

    use super::*;

    #[test]
    fn the_session_of_an_object_path_is_read_from_it() {
        let id = |label: &str| id_of(&format!("{SESSIONS}/{label}"));
        assert_eq!(id("c1"), Some("c1".into()));
        assert_eq!(id("_342"), Some("42".into()));
        assert_eq!(id("_3"), None);
        assert_eq!(id("_zz1"), None);
        assert_eq!(id_of("/org/freedesktop/login1/user/_31"), None);
    }

    /// logind's signal that this property of session `c1` has this value now.
    fn change(name: &'static str, value: bool) -> Option<Signal> {
        let changed = HashMap::from([(name, Variant::from(value))]);
        let path = format!("{SESSIONS}/c1");
        let signal = Message::signal(path.as_str(), PROPERTIES, "PropertiesChanged");
        let body = (SESSION, changed, Vec::<&str>::new());
        changed_in(&signal.build(&body).unwrap())
    }

    fn changed_in(message: &Message) -> Option<Signal> {
        match read(message)? {
            Owned::Signal(signal) => Some(signal),
            Owned::By(_) => None,
        }
    }

    #[test]
    fn a_session_that_is_shown_or_unlocked_was_returned_to() {
        let returned = |how| Some(Signal::Returned("c1".into(), how));
        assert_eq!(change("Active", true), returned(Return::Shown));
        assert_eq!(change("Active", false), None);
        assert_eq!(change("IdleHint", true), None);
        let path = format!("{SESSIONS}/c1");
        let unlock = Message::signal(path.as_str(), SESSION, "Unlock");
        let unlock = unlock.build(&()).unwrap();
        assert_eq!(changed_in(&unlock), returned(Return::Unlock));
        let hint = Signal::LockHint("c1".into(), LockHint::Unlocked);
        assert_eq!(change("LockedHint", false), Some(hint));
    }

    #[test]
    fn a_signal_with_another_body_than_loginds_says_nothing() {
        let signal =
            |member: &'static str| Message::signal(MANAGER_PATH, MANAGER_INTERFACE, member);
        let short = signal("SessionRemoved").build(&("c1",)).unwrap();
        assert_eq!(read(&short), None);
        let empty = signal("SessionNew").build(&()).unwrap();
        assert_eq!(read(&empty), None);
        let path = OwnedObjectPath::try_from("/x").unwrap();
        let whole = signal("SessionRemoved").build(&("c1", path)).unwrap();
        let expected = Owned::Signal(Signal::Removed("c1".into()));
        assert_eq!(read(&whole), Some(expected));
    }
}
