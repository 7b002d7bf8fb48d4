//! What is asked of logind about one session, for exactly that session.

use std::time::Duration;

use session_timeout_policy::SessionKey;
use zbus::Connection;
use zbus::wire::OwnedObjectPath;

use super::{LOGIND, MANAGER, MANAGER_PATH, Properties, State, get_all, timely};
use crate::scope;

/// How long logind may take to answer a call. The reference bus has no limit of its own.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How a session is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Ask its processes to end.
    Terminate,
    /// Kill what is left.
    Kill,
}

/// The session's properties, read afresh. `Ok(None)`: logind does not have this session any more,
/// or has another one by the same id.
pub(crate) async fn properties(
    connection: &Connection,
    key: &SessionKey,
) -> zbus::Result<Option<Properties>> {
    let reply = timely(connection.call_method(
        Some(LOGIND),
        MANAGER_PATH,
        Some(MANAGER),
        "GetSession",
        &key.id.as_str(),
    ))
    .await;
    let path: OwnedObjectPath = match reply {
        Ok(reply) => reply.body().deserialize()?,
        Err(error) if is_unknown(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    match timely(get_all(connection, &path)).await {
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

/// Ends the session, if it is still the one that was meant.
pub(crate) async fn end(connection: &Connection, key: &SessionKey, how: End) -> zbus::Result<()> {
    let Some(properties) = properties(connection, key).await? else {
        return Ok(());
    };
    let result = match (how, properties.state()) {
        (End::Terminate, State::Open) => {
            manage(connection, "TerminateSession", &key.id.as_str()).await
        }
        // logind accepts TerminateSession here, and does nothing.
        (End::Terminate, State::Closing) => {
            kill(connection, key, nix::sys::signal::Signal::SIGTERM).await
        }
        (End::Kill, State::Open | State::Closing) => {
            kill(connection, key, nix::sys::signal::Signal::SIGKILL).await
        }
    };
    match result {
        Err(error) if is_unknown(&error) => Ok(()),
        // The last resort: logind cannot, but PID 1 may.
        Err(_) if how == End::Kill => stop_scope(connection, key).await,
        other => other,
    }
}

async fn kill(
    connection: &Connection,
    key: &SessionKey,
    signal: nix::sys::signal::Signal,
) -> zbus::Result<()> {
    manage(
        connection,
        "KillSession",
        &(key.id.as_str(), "all", signal as i32),
    )
    .await
}

async fn stop_scope(connection: &Connection, key: &SessionKey) -> zbus::Result<()> {
    let Some(unit) = scope::unit(&key.id) else {
        return Ok(());
    };
    timely(connection.call_method(
        Some("org.freedesktop.systemd1"),
        "/org/freedesktop/systemd1",
        Some("org.freedesktop.systemd1.Manager"),
        "StopUnit",
        &(unit.as_str(), "replace"),
    ))
    .await
    .map(drop)
}

async fn manage<B>(connection: &Connection, method: &str, body: &B) -> zbus::Result<()>
where
    B: serde::Serialize + zbus::wire::DynamicType,
{
    timely(connection.call_method(Some(LOGIND), MANAGER_PATH, Some(MANAGER), method, body))
        .await
        .map(drop)
}

/// A session that is gone is no error: that is what was wanted.
fn is_unknown(error: &zbus::Error) -> bool {
    matches!(
        error,
        zbus::Error::MethodError(name, _, _)
            if name.as_str() == "org.freedesktop.login1.NoSuchSession"
                || name.as_str() == "org.freedesktop.DBus.Error.UnknownObject"
    )
}
