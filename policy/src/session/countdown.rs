//! The countdown of one limit of one session, from its first warning to the end.
//!
//! Guarantee: a session with warnings does not end before the shortest lead has passed since the
//! warning for that lead, even if the warning is late.

use std::time::Duration;

use crate::{BootTime, EndAction, Limit};

/// Progress of the countdown of one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Countdown {
    /// The shortest lead that was warned for. Longer leads were warned for or skipped.
    pub last_lead: Option<Duration>,
    /// The end that was announced by the warning for the shortest lead.
    pub not_before: Option<BootTime>,
    /// The limit was passed and reported; nothing else is due.
    pub reported: bool,
}

/// The next step of a countdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Warn { lead: Duration, ends_at: BootTime },
    End,
}

impl Countdown {
    /// When the next step is due; `None` after the last one.
    pub(crate) fn due(&self, anchor: BootTime, limit: &Limit) -> Option<BootTime> {
        if self.reported {
            return None;
        }
        let end = anchor.saturating_add(limit.length);
        Some(match self.remaining_leads(limit).next() {
            Some(lead) => end.saturating_sub(lead),
            None => self.ends_at(anchor, limit),
        })
    }

    /// The time at which the session ends, as far as is known now.
    pub(crate) fn ends_at(&self, anchor: BootTime, limit: &Limit) -> BootTime {
        let end = anchor.saturating_add(limit.length);
        self.not_before
            .map_or(end, |not_before| end.max(not_before))
    }

    /// Performs the step that is due: at most one warning, for the shortest lead that is due.
    pub(crate) fn step(&mut self, now: BootTime, anchor: BootTime, limit: &Limit) -> Option<Step> {
        if self.due(anchor, limit).is_none_or(|due| now < due) {
            return None;
        }
        let end = anchor.saturating_add(limit.length);
        let Some(lead) = self
            .remaining_leads(limit)
            .take_while(|&lead| end.saturating_sub(lead) <= now)
            .last()
        else {
            return Some(Step::End);
        };
        self.last_lead = Some(lead);
        if limit.leads.shortest() == Some(lead) {
            self.not_before = Some(end.max(now.saturating_add(lead)));
        }
        Some(Step::Warn {
            lead,
            ends_at: self.ends_at(anchor, limit),
        })
    }

    /// Whether a countdown under this limit can have reached this state. The state may be from
    /// before a restart, under another policy.
    pub(crate) fn fits(&self, limit: &Limit, end_action: EndAction) -> bool {
        let is_lead = |last_lead| limit.leads.iter().any(|lead| lead == last_lead);
        let all_warned = self.last_lead.is_some() && self.last_lead == limit.leads.shortest();
        self.last_lead.is_none_or(is_lead)
            && self.not_before.is_some() == all_warned
            && (!self.reported || end_action == EndAction::Report)
    }

    /// The countdown after a restart at `now`. The announced end is at most one lead after `now`.
    pub(crate) fn resumed(self, now: BootTime) -> Self {
        let latest = self.last_lead.map(|lead| now.saturating_add(lead));
        Self {
            not_before: self.not_before.min(latest),
            ..self
        }
    }

    /// Whether the user has been warned.
    pub(crate) const fn is_warned(&self) -> bool {
        self.last_lead.is_some()
    }

    /// The leads without a warning so far, longest first.
    pub(crate) fn remaining_leads<'a>(
        &self,
        limit: &'a Limit,
    ) -> impl Iterator<Item = Duration> + use<'a> {
        let last_lead = self.last_lead.unwrap_or(Duration::MAX);
        limit.leads.iter().filter(move |&lead| lead < last_lead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Leads;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    fn limit(length: u64, leads: &[u64]) -> Limit {
        Limit {
            length: secs(length),
            leads: Leads::new(leads.iter().copied().map(secs)),
        }
    }

    #[test]
    fn each_lead_is_warned_for_once_and_then_the_end_comes() {
        let (limit, mut countdown) = (limit(100, &[20, 5]), Countdown::default());
        assert_eq!(countdown.due(at(0), &limit), Some(at(80)));
        assert_eq!(countdown.step(at(79), at(0), &limit), None);
        let warn = |lead| {
            Some(Step::Warn {
                lead: secs(lead),
                ends_at: at(100),
            })
        };
        assert_eq!(countdown.step(at(80), at(0), &limit), warn(20));
        assert_eq!(countdown.step(at(80), at(0), &limit), None);
        assert_eq!(countdown.step(at(95), at(0), &limit), warn(5));
        assert_eq!(countdown.step(at(99), at(0), &limit), None);
        assert_eq!(countdown.step(at(100), at(0), &limit), Some(Step::End));
    }

    #[test]
    fn a_late_look_gives_one_warning_for_all_leads_that_have_come() {
        let (limit, mut countdown) = (limit(100, &[50, 20, 5]), Countdown::default());
        let step = countdown.step(at(85), at(0), &limit);
        assert_eq!(
            step,
            Some(Step::Warn {
                lead: secs(20),
                ends_at: at(100)
            })
        );
        assert_eq!(countdown.due(at(0), &limit), Some(at(95)));
    }

    #[test]
    fn a_limit_that_passed_unseen_still_gets_its_shortest_warning() {
        let (limit, mut countdown) = (limit(100, &[20, 5]), Countdown::default());
        let step = countdown.step(at(1000), at(0), &limit);
        assert_eq!(
            step,
            Some(Step::Warn {
                lead: secs(5),
                ends_at: at(1005)
            })
        );
        assert_eq!(countdown.step(at(1004), at(0), &limit), None);
        assert_eq!(countdown.step(at(1005), at(0), &limit), Some(Step::End));
    }

    #[test]
    fn without_leads_the_end_comes_without_a_warning() {
        let (limit, mut countdown) = (limit(100, &[]), Countdown::default());
        assert_eq!(countdown.due(at(0), &limit), Some(at(100)));
        assert_eq!(countdown.step(at(100), at(0), &limit), Some(Step::End));
    }

    #[test]
    fn a_countdown_from_before_a_restart_fits_only_terms_that_it_can_have_run_under() {
        let last_lead = |lead, not_before: Option<u64>| Countdown {
            last_lead: Some(secs(lead)),
            not_before: not_before.map(at),
            reported: false,
        };
        let fits = |countdown: Countdown, leads: &[u64]| {
            countdown.fits(&limit(100, leads), EndAction::Terminate)
        };
        assert!(fits(Countdown::default(), &[]));
        assert!(fits(last_lead(20, None), &[20, 5]));
        assert!(fits(last_lead(5, Some(100)), &[20, 5]));
        assert!(!fits(last_lead(20, None), &[20]));
        assert!(!fits(last_lead(5, Some(100)), &[20, 5, 1]));
        assert!(!fits(last_lead(20, None), &[30, 5]));

        let reported = Countdown {
            reported: true,
            ..Countdown::default()
        };
        assert!(reported.fits(&limit(100, &[]), EndAction::Report));
        assert!(!reported.fits(&limit(100, &[]), EndAction::Terminate));
    }

    #[test]
    fn an_end_named_by_a_clock_that_was_ahead_is_no_further_off_than_the_lead() {
        let countdown = |not_before| Countdown {
            last_lead: Some(secs(5)),
            not_before: Some(at(not_before)),
            reported: false,
        };
        assert_eq!(countdown(1_000_000).resumed(at(200)), countdown(205));
        assert_eq!(countdown(203).resumed(at(200)), countdown(203));
        let fresh = Countdown::default();
        assert_eq!(fresh.clone().resumed(at(200)), fresh);
    }
}
