//! Records the daemon's own writes to terminals, so that a warning does not count as output of the
//! user's programs.
//!
//! The kernel sets the time stamp of a terminal at a write to the wall clock, at most once in each
//! aligned window of eight seconds (`tty_update_time()` in `drivers/tty/tty_io.c`). So a stamp that
//! a write of the daemon's has set is replaced by the one before it. Other output in the rest of
//! that window leaves no trace; output in the next window is detected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use session_timeout_policy::WallTime;

/// Maximum number of remembered terminals; at one more, all are forgotten.
const TERMINALS_MAX: usize = 8192;

/// The time stamps that writes of the daemon's have set, by device number. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct OwnWrites(Arc<Mutex<HashMap<u64, OwnStamp>>>);

/// The time stamp that the daemon's write has set on a terminal, and the one before it.
#[derive(Clone, Copy, Debug)]
struct OwnStamp {
    own_stamp: WallTime,
    before: WallTime,
}

impl OwnWrites {
    /// Records the time stamps before and after a write to this terminal. Equal stamps are ignored.
    pub(crate) fn note(&self, device: u64, before: WallTime, after: WallTime) {
        if before == after {
            return;
        }
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if own.len() >= TERMINALS_MAX && !own.contains_key(&device) {
            own.clear();
        }
        // After two writes in a row, the stamp before the first one counts.
        let before = own
            .get(&device)
            .filter(|own| own.own_stamp == before)
            .map_or(before, |own| own.before);
        let own_stamp = after;
        own.insert(device, OwnStamp { own_stamp, before });
    }

    /// The time stamp of this terminal without the daemon's writes.
    pub(crate) fn without_own(&self, device: u64, stamp: WallTime) -> WallTime {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        own.get(&device)
            .filter(|own| own.own_stamp == stamp)
            .map_or(stamp, |own| own.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> WallTime {
        WallTime::from_micros(secs * 1_000_000)
    }

    #[test]
    fn a_stamp_of_our_own_stands_for_the_one_before() {
        let writes = OwnWrites::default();
        writes.note(7, at(40), at(96));
        assert_eq!(writes.without_own(7, at(96)), at(40));
        assert_eq!(writes.without_own(7, at(104)), at(104));
        assert_eq!(writes.without_own(8, at(96)), at(96));
    }

    #[test]
    fn several_writes_in_a_row_are_all_ours() {
        let writes = OwnWrites::default();
        writes.note(7, at(40), at(96));
        writes.note(7, at(96), at(104));
        assert_eq!(writes.without_own(7, at(104)), at(40));
    }

    #[test]
    fn a_write_into_a_window_that_was_stamped_already_hides_nothing() {
        let writes = OwnWrites::default();
        writes.note(7, at(96), at(96));
        assert_eq!(writes.without_own(7, at(96)), at(96));
    }
}
