//! Walks through `/proc`, which may be long: a session may have thousands of processes.
//!
//! They are done by other threads than the driver's, of which there are few, and one at a time for
//! each user: a user with very many processes waits for the own walks, and nobody else does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use session_timeout_policy::Uid;
use tokio::sync::Semaphore;

/// Whose turn it is. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Walks(Arc<Mutex<HashMap<Uid, Weak<Semaphore>>>>);

impl Walks {
    /// Has another thread do this for a user, when none does for the same one; nothing where it
    /// broke off.
    pub(crate) async fn of<R: Send + 'static>(
        &self,
        user: Uid,
        walk: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let turns = self.turns(user);
        let turn = turns.acquire_owned().await.ok()?;
        let walk = move || {
            let walked = walk();
            // Only now: what waits for the walk may give it up.
            drop(turn);
            walked
        };
        tokio::task::spawn_blocking(walk).await.ok()
    }

    fn turns(&self, user: Uid) -> Arc<Semaphore> {
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
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_user_whose_walk_is_long_waits_and_others_do_not() {
        let walks = Walks::default();
        let (go, gone) = mpsc::channel::<()>();
        let long = {
            let walks = walks.clone();
            tokio::spawn(async move { walks.of(Uid::new(1), move || gone.recv().is_ok()).await })
        };
        tokio::task::yield_now().await;
        let next = {
            let walks = walks.clone();
            tokio::spawn(async move { walks.of(Uid::new(1), || ()).await })
        };
        assert_eq!(walks.of(Uid::new(2), || 2).await, Some(2));
        assert!(!next.is_finished());
        go.send(()).unwrap();
        assert_eq!(long.await.unwrap(), Some(true));
        assert!(next.await.unwrap().is_some());
    }
}
