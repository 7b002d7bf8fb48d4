//! Processes a list with one thread for each processor.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use session_timeout_tests::{Failure, Outcome};

/// The results of `work` for each item and its index, in the order of the list.
///
/// # Errors
/// The first error of `work`. Other threads finish their current item.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(usize, &T) -> Outcome<R> + Sync,
) -> Outcome<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let died = || Failure::new("a thread has panicked");
    let worker = || -> Outcome {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return Ok(());
            };
            let result = work(at, item).inspect_err(|_| {
                next.store(items.len(), Ordering::Relaxed);
            })?;
            done.lock().map_err(|_| died())?.push((at, result));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let mut ends = workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| died())?);
        ends.try_for_each(|end| end)
    })?;
    let mut done = done.into_inner().map_err(|_| died())?;
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
