//! logind: reports its sessions to the driver, and sends requests to end them.
//!
//! One task uses the private connection to the system bus. It sends the driver logind's sessions in
//! logind's order: a session is described to the engine before its removal is reported, never
//! afterwards. If the connection is lost, logind stops, or logind does not reply to a query about a
//! session, the task waits with increasing delays and then lists all sessions again. So a missed
//! signal, a restart of logind and a restart of the daemon are handled in the same way. Signals of
//! logind are queued at any time, also while a query waits for its reply.

mod call;
mod foreground;
mod properties;
mod seat;
mod session;
mod signal_queue;
mod signals;

use std::collections::HashMap;
use std::convert::Infallible;

use session_timeout_policy::{Event, SessionFacts, SessionId};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use zbus::wire::{OwnedObjectPath, OwnedVariant};

pub(crate) use call::answered;
pub(crate) use foreground::{Displaced, Foreground, displaced, foreground, show_again};
pub(crate) use properties::Properties;
use properties::State;
pub(crate) use seat::{Screens, ask_for_greeter, is_dead, show_greeter};
pub(crate) use session::{
    EndMethod, EndReply, LockReply, Signalled, ask_leader, end, idle_inhibitor, is_full, is_open,
    lock, properties,
};

use call::is_unknown;
use signal_queue::SignalQueue;
use signals::{Signal, Signals};

use crate::bus::{Backoff, Link, Object, with_timeout};
use crate::input::Input;
use crate::sys::clock::Clocks;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER_PATH: &str = "/org/freedesktop/login1";
const MANAGER_INTERFACE: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

const MANAGER: Object<'_> = Object {
    name: LOGIND,
    path: MANAGER_PATH,
    interface: MANAGER_INTERFACE,
};

/// Follows logind for ever.
///
/// `wanted` receives the ids of sessions that PAM has announced before logind's signal came.
pub(crate) async fn follow(
    inputs: mpsc::Sender<Input>,
    bus: watch::Sender<Option<Link>>,
    mut wanted: mpsc::Receiver<SessionId>,
) {
    let mut backoff = Backoff::default();
    loop {
        let failure = match connect(&inputs, &bus, &mut wanted, &mut backoff).await {
            Ok(()) => "the connection to the system bus was closed".to_owned(),
            Err(error) => error.to_string(),
        };
        bus.send_replace(None);
        if inputs.send(Input::LogindLost(failure)).await.is_err() {
            return;
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Connects, lists the sessions, and follows the signals until the connection is lost or given up.
async fn connect(
    inputs: &mpsc::Sender<Input>,
    bus: &watch::Sender<Option<Link>>,
    wanted: &mut mpsc::Receiver<SessionId>,
    backoff: &mut Backoff,
) -> zbus::Result<()> {
    let link = Link::open().await?;
    // Publishes the connection first, so that an end that is due need not wait for the
    // subscription.
    bus.send_replace(Some(link.clone()));
    let signals = with_timeout(Signals::subscribe(&link)).await?;
    let queue = SignalQueue::default();
    tokio::select! {
        ended = listen(signals, &queue) => ended,
        never = work(&link, inputs, wanted, &queue, backoff) => match never {},
        () = link.given_up() => {
            // A pending end may wait for the new connection, so there is no delay.
            *backoff = Backoff::default();
            let stuck = "systemd-logind has not answered several times in a row";
            Err(zbus::Error::Failure(stuck.to_owned()))
        }
    }
}

/// Queues every signal at once. While a signal is left in the queue of the connection, replies
/// behind it are not received either.
async fn listen(mut signals: Signals, queue: &SignalQueue) -> zbus::Result<()> {
    while let Some(signal) = signals.next().await? {
        queue.add(signal);
    }
    Ok(())
}

/// Lists the sessions, and passes on the queued signals, for ever.
async fn work(
    link: &Link,
    inputs: &mpsc::Sender<Input>,
    wanted: &mut mpsc::Receiver<SessionId>,
    queue: &SignalQueue,
    backoff: &mut Backoff,
) -> Infallible {
    // When to list all sessions: at once, and again after errors.
    let mut list_at = Some(Instant::now());
    loop {
        let due = list_at;
        let done = tokio::select! {
            signal = queue.next() => match signal {
                Signal::Started => {
                    list_at = Some(Instant::now());
                    continue;
                }
                signal => relay(link, inputs, signal).await,
            },
            Some(id) = wanted.recv() => find(link, inputs, &id).await,
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let listed = list(link, inputs).await;
                if listed.is_ok() {
                    (list_at, *backoff) = (None, Backoff::default());
                }
                listed
            }
        };
        if let Err(error) = done {
            send(inputs, Input::LogindLost(error.to_string())).await;
            list_at = Some(Instant::now() + backoff.next());
        }
    }
}

/// Reports every session of logind's to the driver.
///
/// # Errors
/// logind does not reply, also to a query about one of them, which does not mean that it is gone.
async fn list(link: &Link, inputs: &mpsc::Sender<Input>) -> zbus::Result<()> {
    let rows = list_sessions(link).await?;
    let mut listed = Vec::with_capacity(rows.len());
    for (_, _, _, _, path) in rows {
        listed.extend(describe(link, &path).await?);
    }
    send(inputs, Input::LogindConnected).await;
    send(inputs, Input::Event(Event::SessionsListed(listed))).await;
    Ok(())
}

/// A row of `ListSessions`: session id, uid, user name, seat id or an empty string, and object
/// path.
type SessionRow = (String, u32, String, String, OwnedObjectPath);

async fn list_sessions(link: &Link) -> zbus::Result<Vec<SessionRow>> {
    let reply = link.call(MANAGER, "ListSessions", &()).await?;
    reply.body().deserialize()
}

/// Reports what a signal says to the driver.
///
/// # Errors
/// logind does not reply to a query about the session.
async fn relay(link: &Link, inputs: &mpsc::Sender<Input>, signal: Signal) -> zbus::Result<()> {
    let input = match signal {
        Signal::Appeared(_, path) => match describe(link, &path).await? {
            Some(facts) => Input::Event(Event::SessionSeen(facts)),
            None => return Ok(()),
        },
        Signal::LockHint(id, hint) => Input::LockHint(id, hint),
        Signal::Removed(id) => Input::Event(Event::SessionGone(id)),
        Signal::Returned(id, how) => Input::Returned(id, how),
        Signal::Started => return Ok(()),
        Signal::Stopped => Input::LogindLost("systemd-logind has stopped".to_owned()),
    };
    send(inputs, input).await;
    Ok(())
}

/// Reports the session with this id to the driver, if logind has it.
///
/// # Errors
/// logind does not reply.
async fn find(link: &Link, inputs: &mpsc::Sender<Input>, id: &SessionId) -> zbus::Result<()> {
    let path: OwnedObjectPath = match link.call(MANAGER, "GetSession", &id.as_str()).await {
        Ok(reply) => reply.body().deserialize()?,
        Err(error) if is_unknown(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    if let Some(facts) = describe(link, &path).await? {
        send(inputs, Input::Event(Event::SessionSeen(facts))).await;
    }
    Ok(())
}

/// The facts of the session at this path. `None` if it was removed meanwhile, or is over.
///
/// # Errors
/// logind does not reply, which does not mean that the session is gone.
async fn describe(link: &Link, path: &OwnedObjectPath) -> zbus::Result<Option<SessionFacts>> {
    match get_all(link, path).await {
        Ok(all) => {
            let properties = Properties::new(all);
            let facts = properties.facts(Clocks::now());
            Ok(facts.filter(|facts| !properties.is_over(facts)))
        }
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn get_all(
    link: &Link,
    path: &OwnedObjectPath,
) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let properties = Object {
        name: LOGIND,
        path: path.as_str(),
        interface: PROPERTIES,
    };
    let reply = link.call(properties, "GetAll", &SESSION).await?;
    reply.body().deserialize()
}

/// The driver outlives this task unless the daemon is stopping.
async fn send(inputs: &mpsc::Sender<Input>, input: Input) {
    let _ = inputs.send(input).await;
}
