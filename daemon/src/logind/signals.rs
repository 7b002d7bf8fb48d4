//! logind's signals, and nobody else's.
//!
//! Anybody may send a signal to one peer on the system bus, and its headers may say anything but
//! who sent it: that the bus fills in. A match rule that names `org.freedesktop.login1` is no help
//! against those, because they do not come for the rule. So each signal is looked at: is it from
//! the very connection that owns the name, as the bus itself says?

use std::collections::HashMap;
use std::num::NonZeroUsize;

use futures_util::StreamExt as _;
use zbus::message::Type;
use zbus::wire::{OwnedObjectPath, OwnedVariant};
use zbus::{Connection, MatchRule, Message, MessageStream, fdo};

use super::{LOGIND, MANAGER, MANAGER_PATH, PROPERTIES, SESSION};
use crate::input::LockHint;

const BUS: &str = "org.freedesktop.DBus";
const SESSIONS: &str = "/org/freedesktop/login1/session";

/// Signals that may wait while we talk to logind: more than logind has sessions (8192).
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// What logind, or the bus about it, has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// A session was made, or it became one of another type or class.
    Appeared(OwnedObjectPath),
    /// The screen of the session with this id was locked or unlocked.
    LockHint(String, LockHint),
    /// The session with this id was removed.
    Removed(String),
    /// logind has started.
    Started,
    /// logind has stopped.
    Stopped,
}

/// The signals, as they come.
pub(super) struct Signals {
    manager: MessageStream,
    changes: MessageStream,
    owners: MessageStream,
    /// The connection that is logind's.
    owner: Option<String>,
}

impl Signals {
    pub(super) async fn subscribe(connection: &Connection) -> zbus::Result<Self> {
        let rule = || MatchRule::builder().msg_type(Type::Signal);
        let manager = rule()
            .sender(LOGIND)
            .interface(MANAGER)
            .path(MANAGER_PATH)
            .build()?;
        let changes = rule()
            .sender(LOGIND)
            .interface(PROPERTIES)
            .member("PropertiesChanged")
            .path_namespace(SESSIONS)
            .arg(0, SESSION)
            .build()?;
        let owners = rule()
            .sender(BUS)
            .interface(BUS)
            .member("NameOwnerChanged")
            .arg(0, LOGIND)
            .build()?;
        let stream = |rule| async move {
            MessageStream::for_match_rule(rule, connection, Some(QUEUE)).await
        };
        let owners = stream(owners).await?;
        let (manager, changes) = (stream(manager).await?, stream(changes).await?);
        // After subscribing, so that no change of it is missed.
        let bus = fdo::DBusProxy::new(connection).await?;
        let owner = bus.get_name_owner(LOGIND.try_into()?).await.ok();
        Ok(Self {
            manager,
            changes,
            owners,
            owner: owner.map(|owner| owner.to_string()),
        })
    }

    /// The next signal; `None` when the connection is closed. Cancel safe.
    ///
    /// # Errors
    /// The connection has failed.
    pub(super) async fn next(&mut self) -> zbus::Result<Option<Signal>> {
        loop {
            let (next, sender) = tokio::select! {
                next = self.manager.next() => (next, self.owner.as_deref()),
                next = self.changes.next() => (next, self.owner.as_deref()),
                next = self.owners.next() => (next, Some(BUS)),
            };
            let Some(message) = next else {
                return Ok(None);
            };
            let message = message?;
            let from = message.header().sender().map(ToString::to_string);
            if from.is_none() || from.as_deref() != sender {
                log::debug!("a signal of logind's from {from:?}, which is not logind");
                continue;
            }
            let Some(signal) = read(&message) else {
                continue;
            };
            if let Owned::By(owner) = signal {
                self.owner = owner;
                let started = self.owner.is_some();
                return Ok(Some(if started {
                    Signal::Started
                } else {
                    Signal::Stopped
                }));
            }
            if let Owned::Signal(signal) = signal {
                return Ok(Some(signal));
            }
        }
    }
}

/// A signal, or who logind is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    By(Option<String>),
    Signal(Signal),
}

/// What a message says; nothing where it says nothing to us, or not what it should.
fn read(message: &Message) -> Option<Owned> {
    let header = message.header();
    let body = message.body();
    let signal = match header.member()?.as_str() {
        "NameOwnerChanged" => {
            let (_, _, new): (String, String, String) = body.deserialize().ok()?;
            return Some(Owned::By((!new.is_empty()).then_some(new)));
        }
        "PropertiesChanged" => changed(header.path()?.as_str(), message)?,
        "SessionNew" => {
            let (_, path): (String, OwnedObjectPath) = body.deserialize().ok()?;
            Signal::Appeared(path)
        }
        "SessionRemoved" => {
            let (id, _): (String, OwnedObjectPath) = body.deserialize().ok()?;
            Signal::Removed(id)
        }
        _ => return None,
    };
    Some(Owned::Signal(signal))
}

/// A change of a session. Any user can have logind signal a lock as fast as the bus allows, so
/// nothing is asked for that: whatever waits behind would wait for it, too. The type and the
/// class are changed by whoever controls the session's devices, or by logind.
fn changed(path: &str, message: &Message) -> Option<Signal> {
    let body = message.body();
    let (_, changed, _): (String, HashMap<String, OwnedVariant>, Vec<String>) =
        body.deserialize().ok()?;
    if changed.contains_key("Type") || changed.contains_key("Class") {
        return Some(Signal::Appeared(OwnedObjectPath::try_from(path).ok()?));
    }
    let locked = bool::try_from(changed.get("LockedHint")?).ok()?;
    let hint = if locked {
        LockHint::Locked
    } else {
        LockHint::Unlocked
    };
    Some(Signal::LockHint(id_of(path)?, hint))
}

/// The session that an object path of logind is about: its last part is the id, in which
/// `bus_label_escape()` of systemd has put `_` and two hexadecimal digits for what may not stand
/// there, such as a digit at the beginning.
fn id_of(path: &str) -> Option<String> {
    let label = path.strip_prefix(SESSIONS)?.strip_prefix('/')?;
    let mut parts = label.split('_');
    let mut id = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        id.push(char::from(u8::from_str_radix(code, 16).ok()?));
        id.push_str(rest);
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_of_an_object_path_is_read_from_it() {
        let id = |label: &str| id_of(&format!("{SESSIONS}/{label}"));
        assert_eq!(id("c1").as_deref(), Some("c1"));
        assert_eq!(id("_342").as_deref(), Some("42"));
        assert_eq!(id("_3").as_deref(), None);
        assert_eq!(id("_zz1").as_deref(), None);
        assert_eq!(id_of("/org/freedesktop/login1/user/_31"), None);
    }

    #[test]
    fn a_signal_with_another_body_than_loginds_says_nothing() {
        let signal =
            |member: &'static str| Message::signal("/org/freedesktop/login1", MANAGER, member);
        let short = signal("SessionRemoved").build(&("c1",)).unwrap();
        assert_eq!(read(&short), None);
        let empty = signal("SessionNew").build(&()).unwrap();
        assert_eq!(read(&empty), None);
        let path = OwnedObjectPath::try_from("/x").unwrap();
        let whole = signal("SessionRemoved").build(&("c1", path)).unwrap();
        let expected = Owned::Signal(Signal::Removed("c1".to_owned()));
        assert_eq!(read(&whole), Some(expected));
    }
}
