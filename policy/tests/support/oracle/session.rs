//! What the oracle knows of one session.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, BootTime, EndAction, Keeper, LimitKind, Limits, NoSession, SessionFacts, View,
    Warning,
};

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and no two exclude each other"
)]
pub(super) struct Known {
    pub(super) began: bool,
    /// As they stand after the call that is checked.
    pub(super) limits: Option<Limits>,
    /// As they stood before it: what an event says is taken under these.
    pub(super) before: Option<Limits>,
    /// The absolute limit and what happens at it, whether it is from these or from what the
    /// session was before.
    pub(super) absolute: Option<Absolute>,
    /// The end by the absolute limit that stands, which nothing that a user changes puts off.
    pub(super) bound: Option<BootTime>,
    pub(super) removal: Removal,
    pub(super) has_leader: bool,
    /// It has a screen, so that its leader is asked first.
    pub(super) on_screen: bool,
    /// How it was said to end, before that was asked for.
    pub(super) way: Option<EndAction>,
    pub(super) started: BootTime,
    pub(super) graphical: bool,
    /// It is locked instead of ended.
    pub(super) held: bool,
    /// What the limits count from at the earliest.
    pub(super) anchor: BootTime,
    pub(super) granted: Duration,
    pub(super) warned: BTreeMap<LimitKind, Warned>,
    /// What was warned of, of a lock that was under way until this call.
    pub(super) under_way: BTreeMap<LimitKind, Warned>,
    /// What was warned of before a restart and may not hold after it.
    pub(super) stale: BTreeSet<LimitKind>,
    pub(super) reported: bool,
    pub(super) ending: Option<Ending>,
    /// The limit that it was hung up for.
    pub(super) hung_up: Option<LimitKind>,
    /// The last activity that is beyond doubt.
    pub(super) active: BootTime,
    pub(super) asked: Option<BootTime>,
    pub(super) groups_asked: Option<BootTime>,
    pub(super) lock_asked: bool,
}

/// What the absolute limit comes to, be it of what the session is or of what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Absolute {
    pub(super) grace: Duration,
    pub(super) how: EndAction,
    /// It is of what the session was, and ends it: no lock puts it off.
    pub(super) fixed: bool,
}

/// What comes after logind has dropped a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    No,
    Asked,
    Survived(LimitKind),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Warned {
    pub(super) last: Warning,
    pub(super) at: BootTime,
}

/// How hard a session was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// To make sure of a lock; where it does not come, nothing ends.
    LockAgain,
    Lock,
    HangUp,
    AskLeader,
    Terminate,
    Kill,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) limit: LimitKind,
    pub(super) stage: Stage,
    pub(super) grace: Duration,
    /// When this stage began.
    pub(super) first: BootTime,
    pub(super) last: BootTime,
    pub(super) failed: bool,
    pub(super) unreached: bool,
    /// Its leader has ended, as it was asked to.
    pub(super) leader_gone: bool,
    /// How it was said to end.
    pub(super) way: Option<EndAction>,
    /// From being terminated to being killed.
    pub(super) left: Duration,
}

impl Stage {
    pub(super) fn way(self) -> Option<EndAction> {
        match self {
            Self::LockAgain => None,
            Self::Lock => Some(EndAction::Lock),
            Self::HangUp => Some(EndAction::HangUp),
            Self::AskLeader | Self::Terminate | Self::Kill => Some(EndAction::Terminate),
        }
    }
}

impl Known {
    pub(super) fn new(view: &View<'_>) -> Self {
        Self {
            began: false,
            limits: None,
            before: None,
            absolute: None,
            bound: None,
            removal: Removal::No,
            has_leader: false,
            on_screen: false,
            way: None,
            started: view.facts.started,
            graphical: false,
            held: false,
            anchor: view.facts.started,
            granted: Duration::ZERO,
            warned: BTreeMap::new(),
            under_way: BTreeMap::new(),
            stale: BTreeSet::new(),
            reported: false,
            ending: None,
            hung_up: None,
            active: view.facts.started,
            asked: None,
            groups_asked: None,
            lock_asked: false,
        }
    }

    pub(super) fn learns(&mut self, view: &View<'_>) {
        let locking = view.locking;
        let renewed = locking.hold.map(|hold| hold.since).or(locking.unlocked_at);
        self.anchor = self.started.max(renewed.unwrap_or_default());
        self.granted = view.granted.total;
        self.held = locking.hold.is_some_and(|hold| !hold.in_doubt);
        self.graphical = view.facts.session_type.is_graphical();
        self.has_leader = view.facts.leader.is_some();
        self.on_screen = view.facts.seat.is_some() || self.graphical;
        let limits = view.limits_for(LimitKind::Absolute).zip(view.limits);
        let absolute = limits.map(|(absolute, _)| Absolute {
            grace: absolute.grace,
            how: view.end_action_for(LimitKind::Absolute).expect("it holds"),
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
        self.asked.take_if(|_| self.limits != limits);
        let changed = |kind| {
            let terms = |limits: &Option<Limits>| {
                let limits = limits.as_ref()?;
                Some((limits.get(kind).cloned(), limits.end_action))
            };
            terms(&self.limits) != terms(&limits)
        };
        // Nobody makes sure of a lock where it is no end, as for what is no desktop any more.
        let locks = absolute.is_some_and(|absolute| absolute.how == EndAction::Lock);
        self.ending.take_if(|ending| {
            ending.stage == Stage::LockAgain && (!locks || changed(ending.limit))
        });
        self.before = std::mem::replace(&mut self.limits, limits);
    }

    /// Nobody is logged in there any more.
    pub(super) fn leader_ends(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.leader_gone |= ending.stage == Stage::AskLeader;
        }
    }

    /// logind has it after all.
    pub(super) fn reappears(&mut self) {
        if self.removal == Removal::Asked {
            self.removal = Removal::No;
        }
    }

    /// Which limit it is ended for, or was.
    pub(super) fn ended(&self) -> Option<LimitKind> {
        if let Removal::Survived(limit) = self.removal {
            return Some(limit);
        }
        let ending = self
            .ending
            .filter(|ending| ending.stage != Stage::LockAgain);
        ending.map(|ending| ending.limit).or(self.hung_up)
    }

    /// Whether it matters if something of it is left.
    pub(super) fn is_worth_a_look(&self, facts: &SessionFacts) -> bool {
        let told = matches!(facts.keeper, Keeper::Daemon(why) if why != NoSession::Dropped);
        let taken_over = facts.keeper != Keeper::Logind;
        let matters = self.ended().is_some() || self.limits.is_some();
        facts.leader.is_some() && matters && !told && !taken_over
    }

    /// What is being ended is not saved by input.
    pub(super) fn was_active(&mut self, then: BootTime) {
        if self.ending.is_none() {
            self.active = self.active.max(then);
        }
    }

    /// The limits of a session that something is done about.
    pub(super) fn limits_in_force(&self) -> &Limits {
        let limits = self.limits.as_ref();
        limits.unwrap_or_else(|| panic!("no limit holds for {self:#?}"))
    }

    pub(super) fn limit(&self, kind: LimitKind) -> Option<&session_timeout_policy::Limit> {
        self.limits.as_ref()?.get(kind)
    }

    /// Whether this holds of the limits that held before the call or that hold after it.
    pub(super) fn holds(&self, of: impl Fn(&Limits) -> bool) -> bool {
        self.before.iter().chain(&self.limits).any(of)
    }

    pub(super) fn counts_idle_time(&self, limits: &Limits) -> bool {
        let staged = limits.lock_after.is_some() && self.graphical;
        limits.inactivity.is_some() || staged
    }

    /// When the limit passes, at the earliest.
    pub(super) fn end(&self, kind: LimitKind) -> BootTime {
        let limit = self.limit(kind).expect("a limit that is off");
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
