//! Turns by user: work of one user waits for earlier work of the same user, and for nobody else's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use session_timeout_policy::Uid;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserTurns(Arc<Mutex<HashMap<Uid, Weak<Semaphore>>>>);

/// A user's turn, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl UserTurns {
    /// Waits for earlier turns of this user, in order.
    pub(crate) async fn of(&self, user: Uid) -> Option<Turn> {
        // The semaphore is never closed.
        let permit = self.semaphore(user).acquire_owned().await.ok()?;
        Some(Turn { _permit: permit })
    }

    fn semaphore(&self, user: Uid) -> Arc<Semaphore> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = users.get(&user).and_then(Weak::upgrade) {
            return turns;
        }
        users.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(1));
        users.insert(user, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_turn_is_one_of_its_user_and_nobody_elses() {
        let turns = UserTurns::default();
        let first = turns.of(Uid::new(1)).await;
        let second = {
            let turns = turns.clone();
            tokio::spawn(async move { turns.of(Uid::new(1)).await })
        };
        let other = tokio::time::timeout(Duration::from_secs(5), turns.of(Uid::new(2)));
        assert!(matches!(other.await, Ok(Some(_))));
        assert!(!second.is_finished());
        drop(first);
        assert!(second.await.unwrap().is_some());
    }
}
