//! The wall clock of the simulated machine, which can be stepped.

use std::time::Duration;

use session_timeout_policy::{BootTime, WallTime};

use crate::plan::Step;

/// The wall clock at the start of the machine: in January 2027, far enough from 1970 for any step
/// back.
const EPOCH: u64 = 1_800_000_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Clock {
    ahead: u64,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { ahead: EPOCH }
    }

    pub(crate) const fn wall(&self, at: BootTime) -> WallTime {
        WallTime::from_micros(at.as_micros().saturating_add(self.ahead))
    }

    pub(crate) fn step(&mut self, step: Step) {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or_default();
        self.ahead = match step {
            Step::Back(by) => self.ahead.saturating_sub(micros(by)),
            Step::Forward(by) => self.ahead.saturating_add(micros(by)),
        };
    }

    /// The boot time at which the wall clock showed this.
    pub(super) const fn boot(&self, wall: WallTime) -> BootTime {
        BootTime::from_micros(wall.as_micros().saturating_sub(self.ahead))
    }
}
