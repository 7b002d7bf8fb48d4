//! A few at once, and whoever else comes stands in line: what waits there takes no task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where they stand. Clones are the same.
pub(crate) struct Line<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    free: usize,
    waiting: VecDeque<T>,
}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Line<T> {
    /// A line before so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: places,
            waiting: VecDeque::new(),
        })))
    }

    /// Takes a free place, or joins the line: whoever has a place takes it from there.
    pub(crate) fn enter(&self, who: T) -> Option<(Place<T>, T)> {
        let mut state = self.state();
        if state.free == 0 {
            state.waiting.push_back(who);
            return None;
        }
        state.free -= 1;
        Some((Place(self.clone()), who))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, which is free again when it is dropped.
pub(crate) struct Place<T>(Line<T>);

impl<T> Place<T> {
    /// Whoever is next. Who is told that there is nobody has to leave the place at once.
    pub(crate) fn next(&self) -> Option<T> {
        let mut state = self.0.state();
        let next = state.waiting.pop_front();
        if state.waiting.is_empty() {
            // What a storm has taken is given back.
            state.waiting.shrink_to_fit();
        }
        next
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.0.state().free += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_there_are_places_enter_and_the_others_follow_in_order() {
        let line = Line::new(2);
        let (first, _) = line.enter(1).unwrap();
        let (second, who) = line.enter(2).unwrap();
        assert_eq!(who, 2);
        assert!(line.enter(3).is_none());
        assert!(line.enter(4).is_none());
        assert_eq!(second.next(), Some(3));
        assert_eq!(first.next(), Some(4));
        assert_eq!(first.next(), None);
        drop(first);
        assert!(line.enter(5).is_some());
        assert!(line.enter(6).is_some(), "both have left");
        drop(second);
    }

    #[test]
    fn whoever_leaves_without_asking_leaves_the_line_to_the_next() {
        let line = Line::new(1);
        let (place, _) = line.enter(1).unwrap();
        assert!(line.enter(2).is_none());
        drop(place);
        let (place, who) = line.enter(3).unwrap();
        assert_eq!((who, place.next()), (3, Some(2)));
    }
}
