//! Queries and requests to logind about one session, identified by its key.

use nix::sys::signal::Signal;
use session_timeout_policy::{SessionKey, Uid};
use zbus::wire::{OwnedObjectPath, OwnedVariant};

use super::call::{is_unknown, manage};
use super::seat::Screens;
use super::{MANAGER, MANAGER_INTERFACE, PROPERTIES, Properties, State, get_all};
use crate::bus::{Link, Object};

/// How a session is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndMethod {
    /// SIGTERM to its processes.
    Terminate,
    /// SIGKILL to the remaining processes.
    Kill,
}

/// The session's current properties. `Ok(None)`: logind does not have this session any more, or has
/// reused its id.
pub(crate) async fn properties(link: &Link, key: &SessionKey) -> zbus::Result<Option<Properties>> {
    let found = link.call(MANAGER, "GetSession", &key.id.as_str()).await;
    let path: OwnedObjectPath = match found {
        Ok(reply) => reply.body().deserialize()?,
        Err(error) if is_unknown(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    match get_all(link, &path).await {
        Ok(all) => {
            let properties = Properties::new(all);
            Ok(properties
                .key()
                .is_some_and(|found| found == *key)
                .then_some(properties))
        }
        Err(error) if is_unknown(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The result of a lock request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockReply {
    /// The screen was locked already.
    Already,
    /// The desktop received the request, and signals when it has locked the screen.
    Asked,
}

/// Has the session's desktop lock its screen, if logind still has this session.
pub(crate) async fn lock(link: &Link, key: &SessionKey) -> zbus::Result<LockReply> {
    match properties(link, key).await? {
        Some(properties) if properties.locked() == Some(true) => Ok(LockReply::Already),
        Some(_) => {
            manage(link, "LockSession", &key.id.as_str()).await?;
            Ok(LockReply::Asked)
        }
        None => Ok(LockReply::Asked),
    }
}

/// The processes that received the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// None: logind does not have the session any more.
    None,
    /// The leader: when it exits, nobody is logged in to the session any more.
    Leader,
    /// All processes: the leader is gone, but a user may still be connected.
    All,
}

/// Sends SIGTERM to the session's leader, which closes the connection or terminal as at a logout.
/// Processes that were detached from the login continue.
///
/// sshd, login(1) of util-linux and GDM close the PAM session on SIGTERM. login(1) of Debian 12
/// exits without that, as it does when a serial line is hung up; logind notices its exit.
pub(crate) async fn ask_leader(
    link: &Link,
    key: &SessionKey,
    screens: &Screens,
) -> zbus::Result<Signalled> {
    let Some(properties) = properties(link, key).await? else {
        return Ok(Signalled::None);
    };
    screens.note(key, properties.screen());
    let (who, signal, asked) = match properties.state() {
        State::Open => (KillWho::Leader, Signal::SIGTERM, Signalled::Leader),
        State::Closing => (KillWho::All, Signal::SIGHUP, Signalled::All),
    };
    unless_gone(kill(link, key, who, signal).await).map(|()| asked)
}

/// Whether the session's state is not `closing`.
pub(crate) async fn is_open(link: &Link, key: &SessionKey) -> zbus::Result<bool> {
    let properties = properties(link, key).await?;
    Ok(properties.is_some_and(|now| now.state() == State::Open))
}

/// The description of an inhibitor lock on `idle` that this user holds, if there is one. Locks of
/// other users, root included, do not count.
pub(crate) async fn idle_inhibitor(link: &Link, user: Uid) -> zbus::Result<Option<String>> {
    type Inhibitor = (String, String, String, String, u32, u32);
    let reply = link.call(MANAGER, "ListInhibitors", &()).await?;
    let rows: Vec<Inhibitor> = reply.body().deserialize()?;
    let own = rows.into_iter().find(|(what, _, _, mode, uid, _)| {
        mode == "block" && *uid == user.as_raw() && what.split(':').any(|what| what == "idle")
    });
    Ok(own.map(|(_, who, ..)| who))
}

/// Whether logind has reached its maximum number of sessions.
pub(crate) async fn is_full(link: &Link) -> zbus::Result<bool> {
    let (now, most) = tokio::join!(
        manager_number(link, "NCurrentSessions"),
        manager_number(link, "SessionsMax")
    );
    Ok(now? >= most?)
}

async fn manager_number(link: &Link, property: &str) -> zbus::Result<u64> {
    let properties = Object {
        interface: PROPERTIES,
        ..MANAGER
    };
    let reply = link
        .call(properties, "Get", &(MANAGER_INTERFACE, property))
        .await?;
    let value: OwnedVariant = reply.body().deserialize()?;
    u64::try_from(value)
}

/// The result of a request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReply {
    Asked,
    /// logind does not have the session any more.
    Before,
}

/// Ends the session, if logind still has this session.
pub(crate) async fn end(
    link: &Link,
    key: &SessionKey,
    how: EndMethod,
    screens: &Screens,
) -> zbus::Result<EndReply> {
    let Some(properties) = properties(link, key).await? else {
        return Ok(EndReply::Before);
    };
    screens.note(key, properties.screen());
    let result = match (how, properties.state()) {
        // With TerminateSession PID 1 sends SIGHUP, too. SDDM 0.21 takes a worker that dies of
        // signal 1 for one that failed to authenticate (exit status 1), and does not restart its X
        // server: no login screen appears. Other signals do not have this effect.
        (EndMethod::Terminate, State::Open) if properties.seat().is_some() => {
            kill(link, key, KillWho::All, Signal::SIGTERM).await
        }
        (EndMethod::Terminate, State::Open) => {
            manage(link, "TerminateSession", &key.id.as_str()).await
        }
        // logind accepts TerminateSession here, and does nothing.
        (EndMethod::Terminate, State::Closing) => {
            kill(link, key, KillWho::All, Signal::SIGTERM).await
        }
        (EndMethod::Kill, State::Open | State::Closing) => {
            kill(link, key, KillWho::All, Signal::SIGKILL).await
        }
    };
    unless_gone(result).map(|()| EndReply::Asked)
}

/// Which processes of a session a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KillWho {
    All,
    Leader,
}

async fn kill(link: &Link, key: &SessionKey, whom: KillWho, signal: Signal) -> zbus::Result<()> {
    let whom = match whom {
        KillWho::All => "all",
        KillWho::Leader => "leader",
    };
    let body = (key.id.as_str(), whom, signal as i32);
    manage(link, "KillSession", &body).await
}

/// A session that is gone is no error: that is the goal of the request.
fn unless_gone(result: zbus::Result<()>) -> zbus::Result<()> {
    result.or_else(|error| {
        if is_unknown(&error) {
            Ok(())
        } else {
            Err(error)
        }
    })
}
