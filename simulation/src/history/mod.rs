//! The history of one session: every event and action with its time. Derived values are not stored;
//! they are computed from the whole history (`queries.rs`).
//!
//! Events that are unknown to an engine because it was restored from an old state are removed from
//! the history, as if they had never happened.

mod idle;
mod knowledge;
mod locks;
mod queries;

use std::time::Duration;

pub(super) use idle::{FAILURES, IdleTime, PROBE_TIMEOUT, pause};
pub(super) use knowledge::Seen;
pub(super) use locks::LockVerification;
pub(super) use queries::EndUnderWay;

use locks::LockState;

use session_timeout_policy::{
    BootTime, EndAction, Extended, Finding, Groups, LimitKind, LockCause, SessionClass,
    SessionFacts, SessionType, StampSource, WallTime, Warning,
};

use super::limits::{AbsoluteFrom, EffectiveLimits};

/// A time, and a sequence number that orders events at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) at: BootTime,
    pub(super) seq: u32,
}

/// A session from the first event about it until the announcement of its end.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// The merged properties from logind and PAM.
    pub(super) facts: SessionFacts,
    /// The maximal delay of the daemon's timers.
    pub(super) lag: Duration,
    pub(super) first: Moment,
    pub(super) began: Option<Moment>,
    /// The results of evaluating the policy, and when each began to apply.
    pub(super) effective_limits: Vec<(Moment, EffectiveLimits)>,
    /// The earlier properties that a user has changed.
    pub(super) past: Vec<EarlierProperties>,
    /// The source of the absolute limit.
    pub(super) absolute_from: AbsoluteFrom,
    /// Set while an absolute limit applies that ends the session even if it is locked.
    pub(super) fixed: Option<FixedAnchor>,
    /// When the last such limit ceased to apply.
    pub(super) unfixed: Option<(Moment, FixedAnchor)>,
    pub(super) removal: Option<Removal>,
    /// The session has a screen, or had one when its end began.
    pub(super) ends_on_screen: bool,
    /// The last announcement of an end: its time and its end action.
    pub(super) way: Option<(Moment, EndAction)>,
    pub(super) adopted: Option<Moment>,
    pub(super) groups: Groups,
    pub(super) groups_requests: Vec<GroupsRequest>,
    /// The possible times of the last activity, and when each became known.
    pub(super) known: Vec<ActivityBounds>,
    /// The latest possible time of the last activity, without input that an agent reported without
    /// a time.
    pub(super) firm: BootTime,
    /// The newest stamps that the engine received.
    pub(super) stamps: Vec<(StampSource, WallTime)>,
    pub(super) last_reading: Option<BootTime>,
    /// The first probe while no end was in progress, with which later ones are compared.
    pub(super) baseline: Option<Moment>,
    pub(super) inhibited: bool,
    /// The earliest and the latest possible time of the last output, which counts if the policy
    /// says so.
    pub(super) output: (BootTime, BootTime),
    /// The last event whose effect only a later probe shows: an inhibitor was taken or released, or
    /// the agent reported.
    pub(super) afresh: Option<Moment>,
    pub(super) probes: Vec<Probe>,
    pub(super) warnings: Vec<(Moment, Warning)>,
    pub(super) withdrawals: Vec<(Moment, LimitKind)>,
    pub(super) locks: Vec<(Moment, LockFact)>,
    /// The number of facts that are already merged, and their result.
    merged_locks: (usize, LockState),
    pub(super) ends: Vec<(Moment, EndFact)>,
    pub(super) extensions: Vec<(Moment, Extension)>,
    pub(super) findings: Vec<(Moment, Finding)>,
    pub(super) closed: Option<Moment>,
    pub(super) hung_up: Option<(Moment, LimitKind)>,
    /// When the hang-up was announced.
    pub(super) hang_up_said: Option<Moment>,
    /// When a request for an extension was last answered.
    pub(super) replied: Option<Moment>,
    pub(super) restored: Option<Moment>,
    /// The session was being ended for this limit when an engine stopped.
    pub(super) forgot_end: Option<LimitKind>,
}

/// The earliest and the latest possible time of the last activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ActivityBounds {
    pub(super) moment: Moment,
    pub(super) low: BootTime,
    pub(super) high: BootTime,
}

/// A probe, whether it was requested or came unrequested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) asked: Option<Moment>,
    /// It was requested because of a deadline that was not due when the previous probe failed.
    pub(super) new_reason: bool,
    pub(super) came: Option<(Moment, ProbeOutcome)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeOutcome {
    Failed,
    /// The probe found no source of activity.
    Unknown,
    Known,
}

/// A request for groups, and when it was answered or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupsRequest {
    pub(super) asked: Moment,
    pub(super) settled: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockFact {
    /// A lock was requested; the confirmation is due within this time.
    Asked(LockCause, Duration),
    /// logind refused.
    Failed,
    /// The request did not reach logind.
    Unreached,
    /// logind replies again.
    Reachable,
    /// A signal or a probe reported the session as locked.
    Seen,
    /// The session is locked for this limit, as requested.
    Held(LimitKind),
    /// The session is locked by `lock-after`.
    Staged,
    /// A probe found the session unlocked.
    FoundOpen,
    /// A restarted daemon does not know the requests of the previous one.
    ForgottenHint,
    /// A lock is no longer valid: the policy does not lock, or the repeated request was not
    /// confirmed.
    Dropped,
    Unlocked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndFact {
    Asked(Request, LimitKind),
    /// logind refused.
    Failed,
    /// The request did not reach logind.
    Unreached,
    /// logind replies again.
    Reachable,
    /// The leader has ended, as requested.
    LeaderEnded,
    /// The end is complete: hung up, or locked.
    Checked,
}

/// The stages of an end, by their requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    HangUp,
    Lock,
    AskLeader,
    Terminate,
    Kill,
}

/// The time that an absolute limit counts from if locks do not affect it, as of the moment when it
/// began to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FixedAnchor {
    pub(super) since: BootTime,
    /// The moment since which extensions count.
    pub(super) granted_from: Option<Moment>,
    /// The moment of the restart; warnings from before it are no longer in force.
    pub(super) restarted: Moment,
}

/// Earlier properties of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EarlierProperties {
    pub(super) class: SessionClass,
    pub(super) session_type: SessionType,
    pub(super) terminal: Option<String>,
}

impl EarlierProperties {
    /// The facts of the session with these earlier properties.
    pub(super) fn facts(&self, now: &SessionFacts) -> SessionFacts {
        SessionFacts {
            class: self.class.clone(),
            session_type: self.session_type,
            terminal: self.terminal.clone(),
            ..now.clone()
        }
    }
}

/// The state of a session that logind has dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) since: Moment,
    /// When the last verification or the last attempt to end the rest was requested.
    pub(super) last: Option<BootTime>,
    pub(super) times: u32,
    /// Another session with the same id may be the one that was dropped.
    pub(super) doubtful: bool,
    /// Processes remain.
    pub(super) survived: Option<Moment>,
    /// The limit that the session was ended for.
    pub(super) ended: Option<LimitKind>,
    /// The remaining processes were announced.
    pub(super) said: bool,
}

/// An extension that was granted, and the sum of all that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) extended: Extended,
    pub(super) total: Duration,
}

impl History {
    pub(super) fn begin(now: Moment, facts: SessionFacts, lag: Duration) -> Self {
        let started = facts.started;
        Self {
            facts,
            lag,
            first: now,
            began: None,
            effective_limits: Vec::new(),
            past: Vec::new(),
            absolute_from: AbsoluteFrom::default(),
            fixed: None,
            unfixed: None,
            removal: None,
            ends_on_screen: false,
            way: None,
            adopted: None,
            groups: Groups::Unknown,
            groups_requests: Vec::new(),
            known: vec![ActivityBounds {
                moment: now,
                low: started,
                high: started,
            }],
            firm: started,
            stamps: Vec::new(),
            last_reading: None,
            baseline: None,
            inhibited: false,
            output: (started, started),
            afresh: None,
            probes: Vec::new(),
            warnings: Vec::new(),
            withdrawals: Vec::new(),
            locks: Vec::new(),
            merged_locks: Default::default(),
            ends: Vec::new(),
            extensions: Vec::new(),
            findings: Vec::new(),
            closed: None,
            hung_up: None,
            hang_up_said: None,
            replied: None,
            restored: None,
            forgot_end: None,
        }
    }

    /// Continues after a restart from the record: pending requests and the progress of an end are
    /// lost.
    pub(super) fn restore(&mut self, now: Moment) {
        self.drops_probe();
        self.forgot_end = self.end().map(|end| end.kind).or(self.forgot_end);
        if let (Some(_), Some(last)) = (self.idle_is_unknown(), self.probes.last_mut()) {
            // The state of unknown idle time is part of the record.
            last.came = last.came.map(|(moment, _)| (moment, ProbeOutcome::Unknown));
        }
        self.ends.clear();
        self.removal = None;
        self.way = None;
        self.adopted = None;
        self.locks.push((now, LockFact::ForgottenHint));
        self.groups_requests.clear();
        self.restored = Some(now);
    }

    /// Drops the pending probe.
    pub(super) fn drops_probe(&mut self) {
        self.probes.pop_if(|probe| probe.came.is_none());
    }

    /// Clears the warnings without a withdrawal.
    pub(super) fn forgets_warnings(&mut self, now: Moment, kind: LimitKind) {
        self.withdrawals.push((now, kind));
    }

    pub(super) fn stamp(&self) -> u64 {
        self.facts.key.stamp
    }

    pub(super) fn is_on_screen(&self) -> bool {
        self.facts.seat.is_some() || self.is_graphical()
    }

    /// The limit for which the session is being ended or was hung up.
    pub(super) fn ended_for(&self) -> Option<LimitKind> {
        let ended = self.end().map(|end| end.kind);
        let survived = self.removal.and_then(|removal| removal.ended);
        survived.or(ended).or(self.hung_up.map(|(_, kind)| kind))
    }

    pub(super) fn is_graphical(&self) -> bool {
        self.facts.session_type.is_graphical()
    }

    /// Whether a user is logged in.
    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none() && self.hung_up.is_none()
    }
}
