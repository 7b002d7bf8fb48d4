//! Limits requests for extensions: one at a time for each user, with a backoff after a refusal.
//!
//! Without the limit, a user could fill the journal with refusals until journald drops the daemon's
//! entries about other users, and fill the screen with password dialogs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_timeout_policy::Uid;
use tokio::time::Instant;

/// Delay of a user's next request after a refusal.
const BACKOFF: Duration = Duration::from_secs(1);

/// The state of each user's requests. Clones share it.
#[derive(Clone, Default)]
pub(super) struct ExtendLimiter(Arc<Mutex<HashMap<Uid, State>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A request is being decided.
    Deciding,
    /// A request was refused at this time.
    Refused(Instant),
}

impl ExtendLimiter {
    /// Waits for the end of this user's backoff. Returns `None` if an earlier request is not
    /// decided yet.
    pub(super) async fn begin(&self, uid: Uid) -> Option<ExtendAttempt> {
        let refused = {
            let mut all = self.all();
            all.retain(|_, state| match state {
                State::Deciding => true,
                State::Refused(at) => at.elapsed() < BACKOFF,
            });
            match all.insert(uid, State::Deciding) {
                Some(State::Deciding) => return None,
                Some(State::Refused(at)) => Some(at),
                None => None,
            }
        };
        let attempt = ExtendAttempt {
            limiter: self.clone(),
            uid,
        };
        if let Some(at) = refused {
            tokio::time::sleep_until(at + BACKOFF).await;
        }
        Some(attempt)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Uid, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in progress. It counts as refused unless it was granted.
pub(super) struct ExtendAttempt {
    limiter: ExtendLimiter,
    uid: Uid,
}

impl ExtendAttempt {
    pub(super) fn granted(self) {
        self.limiter.all().remove(&self.uid);
    }
}

impl Drop for ExtendAttempt {
    fn drop(&mut self) {
        let mut all = self.limiter.all();
        if let Some(state) = all.get_mut(&self.uid) {
            *state = State::Refused(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_user_has_one_wish_at_a_time_and_others_have_theirs() {
        let limiter = ExtendLimiter::default();
        let first = limiter.begin(Uid::new(1000)).await.unwrap();
        assert!(limiter.begin(Uid::new(1000)).await.is_none());
        // A second attempt does not end the first.
        assert!(limiter.begin(Uid::new(1000)).await.is_none());
        assert!(limiter.begin(Uid::new(1001)).await.is_some());
        drop(first);
        assert!(limiter.begin(Uid::new(1000)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_wish_waits_after_a_refusal_and_not_after_a_grant() {
        let limiter = ExtendLimiter::default();
        let begun = Instant::now();
        limiter.begin(Uid::new(1000)).await.unwrap().granted();
        drop(limiter.begin(Uid::new(1000)).await.unwrap());
        assert_eq!(begun.elapsed(), Duration::ZERO);
        limiter.begin(Uid::new(1000)).await.unwrap().granted();
        assert!(begun.elapsed() >= BACKOFF);
        let many = Instant::now();
        for _ in 0..10 {
            drop(limiter.begin(Uid::new(1000)).await.unwrap());
        }
        assert!(many.elapsed() >= 9 * BACKOFF);
    }
}
