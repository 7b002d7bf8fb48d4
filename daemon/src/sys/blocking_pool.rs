//! Reads of `/proc` on other threads: a session may have thousands of processes.
//!
//! They run on a pool of few threads, and one at a time for each user: a user with very many
//! processes delays only reads about that user.

use session_timeout_policy::Uid;

use crate::sys::user_queue::UserQueue;

/// The queues by user. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct BlockingPool(UserQueue);

impl BlockingPool {
    /// Runs this on another thread, after earlier ones of the same user; `None` if it panicked.
    pub(crate) async fn of<R: Send + 'static>(
        &self,
        user: Uid,
        walk: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        let turn = self.0.of(user).await?;
        let walk = move || {
            let walked = walk();
            // Released here and not by the caller, which may be cancelled while the thread still
            // runs.
            drop(turn);
            walked
        };
        tokio::task::spawn_blocking(walk).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_user_whose_walk_is_long_waits_and_others_do_not() {
        let pool = BlockingPool::default();
        let (go, gone) = mpsc::channel::<()>();
        let long = {
            let pool = pool.clone();
            tokio::spawn(async move { pool.of(Uid::new(1), move || gone.recv().is_ok()).await })
        };
        tokio::task::yield_now().await;
        let next = {
            let pool = pool.clone();
            tokio::spawn(async move { pool.of(Uid::new(1), || ()).await })
        };
        assert_eq!(pool.of(Uid::new(2), || 2).await, Some(2));
        assert!(!next.is_finished());
        go.send(()).unwrap();
        assert_eq!(long.await.unwrap(), Some(true));
        assert!(next.await.unwrap().is_some());
    }
}
