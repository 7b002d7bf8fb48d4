//! The oracle's state of one session.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, BootTime, EndAction, Keeper, LimitKind, Limits, NoSession, SessionFacts, View,
    Warning,
};

/// The history of a session, as far as later actions depend on it.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are independent of each other"
)]
pub(super) struct SessionState {
    pub(super) began: bool,
    /// The limits after the checked call.
    pub(super) limits: Option<Limits>,
    /// The limits before the checked call, under which the engine handles the event.
    pub(super) before: Option<Limits>,
    /// The absolute limit in force, from the current or from earlier properties of the session.
    pub(super) absolute: Option<Absolute>,
    /// The end by the absolute limit, which no change by the user may postpone.
    pub(super) bound: Option<BootTime>,
    pub(super) removal: Removal,
    pub(super) has_leader: bool,
    /// A session with a screen ends by a request to its leader first.
    pub(super) has_screen: bool,
    /// The end action of `EndBegins`, until the request that must follow.
    pub(super) end_action: Option<EndAction>,
    pub(super) started: BootTime,
    pub(super) graphical: bool,
    /// Locked instead of ended.
    pub(super) held: bool,
    /// The earliest time from which limits count.
    pub(super) anchor: BootTime,
    pub(super) granted: Duration,
    pub(super) warned: BTreeMap<LimitKind, Warned>,
    /// The warnings of a lock that was under way until this call.
    pub(super) locking_warned: BTreeMap<LimitKind, Warned>,
    /// Limits with a warning from before a restart that may not apply after it.
    pub(super) stale: BTreeSet<LimitKind>,
    pub(super) reported: bool,
    pub(super) ending: Option<Escalation>,
    /// The limit of a completed hang-up.
    pub(super) hung_up: Option<LimitKind>,
    /// The last certain activity.
    pub(super) active: BootTime,
    pub(super) probe_requested: Option<BootTime>,
    pub(super) groups_requested: Option<BootTime>,
    pub(super) lock_requested: bool,
}

/// The absolute limit in force, from the current or from earlier properties of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Absolute {
    pub(super) grace: Duration,
    pub(super) how: EndAction,
    /// From earlier properties, with an end that no lock replaces.
    pub(super) fixed: bool,
}

/// The state after logind has dropped a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    No,
    Verifying,
    Survived(LimitKind),
}

/// The last warning of a limit, and its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Warned {
    pub(super) last: Warning,
    pub(super) at: BootTime,
}

/// The stages of an end, in order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// A lock is repeated to confirm it; if that fails, no session ends.
    VerifyLock,
    Lock,
    HangUp,
    AskLeader,
    Terminate,
    Kill,
}

/// An end under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escalation {
    pub(super) limit: LimitKind,
    pub(super) stage: Stage,
    pub(super) grace: Duration,
    /// When this stage began.
    pub(super) stage_since: BootTime,
    pub(super) requested_at: BootTime,
    pub(super) failed: bool,
    pub(super) unreached: bool,
    /// The leader has exited after the request.
    pub(super) leader_gone: bool,
    /// The announced end action.
    pub(super) end_action: Option<EndAction>,
    /// The time from `Terminate` to `Kill`.
    pub(super) kill_after: Duration,
}

impl Stage {
    pub(super) fn end_action(self) -> Option<EndAction> {
        match self {
            Self::VerifyLock => None,
            Self::Lock => Some(EndAction::Lock),
            Self::HangUp => Some(EndAction::HangUp),
            Self::AskLeader | Self::Terminate | Self::Kill => Some(EndAction::Terminate),
        }
    }
}

impl SessionState {
    pub(super) fn new(view: &View<'_>) -> Self {
        Self {
            began: false,
            limits: None,
            before: None,
            absolute: None,
            bound: None,
            removal: Removal::No,
            has_leader: false,
            has_screen: false,
            end_action: None,
            started: view.facts.started,
            graphical: false,
            held: false,
            anchor: view.facts.started,
            granted: Duration::ZERO,
            warned: BTreeMap::new(),
            locking_warned: BTreeMap::new(),
            stale: BTreeSet::new(),
            reported: false,
            ending: None,
            hung_up: None,
            active: view.facts.started,
            probe_requested: None,
            groups_requested: None,
            lock_requested: false,
        }
    }

    pub(super) fn update(&mut self, view: &View<'_>) {
        let locking = view.locking;
        let renewed = locking.hold.map(|hold| hold.since).or(locking.unlocked_at);
        self.anchor = self.started.max(renewed.unwrap_or_default());
        self.granted = view.granted.total;
        self.held = locking.hold.is_some_and(|hold| !hold.in_doubt);
        self.graphical = view.facts.session_type.is_graphical();
        self.has_leader = view.facts.leader.is_some();
        self.has_screen = view.facts.seat.is_some() || self.graphical;
        let limits = view.limits_for(LimitKind::Absolute).zip(view.limits);
        let absolute = limits.map(|(absolute, _)| Absolute {
            grace: absolute.grace,
            how: view
                .end_action_for(LimitKind::Absolute)
                .expect("the limit is in force"),
            fixed: view
                .overriding
                .is_some_and(|earlier| earlier.end_action != EndAction::Lock),
        });
        let limits = limits.map(|(absolute, limits)| Limits {
            absolute: absolute.absolute.clone(),
            ..limits.clone()
        });
        self.absolute = absolute;
        let terms = |limits: &Option<Limits>| {
            let limits = limits.as_ref()?;
            Some((limits.absolute.clone(), limits.end_action))
        };
        self.reported &= terms(&self.limits) == terms(&limits);
        self.probe_requested.take_if(|_| self.limits != limits);
        let changed = |kind| {
            let terms = |limits: &Option<Limits>| {
                let limits = limits.as_ref()?;
                Some((limits.get(kind).cloned(), limits.end_action))
            };
            terms(&self.limits) != terms(&limits)
        };
        // A lock is only verified while it is the end action, which needs a desktop.
        let locks = absolute.is_some_and(|absolute| absolute.how == EndAction::Lock);
        self.ending.take_if(|ending| {
            ending.stage == Stage::VerifyLock && (!locks || changed(ending.limit))
        });
        self.before = std::mem::replace(&mut self.limits, limits);
    }

    /// Records that the leader has exited.
    pub(super) fn leader_exits(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.leader_gone |= ending.stage == Stage::AskLeader;
        }
    }

    /// Records that logind still has the session.
    pub(super) fn reappears(&mut self) {
        if self.removal == Removal::Verifying {
            self.removal = Removal::No;
        }
    }

    /// The limit of an end that is under way or complete.
    pub(super) fn ended_limit(&self) -> Option<LimitKind> {
        if let Removal::Survived(limit) = self.removal {
            return Some(limit);
        }
        let ending = self
            .ending
            .filter(|ending| ending.stage != Stage::VerifyLock);
        ending.map(|ending| ending.limit).or(self.hung_up)
    }

    /// Whether remaining processes of the session must be searched for after logind has dropped it.
    pub(super) fn needs_verification(&self, facts: &SessionFacts) -> bool {
        let never_in_logind =
            matches!(facts.keeper, Keeper::Daemon(why) if why != NoSession::Dropped);
        let taken_over = facts.keeper != Keeper::Logind;
        let matters = self.ended_limit().is_some() || self.limits.is_some();
        facts.leader.is_some() && matters && !never_in_logind && !taken_over
    }

    /// Records activity, which has no effect on an end under way.
    pub(super) fn record_activity(&mut self, then: BootTime) {
        if self.ending.is_none() {
            self.active = self.active.max(then);
        }
    }

    /// The limits in force, for a session that must have some.
    pub(super) fn limits_in_force(&self) -> &Limits {
        let limits = self.limits.as_ref();
        limits.unwrap_or_else(|| panic!("no limits in force: {self:#?}"))
    }

    pub(super) fn limit(&self, kind: LimitKind) -> Option<&session_timeout_policy::Limit> {
        self.limits.as_ref()?.get(kind)
    }

    /// Whether a condition is true for the limits before or after the call.
    pub(super) fn holds(&self, of: impl Fn(&Limits) -> bool) -> bool {
        self.before.iter().chain(&self.limits).any(of)
    }

    pub(super) fn counts_idle_time(&self, limits: &Limits) -> bool {
        let staged = limits.lock_after.is_some() && self.graphical;
        limits.inactivity.is_some() || staged
    }

    /// The earliest time at which the limit passes.
    pub(super) fn end(&self, kind: LimitKind) -> BootTime {
        let limit = self.limit(kind).expect("the limit is disabled");
        match kind {
            LimitKind::Absolute => {
                let most = ABSOLUTE_MAX.max(limit.length);
                let length = limit.length.saturating_add(self.granted).min(most);
                let fixed = self.absolute.is_some_and(|absolute| absolute.fixed);
                let anchor = if fixed { self.started } else { self.anchor };
                anchor.saturating_add(length)
            }
            LimitKind::Inactivity => self.anchor.max(self.active).saturating_add(limit.length),
        }
    }
}
