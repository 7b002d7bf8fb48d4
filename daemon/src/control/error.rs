//! The D-Bus errors for refused calls.

use session_timeout_policy::SessionId;
use session_timeout_texts::sanitize;
use zbus::fdo;

use super::limits::Full;

pub(super) fn unknown_caller() -> fdo::Error {
    fdo::Error::AccessDenied("the caller is unknown".to_owned())
}

pub(super) fn not_the_agent() -> fdo::Error {
    let only = "only the agent of the session may say that";
    fdo::Error::AccessDenied(only.to_owned())
}

pub(super) fn too_soon() -> fdo::Error {
    let wait = "this session has had a new agent a moment ago";
    fdo::Error::LimitsExceeded(wait.to_owned())
}

/// The same error whether the session does not exist or is another user's, so that callers do
/// not learn which.
pub(super) fn unseen(session: &SessionId) -> fdo::Error {
    let which = sanitize(session.as_str());
    fdo::Error::InvalidArgs(format!("there is no session {which} that you may see"))
}

pub(super) fn stopping() -> fdo::Error {
    fdo::Error::Failed("session-timeoutd is stopping".to_owned())
}

pub(super) fn full(_: Full) -> fdo::Error {
    let wait = "too many calls at once: wait for the answers";
    fdo::Error::LimitsExceeded(wait.to_owned())
}

pub(super) fn no_source() -> fdo::Error {
    fdo::Error::InvalidArgs("there is no such source".to_owned())
}
