//! Which sessions are being looked at: one look at a time for each, and the next one after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_timeout_policy::SessionKey;
use tokio::sync::watch;

/// The looks under way, with what the next one of each session is for. Clones are the same.
pub(crate) struct Looks<T>(Arc<Mutex<HashMap<SessionKey, State<T>>>>);

struct State<T> {
    next: Option<T>,
    over: watch::Receiver<()>,
}

impl<T> Clone for Looks<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Looks<T> {
    /// A caller that gets the probe has to run it; where there is none, another one runs already, and
    /// is repeated for this.
    pub(crate) fn begin(&self, key: &SessionKey, what: T) -> (Option<Look<T>>, Over) {
        let mut all = self.all();
        if let Some(state) = all.get_mut(key) {
            state.next = Some(what);
            return (None, Over(state.over.clone()));
        }
        let (under_way, over) = watch::channel(());
        let state = State {
            next: Some(what),
            over: over.clone(),
        };
        all.insert(key.clone(), state);
        let look = Look {
            looks: self.clone(),
            key: Some(key.clone()),
            _under_way: under_way,
        };
        (Some(look), Over(over))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SessionKey, State<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The look at one session, until it is dropped.
pub(crate) struct Look<T> {
    looks: Looks<T>,
    /// Nothing when it is over.
    key: Option<SessionKey>,
    _under_way: watch::Sender<()>,
}

impl<T> Look<T> {
    /// What it is for; nothing when it is over.
    pub(crate) fn next(&mut self) -> Option<T> {
        let mut all = self.looks.all();
        let next = all.get_mut(self.key.as_ref()?)?.next.take();
        if next.is_none() {
            remove(&mut all, &self.key.take()?);
        }
        next
    }
}

impl<T> Drop for Look<T> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            remove(&mut self.looks.all(), &key);
        }
    }
}

fn remove<T>(all: &mut HashMap<SessionKey, State<T>>, key: &SessionKey) {
    all.remove(key);
    if all.is_empty() {
        // Memory of a time with many sessions is given back.
        all.shrink_to_fit();
    }
}

/// The end of a look.
pub(crate) struct Over(watch::Receiver<()>);

impl Over {
    /// Waits for it.
    pub(crate) async fn wait(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> SessionKey {
        SessionKey {
            id: id.to_owned(),
            stamp: 1,
        }
    }

    #[test]
    fn a_hundred_looks_at_a_session_are_two_and_those_at_others_go_on() {
        let looks = Looks::default();
        let (look, _) = looks.begin(&key("c1"), 0);
        let mut look = look.unwrap();
        assert_eq!(look.next(), Some(0));
        for what in 1..100 {
            assert!(looks.begin(&key("c1"), what).0.is_none());
        }
        assert!(looks.begin(&key("c2"), 0).0.is_some());
        assert_eq!(look.next(), Some(99), "the last one is not lost");
        assert_eq!(look.next(), None);
        // The next one is not taken for over with this.
        let (next, _) = looks.begin(&key("c1"), 100);
        drop(look);
        assert!(looks.begin(&key("c1"), 101).0.is_none());
        drop(next);
        assert!(looks.all().is_empty(), "a look that was broken off is over");
    }

    #[tokio::test]
    async fn who_has_somebody_elses_look_waits_for_its_end() {
        let looks = Looks::default();
        let (look, _) = looks.begin(&key("c1"), 0);
        let (_, over) = looks.begin(&key("c1"), 1);
        let waiting = tokio::spawn(over.wait());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(look);
        waiting.await.unwrap();
    }
}
