//! The daemon: the agent attaches to it, whenever there is a new one, and reports to it.

use std::convert::Infallible;
use std::future;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::message::Flags;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, MessageStream, fdo};

use session_timeout_protocol::bus::{NAME, manager};

use crate::attachment::{Attachment, Refusal};
use crate::bus::{self, timely};
use crate::idle::Report;
use crate::input::Input;
use crate::notice::LastEnding;
use crate::wire;

/// When to try again to attach to a daemon that does not answer, each after the one before. Then
/// the next one to come is waited for.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
];

/// When to ask again for a session that the daemon does not know, each after the one before: a
/// desktop may have started the agent before logind's word of the login was there.
const UNKNOWN: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Attaches to each daemon that comes, until one says that it is not wanted.
pub(crate) async fn follow(
    connection: Connection,
    session: String,
    source: &'static str,
    inputs: mpsc::Sender<Input>,
) {
    let Ok(mut owners) = bus::owner_changes(&connection, NAME).await else {
        let _ = inputs.send(Input::BusGone).await;
        return;
    };
    // After subscribing, so that no change of it is missed.
    let mut owner = bus::owner(&connection, NAME).await.ok().flatten();
    loop {
        let attaching = async {
            let attachment = match owner {
                Some(daemon) => attach(&connection, daemon, &session, source).await,
                None => Attachment::Waiting(None),
            };
            let _ = inputs.send(Input::Daemon(attachment)).await;
            future::pending::<Infallible>().await
        };
        owner = tokio::select! {
            never = attaching => match never {},
            changed = change(&mut owners) => match changed {
                Some(owner) => owner,
                // The connection has ended, which others notice.
                None => return,
            },
        };
    }
}

/// Who owns the name after the next change; `None` when there will be none.
async fn change(owners: &mut MessageStream) -> Option<Option<OwnedUniqueName>> {
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
    let (mut pauses, mut unknown) = (PAUSES.into_iter(), UNKNOWN.into_iter());
    loop {
        let body = (session, source);
        let call = connection.call_method(
            Some(&daemon),
            manager::PATH,
            Some(manager::INTERFACE),
            manager::ATTACH_AGENT,
            &body,
        );
        let answer = timely(call).await;
        let refusal = match answer.and_then(|reply| reply.body().deserialize::<bool>()) {
            Ok(true) => return Attachment::Attached(daemon),
            Ok(false) => return Attachment::Taken,
            Err(error) => refusal(&error),
        };
        let pause = match refusal {
            Refusal::NoAnswer(_) => pauses.next(),
            Refusal::NoSuchSession(_) => unknown.next(),
            Refusal::Denied(_) | Refusal::OldDaemon => None,
        };
        match (pause, refusal) {
            (Some(pause), _) => tokio::time::sleep(pause).await,
            (None, refusal @ (Refusal::NoAnswer(_) | Refusal::OldDaemon)) => {
                return Attachment::Waiting(Some(refusal));
            }
            (None, refusal) => return Attachment::Refused(refusal),
        }
    }
}

fn refusal(error: &zbus::Error) -> Refusal {
    if let zbus::Error::FDO(error) = error {
        match &**error {
            fdo::Error::AccessDenied(why) => return Refusal::Denied(why.clone()),
            fdo::Error::InvalidArgs(why) => return Refusal::NoSuchSession(why.clone()),
            fdo::Error::UnknownMethod(_)
            | fdo::Error::UnknownInterface(_)
            | fdo::Error::UnknownObject(_) => return Refusal::OldDaemon,
            _ => {}
        }
    }
    Refusal::NoAnswer(error.to_string())
}

/// What became of the user's last session, where nobody has told the user yet.
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
    let answer = timely(call).await.ok()?;
    wire::last_ending(answer.body().deserialize().ok()?)
}

/// Reports to this daemon. Nobody waits for it to take note: it looks by itself when a limit is
/// near.
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
    timely(connection.send(&message)).await
}
