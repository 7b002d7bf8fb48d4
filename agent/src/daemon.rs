//! The agent's calls to the daemon: attach, report idle time, get the end of the last session.

use std::convert::Infallible;
use std::future;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::message::Flags;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, MessageStream, fdo};

use session_timeout_protocol::bus::{NAME, manager};

use crate::attachment::{AttachError, Attachment};
use crate::bus::{self, with_timeout};
use crate::clock;
use crate::idle::Report;
use crate::input::Input;
use crate::notice::LastEnding;
use crate::wire;

/// Delays before each retry to attach to a daemon that does not reply. After the last one the agent
/// waits for the next daemon.
const ATTACH_RETRIES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
];

/// Delays before each retry to attach for a session that the daemon does not know: a desktop can
/// start the agent before the daemon has received the signal of logind about the login.
const UNKNOWN_SESSION_RETRIES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Attaches to each daemon that takes the name on the bus, and sends the driver the result.
pub(crate) async fn keep_attached(
    connection: Connection,
    session: String,
    source: &'static str,
    inputs: mpsc::Sender<Input>,
) {
    let Ok(mut owners) = bus::owner_changes(&connection, NAME).await else {
        let _ = inputs.send(Input::BusGone).await;
        return;
    };
    // After the subscription, so that no change is missed.
    let mut owner = bus::owner(&connection, NAME).await.ok().flatten();
    loop {
        let attaching = async {
            let attachment = match owner {
                Some(daemon) => attach(&connection, daemon, &session, source).await,
                None => Attachment::Waiting(None),
            };
            let _ = inputs.send(Input::Attachment(attachment)).await;
            future::pending::<Infallible>().await
        };
        owner = tokio::select! {
            never = attaching => match never {},
            changed = next_owner(&mut owners) => match changed {
                Some(owner) => owner,
                // The connection has ended; the watch of the session notifies the driver.
                None => return,
            },
        };
    }
}

/// The owner of the name after the next change; `None` if the connection has ended.
async fn next_owner(owners: &mut MessageStream) -> Option<Option<OwnedUniqueName>> {
    loop {
        let message = owners.next().await?.ok()?;
        if let Some(owner) = bus::new_owner(&message) {
            return Some(owner);
        }
    }
}

async fn attach(
    connection: &Connection,
    daemon: OwnedUniqueName,
    session: &str,
    source: &str,
) -> Attachment {
    let (mut pauses, mut unknown) = (
        ATTACH_RETRIES.into_iter(),
        UNKNOWN_SESSION_RETRIES.into_iter(),
    );
    loop {
        let body = (session, source);
        let call = connection.call_method(
            Some(&daemon),
            manager::PATH,
            Some(manager::INTERFACE),
            manager::ATTACH_AGENT,
            &body,
        );
        let answer = with_timeout(call).await;
        let refusal = match answer.and_then(|reply| reply.body().deserialize::<bool>()) {
            Ok(true) => return Attachment::Attached(daemon),
            Ok(false) => return Attachment::Taken,
            Err(error) => refusal(&error),
        };
        let pause = match refusal {
            AttachError::NoAnswer(_) => pauses.next(),
            AttachError::NoSuchSession(_) => unknown.next(),
            AttachError::Denied(_) | AttachError::OldDaemon => None,
        };
        match (pause, refusal) {
            (Some(pause), _) => tokio::time::sleep(pause).await,
            (None, refusal @ (AttachError::NoAnswer(_) | AttachError::OldDaemon)) => {
                return Attachment::Waiting(Some(refusal));
            }
            (None, refusal) => return Attachment::Rejected(refusal),
        }
    }
}

fn refusal(error: &zbus::Error) -> AttachError {
    if let zbus::Error::FDO(error) = error {
        match &**error {
            fdo::Error::AccessDenied(why) => return AttachError::Denied(why.clone()),
            fdo::Error::InvalidArgs(why) => return AttachError::NoSuchSession(why.clone()),
            fdo::Error::UnknownMethod(_)
            | fdo::Error::UnknownInterface(_)
            | fdo::Error::UnknownObject(_) => return AttachError::OldDaemon,
            _ => {}
        }
    }
    AttachError::NoAnswer(error.to_string())
}

/// How the user's last session ended, if that was not shown yet.
pub(crate) async fn last_ending(
    connection: &Connection,
    daemon: &OwnedUniqueName,
    session: &str,
) -> Option<LastEnding> {
    let call = connection.call_method(
        Some(daemon),
        manager::PATH,
        Some(manager::INTERFACE),
        manager::LAST_ENDING,
        &session,
    );
    let answer = with_timeout(call).await.ok()?;
    wire::last_ending(clock::wall(), answer.body().deserialize().ok()?)
}

/// Reports to this daemon. No reply is expected: the daemon probes by itself when a limit is near.
///
/// # Errors
/// The connection has failed.
pub(crate) async fn report(
    connection: &Connection,
    daemon: &OwnedUniqueName,
    session: &str,
    report: Report,
) -> zbus::Result<()> {
    let method = match report {
        Report::BecameIdle => manager::BECAME_IDLE,
        Report::BecameActive => manager::BECAME_ACTIVE,
    };
    let message = Message::method_call(manager::PATH, method)
        .destination(daemon)
        .interface(manager::INTERFACE)
        .with_flags(Flags::NO_REPLY_EXPECTED)
        .build(&(session,))?;
    with_timeout(connection.send(&message)).await
}
