//! A fresh reading of a session's idle time, from everybody who may know it.

use session_timeout_policy::{Event, Reading, SessionFacts, StampSource};
use zbus::Connection;

use crate::clock::Clocks;
use crate::logind;
use crate::ttys;

/// Reads the session's idle time, and says what came of it. There is no connection while the bus
/// is away.
pub(crate) async fn probe(connection: Option<Connection>, session: SessionFacts) -> Event {
    let Some(connection) = connection else {
        // Without logind the terminals may still tell; where they do not, nobody does.
        let reading = read(&session, None);
        return if reading.stamps.is_empty() {
            Event::ProbeFailed(session.key)
        } else {
            Event::Probed(session.key, reading)
        };
    };
    match logind::properties(&connection, &session.key).await {
        Ok(Some(properties)) => {
            let reading = read(&session, Some(&properties));
            Event::Probed(session.key, reading)
        }
        // It is gone, and its removal is on the way.
        Ok(None) => Event::ProbeFailed(session.key),
        Err(error) => {
            log::debug!("probe of session {} failed: {error}", session.key.id);
            Event::ProbeFailed(session.key)
        }
    }
}

fn read(session: &SessionFacts, properties: Option<&logind::Properties>) -> Reading {
    let mut stamps = ttys::stamps(&ttys::of_session(session));
    let now = Clocks::now();
    let known = properties.and_then(logind::Properties::terminal_stamp);
    stamps.extend(known.map(|stamp| (StampSource::Logind, stamp)));
    Reading {
        wall: now.wall,
        stamps,
        hint: properties.and_then(|known| known.hint(now)),
    }
}
