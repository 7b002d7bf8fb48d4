//! `left --watch`: follows a session to its end. It does not poll: the daemon signals changes, and
//! a timer fires when the text is due to change.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::StreamExt as _;
use session_timeout_protocol::bus::{NAME, manager};
use tokio::time::Instant;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream};

use crate::bus::Bus;
use crate::clock::{Alarm, now};
use crate::error::Error;
use crate::left::Left;

/// How long the daemon may be absent, as in an upgrade.
const MAX_ABSENCE: Duration = Duration::from_secs(10);
/// How long a daemon that has just started may not know a session.
const STARTUP_TIME: Duration = Duration::from_secs(3);
/// The interval between queries to such a daemon.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// The maximum number of queued signals. Losing one of several is harmless, since each only causes
/// a query.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// Shows the session whenever it changes, until it is over. `show` returns the time until its text
/// changes.
pub(crate) async fn watch(
    bus: &Bus,
    mut left: Left,
    mut show: impl FnMut(&Left, Duration) -> Result<Option<Duration>, Error>,
) -> Result<(), Error> {
    let session = left.session.clone();
    let mut signals = Signals::of(bus, &session).await?;
    let alarm = Alarm::new().map_err(Error::Runtime)?;
    // The session may have changed before the subscription.
    let mut query = Query::Once;
    loop {
        let answer = match query {
            Query::Not => Some(left),
            Query::Once => unless_gone(bus.left(&session).await)?,
            Query::UntilKnown => query_until_known(bus, &session).await?,
        };
        let Some(answer) = answer else { return Ok(()) };
        left = answer;
        let now = now();
        let next = show(&left, now)?;
        alarm
            .set(next.map(|wait| now + wait))
            .map_err(Error::Runtime)?;
        query = tokio::select! {
            fired = alarm.fired() => {
                fired.map_err(Error::Runtime)?;
                Query::Not
            }
            query = signals.next() => query?,
        };
    }
}

/// Whether to query the daemon again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Query {
    Not,
    Once,
    /// Repeatedly: it has just started, and may not know the session yet.
    UntilKnown,
}

/// `None` for a session that does not exist any more.
fn unless_gone(answer: Result<Left, Error>) -> Result<Option<Left>, Error> {
    match answer {
        Ok(left) => Ok(Some(left)),
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn query_until_known(bus: &Bus, session: &str) -> Result<Option<Left>, Error> {
    let begun = Instant::now();
    loop {
        let answer = unless_gone(bus.left(session).await)?;
        if answer.is_some() || begun.elapsed() > STARTUP_TIME {
            return Ok(answer);
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// The signals that are subscribed to.
struct Signals {
    changes: MessageStream,
    owners: MessageStream,
}

impl Signals {
    async fn of(bus: &Bus, session: &str) -> Result<Self, Error> {
        let subscribe = async {
            let changes = MatchRule::builder()
                .msg_type(Type::Signal)
                .sender(NAME)
                .path(manager::PATH)
                .interface(manager::INTERFACE)
                .member(manager::SESSION_CHANGED)
                .arg(0, session)
                .build()?;
            let owners = MatchRule::builder()
                .msg_type(Type::Signal)
                .sender("org.freedesktop.DBus")
                .interface("org.freedesktop.DBus")
                .member("NameOwnerChanged")
                .arg(0, NAME)
                .build()?;
            let connection = bus.connection();
            Ok(Self {
                changes: MessageStream::for_match_rule(changes, connection, Some(QUEUE)).await?,
                owners: MessageStream::for_match_rule(owners, connection, Some(QUEUE)).await?,
            })
        };
        bus.with_timeout(subscribe).await
    }

    /// Waits for the next signal. Cancel safe.
    async fn next(&mut self) -> Result<Query, Error> {
        tokio::select! {
            change = self.changes.next() => match change {
                Some(Ok(_)) => Ok(Query::Once),
                _ => Err(closed()),
            },
            owner = self.owners.next() => match owned(owner)? {
                Owned::Yes => Ok(Query::UntilKnown),
                Owned::No => self.back().await,
            },
        }
    }

    /// Waits for an absent daemon to return.
    async fn back(&mut self) -> Result<Query, Error> {
        let owned = async {
            while owned(self.owners.next().await)? == Owned::No {}
            Ok(Query::UntilKnown)
        };
        let back = tokio::time::timeout(MAX_ABSENCE, owned).await;
        back.unwrap_or(Err(Error::NotRunning))
    }
}

/// Whether the daemon's name has an owner now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owned {
    No,
    Yes,
}

fn owned(signal: Option<zbus::Result<zbus::Message>>) -> Result<Owned, Error> {
    let Some(Ok(signal)) = signal else {
        return Err(closed());
    };
    let body = signal.body().deserialize::<(String, String, String)>();
    let has_owner = body.is_ok_and(|(_, _, new)| !new.is_empty());
    Ok(if has_owner { Owned::Yes } else { Owned::No })
}

fn closed() -> Error {
    Error::NoBus("it closed the connection".to_owned())
}
