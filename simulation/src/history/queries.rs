//! Queries on a history: values that are computed from all of its events.

use std::time::Duration;

use session_timeout_policy::{BootTime, Finding, LimitKind, Warning};

use super::{ActivityBounds, EndFact, Extension, History, Moment, Request};
use crate::limits::{EffectiveLimits, RuleLimits};

/// Reports of input within this time of each other are about the same input.
const SAME_INPUT: Duration = Duration::from_secs(1);

/// The progress of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndUnderWay {
    pub(crate) kind: LimitKind,
    pub(crate) began: Moment,
    pub(crate) stage: Request,
    /// When the stage began.
    pub(crate) since: BootTime,
    /// The time of the last request, and the number of requests.
    pub(crate) last: BootTime,
    pub(crate) times: u32,
    /// When the last request failed.
    pub(crate) failed: Option<BootTime>,
    /// The last request did not reach logind, so that no harder stage follows.
    pub(crate) unreached: bool,
    /// The first request that did not reach logind.
    pub(crate) away: Option<BootTime>,
    /// The time since which logind replies again.
    pub(crate) reachable: bool,
    /// The leader has ended, as requested.
    pub(crate) leader_ended: bool,
}

impl History {
    pub(crate) fn effective(&self) -> EffectiveLimits {
        let last = self.effective_limits.last();
        last.map_or(EffectiveLimits::Undecided, |(_, effective)| *effective)
    }

    /// The time that the limits count from, or the last activity if that is later.
    pub(crate) fn anchor(&self) -> BootTime {
        self.anchor_before(u32::MAX)
    }

    /// The same, without the lock events of this call.
    pub(crate) fn anchor_before(&self, call: u32) -> BootTime {
        let state = self.lock_state(call);
        let locked = state.hold.map(|hold| hold.since).unwrap_or_default();
        let renewed = state.renewed.unwrap_or_default().at;
        self.facts.started.max(locked).max(renewed)
    }

    /// The extensions in force.
    pub(crate) fn granted(&self) -> impl Iterator<Item = &Extension> {
        let from = self.granted_from().unwrap_or_default();
        let counted = self.extensions.iter().rev();
        counted
            .take_while(move |(moment, _)| *moment > from)
            .map(|(_, extension)| extension)
    }

    /// The moment since which extensions count: an unlock after a hold, if it restarted the limit,
    /// or the end of a limit that locks do not affect.
    pub(crate) fn granted_from(&self) -> Option<Moment> {
        if let Some(fixed) = self.fixed {
            return fixed.granted_from;
        }
        let renewed = self.renewed();
        let unfixed = self
            .unfixed
            .filter(|(_, fixed)| renewed > fixed.granted_from);
        renewed.max(unfixed.map(|(moment, _)| moment))
    }

    /// The time that the absolute limit counts from.
    pub(crate) fn absolute_anchor(&self) -> BootTime {
        self.fixed
            .map_or_else(|| self.anchor(), |fixed| fixed.since)
    }

    /// When the absolute limit passes.
    pub(crate) fn absolute_due(&self, limits: &RuleLimits) -> BootTime {
        self.absolute_anchor()
            .saturating_add(limits.with_extensions(self.total_granted()))
    }

    /// The sum of the extensions in force.
    pub(crate) fn total_granted(&self) -> Duration {
        let last = self.granted().next();
        last.map(|last| last.total).unwrap_or_default()
    }

    /// The earliest and the latest time at which a limit of this kind and length passes.
    pub(crate) fn due(
        &self,
        kind: LimitKind,
        limits: &RuleLimits,
        length: Duration,
    ) -> (BootTime, BootTime) {
        match kind {
            LimitKind::Absolute => {
                let due = self.absolute_due(limits);
                (due, due)
            }
            LimitKind::Inactivity => {
                let (low, high) = self.idle_since();
                (low.saturating_add(length), high.saturating_add(length))
            }
        }
    }

    /// The earliest and the latest time at which inactivity began.
    pub(crate) fn idle_since(&self) -> (BootTime, BootTime) {
        let (low, high) = self.known_now();
        let anchor = self.anchor();
        (low.max(anchor), high.max(anchor))
    }

    /// The warnings of this kind that are in force, the last one first.
    pub(crate) fn warnings_in_force(
        &self,
        kind: LimitKind,
    ) -> impl Iterator<Item = &(Moment, Warning)> {
        self.warnings_in_force_before(kind, u32::MAX)
    }

    /// The same, without the locks and unlocks of this call.
    pub(crate) fn warnings_in_force_before(
        &self,
        kind: LimitKind,
        call: u32,
    ) -> impl Iterator<Item = &(Moment, Warning)> {
        let unfixed = self.unfixed.filter(|(moment, _)| moment.seq >= call);
        let fixed = self.fixed.or(unfixed.map(|(_, fixed)| fixed));
        let fixed = fixed.filter(|_| kind == LimitKind::Absolute);
        let restarted =
            fixed.map_or_else(|| self.lock_state(call).restarted, |fixed| fixed.restarted);
        let mut withdrawn = self.withdrawals.iter().rev();
        let withdrawn = withdrawn.find_map(|(moment, other)| (*other == kind).then_some(*moment));
        let void = withdrawn.unwrap_or_default().max(restarted);
        let warnings = self.warnings.iter().rev();
        warnings
            .take_while(move |(moment, _)| *moment > void)
            .filter(move |(_, warning)| warning.limit == kind)
    }

    /// The end that is in progress.
    pub(crate) fn end(&self) -> Option<EndUnderWay> {
        let mut end: Option<EndUnderWay> = None;
        for (moment, fact) in &self.ends {
            match (fact, &mut end) {
                (EndFact::Asked(request, _), Some(end)) if end.stage == *request => {
                    end.last = moment.at;
                    end.times += u32::from(!end.unreached);
                    end.away = end.away.filter(|_| end.unreached);
                    end.failed = None;
                    end.unreached = false;
                    end.reachable = false;
                }
                (EndFact::Asked(request, kind), _) => {
                    end = Some(EndUnderWay {
                        kind: *kind,
                        began: end.map_or(*moment, |end| end.began),
                        stage: *request,
                        since: moment.at,
                        last: moment.at,
                        times: 1,
                        failed: None,
                        unreached: false,
                        away: None,
                        reachable: false,
                        leader_ended: false,
                    });
                }
                (EndFact::Failed, Some(end)) => {
                    end.unreached = false;
                    end.away = None;
                    end.reachable = false;
                    end.failed = Some(moment.at);
                }
                (EndFact::Reachable, Some(end)) => end.reachable = end.failed.is_some(),
                (EndFact::LeaderEnded, Some(end)) => {
                    end.leader_ended = end.stage == Request::AskLeader;
                }
                (
                    EndFact::Failed
                    | EndFact::LeaderEnded
                    | EndFact::Reachable
                    | EndFact::Unreached,
                    None,
                ) => {}
                (EndFact::Unreached, Some(end)) => {
                    // No request has reached logind, so that the stage restarts.
                    end.unreached = true;
                    end.reachable = false;
                    end.away = end.away.or(Some(moment.at));
                    end.failed = Some(moment.at);
                    end.since = moment.at;
                }
                (EndFact::Checked, _) => end = None,
            }
        }
        end
    }

    /// When this was last reported.
    pub(crate) fn reported(&self, finding: Finding) -> Option<Moment> {
        let mut findings = self.findings.iter().rev();
        findings.find_map(|(moment, other)| (*other == finding).then_some(*moment))
    }

    /// Whether there was activity since this moment: for certain, or possibly.
    pub(crate) fn activity_since(&self, moment: Moment) -> (bool, bool) {
        let (low, high) = self.known_at(moment.seq);
        let (now_low, now_high) = self.known_now();
        // An agent may report the same input with a slightly later time.
        let certain = now_low > high.saturating_add(SAME_INPUT);
        (certain, (now_low, now_high) != (low, high))
    }

    /// The last change of the known bounds of the last activity.
    pub(crate) fn last_known(&self) -> Option<&ActivityBounds> {
        self.known.last()
    }
}
