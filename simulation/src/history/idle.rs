//! The part of a history that concerns idle time: its state, and failed probes.

use std::time::Duration;

use session_timeout_policy::{BootTime, Finding};

use super::{History, Moment, Probe, ProbeOutcome};

/// The state of the idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdleTime {
    /// No probe was requested.
    Unasked,
    /// A probe was requested at this time and has no reply.
    Asked(BootTime),
    /// The last probes failed: the number of consecutive failures, and the number of those that
    /// followed each other after the regular pauses.
    Failed {
        at: BootTime,
        row: usize,
        round: usize,
        /// The same number, if a probe after a pause had another reason than the repetition.
        at_least: usize,
    },
    /// A probe at this time found no source.
    Unknown(BootTime),
    Known(BootTime),
}

/// Numbers of failed probes.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    /// Consecutive failures.
    row: usize,
    /// Failures that followed each other after the regular pauses.
    round: usize,
    at_least: usize,
    /// The highest value of `round` since the last success.
    most: usize,
}

/// The timeout of a probe.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of consecutive failures after which the idle time counts as unknown.
pub(crate) const FAILURES: usize = 4;

/// The pause after this number of failures.
pub(crate) const fn pause(round: usize) -> Duration {
    Duration::from_secs(match round {
        0 | 1 => 2,
        2 => 4,
        3 => 8,
        4 => 16,
        _ => 30,
    })
}

impl History {
    /// The state of the idle time.
    pub(crate) fn idle(&self) -> IdleTime {
        let Some(last) = self.probes.last() else {
            return IdleTime::Unasked;
        };
        match last.came {
            None => IdleTime::Asked(last.asked.unwrap_or_default().at),
            Some((moment, ProbeOutcome::Known)) => IdleTime::Known(moment.at),
            Some((moment, ProbeOutcome::Unknown)) => IdleTime::Unknown(moment.at),
            Some((moment, ProbeOutcome::Failed)) => {
                let failures = self.failures();
                IdleTime::Failed {
                    at: moment.at,
                    row: failures.row,
                    round: failures.round,
                    at_least: failures.at_least,
                }
            }
        }
    }

    fn failures(&self) -> Failures {
        let failed = |probe: &&Probe| matches!(probe.came, Some((_, ProbeOutcome::Failed)));
        let settled = self.settled();
        let row = settled.iter().rev().take_while(failed).count();
        let mut failures = Failures {
            row,
            ..Failures::default()
        };
        // A restarted daemon counts failures from zero; other limits may do so too.
        let changed = self.effective_limits.last().map(|(moment, _)| *moment);
        let from = self.restored.max(changed);
        let own = |probe: &&Probe| probe.came.map(|(moment, _)| moment) > from;
        let (mut before, mut before_strictly) = (None, None);
        for probe in settled.iter().skip(settled.len() - row).filter(own) {
            let asked = probe.asked.unwrap_or_default().at;
            let in_turn = |next: Option<BootTime>| {
                let late = Duration::from_secs(1);
                next.is_some_and(|next| next <= asked && asked <= next.saturating_add(late))
            };
            let on_time = |next: Option<BootTime>| {
                !probe.new_reason && next.is_some_and(|next| next.saturating_add(self.lag) == asked)
            };
            let next_round = |round, in_turn| if in_turn { round + 1 } else { 1 };
            failures.round = next_round(failures.round, in_turn(before));
            failures.at_least = next_round(failures.at_least, on_time(before_strictly));
            failures.most = failures.most.max(failures.round);
            let came = probe.came.map(|(moment, _)| moment.at);
            before = came.map(|came| came.saturating_add(pause(failures.round)));
            before_strictly = came.map(|came| came.saturating_add(pause(failures.at_least)));
        }
        failures
    }

    /// The probes that were answered or given up; only the last probe can be pending.
    fn settled(&self) -> &[Probe] {
        match self.probes.split_last() {
            Some((last, settled)) if last.came.is_none() => settled,
            _ => &self.probes,
        }
    }

    /// Since when the idle time is unknown: a probe found no source, or too many consecutive probes
    /// failed.
    pub(crate) fn idle_is_unknown(&self) -> Option<BootTime> {
        let (last, result) = self.last_result()?;
        let unknown =
            result == Some(ProbeOutcome::Unknown) || self.unknown_was_reported().is_some();
        (unknown || self.failures().most >= FAILURES).then_some(last)
    }

    /// Since when the idle time may count as unknown: this many probes failed after the last
    /// success.
    pub(crate) fn idle_may_be_unknown(&self) -> Option<BootTime> {
        let (last, result) = self.last_result()?;
        let unknown = result == Some(ProbeOutcome::Unknown);
        (unknown || self.failures().row >= FAILURES).then_some(last)
    }

    /// The time of the last reply or failure, and the result of the last reply.
    fn last_result(&self) -> Option<(BootTime, Option<ProbeOutcome>)> {
        let mut settled = self.probes.iter().rev().filter_map(|probe| probe.came);
        let (last, _) = settled.clone().next()?;
        let result = settled.find(|(_, outcome)| *outcome != ProbeOutcome::Failed);
        Some((last.at, result.map(|(_, outcome)| outcome)))
    }

    /// Whether the limits changed after the last request for a probe.
    pub(crate) fn is_asked_under_other_terms(&self) -> bool {
        let asked = self.probes.last().and_then(|probe| probe.asked);
        let changed = self.effective_limits.last().map(|(moment, _)| *moment);
        asked < changed
    }

    /// The last probe that found a source.
    pub(crate) fn last_known_reading(&self) -> Option<Moment> {
        let mut came = self.probes.iter().rev().filter_map(|probe| probe.came);
        came.find_map(|(moment, how)| (how == ProbeOutcome::Known).then_some(moment))
    }

    /// When it was reported that the idle time is unknown, unless it was known since.
    pub(crate) fn unknown_was_reported(&self) -> Option<Moment> {
        let known = self.last_known_reading();
        let reported = self.reported(Finding::UnknownIdle);
        reported.filter(|reported| known.is_none_or(|known| known < *reported))
    }
}
