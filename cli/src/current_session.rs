//! Which session is the caller's own.

use crate::bus::Bus;
use crate::error::Error;
use crate::left::Left;

/// The session of this name, or the caller's own.
///
/// That is what the login said (`XDG_SESSION_ID`), if it is still there: a tmux server keeps the
/// name of the login that started it. Otherwise it is logind's to say.
pub(crate) async fn session(bus: &Bus, named: Option<&str>) -> Result<Left, Error> {
    if let Some(session) = named {
        return bus.left(session).await;
    }
    let said = std::env::var("XDG_SESSION_ID");
    if let Some(session) = said.ok().filter(|session| !session.is_empty()) {
        match bus.left(&session).await {
            Err(Error::Refused(_)) => {}
            told => return told,
        }
    }
    let Some(session) = bus.own_session().await else {
        return Err(Error::NoOwnSession);
    };
    match bus.left(&session).await {
        Err(Error::Refused(_)) => Err(Error::NoOwnSession),
        told => told,
    }
}
