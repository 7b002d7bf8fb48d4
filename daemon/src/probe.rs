//! A fresh reading of a session's idle time, from everybody who may know it.

use std::collections::BTreeSet;

use session_timeout_policy::{ActivityKind, Event, Reading, SessionFacts, StampSource};
use zbus::Connection;

use crate::clock::Clocks;
use crate::writes::Writes;
use crate::{logind, ttys};

/// Reads the idle time of sessions.
#[derive(Clone, Default)]
pub(crate) struct Prober {
    writes: Writes,
}

impl Prober {
    pub(crate) const fn new(writes: Writes) -> Self {
        Self { writes }
    }

    /// Reads the session's idle time, of which this counts, and says what came of it. There is no
    /// connection while the bus is away.
    pub(crate) async fn probe(
        &self,
        connection: Option<Connection>,
        session: SessionFacts,
        counted: &BTreeSet<ActivityKind>,
    ) -> Event {
        let Some(connection) = connection else {
            // Without logind the terminals may still tell; where they do not, nobody does.
            let reading = self.read(&session, None, counted);
            return if reading.stamps.is_empty() {
                Event::ProbeFailed(session.key)
            } else {
                Event::Probed(session.key, reading)
            };
        };
        let properties = match logind::properties(&connection, &session.key).await {
            Ok(Some(properties)) => properties,
            // It is gone, and its removal is on the way.
            Ok(None) => return Event::ProbeFailed(session.key),
            Err(error) => {
                log::debug!("probe of session {} failed: {error}", session.key.id);
                return Event::ProbeFailed(session.key);
            }
        };
        let mut inhibitor = None;
        if counted.contains(&ActivityKind::Inhibitor) {
            match logind::idle_inhibitor(&connection, session.uid).await {
                Ok(found) => inhibitor = found,
                Err(error) => {
                    log::debug!("cannot list inhibitor locks: {error}");
                    return Event::ProbeFailed(session.key);
                }
            }
        }
        let reading = Reading {
            inhibitor,
            ..self.read(&session, Some(&properties), counted)
        };
        Event::Probed(session.key, reading)
    }

    fn read(
        &self,
        session: &SessionFacts,
        properties: Option<&logind::Properties>,
        counted: &BTreeSet<ActivityKind>,
    ) -> Reading {
        let terminals = ttys::of_session(session);
        let mut stamps = ttys::input_stamps(&terminals);
        if counted.contains(&ActivityKind::Output) {
            stamps.extend(ttys::output_stamps(&terminals, &self.writes));
        }
        let now = Clocks::now();
        let known = properties.and_then(logind::Properties::terminal_stamp);
        stamps.extend(known.map(|stamp| (StampSource::Logind, stamp)));
        Reading {
            wall: now.wall,
            stamps,
            hint: properties.and_then(|known| known.hint(now)),
            inhibitor: None,
            locked: properties.and_then(logind::Properties::locked),
        }
    }
}
