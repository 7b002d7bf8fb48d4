//! A queue of jobs with concurrency limits, in all and by user. Queued jobs have no task of their
//! own.
//!
//! Users with queued jobs take turns, so thousands of sessions of one user delay only that user's.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_timeout_policy::Uid;

/// The queue. Clones share it.
pub(crate) struct JobQueue<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    /// The number of permits that are not held.
    free: usize,
    /// The concurrency limit of each user.
    user_max: usize,
    /// The number of running jobs of each user.
    running: HashMap<Uid, usize>,
    queued: HashMap<Uid, VecDeque<T>>,
    /// The users with a queued job that may run, in order.
    turns: VecDeque<Uid>,
}

impl<T> Clone for JobQueue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> JobQueue<T> {
    /// A queue with this concurrency limit in all, and this one for each user.
    pub(crate) fn new(max: usize, user_max: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: max,
            user_max,
            running: HashMap::new(),
            queued: HashMap::new(),
            turns: VecDeque::new(),
        })))
    }

    /// Returns a permit to run this job of this user now. `None`: the job is queued, and
    /// [`Permit::next`] returns it to the holder of a permit.
    pub(crate) fn submit(&self, user: Uid, job: T) -> Option<(Permit<T>, T)> {
        let mut state = self.state();
        if state.free == 0 || !state.may_run(user) {
            state.queued.entry(user).or_default().push_back(job);
            state.take_turn(user);
            return None;
        }
        state.free -= 1;
        state.begin(user);
        let permit = Permit {
            queue: self.clone(),
            user: Some(user),
        };
        Some((permit, job))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn may_run(&self, user: Uid) -> bool {
        self.running.get(&user).copied().unwrap_or_default() < self.user_max
    }

    fn begin(&mut self, user: Uid) {
        *self.running.entry(user).or_default() += 1;
    }

    fn finish(&mut self, user: Uid) {
        if let Some(count) = self.running.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                self.running.remove(&user);
            }
        }
        self.take_turn(user);
    }

    fn take_turn(&mut self, user: Uid) {
        let has_queued = self.queued.contains_key(&user);
        if has_queued && self.may_run(user) && !self.turns.contains(&user) {
            self.turns.push_back(user);
        }
    }

    fn next(&mut self) -> Option<(Uid, T)> {
        let user = self.turns.pop_front()?;
        let queued = self.queued.get_mut(&user)?;
        let next = queued.pop_front()?;
        if queued.is_empty() {
            self.queued.remove(&user);
        }
        self.begin(user);
        self.take_turn(user);
        if self.queued.is_empty() {
            // Releases the memory of a burst.
            self.queued.shrink_to_fit();
            self.running.shrink_to_fit();
        }
        Some((user, next))
    }
}

/// The permission to run one job at a time, until it is dropped.
pub(crate) struct Permit<T> {
    queue: JobQueue<T>,
    /// The user of the job that runs.
    user: Option<Uid>,
}

impl<T> Permit<T> {
    /// Ends the job, and returns the next one. On `None` the permit has to be dropped at once, or a
    /// job that is queued now is never run.
    pub(crate) fn next(&mut self) -> Option<T> {
        let mut state = self.queue.state();
        if let Some(user) = self.user.take() {
            state.finish(user);
        }
        let (user, next) = state.next()?;
        self.user = Some(user);
        Some(next)
    }
}

impl<T> Drop for Permit<T> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        if let Some(user) = self.user.take() {
            state.finish(user);
        }
        state.free += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Uid = Uid::new(1000);

    #[test]
    fn jobs_start_up_to_the_limit_and_the_others_follow_in_order() {
        let queue = JobQueue::new(2, 2);
        let (mut first, _) = queue.submit(USER, 1).unwrap();
        let (mut second, job) = queue.submit(USER, 2).unwrap();
        assert_eq!(job, 2);
        assert!(queue.submit(USER, 3).is_none());
        assert!(queue.submit(USER, 4).is_none());
        assert_eq!(second.next(), Some(3));
        assert_eq!(first.next(), Some(4));
        assert_eq!(first.next(), None);
        drop(first);
        assert!(queue.submit(USER, 5).is_some());
        drop(second);
        assert!(queue.submit(USER, 6).is_some(), "both have left");
        let state = queue.state();
        assert!(state.queued.is_empty() && state.running.is_empty());
    }

    #[test]
    fn a_permit_that_is_dropped_leaves_the_queue_to_the_next() {
        let queue = JobQueue::new(1, 1);
        let (permit, _) = queue.submit(USER, 1).unwrap();
        assert!(queue.submit(USER, 2).is_none());
        drop(permit);
        let (mut permit, job) = queue.submit(USER, 3).unwrap();
        assert_eq!((job, permit.next()), (3, Some(2)));
    }

    #[test]
    fn who_has_many_waits_for_those_and_others_go_on() {
        let queue = JobQueue::new(3, 1);
        let (mut of_a, _) = queue.submit(Uid::new(1000), 1).unwrap();
        for job in 2..100 {
            assert!(queue.submit(Uid::new(1000), job).is_none());
        }
        let (mut of_b, _) = queue.submit(Uid::new(1001), 1).unwrap();
        assert!(queue.submit(Uid::new(1001), 2).is_none());
        assert!(queue.submit(Uid::new(1002), 1).is_some());
        assert_eq!(of_b.next(), Some(2));
        assert_eq!(of_b.next(), None, "one of each at once");
        drop(of_b);
        assert_eq!(of_a.next(), Some(2));
        let full: Vec<_> = [1003, 1004]
            .map(Uid::new)
            .map(|user| queue.submit(user, 1).unwrap())
            .into();
        assert!(queue.submit(Uid::new(1005), 7).is_none());
        assert!(queue.submit(Uid::new(1005), 8).is_none());
        assert_eq!(of_a.next(), Some(7), "they take turns");
        assert_eq!(of_a.next(), Some(3));
        assert_eq!(of_a.next(), Some(8));
        drop(full);
    }
}
