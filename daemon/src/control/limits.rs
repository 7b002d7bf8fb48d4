//! Limits the number of concurrent calls of the D-Bus interface.
//!
//! Each open call is a task and a message in memory, and its queries queue at the driver. Calls are
//! limited for each connection, before anything else is done for them, for each user, and in all.
//! root has no limit, since root can stop the daemon anyway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_timeout_policy::Uid;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use zbus::names::{OwnedUniqueName, UniqueName};

/// Maximum number of open calls of one connection.
const CALLER_MAX: usize = 16;
/// Maximum number of open calls of one user: the prompts of many shells may call at the same time.
const USER_MAX: usize = 32;
/// Maximum number of a user's calls that are served concurrently; others queue.
const USER_MAX_CONCURRENT: usize = 8;
/// Maximum number of open calls of all users except root.
const ALL_MAX: usize = 512;

/// The numbers of open calls. Clones share them.
#[derive(Clone, Default)]
pub(super) struct CallLimiter(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    callers: HashMap<OwnedUniqueName, ConnectionCalls>,
    users: HashMap<Uid, UserCalls>,
    all: usize,
}

#[derive(Default)]
struct ConnectionCalls {
    calls: usize,
    /// The user of the connection, which the bus is asked for once.
    user: Arc<OnceCell<Uid>>,
}

struct UserCalls {
    calls: usize,
    turns: Arc<Semaphore>,
}

/// A limit of open calls is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl CallLimiter {
    /// Counts a call of this connection.
    ///
    /// # Errors
    /// The connection has too many open calls.
    pub(super) fn call(&self, name: &UniqueName<'_>) -> Result<CallSlot, Full> {
        let name = OwnedUniqueName::from(name.to_owned());
        let mut counts = self.counts();
        let caller = counts.callers.entry(name.clone()).or_default();
        if caller.calls >= CALLER_MAX {
            return Err(Full);
        }
        caller.calls += 1;
        Ok(CallSlot {
            user: Arc::clone(&caller.user),
            limiter: self.clone(),
            name,
        })
    }

    /// Waits until a call of this user may be served.
    ///
    /// # Errors
    /// This user, or all users together, have too many open calls.
    pub(super) async fn turn(&self, user: Uid) -> Result<Option<UserSlot>, Full> {
        if user == Uid::ROOT {
            return Ok(None);
        }
        let (count, turns) = self.count_user(user)?;
        match turns.acquire_owned().await {
            Ok(permit) => Ok(Some(UserSlot {
                _permit: permit,
                _count: count,
            })),
            Err(_closed) => Err(Full),
        }
    }

    fn count_user(&self, user: Uid) -> Result<(UserCount, Arc<Semaphore>), Full> {
        let mut counts = self.counts();
        let calls = counts.users.get(&user).map_or(0, |user| user.calls);
        if calls >= USER_MAX || counts.all >= ALL_MAX {
            return Err(Full);
        }
        counts.all += 1;
        let known = counts.users.entry(user).or_insert_with(|| UserCalls {
            calls: 0,
            turns: Arc::new(Semaphore::new(USER_MAX_CONCURRENT)),
        });
        known.calls += 1;
        let turns = Arc::clone(&known.turns);
        let limiter = self.clone();
        Ok((UserCount { limiter, user }, turns))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open call, counted until it is dropped.
pub(super) struct CallSlot {
    limiter: CallLimiter,
    name: OwnedUniqueName,
    /// The user of the connection.
    pub(super) user: Arc<OnceCell<Uid>>,
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        let mut counts = self.limiter.counts();
        if let Some(caller) = counts.callers.get_mut(&self.name) {
            caller.calls = caller.calls.saturating_sub(1);
            if caller.calls == 0 {
                counts.callers.remove(&self.name);
            }
        }
    }
}

/// A call that is being served.
pub(super) struct UserSlot {
    _permit: OwnedSemaphorePermit,
    _count: UserCount,
}

/// A user's call, counted until it is dropped.
struct UserCount {
    limiter: CallLimiter,
    user: Uid,
}

impl Drop for UserCount {
    fn drop(&mut self) {
        let mut counts = self.limiter.counts();
        counts.all = counts.all.saturating_sub(1);
        if let Some(user) = counts.users.get_mut(&self.user) {
            user.calls = user.calls.saturating_sub(1);
            if user.calls == 0 {
                counts.users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(number: usize) -> UniqueName<'static> {
        UniqueName::try_from(format!(":1.{number}")).unwrap()
    }

    /// The result of a call that need not queue; `None` if it queues.
    async fn turn(limiter: &CallLimiter, user: Uid) -> Option<Result<Option<UserSlot>, Full>> {
        let turn = limiter.turn(user);
        tokio::time::timeout(Duration::ZERO, turn).await.ok()
    }

    #[test]
    fn a_connection_has_a_limit_of_calls_in_hand_and_others_have_theirs() {
        let limiter = CallLimiter::default();
        let calls: Vec<_> = (0..100)
            .filter_map(|_| limiter.call(&name(1)).ok())
            .collect();
        assert_eq!(calls.len(), CALLER_MAX);
        assert!(limiter.call(&name(2)).is_ok());
        drop(calls);
        assert!(limiter.call(&name(1)).is_ok());
        assert!(limiter.counts().callers.is_empty(), "nobody is kept");
    }

    #[tokio::test]
    async fn a_user_has_a_limit_of_calls_answered_at_a_time_and_others_do_not_wait() {
        let limiter = CallLimiter::default();
        let mut turns = Vec::new();
        while let Some(Ok(turn)) = turn(&limiter, Uid::new(1000)).await {
            turns.push(turn);
        }
        assert_eq!(turns.len(), USER_MAX_CONCURRENT);
        assert!(matches!(
            turn(&limiter, Uid::new(1001)).await,
            Some(Ok(Some(_)))
        ));
        turns.pop();
        assert!(matches!(
            turn(&limiter, Uid::new(1000)).await,
            Some(Ok(Some(_)))
        ));
    }

    #[tokio::test]
    async fn who_has_too_much_waiting_is_turned_away_and_root_never_is() {
        let limiter = CallLimiter::default();
        let counted: Vec<_> = (0..100)
            .filter_map(|_| limiter.count_user(Uid::new(1000)).ok())
            .collect();
        assert_eq!(counted.len(), USER_MAX);
        assert!(matches!(
            turn(&limiter, Uid::new(1000)).await,
            Some(Err(Full))
        ));
        let users = (1001..2000).flat_map(|user| (0..USER_MAX).map(move |_| user));
        let others: Vec<_> = users
            .filter_map(|user| limiter.count_user(Uid::new(user)).ok())
            .collect();
        assert_eq!(counted.len() + others.len(), ALL_MAX);
        assert!(matches!(turn(&limiter, Uid::new(0)).await, Some(Ok(None))));
        drop((counted, others));
        let counts = limiter.counts();
        assert!(counts.users.is_empty() && counts.all == 0, "nobody is kept");
    }
}
