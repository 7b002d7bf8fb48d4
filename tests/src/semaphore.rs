//! A counting semaphore for threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Limits the number of threads that do something at the same time.
#[derive(Debug)]
pub(crate) struct Semaphore {
    free: Mutex<u32>,
    released: Condvar,
}

/// A permit of the semaphore, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(&'static Semaphore);

impl Semaphore {
    pub(crate) const fn of(permits: u32) -> Self {
        Self {
            free: Mutex::new(permits),
            released: Condvar::new(),
        }
    }

    /// Waits for a permit.
    pub(crate) fn acquire(&'static self) -> Permit {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.released.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let free = self.0.free.lock();
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.released.notify_one();
    }
}
