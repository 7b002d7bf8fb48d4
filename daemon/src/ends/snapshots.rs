//! Takes snapshots of all processes, shared by concurrent callers.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::process::Snapshot;
use crate::sys::threads::Threads;

/// Takes snapshots of the process table. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Snapshots {
    threads: Threads,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// A snapshot is being taken, for the callers that came before it began.
    under_way: bool,
    waiting: Vec<oneshot::Sender<Arc<Snapshot>>>,
}

impl Snapshots {
    /// A snapshot of all processes that begins after this call; `None` if it takes longer than two
    /// seconds.
    pub(super) async fn take(&self) -> Option<Arc<Snapshot>> {
        let (give, given) = oneshot::channel();
        let begins = {
            let mut state = self.state();
            state.waiting.push(give);
            !mem::replace(&mut state.under_way, true)
        };
        if begins {
            tokio::spawn(self.clone().work());
        }
        given.await.ok()
    }

    async fn work(self) {
        loop {
            let waiting = {
                let mut state = self.state();
                state.under_way = !state.waiting.is_empty();
                mem::take(&mut state.waiting)
            };
            if waiting.is_empty() {
                return;
            }
            let Some(snapshot) = self.threads.run(Snapshot::take).await else {
                log::warn!("cannot read the processes in time");
                continue;
            };
            let snapshot = Arc::new(snapshot);
            for one in waiting {
                // The receiver may have timed out.
                drop(one.send(Arc::clone(&snapshot)));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callers_at_the_same_time_share_one() {
        let snapshots = Snapshots::default();
        let (first, second) = tokio::join!(snapshots.take(), snapshots.take());
        assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
        assert!(snapshots.take().await.is_some());
    }
}
