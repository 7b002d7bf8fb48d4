//! logind: which sessions there are, and how they are ended.
//!
//! One task holds the connection to the system bus. It tells the driver what logind has, in
//! logind's order: a session is described to the engine before its removal is, never after. When
//! the bus or logind goes away, or logind does not answer a question about a session, the task
//! waits with growing pauses and then lists everything afresh, so that a missed signal, a restart
//! of logind and a restart of ours are the same thing.

mod facts;
mod seat;
mod session;
mod signals;

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{Event, SessionFacts};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use zbus::Connection;
use zbus::wire::{ObjectPath, OwnedObjectPath, OwnedVariant};

pub(crate) use facts::Properties;
use facts::State;
pub(crate) use seat::{Screens, show_greeter};
pub(crate) use session::{
    End, HungUp, Locked, answered, end, hang_up, idle_inhibitor, lock, properties,
};

use session::{CALL_TIMEOUT, is_unknown};
use signals::{Signal, Signals};

use crate::clock::Clocks;
use crate::control::{self, Questions};
use crate::input::Input;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER_PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The pause before the first attempt to reach the bus, or logind, again; doubled each time.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The connection to the system bus while there is one.
pub(crate) type Bus = watch::Receiver<Option<Connection>>;

/// Follows logind for ever.
///
/// `wanted` asks for a session that PAM told of before logind's signal came.
pub(crate) async fn follow(
    inputs: mpsc::Sender<Input>,
    bus: watch::Sender<Option<Connection>>,
    mut wanted: mpsc::Receiver<String>,
    questions: Questions,
) {
    let mut pauses = Pauses::default();
    loop {
        let failure = match connect(&inputs, &bus, &mut wanted, &questions, &mut pauses).await {
            Ok(()) => "the connection to the system bus was closed".to_owned(),
            Err(error) => error.to_string(),
        };
        bus.send_replace(None);
        if inputs.send(Input::LogindLost(failure)).await.is_err() {
            return;
        }
        tokio::time::sleep(pauses.next()).await;
    }
}

/// Growing pauses.
struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(PAUSE)
    }
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

/// Connects, lists, and follows until the connection ends.
async fn connect(
    inputs: &mpsc::Sender<Input>,
    bus: &watch::Sender<Option<Connection>>,
    wanted: &mut mpsc::Receiver<String>,
    questions: &Questions,
    pauses: &mut Pauses,
) -> zbus::Result<()> {
    let connection = timely(Connection::system()).await?;
    let mut signals = timely(Signals::subscribe(&connection)).await?;
    control::serve(&connection, questions.clone()).await;
    bus.send_replace(Some(connection.clone()));

    // When everything is to be listed; nothing that logind did not tell of stays unknown.
    let mut list_at = Some(Instant::now());
    loop {
        let due = list_at;
        let told = tokio::select! {
            signal = signals.next() => match signal? {
                Some(Signal::Started) => {
                    list_at = Some(Instant::now());
                    continue;
                }
                Some(signal) => relay(&connection, inputs, signal).await,
                None => return Ok(()),
            },
            Some(id) = wanted.recv() => find(&connection, inputs, &id).await,
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let listed = list(&connection, inputs).await;
                if listed.is_ok() {
                    (list_at, *pauses) = (None, Pauses::default());
                }
                listed
            }
        };
        if let Err(error) = told {
            send(inputs, Input::LogindLost(error.to_string())).await;
            list_at = Some(Instant::now() + pauses.next());
        }
    }
}

/// Tells the driver of every session that logind has now.
///
/// # Errors
/// logind does not answer, even about one of them: that one is not gone for it.
async fn list(connection: &Connection, inputs: &mpsc::Sender<Input>) -> zbus::Result<()> {
    let rows = rows(connection).await?;
    let mut listed = Vec::with_capacity(rows.len());
    for (_, _, _, _, path) in rows {
        listed.extend(describe(connection, &path).await?);
    }
    send(inputs, Input::LogindConnected).await;
    send(inputs, Input::Event(Event::SessionsListed(listed))).await;
    Ok(())
}

/// A session as `ListSessions` tells of it: its id, the uid and the name of its user, its seat or
/// nothing, and its object.
type Row = (String, u32, String, String, OwnedObjectPath);

async fn rows(connection: &Connection) -> zbus::Result<Vec<Row>> {
    let reply = timely(connection.call_method(
        Some(LOGIND),
        MANAGER_PATH,
        Some(MANAGER),
        "ListSessions",
        &(),
    ))
    .await?;
    reply.body().deserialize()
}

/// Passes on what logind signals.
///
/// # Errors
/// logind does not answer a question about it.
async fn relay(
    connection: &Connection,
    inputs: &mpsc::Sender<Input>,
    signal: Signal,
) -> zbus::Result<()> {
    let input = match signal {
        Signal::Appeared(path) => match describe(connection, &path).await? {
            Some(facts) => Input::Event(Event::SessionSeen(facts)),
            None => return Ok(()),
        },
        Signal::LockHint(id, hint) => Input::LockHint(id, hint),
        Signal::Removed(id) => Input::Event(Event::SessionGone(id)),
        Signal::Started => return Ok(()),
        Signal::Stopped => Input::LogindLost("systemd-logind has stopped".to_owned()),
    };
    send(inputs, input).await;
    Ok(())
}

/// Tells the driver of the session with this id, if logind has it.
///
/// # Errors
/// logind does not answer.
async fn find(connection: &Connection, inputs: &mpsc::Sender<Input>, id: &str) -> zbus::Result<()> {
    let reply = timely(connection.call_method(
        Some(LOGIND),
        MANAGER_PATH,
        Some(MANAGER),
        "GetSession",
        &id,
    ))
    .await;
    let path: OwnedObjectPath = match reply {
        Ok(reply) => reply.body().deserialize()?,
        Err(error) if is_unknown(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    if let Some(facts) = describe(connection, &path).await? {
        send(inputs, Input::Event(Event::SessionSeen(facts))).await;
    }
    Ok(())
}

/// The facts of the session at this path; a session that is gone meanwhile is normal.
///
/// # Errors
/// logind does not answer, which says nothing about the session.
async fn describe(
    connection: &Connection,
    path: &OwnedObjectPath,
) -> zbus::Result<Option<SessionFacts>> {
    match timely(get_all(connection, path)).await {
        Ok(all) => Ok(Properties::new(all).facts(Clocks::now())),
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn get_all(
    connection: &Connection,
    path: &ObjectPath<'_>,
) -> zbus::Result<HashMap<String, OwnedVariant>> {
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
