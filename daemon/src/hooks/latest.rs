//! Queues of events by session: each holds one event at most, the newest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_timeout_policy::SessionKey;

use super::{HookEnvironment, HookEvent};

/// An event, and the data about it.
type Event = (HookEvent, HookEnvironment);

/// The sessions that a task serves, each with its queued event. Clones share the queues.
#[derive(Clone, Debug, Default)]
pub(super) struct LatestEvents(Arc<Mutex<BTreeMap<SessionKey, Option<Event>>>>);

/// Whether a task serves the session's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worker {
    Runs,
    /// The caller has to start one.
    Needed,
}

impl LatestEvents {
    /// Queues this event in place of the one that is queued.
    pub(super) fn put(&self, session: &SessionKey, newest: Event) -> Worker {
        match self.lock().insert(session.clone(), Some(newest)) {
            Some(_) => Worker::Runs,
            None => Worker::Needed,
        }
    }

    /// Takes the queued event. `None`: there is none, and the session is no longer served.
    pub(super) fn take(&self, session: &SessionKey) -> Option<Event> {
        let mut sessions = self.lock();
        let taken = sessions.get_mut(session).and_then(Option::take);
        if taken.is_none() {
            sessions.remove(session);
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Option<Event>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_comes_meanwhile_the_newest_is_next_and_sessions_do_not_mix() {
        let key = |id: &str| SessionKey {
            id: id.into(),
            stamp: 1,
        };
        let (one, other) = (key("1"), key("2"));
        let about = |session: &SessionKey| HookEnvironment {
            session: session.clone(),
            variables: Vec::new(),
        };
        let events = LatestEvents::default();
        let put = |session, event| events.put(session, (event, about(session)));
        let take = |session| events.take(session).map(|(event, _)| event);
        assert_eq!(put(&one, HookEvent::Warn), Worker::Needed);
        assert_eq!(take(&one), Some(HookEvent::Warn));
        for newer in [HookEvent::Warn, HookEvent::Extend, HookEvent::End] {
            assert_eq!(put(&one, newer), Worker::Runs);
        }
        assert_eq!(put(&other, HookEvent::Warn), Worker::Needed);
        assert_eq!(take(&one), Some(HookEvent::End));
        assert_eq!(take(&one), None);
        assert_eq!(put(&one, HookEvent::Warn), Worker::Needed);
        assert_eq!(take(&other), Some(HookEvent::Warn));
    }
}
