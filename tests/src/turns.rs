//! A number of places, each for one thread at a time.

use std::sync::{Condvar, Mutex, PoisonError};

/// The places that are free.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Mutex<u32>,
    given_back: Condvar,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(&'static Turns);

impl Turns {
    pub(crate) const fn of(places: u32) -> Self {
        Self {
            free: Mutex::new(places),
            given_back: Condvar::new(),
        }
    }

    /// Waits for a place.
    pub(crate) fn take(&'static self) -> Turn {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.given_back.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn(self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let free = self.0.free.lock();
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.given_back.notify_one();
    }
}
