//! Emits the D-Bus signal `SessionChanged`, at most once per second for each session.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use session_timeout_policy::SessionId;
use session_timeout_protocol::bus::manager;
use tokio::sync::Notify;
use tokio::time::Instant;
use zbus::object_server::SignalEmitter;

use super::Manager;
use crate::bus::PublicBus;

/// Minimum interval between two signals about one session.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The sessions with a change that was not signalled yet. Clones share the set.
#[derive(Clone, Default)]
pub(crate) struct ChangedSessions(Arc<Queue>);

#[derive(Default)]
struct Queue {
    ids: Mutex<BTreeSet<SessionId>>,
    added: Notify,
}

impl ChangedSessions {
    /// Queues signals about these sessions. Never waits.
    pub(crate) fn add(&self, ids: Vec<SessionId>) {
        if ids.is_empty() {
            return;
        }
        let waiting = self.0.ids.lock();
        waiting.unwrap_or_else(PoisonError::into_inner).extend(ids);
        self.0.added.notify_one();
    }

    /// Waits for the next changed sessions. Cancel safe.
    async fn next(&self) -> BTreeSet<SessionId> {
        self.0.added.notified().await;
        let waiting = self.0.ids.lock();
        std::mem::take(&mut *waiting.unwrap_or_else(PoisonError::into_inner))
    }
}

/// Emits the signals, for ever. Signals are dropped while there is no connection to the bus.
pub(crate) async fn emit_changes(changed: ChangedSessions, bus: PublicBus) {
    let mut limiter = RateLimiter::default();
    loop {
        let due = limiter.next();
        tokio::select! {
            ids = changed.next() => limiter.changed(ids),
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
        for id in limiter.due(Instant::now()) {
            let connection = bus.borrow().clone();
            let Some(connection) = connection else {
                continue;
            };
            if let Err(error) = signal(&connection, &id).await {
                log::debug!("cannot signal a change of session {id}: {error}");
            }
        }
    }
}

async fn signal(connection: &zbus::Connection, id: &SessionId) -> zbus::Result<()> {
    Manager::session_changed(&SignalEmitter::new(connection, manager::PATH)?, id.as_str()).await
}

/// The time of the last signal about each session.
#[derive(Default)]
struct RateLimiter(HashMap<SessionId, SignalState>);

#[derive(Clone, Copy, Default)]
struct SignalState {
    last: Option<Instant>,
    /// The session has changed since the last signal.
    stale: bool,
}

impl SignalState {
    /// When the next signal is due: `None` if there is no change, `Some(None)` for at once.
    fn when(self) -> Option<Option<Instant>> {
        self.stale
            .then(|| self.last.map(|last| last + MIN_INTERVAL))
    }
}

impl RateLimiter {
    fn changed(&mut self, ids: BTreeSet<SessionId>) {
        for id in ids {
            self.0.entry(id).or_default().stale = true;
        }
    }

    /// The earliest time at which a delayed signal is due.
    fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|state| state.when()?).min()
    }

    /// Removes and returns the sessions whose signal is due.
    fn due(&mut self, now: Instant) -> Vec<SessionId> {
        let mut due = Vec::new();
        for (id, state) in &mut self.0 {
            if state.when().is_some_and(|at| at.is_none_or(|at| at <= now)) {
                due.push(id.clone());
                *state = SignalState {
                    last: Some(now),
                    stale: false,
                };
            }
        }
        // Forget sessions that need no delay.
        self.0.retain(|_, state| {
            state.stale || state.last.is_some_and(|last| last + MIN_INTERVAL > now)
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<SessionId> {
        ids.map(SessionId::from).into()
    }

    #[test]
    fn many_changes_are_one_signal_at_once_and_one_a_second_later() {
        let (mut limiter, start) = (RateLimiter::default(), Instant::now());
        let mut signals = 0;
        for moment in 0..100 {
            limiter.changed(ids(["c1"]));
            signals += limiter.due(start + moment * MIN_INTERVAL / 200).len();
        }
        assert_eq!(signals, 1);
        // The last change is signalled as well.
        assert_eq!(limiter.next(), Some(start + MIN_INTERVAL));
        assert_eq!(limiter.due(start + MIN_INTERVAL), [SessionId::from("c1")]);
        assert_eq!(limiter.next(), None);
    }

    #[test]
    fn sessions_do_not_wait_for_each_other_and_are_forgotten() {
        let (mut limiter, start) = (RateLimiter::default(), Instant::now());
        limiter.changed(ids(["c1"]));
        assert_eq!(limiter.due(start), [SessionId::from("c1")]);
        limiter.changed(ids(["c1", "c2"]));
        assert_eq!(
            limiter.due(start + MIN_INTERVAL / 2),
            [SessionId::from("c2")]
        );
        assert_eq!(limiter.due(start + MIN_INTERVAL), [SessionId::from("c1")]);
        assert_eq!(limiter.due(start + 3 * MIN_INTERVAL), []);
        assert!(limiter.0.is_empty());
    }

    #[tokio::test]
    async fn news_that_come_before_somebody_listens_are_not_lost() {
        let changed = ChangedSessions::default();
        changed.add(vec!["c1".into()]);
        changed.add(vec!["c2".into(), "c1".into()]);
        assert_eq!(changed.next().await, ids(["c1", "c2"]));
    }
}
