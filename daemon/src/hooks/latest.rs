//! Queues of events by session: each holds one event at most, the newest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_timeout_policy::SessionKey;

/// The sessions that a task serves, each with its queued event. Clones share the queues.
#[derive(Debug)]
pub(super) struct Waiting<T>(Arc<Mutex<BTreeMap<SessionKey, Option<T>>>>);

impl<T> Clone for Waiting<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// Whether a task serves the session's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    Already,
    /// The caller has to start one.
    NotYet,
}

impl<T> Waiting<T> {
    /// Queues this event in place of the one that is queued.
    pub(super) fn put(&self, session: &SessionKey, newest: T) -> Served {
        match self.lock().insert(session.clone(), Some(newest)) {
            Some(_) => Served::Already,
            None => Served::NotYet,
        }
    }

    /// Takes the queued event. `None`: there is none, and the session is no longer served.
    pub(super) fn take(&self, session: &SessionKey) -> Option<T> {
        let mut sessions = self.lock();
        let taken = sessions.get_mut(session).and_then(Option::take);
        if taken.is_none() {
            sessions.remove(session);
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Option<T>>> {
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
        let waiting = Waiting::default();
        assert_eq!(waiting.put(&one, "warn"), Served::NotYet);
        assert_eq!(waiting.take(&one), Some("warn"));
        for newer in ["warn", "extend", "end"] {
            assert_eq!(waiting.put(&one, newer), Served::Already);
        }
        assert_eq!(waiting.put(&other, "warn"), Served::NotYet);
        assert_eq!(waiting.take(&one), Some("end"));
        assert_eq!(waiting.take(&one), None);
        assert_eq!(waiting.put(&one, "warn"), Served::NotYet);
        assert_eq!(waiting.take(&other), Some("warn"));
    }
}
