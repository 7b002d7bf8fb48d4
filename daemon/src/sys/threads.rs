//! Threads for blocking work that reads many files, separate from the driver's and the probes'
//! threads.
//!
//! Probes share a thread pool, and a probe that hangs keeps its thread. Ends of sessions use these
//! threads instead, which exit when their work is done.

use std::sync::Arc;
use std::time::Duration;

use session_timeout_policy::Uid;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::sys::user_queue::UserQueue;

/// Maximum number of threads for the machine's work at one time.
const MACHINE_MAX_CONCURRENT: usize = 2;

/// Maximum number of users whose work runs concurrently, one job for each user.
const USERS_MAX_CONCURRENT: usize = 16;

/// Timeout of one piece of work, including its time in the queue.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Starts the threads. Clones share the limits.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    machine: Arc<Semaphore>,
    threads: Arc<Semaphore>,
    users: UserQueue,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            machine: Arc::new(Semaphore::new(MACHINE_MAX_CONCURRENT)),
            threads: Arc::new(Semaphore::new(USERS_MAX_CONCURRENT)),
            users: UserQueue::default(),
        }
    }
}

impl Threads {
    /// The result of work about the whole machine; `None` if it takes longer than two seconds.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let done = async {
            let turn = Arc::clone(&self.machine).acquire_owned().await.ok()?;
            on_a_thread(work, turn).await
        };
        tokio::time::timeout(TIMEOUT, done).await.ok().flatten()
    }

    /// The result of work about sessions of this user, after earlier work about them; `None` if no
    /// thread can be started.
    pub(crate) async fn of<T: Send + 'static>(
        &self,
        user: Uid,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // The user's turn comes first, so that a user takes one of the threads at most.
        let own = self.users.of(user).await?;
        let turn = Arc::clone(&self.threads).acquire_owned().await.ok()?;
        let work = move || {
            let done = work();
            drop(own);
            done
        };
        on_a_thread(work, turn).await
    }

    /// The same; `None` also if it takes longer than two seconds.
    pub(crate) async fn soon_of<T: Send + 'static>(
        &self,
        user: Uid,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let done = self.of(user, work);
        tokio::time::timeout(TIMEOUT, done).await.ok().flatten()
    }
}

/// The turn ends with the work: the caller may give up the wait for the result before.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    turn: OwnedSemaphorePermit,
) -> Option<T> {
    let (give, given) = oneshot::channel();
    let thread = std::thread::Builder::new().name("aside".to_owned());
    let started = thread.spawn(move || {
        // The receiver may have timed out.
        drop(give.send(work()));
        drop(turn);
    });
    if let Err(error) = started {
        log::warn!("cannot start a thread: {error}");
    }
    given.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_work_gives_comes_back() {
        assert_eq!(Threads::default().run(|| 42).await, Some(42));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_hangs_is_given_up_and_so_is_what_stands_behind_it() {
        let threads = Threads::default();
        let hangs = || std::thread::sleep(Duration::from_secs(1));
        let (first, second, third) =
            tokio::join!(threads.run(hangs), threads.run(hangs), threads.run(|| ()));
        assert_eq!((first, second, third), (None, None, None));
    }

    #[tokio::test]
    async fn work_about_a_user_waits_for_nobody_elses() {
        let threads = Threads::default();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let long = move || gone.recv().is_ok();
        let mut works = tokio::task::JoinSet::new();
        let one = threads.clone();
        works.spawn(async move { one.of(Uid::new(1), long).await == Some(true) });
        // More than there are threads.
        for _ in 0..USERS_MAX_CONCURRENT * 2 {
            let one = threads.clone();
            works.spawn(async move { one.of(Uid::new(1), || ()).await.is_some() });
        }
        tokio::task::yield_now().await;
        assert_eq!(threads.soon_of(Uid::new(2), || 2).await, Some(2));
        go.send(()).unwrap();
        assert!(works.join_all().await.into_iter().all(|done| done));
    }
}
