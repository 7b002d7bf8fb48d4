//! Records the sessions whose last warning no terminal and no agent has accepted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_timeout_policy::{LimitKind, SessionKey};

/// The sessions. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Unwarned(Arc<Mutex<HashMap<SessionKey, State>>>);

#[derive(Default)]
struct State {
    /// Nobody received the last warning.
    stands: bool,
    /// The limits for which that has been logged.
    said: Vec<LimitKind>,
}

/// Whether it has been logged that nobody received a warning of this limit of this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logged {
    Before,
    NotYet,
}

impl Unwarned {
    /// Records that nobody received the warning of this limit.
    pub(crate) fn add(&self, key: &SessionKey, limit: LimitKind) -> Logged {
        let mut all = self.all();
        let state = all.entry(key.clone()).or_default();
        state.stands = true;
        if state.said.contains(&limit) {
            return Logged::Before;
        }
        state.said.push(limit);
        Logged::NotYet
    }

    /// Records that a later warning was received.
    pub(crate) fn clear(&self, key: &SessionKey) {
        if let Some(state) = self.all().get_mut(key) {
            state.stands = false;
        }
    }

    /// Forgets a session that is gone.
    pub(crate) fn forget(&self, key: &SessionKey) {
        let mut all = self.all();
        if all.remove(key).is_some() && all.is_empty() {
            all.shrink_to_fit();
        }
    }

    /// Whether nobody received the last warning of this session.
    pub(crate) fn has(&self, key: &SessionKey) -> bool {
        self.all().get(key).is_some_and(|state| state.stands)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SessionKey, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SessionKey {
        SessionKey {
            id: "c1".into(),
            stamp: 1,
        }
    }

    #[test]
    fn it_is_said_once_for_each_limit_and_stands_until_a_warning_is_taken() {
        let unwarned = Unwarned::default();
        assert!(!unwarned.has(&key()));
        for (limit, said) in [
            (LimitKind::Absolute, Logged::NotYet),
            (LimitKind::Absolute, Logged::Before),
            (LimitKind::Inactivity, Logged::NotYet),
        ] {
            assert_eq!(unwarned.add(&key(), limit), said);
            assert!(unwarned.has(&key()));
        }
        unwarned.clear(&key());
        assert!(!unwarned.has(&key()));
        assert_eq!(unwarned.add(&key(), LimitKind::Absolute), Logged::Before);
        assert!(unwarned.has(&key()));
        unwarned.forget(&key());
        assert!(!unwarned.has(&key()));
    }
}
