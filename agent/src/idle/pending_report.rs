//! The next report to the daemon about the watch of its last probe.

use super::watch::{Report, Watch};

/// One probe causes at most two reports: idle, then active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PendingReport {
    /// No report is pending.
    #[default]
    None,
    /// `BecameIdle` when the watch is reached; `BecameActive` after that.
    BecameIdle(Watch),
    /// `BecameActive` at the next input.
    BecameActive(Watch),
}

/// Whether the idle time has reached a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchState {
    Below,
    Reached,
}

impl PendingReport {
    /// The pending report after a new probe.
    pub(super) const fn for_watch(watch: Watch, state: WatchState) -> Self {
        match state {
            WatchState::Below => Self::BecameIdle(watch),
            WatchState::Reached => Self::BecameActive(watch),
        }
    }

    /// Returns the report that is due in this state, and advances to the next one.
    pub(super) const fn update(&mut self, state: WatchState) -> Option<Report> {
        match (*self, state) {
            (Self::BecameIdle(watch), WatchState::Reached) => {
                *self = Self::BecameActive(watch);
                Some(Report::BecameIdle)
            }
            (Self::BecameActive(_), WatchState::Below) => {
                *self = Self::None;
                Some(Report::BecameActive)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_probe_causes_at_most_idle_and_then_active() {
        let watch = Watch::from_micros(1_000_000).unwrap();
        let mut pending = PendingReport::for_watch(watch, WatchState::Below);
        let states = [
            WatchState::Below,
            WatchState::Reached,
            WatchState::Reached,
            WatchState::Below,
            WatchState::Below,
            WatchState::Reached,
            WatchState::Below,
        ];
        let reports: Vec<_> = states
            .into_iter()
            .filter_map(|state| pending.update(state))
            .collect();
        assert_eq!(reports, [Report::BecameIdle, Report::BecameActive]);
    }

    #[test]
    fn past_the_watch_only_input_is_reported() {
        let watch = Watch::from_micros(1_000_000).unwrap();
        let mut pending = PendingReport::for_watch(watch, WatchState::Reached);
        assert_eq!(pending.update(WatchState::Reached), None);
        assert_eq!(
            pending.update(WatchState::Below),
            Some(Report::BecameActive)
        );
    }
}
