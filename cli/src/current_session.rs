//! Finds the session of the caller.

use crate::bus::Bus;
use crate::error::Error;
use crate::left::Left;

/// The session with this id, or that of the caller.
///
/// That is `XDG_SESSION_ID` if that session still exists; in a tmux server it may be the id of an
/// earlier login. Otherwise logind is asked.
pub(crate) async fn session(bus: &Bus, named: Option<&str>) -> Result<Left, Error> {
    if let Some(session) = named {
        return bus.left(session).await;
    }
    let said = std::env::var("XDG_SESSION_ID");
    if let Some(session) = said.ok().filter(|session| !session.is_empty()) {
        match bus.left(&session).await {
            Err(Error::Refused(_)) => {}
            left => return left,
        }
    }
    let Some(session) = bus.own_session().await else {
        return Err(Error::NoOwnSession);
    };
    match bus.left(&session).await {
        Err(Error::Refused(_)) => Err(Error::NoOwnSession),
        left => left,
    }
}
