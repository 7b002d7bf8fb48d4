//! Threads for blocking work that reads many files, separate from the driver's and the probes'
//! threads.
//!
//! Probes share a thread pool, and a probe that hangs keeps its thread. Ends of sessions use these
//! threads instead, which exit when their work is done.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

/// Maximum number of such threads at one time.
const AT_ONCE: usize = 2;

/// Timeout of one piece of work, including its time in the queue.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts the threads. Clones share the limit.
#[derive(Clone, Debug)]
pub(crate) struct Aside(Arc<Semaphore>);

impl Default for Aside {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Aside {
    /// The result of the work; `None` if it takes longer than two seconds.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let done = async {
            let turn = Arc::clone(&self.0).acquire_owned().await.ok()?;
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
        };
        tokio::time::timeout(PATIENCE, done).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_work_gives_comes_back() {
        assert_eq!(Aside::default().run(|| 42).await, Some(42));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_hangs_is_given_up_and_so_is_what_stands_behind_it() {
        let aside = Aside::default();
        let hangs = || std::thread::sleep(Duration::from_secs(1));
        let (first, second, third) =
            tokio::join!(aside.run(hangs), aside.run(hangs), aside.run(|| ()));
        assert_eq!((first, second, third), (None, None, None));
    }
}
