//! Who wants more time, one wish of a user's at a time.
//!
//! A user who asks as often as the bus allows could fill the journal with refusals, until journald
//! drops what the daemon writes about others; and the screen with questions for a password.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_timeout_policy::Uid;
use tokio::time::Instant;

/// After a refusal the next wish of that user waits for so long.
const BACKOFF: Duration = Duration::from_secs(1);

/// The wishes of all users.
#[derive(Clone, Default)]
pub(super) struct ExtendLimiter(Arc<Mutex<HashMap<Uid, State>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A wish is being decided about.
    Deciding,
    /// One was refused.
    Refused(Instant),
}

impl ExtendLimiter {
    /// Waits for the end of the backoff of this user; `None`: an earlier request is not decided yet.
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

/// One wish. It counts as refused unless it was granted.
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
        // Being sent away is not the end of the first.
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
