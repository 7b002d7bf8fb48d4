//! The daemon: the agent attaches to it, whenever there is a new one, and reports to it.

use std::convert::Infallible;
use std::fmt;
use std::future;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::message::Flags;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, MessageStream, fdo};

use crate::bus::{self, timely};
use crate::driver::Input;
use crate::idle::Report;
use crate::notice::LastEnding;
use crate::wire;

pub(crate) const NAME: &str = "org.sessiontimeout1";
pub(crate) const PATH: &str = "/org/sessiontimeout1";
pub(crate) const MANAGER: &str = "org.sessiontimeout1.Manager";

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

/// Where the agent stands with the daemon.
#[derive(Debug)]
pub(crate) enum Attachment {
    /// This daemon has taken it.
    Attached(OwnedUniqueName),
    /// There is no daemon, or none that answers; the agent waits for one.
    Waiting(Option<Refusal>),
    /// Another agent speaks for the session.
    Taken,
    /// It will never be taken.
    Refused(Refusal),
}

/// What the daemon, or the bus before it, says against it.
#[derive(Debug)]
pub(crate) enum Refusal {
    Denied(String),
    NoSuchSession(String),
    OldDaemon,
    NoAnswer(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(why) => write!(
                f,
                "this user may not attach an agent ({why}); if it is the system bus that says so, \
                 its policy is missing: is there org.sessiontimeout1.conf in \
                 /usr/share/dbus-1/system.d? Then: systemctl reload dbus"
            ),
            Self::NoSuchSession(why) => write!(
                f,
                "session-timeoutd does not take this session ({why}); see loginctl, and \
                 session-timeout status"
            ),
            Self::OldDaemon => f.write_str(
                "session-timeoutd knows no agents, it is older; systemctl restart session-timeoutd",
            ),
            Self::NoAnswer(why) => write!(
                f,
                "session-timeoutd does not answer ({why}); systemctl status session-timeoutd"
            ),
        }
    }
}

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
        let call = connection.call_method(Some(&daemon), PATH, Some(MANAGER), "AttachAgent", &body);
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
    let call = connection.call_method(Some(daemon), PATH, Some(MANAGER), "LastEnding", &session);
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
        Report::BecameIdle => "BecameIdle",
        Report::BecameActive => "BecameActive",
    };
    let message = Message::method_call(PATH, method)
        .destination(daemon)
        .interface(MANAGER)
        .with_flags(Flags::NO_REPLY_EXPECTED)
        .build(&(session,))?;
    timely(connection.send(&message)).await
}
