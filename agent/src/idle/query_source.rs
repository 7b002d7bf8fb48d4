//! The state of a source whose idle time can be queried at any time, and that also calls back:
//! Mutter and X11.

use std::time::Duration;

use super::pending_report::{PendingReport, WatchState};
use super::watch::{Report, Watch};
use crate::clock::{Now, SuspendCorrection};

/// The pending report, and the correction for suspend.
///
/// [`QuerySource::pending`] is also what the desktop has to call back for. Input just before the
/// caller requests that call-back shows in a query after it, so the caller queries once more.
#[derive(Debug, Default)]
pub(crate) struct QuerySource {
    pending: PendingReport,
    suspends: SuspendCorrection,
}

impl QuerySource {
    /// The report that the desktop has to call back for.
    pub(crate) const fn pending(&self) -> PendingReport {
        self.pending
    }

    /// The daemon probes. `awake` is the idle time without suspend, as the desktop has returned it;
    /// the result includes suspend.
    pub(crate) fn probe(&mut self, now: Now, awake: Duration, watch: Option<Watch>) -> Duration {
        let idle = self.suspends.idle(now, awake);
        if let Some(watch) = watch {
            self.pending = PendingReport::for_watch(watch, watch_state(idle, watch));
        }
        idle
    }

    /// The desktop was queried after a call-back was requested or has come.
    pub(crate) fn queried(&mut self, now: Now, awake: Duration) -> Option<Report> {
        let idle = self.suspends.idle(now, awake);
        let (PendingReport::BecameIdle(watch) | PendingReport::BecameActive(watch)) = self.pending
        else {
            return None;
        };
        self.pending.update(watch_state(idle, watch))
    }

    /// The desktop calls back: the watch is reached.
    pub(crate) const fn reached(&mut self) -> Option<Report> {
        match self.pending {
            PendingReport::BecameIdle(_) => self.pending.update(WatchState::Reached),
            _ => None,
        }
    }

    /// The desktop calls back: there was input.
    pub(crate) const fn input(&mut self) -> Option<Report> {
        self.pending.update(WatchState::Below)
    }
}

fn watch_state(idle: Duration, watch: Watch) -> WatchState {
    if idle < watch.length() {
        WatchState::Below
    } else {
        WatchState::Reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::at;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn watch(secs: u64) -> Watch {
        Watch::from_micros(secs * 1_000_000).unwrap()
    }

    #[test]
    fn below_the_watch_the_desktop_calls_back_for_idle_then_for_input() {
        let mut source = QuerySource::default();
        assert_eq!(source.probe(at(100), secs(3), Some(watch(10))), secs(3));
        assert_eq!(source.pending(), PendingReport::BecameIdle(watch(10)));
        assert_eq!(source.queried(at(100), secs(3)), None);
        assert_eq!(source.reached(), Some(Report::BecameIdle));
        assert_eq!(source.pending(), PendingReport::BecameActive(watch(10)));
        assert_eq!(source.queried(at(107), secs(10)), None);
        assert_eq!(source.input(), Some(Report::BecameActive));
        assert_eq!(source.pending(), PendingReport::None);
    }

    #[test]
    fn past_the_watch_it_calls_back_for_input_only() {
        let mut source = QuerySource::default();
        assert_eq!(source.probe(at(100), secs(30), Some(watch(10))), secs(30));
        assert_eq!(source.pending(), PendingReport::BecameActive(watch(10)));
        assert_eq!(source.input(), Some(Report::BecameActive));
    }

    #[test]
    fn input_while_the_call_back_is_requested_is_not_missed() {
        let mut source = QuerySource::default();
        source.probe(at(100), secs(30), Some(watch(10)));
        assert_eq!(source.queried(at(100), secs(0)), Some(Report::BecameActive));
        assert_eq!(source.input(), None);
    }

    #[test]
    fn a_watch_that_is_reached_while_the_call_back_is_requested_is_not_missed() {
        let mut source = QuerySource::default();
        source.probe(at(100), secs(9), Some(watch(10)));
        assert_eq!(source.queried(at(101), secs(10)), Some(Report::BecameIdle));
        assert_eq!(source.reached(), None, "once");
    }

    #[test]
    fn a_probe_without_a_watch_keeps_the_watch() {
        let mut source = QuerySource::default();
        source.probe(at(100), secs(3), Some(watch(10)));
        assert_eq!(source.probe(at(101), secs(4), None), secs(4));
        assert_eq!(source.pending(), PendingReport::BecameIdle(watch(10)));
    }

    #[test]
    fn a_new_probe_replaces_the_watch() {
        let mut source = QuerySource::default();
        source.probe(at(100), secs(3), Some(watch(10)));
        source.probe(at(100), secs(3), Some(watch(2)));
        assert_eq!(source.pending(), PendingReport::BecameActive(watch(2)));
    }

    #[test]
    fn a_late_call_back_causes_no_report() {
        let mut source = QuerySource::default();
        source.probe(at(100), secs(30), Some(watch(10)));
        assert_eq!(source.reached(), None, "of the watch before");
        source.probe(at(101), secs(1), Some(watch(10)));
        assert_eq!(source.input(), None, "of the idle time before");
    }
}
