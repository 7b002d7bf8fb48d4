//! logind: which sessions there are, and how they are ended.
//!
//! One task holds the connection to the system bus. It tells the driver what logind has, in
//! logind's order: a session is described to the engine before its removal is, never after. When
//! the bus or logind goes away the task waits with growing pauses and then lists everything
//! afresh, so that a missed signal, a restart of logind and a restart of ours are the same thing.

mod facts;
mod session;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::StreamExt as _;
use session_timeout_policy::{Event, SessionFacts};
use tokio::sync::{mpsc, watch};
use zbus::message::Type;
use zbus::wire::OwnedObjectPath;
use zbus::{Connection, MatchRule, Message, MessageStream};

pub(crate) use facts::Properties;
use facts::State;
pub(crate) use session::{End, HungUp, Locked, end, hang_up, idle_inhibitor, lock, properties};

use session::CALL_TIMEOUT;

use crate::clock::Clocks;
use crate::control;
use crate::input::{Input, LockHint};
use crate::probe::Prober;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER_PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const SESSIONS: &str = "/org/freedesktop/login1/session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The pause before the first attempt to reach the bus again; doubled each time.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Signals that may wait while we talk to logind: more than logind has sessions (8192).
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// The connection to the system bus while there is one.
pub(crate) type Bus = watch::Receiver<Option<Connection>>;

/// Follows logind for ever.
///
/// `wanted` asks for a session that PAM told of before logind's signal came.
pub(crate) async fn follow(
    inputs: mpsc::Sender<Input>,
    bus: watch::Sender<Option<Connection>>,
    mut wanted: mpsc::Receiver<String>,
    prober: Prober,
) {
    let mut pause = PAUSE;
    loop {
        let failure = match connect(&inputs, &bus, &mut wanted, &prober, &mut pause).await {
            Ok(()) => "the connection to the system bus was closed".to_owned(),
            Err(error) => error.to_string(),
        };
        bus.send_replace(None);
        if inputs.send(Input::LogindLost(failure)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Connects, lists, and follows until the connection ends.
async fn connect(
    inputs: &mpsc::Sender<Input>,
    bus: &watch::Sender<Option<Connection>>,
    wanted: &mut mpsc::Receiver<String>,
    prober: &Prober,
    pause: &mut Duration,
) -> zbus::Result<()> {
    let connection = timely(Connection::system()).await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(LOGIND)
        .interface(MANAGER)
        .path(MANAGER_PATH)
        .build()?;
    let mut signals = MessageStream::for_match_rule(rule, &connection, Some(QUEUE)).await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(0, LOGIND)
        .build()?;
    let mut owners = MessageStream::for_match_rule(rule, &connection, None).await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(LOGIND)
        .interface(PROPERTIES)
        .member("PropertiesChanged")
        .path_namespace(SESSIONS)
        .arg(0, SESSION)
        .build()?;
    let mut changes = MessageStream::for_match_rule(rule, &connection, Some(QUEUE)).await?;
    control::serve(&connection, inputs.clone(), prober.clone()).await;
    bus.send_replace(Some(connection.clone()));

    list(&connection, inputs).await?;
    *pause = PAUSE;
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Some(signal) => relay(&connection, inputs, &signal?).await?,
                None => return Ok(()),
            },
            change = changes.next() => match change {
                Some(change) => relay_lock(inputs, &change?).await?,
                None => return Ok(()),
            },
            owner = owners.next() => match owner {
                Some(owner) => {
                    let (_, _, new): (String, String, String) = owner?.body().deserialize()?;
                    if new.is_empty() {
                        let lost = Input::LogindLost("systemd-logind has stopped".to_owned());
                        send(inputs, lost).await;
                    } else {
                        list(&connection, inputs).await?;
                    }
                }
                None => return Ok(()),
            },
            Some(id) = wanted.recv() => {
                if let Some(facts) = find(&connection, &id).await {
                    send(inputs, Input::Event(Event::SessionSeen(facts))).await;
                }
            }
        }
    }
}

/// Tells the driver of every session that logind has now.
async fn list(connection: &Connection, inputs: &mpsc::Sender<Input>) -> zbus::Result<()> {
    type Row = (String, u32, String, String, OwnedObjectPath);
    let reply = timely(connection.call_method(
        Some(LOGIND),
        MANAGER_PATH,
        Some(MANAGER),
        "ListSessions",
        &(),
    ))
    .await?;
    let rows: Vec<Row> = reply.body().deserialize()?;
    let mut listed = Vec::with_capacity(rows.len());
    for (_, _, _, _, path) in rows {
        listed.extend(describe(connection, &path).await);
    }
    send(inputs, Input::LogindConnected).await;
    send(inputs, Input::Event(Event::SessionsListed(listed))).await;
    Ok(())
}

/// Passes on what a signal of logind says.
async fn relay(
    connection: &Connection,
    inputs: &mpsc::Sender<Input>,
    signal: &Message,
) -> zbus::Result<()> {
    let header = signal.header();
    let member = header.member().map(|member| member.as_str().to_owned());
    match member.as_deref() {
        Some("SessionNew") => {
            let (_, path): (String, OwnedObjectPath) = signal.body().deserialize()?;
            if let Some(facts) = describe(connection, &path).await {
                send(inputs, Input::Event(Event::SessionSeen(facts))).await;
            }
        }
        Some("SessionRemoved") => {
            let (id, _): (String, OwnedObjectPath) = signal.body().deserialize()?;
            send(inputs, Input::Event(Event::SessionGone(id))).await;
        }
        _ => {}
    }
    Ok(())
}

/// Passes on that a screen was locked or unlocked. Any user can have logind signal that as fast as
/// the bus allows, so nothing is asked here: whatever waits behind would wait for it, too.
async fn relay_lock(inputs: &mpsc::Sender<Input>, change: &Message) -> zbus::Result<()> {
    let body = change.body();
    let (_, changed, _): (
        String,
        HashMap<String, zbus::wire::OwnedVariant>,
        Vec<String>,
    ) = body.deserialize()?;
    let hint = changed.get("LockedHint");
    let header = change.header();
    if let Some(locked) = hint.and_then(|hint| bool::try_from(hint).ok())
        && let Some(id) = header.path().and_then(|path| id_of(path.as_str()))
    {
        let hint = if locked {
            LockHint::Locked
        } else {
            LockHint::Unlocked
        };
        send(inputs, Input::LockHint(id, hint)).await;
    }
    Ok(())
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

/// The facts of the session with this id, if logind has it.
async fn find(connection: &Connection, id: &str) -> Option<SessionFacts> {
    let reply = timely(connection.call_method(
        Some(LOGIND),
        MANAGER_PATH,
        Some(MANAGER),
        "GetSession",
        &id,
    ))
    .await
    .ok()?;
    let path: OwnedObjectPath = reply.body().deserialize().ok()?;
    describe(connection, &path).await
}

/// The facts of the session at this path; a session that is gone meanwhile is normal.
async fn describe(connection: &Connection, path: &OwnedObjectPath) -> Option<SessionFacts> {
    let all = timely(get_all(connection, path)).await.ok()?;
    Properties::new(all).facts(Clocks::now())
}

async fn get_all(
    connection: &Connection,
    path: &zbus::wire::ObjectPath<'_>,
) -> zbus::Result<HashMap<String, zbus::wire::OwnedVariant>> {
    let reply = connection
        .call_method(Some(LOGIND), path, Some(PROPERTIES), "GetAll", &SESSION)
        .await?;
    reply.body().deserialize()
}

/// D-Bus itself lets a call wait for ever; we do not.
async fn timely<T>(call: impl Future<Output = zbus::Result<T>>) -> zbus::Result<T> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(result) => result,
        Err(_elapsed) => Err(zbus::Error::Failure(format!(
            "no answer within {} s",
            CALL_TIMEOUT.as_secs()
        ))),
    }
}

/// The driver outlives this task unless the daemon is stopping.
async fn send(inputs: &mpsc::Sender<Input>, input: Input) {
    let _ = inputs.send(input).await;
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
}
