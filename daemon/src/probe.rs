//! A fresh reading of a session's idle time, from everybody who may know it.

use std::collections::{BTreeMap, BTreeSet};

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
            return self.without_logind(session, counted).await;
        };
        let properties = match logind::properties(&connection, &session.key).await {
            Ok(Some(properties)) => properties,
            // It is gone, and its removal is on the way.
            Ok(None) => return Event::ProbeFailed(session.key),
            Err(error) => {
                log::debug!(
                    "logind does not tell of session {}: {error}",
                    session.key.id
                );
                return self.without_logind(session, counted).await;
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
        let key = session.key.clone();
        match self.read(session, Some(properties), counted).await {
            Some(reading) => Event::Probed(
                key,
                Reading {
                    inhibitor,
                    ..reading
                },
            ),
            None => Event::ProbeFailed(key),
        }
    }

    /// Without logind the terminals may still tell; where they do not, nobody does.
    async fn without_logind(
        &self,
        session: SessionFacts,
        counted: &BTreeSet<ActivityKind>,
    ) -> Event {
        let key = session.key.clone();
        match self.read(session, None, counted).await {
            Some(reading) if !reading.stamps.is_empty() => Event::Probed(key, reading),
            Some(_) | None => Event::ProbeFailed(key),
        }
    }

    /// Reads what there is to read, on another thread: a session may have thousands of processes,
    /// and nothing else is to wait for them.
    async fn read(
        &self,
        session: SessionFacts,
        properties: Option<logind::Properties>,
        counted: &BTreeSet<ActivityKind>,
    ) -> Option<Reading> {
        let (prober, counted) = (self.clone(), counted.clone());
        let read = move || prober.read_now(&session, properties.as_ref(), &counted);
        tokio::task::spawn_blocking(read).await.ok()
    }

    fn read_now(
        &self,
        session: &SessionFacts,
        properties: Option<&logind::Properties>,
        counted: &BTreeSet<ActivityKind>,
    ) -> Reading {
        // The terminal of a desktop is the console that it runs on (GDM and SDDM make it the
        // controlling one), and nobody types there: the keys go to the desktop.
        let graphical = properties.map_or(session.session_type.is_graphical(), |now| {
            now.is_graphical()
        });
        let mut stamps = BTreeMap::new();
        if !graphical {
            let terminals = ttys::of_session(session);
            stamps = ttys::input_stamps(&terminals);
            if counted.contains(&ActivityKind::Output) {
                stamps.extend(ttys::output_stamps(&terminals, &self.writes));
            }
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
