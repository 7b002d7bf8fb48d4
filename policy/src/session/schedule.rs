//! The future events of a session (warnings, locks, ends), for `status` and `explain`.

use std::time::Duration;

use crate::policy::compiled::clamped;
use crate::session::Session;
use crate::session::countdown::Countdown;
use crate::{BootTime, EndAction, Limit, LimitKind, Limits, SessionType, Warning};

/// An event that happens at this time unless there is activity or a change of the policy before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// The time.
    pub at: BootTime,
    /// The kind of event.
    pub what: MilestoneKind,
}

/// The kind of a [`Milestone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MilestoneKind {
    /// The session passes this limit, and its end action is taken.
    End(LimitKind),
    /// The screen is locked, by `lock-after`.
    Lock,
    /// The user is warned of this limit, with this lead.
    Warning(LimitKind, Duration),
}

impl Limits {
    /// The events, in order, of a session of this type under these limits that begins at `start`
    /// and has no activity.
    #[must_use]
    pub fn schedule(&self, start: BootTime, session_type: SessionType) -> Vec<Milestone> {
        let limits = clamped(self);
        let fresh = Countdown::default();
        let mut milestones = Vec::new();
        for kind in [LimitKind::Absolute, LimitKind::Inactivity] {
            if let Some(limit) = limits.get(kind) {
                milestones.extend(of_countdown(kind, start, limit, &fresh));
            }
        }
        let locks = session_type.is_graphical() && limits.end_action != EndAction::Report;
        milestones.extend(limits.lock_after.filter(|_| locks).map(|length| Milestone {
            at: start.saturating_add(length),
            what: MilestoneKind::Lock,
        }));
        in_order(milestones)
    }
}

impl Session {
    /// The next events, in order. There are none while the session is being ended or is locked for
    /// a limit.
    pub(crate) fn schedule(&self) -> Vec<Milestone> {
        let Some(limits) = self.limits() else {
            return Vec::new();
        };
        if self.is_acting() {
            return Vec::new();
        }
        let mut milestones = Vec::new();
        let absolute = self.absolute_in_force();
        if let Some((anchor, limit)) = absolute.filter(|_| self.will_act(LimitKind::Absolute)) {
            let kind = LimitKind::Absolute;
            milestones.extend(of_countdown(kind, anchor, &limit, &self.absolute));
        }
        let since = self.idle_since();
        let inactivity = limits.inactivity.as_ref();
        if let Some(limit) = inactivity.filter(|_| self.will_act(LimitKind::Inactivity)) {
            let kind = LimitKind::Inactivity;
            milestones.extend(of_countdown(kind, since, limit, &self.inactivity));
        }
        if self.is_held() {
            return in_order(milestones);
        }
        let lock_after = self.lock_after_limit();
        let lock_after = lock_after.filter(|_| !self.lock_after.reported && !self.locking.locked);
        milestones.extend(lock_after.map(|limit| Milestone {
            at: since.saturating_add(limit.length),
            what: MilestoneKind::Lock,
        }));
        in_order(milestones)
    }
}

impl Session {
    /// The warnings in force: the last one of each limit. There are none while the session is being
    /// ended, or is locked for a limit.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let Some(limits) = self.limits() else {
            return Vec::new();
        };
        if self.is_acting() {
            return Vec::new();
        }
        let effective = |kind, countdown: &Countdown, anchor, limit: &Limit| {
            let lead = countdown.last_lead?;
            Some(Warning {
                limit: kind,
                length: limit.length,
                lead,
                ends_at: countdown.ends_at(anchor, limit),
            })
        };
        let fixed = !self.is_held() || self.ends_despite_lock();
        let absolute = self.absolute_in_force().filter(|_| fixed);
        let absolute = absolute.and_then(|(anchor, limit)| {
            effective(LimitKind::Absolute, &self.absolute, anchor, &limit)
        });
        let inactivity = limits.inactivity.as_ref().filter(|_| !self.is_held());
        let inactivity = inactivity.and_then(|limit| {
            let kind = LimitKind::Inactivity;
            effective(kind, &self.inactivity, self.idle_since(), limit)
        });
        absolute.into_iter().chain(inactivity).collect()
    }
}

fn of_countdown(
    kind: LimitKind,
    anchor: BootTime,
    limit: &Limit,
    countdown: &Countdown,
) -> Vec<Milestone> {
    let end = countdown.ends_at(anchor, limit);
    let warnings = countdown.remaining_leads(limit).map(|lead| Milestone {
        at: end.saturating_sub(lead),
        what: MilestoneKind::Warning(kind, lead),
    });
    let end = Milestone {
        at: end,
        what: MilestoneKind::End(kind),
    };
    warnings.chain([end]).collect()
}

fn in_order(mut milestones: Vec<Milestone>) -> Vec<Milestone> {
    milestones.sort_by_key(|milestone| milestone.at);
    milestones
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Leads;

    #[test]
    fn a_schedule_has_every_warning_and_end_in_order() {
        let limits = Limits {
            inactivity: Some(Limit {
                length: Duration::from_secs(900),
                leads: Leads::new([Duration::from_secs(30)]),
            }),
            lock_after: Some(Duration::from_secs(300)),
            ..Limits::default()
        };
        let start = BootTime::from_micros(1_000_000);
        let shown: Vec<_> = limits
            .schedule(start, SessionType::Wayland)
            .into_iter()
            .map(|milestone| (milestone.at.since(start).as_secs(), milestone.what))
            .collect();
        let warning = |kind, secs: u64| MilestoneKind::Warning(kind, Duration::from_secs(secs));
        let (absolute, inactivity) = (LimitKind::Absolute, LimitKind::Inactivity);
        assert_eq!(
            shown,
            [
                (300, MilestoneKind::Lock),
                (870, warning(inactivity, 30)),
                (900, MilestoneKind::End(inactivity)),
                (85_200, warning(absolute, 1200)),
                (86_100, warning(absolute, 300)),
                (86_340, warning(absolute, 60)),
                (86_400, MilestoneKind::End(absolute)),
            ]
        );
    }

    #[test]
    fn a_terminal_is_never_locked() {
        let limits = Limits {
            lock_after: Some(Duration::from_secs(300)),
            ..Limits::default()
        };
        let locks = |session_type| {
            let schedule = limits.schedule(BootTime::default(), session_type);
            schedule.iter().any(|one| one.what == MilestoneKind::Lock)
        };
        assert!(locks(SessionType::Wayland));
        assert!(!locks(SessionType::Tty));
    }
}
