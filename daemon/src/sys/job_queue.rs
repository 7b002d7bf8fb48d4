//! A queue with a concurrency limit. A queued item occupies no task.
//!
//! Each user has a concurrency limit as well, and users with queued items take turns: thousands of
//! sessions of one user delay only that user's.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The queue of items by user. Clones share it.
pub(crate) struct Line<K, T>(Arc<Mutex<State<K, T>>>);

struct State<K, T> {
    free: usize,
    /// The concurrency limit of each user.
    each: usize,
    under_way: HashMap<K, usize>,
    waiting: HashMap<K, VecDeque<T>>,
    /// The users with a queued item that may run, in order.
    turns: VecDeque<K>,
}

impl<K, T> Clone for Line<K, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash, T> Line<K, T> {
    /// A queue with this concurrency limit in all, and this one for each user.
    pub(crate) fn new(places: usize, each: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: places,
            each,
            under_way: HashMap::new(),
            waiting: HashMap::new(),
            turns: VecDeque::new(),
        })))
    }

    /// Takes a free place, or joins the queue: the next free place takes it from there.
    pub(crate) fn enter(&self, whose: K, who: T) -> Option<(Place<K, T>, T)> {
        let mut state = self.state();
        if state.free == 0 || !state.has_room(whose) {
            state.waiting.entry(whose).or_default().push_back(who);
            state.take_turn(whose);
            return None;
        }
        state.free -= 1;
        state.begin(whose);
        let place = Place {
            line: self.clone(),
            whose: Some(whose),
        };
        Some((place, who))
    }

    fn state(&self) -> MutexGuard<'_, State<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash, T> State<K, T> {
    fn has_room(&self, whose: K) -> bool {
        self.under_way.get(&whose).copied().unwrap_or_default() < self.each
    }

    fn begin(&mut self, whose: K) {
        *self.under_way.entry(whose).or_default() += 1;
    }

    fn finish(&mut self, whose: K) {
        if let Some(count) = self.under_way.get_mut(&whose) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&whose);
            }
        }
        self.take_turn(whose);
    }

    fn take_turn(&mut self, whose: K) {
        let waits = self.waiting.contains_key(&whose);
        if waits && self.has_room(whose) && !self.turns.contains(&whose) {
            self.turns.push_back(whose);
        }
    }

    fn next(&mut self) -> Option<(K, T)> {
        let whose = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&whose)?;
        let next = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&whose);
        }
        self.begin(whose);
        self.take_turn(whose);
        if self.waiting.is_empty() {
            // The memory of a long queue is given back.
            self.waiting.shrink_to_fit();
            self.under_way.shrink_to_fit();
        }
        Some((whose, next))
    }
}

/// A place, which is free again when it is dropped.
pub(crate) struct Place<K: Copy + Eq + Hash, T> {
    line: Line<K, T>,
    whose: Option<K>,
}

impl<K: Copy + Eq + Hash, T> Place<K, T> {
    /// The next item. A caller that gets none has to drop the place at once.
    pub(crate) fn next(&mut self) -> Option<T> {
        let mut state = self.line.state();
        if let Some(whose) = self.whose.take() {
            state.finish(whose);
        }
        let (whose, next) = state.next()?;
        self.whose = Some(whose);
        Some(next)
    }
}

impl<K: Copy + Eq + Hash, T> Drop for Place<K, T> {
    fn drop(&mut self) {
        let mut state = self.line.state();
        if let Some(whose) = self.whose.take() {
            state.finish(whose);
        }
        state.free += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_there_are_places_enter_and_the_others_follow_in_order() {
        let line = Line::new(2, 2);
        let (mut first, _) = line.enter((), 1).unwrap();
        let (mut second, who) = line.enter((), 2).unwrap();
        assert_eq!(who, 2);
        assert!(line.enter((), 3).is_none());
        assert!(line.enter((), 4).is_none());
        assert_eq!(second.next(), Some(3));
        assert_eq!(first.next(), Some(4));
        assert_eq!(first.next(), None);
        drop(first);
        assert!(line.enter((), 5).is_some());
        drop(second);
        assert!(line.enter((), 6).is_some(), "both have left");
        let state = line.state();
        assert!(state.waiting.is_empty() && state.under_way.is_empty());
    }

    #[test]
    fn a_place_that_is_dropped_leaves_the_queue_to_the_next() {
        let line = Line::new(1, 1);
        let (place, _) = line.enter((), 1).unwrap();
        assert!(line.enter((), 2).is_none());
        drop(place);
        let (mut place, who) = line.enter((), 3).unwrap();
        assert_eq!((who, place.next()), (3, Some(2)));
    }

    #[test]
    fn who_has_many_waits_for_those_and_others_go_on() {
        let line = Line::new(3, 1);
        let (mut of_a, _) = line.enter('a', 1).unwrap();
        for who in 2..100 {
            assert!(line.enter('a', who).is_none());
        }
        let (mut of_b, _) = line.enter('b', 1).unwrap();
        assert!(line.enter('b', 2).is_none());
        assert!(line.enter('c', 1).is_some());
        assert_eq!(of_b.next(), Some(2));
        assert_eq!(of_b.next(), None, "one of each at once");
        drop(of_b);
        assert_eq!(of_a.next(), Some(2));
        let full: Vec<_> = ['d', 'e'].map(|whose| line.enter(whose, 1).unwrap()).into();
        assert!(line.enter('f', 7).is_none());
        assert!(line.enter('f', 8).is_none());
        assert_eq!(of_a.next(), Some(7), "they take turns");
        assert_eq!(of_a.next(), Some(3));
        assert_eq!(of_a.next(), Some(8));
        drop(full);
    }
}
