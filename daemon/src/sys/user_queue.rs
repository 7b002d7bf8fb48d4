//! Serialises work by user: a job waits for earlier jobs of the same user only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use session_timeout_policy::Uid;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The queues. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserQueue(Arc<Mutex<HashMap<Uid, Weak<Semaphore>>>>);

/// A user's turn, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct UserPermit {
    _permit: OwnedSemaphorePermit,
}

impl UserQueue {
    /// Waits for earlier permits of this user, in order.
    pub(crate) async fn of(&self, user: Uid) -> Option<UserPermit> {
        // The semaphore is never closed.
        let permit = self.semaphore(user).acquire_owned().await.ok()?;
        Some(UserPermit { _permit: permit })
    }

    fn semaphore(&self, user: Uid) -> Arc<Semaphore> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queues) = users.get(&user).and_then(Weak::upgrade) {
            return queues;
        }
        users.retain(|_, queues| queues.strong_count() > 0);
        let queues = Arc::new(Semaphore::new(1));
        users.insert(user, Arc::downgrade(&queues));
        queues
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_turn_is_one_of_its_user_and_nobody_elses() {
        let queues = UserQueue::default();
        let first = queues.of(Uid::new(1)).await;
        let second = {
            let queues = queues.clone();
            tokio::spawn(async move { queues.of(Uid::new(1)).await })
        };
        let other = tokio::time::timeout(Duration::from_secs(5), queues.of(Uid::new(2)));
        assert!(matches!(other.await, Ok(Some(_))));
        assert!(!second.is_finished());
        drop(first);
        assert!(second.await.unwrap().is_some());
    }
}
