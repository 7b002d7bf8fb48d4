//! A list that a reader thread extends and a case waits on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A list that grows until its source ends.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    state: Mutex<State<T>>,
    grown: Condvar,
}

/// The items of a feed, and whether more can follow.
#[derive(Debug)]
pub(crate) struct State<T> {
    /// The items so far, in order.
    pub(crate) items: Vec<T>,
    /// When the source ended, if it has.
    pub(crate) ended: Option<Instant>,
}

impl<T> Feed<T> {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                items: Vec::new(),
                ended: None,
            }),
            grown: Condvar::new(),
        }
    }

    pub(crate) fn push(&self, item: T) {
        self.lock().items.push(item);
        self.grown.notify_all();
    }

    pub(crate) fn end(&self) {
        self.lock().ended.get_or_insert_with(Instant::now);
        self.grown.notify_all();
    }

    /// Waits until `find` returns a value, for at most `bound`. At the end of the source it tries
    /// once more.
    pub(crate) fn wait<R>(
        &self,
        bound: Duration,
        mut find: impl FnMut(&State<T>) -> Option<R>,
    ) -> Option<R> {
        let until = Instant::now() + bound;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended.is_some() {
                return None;
            }
            let waited = self.grown.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Evaluates the current state.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&State<T>) -> R) -> R {
        read(&self.lock())
    }

    /// A panic with the lock held leaves no partial item in the list.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_source_is_not_waited_for() {
        let feed = Feed::new();
        feed.push(1);
        feed.end();
        let minute = Duration::from_secs(60);
        let started = Instant::now();
        let last = feed.wait(minute, |state| state.items.last().copied());
        assert_eq!(last, Some(1));
        assert_eq!(feed.wait(minute, |_| None::<()>), None);
        assert!(started.elapsed() < minute);
    }
}
