//! What waits for its turn: of each session one thing at most, the newest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_timeout_policy::SessionKey;

/// Each session that is served, and what waits there. Clones are the same.
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

/// Whether somebody takes what waits in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    Already,
    /// Whoever has put it there is to see to that.
    NotYet,
}

impl<T> Waiting<T> {
    /// Has this wait, instead of what waits there already.
    pub(super) fn put(&self, session: &SessionKey, newest: T) -> Served {
        match self.lock().insert(session.clone(), Some(newest)) {
            Some(_) => Served::Already,
            None => Served::NotYet,
        }
    }

    /// What waits there. `None`: nothing, and the session is served no longer.
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
