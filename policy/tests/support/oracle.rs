//! The oracle of the properties: actions that the engine may never return, after any events.
//!
//! It follows the events and the actions, and panics at the first action that does not follow from
//! what came before. Which limits hold it takes from the engine: whether those are the right ones,
//! and whether everything comes in time, is the simulation's concern.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, Action, BootTime, EndAction, EndReason, Engine, Event, Extended, Finding, Hint,
    Keeper, LimitKind, Limits, LockCause, Milestone, MilestoneKind, NoSession, Phase, Remains,
    SessionFacts, SessionKey, SessionRecord, Subject, UnknownIdle, Verdict, View, Wake, Warning,
};

/// A probe that is not answered may be repeated after this time, and not before.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for the groups of a user.
const GROUPS_TIMEOUT: Duration = Duration::from_secs(3);
/// After this time of requests that fail, a harder one may be made.
const SOFT_RETRY_FOR: Duration = Duration::from_secs(30);
/// The time of a hint is only good to the second.
const HINT_ERROR: Duration = Duration::from_secs(1);

/// The events that the engine received, and its actions.
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    now: BootTime,
    known: BTreeMap<SessionKey, Known>,
}

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and no two exclude each other"
)]
struct Known {
    began: bool,
    /// As they stand after the call that is checked.
    limits: Option<Limits>,
    /// As they stood before it: what an event says is taken under these.
    before: Option<Limits>,
    /// The absolute limit and what happens at it, whether it is from these or from what the
    /// session was before.
    absolute: Option<Absolute>,
    /// The end by the absolute limit that stands, which nothing that a user changes puts off.
    bound: Option<BootTime>,
    removal: Removal,
    has_leader: bool,
    /// It has a screen, so that its leader is asked first.
    on_screen: bool,
    /// How it was said to end, before that was asked for.
    way: Option<EndAction>,
    started: BootTime,
    graphical: bool,
    /// It is locked instead of ended.
    held: bool,
    /// What the limits count from at the earliest.
    anchor: BootTime,
    granted: Duration,
    warned: BTreeMap<LimitKind, Warned>,
    /// What was warned of, of a lock that was under way until this call.
    under_way: BTreeMap<LimitKind, Warned>,
    /// What was warned of before a restart and may not hold after it.
    stale: BTreeSet<LimitKind>,
    reported: bool,
    ending: Option<Ending>,
    /// The limit that it was hung up for.
    hung_up: Option<LimitKind>,
    /// The last activity that is beyond doubt.
    active: BootTime,
    asked: Option<BootTime>,
    groups_asked: Option<BootTime>,
    lock_asked: bool,
}

/// What the absolute limit comes to, be it of what the session is or of what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Absolute {
    grace: Duration,
    how: EndAction,
    /// It is of what the session was, and ends it: no lock puts it off.
    fixed: bool,
}

/// What comes after logind has dropped a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    No,
    Asked,
    Survived(LimitKind),
}

#[derive(Clone, Copy, Debug)]
struct Warned {
    last: Warning,
    at: BootTime,
}

/// How hard a session was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// To make sure of a lock; where it does not come, nothing ends.
    LockAgain,
    Lock,
    HangUp,
    AskLeader,
    Terminate,
    Kill,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    limit: LimitKind,
    stage: Stage,
    grace: Duration,
    /// When this stage began.
    first: BootTime,
    last: BootTime,
    failed: bool,
    unreached: bool,
    /// Its leader has ended, as it was asked to.
    leader_gone: bool,
    /// How it was said to end.
    way: Option<EndAction>,
    /// From being terminated to being killed.
    left: Duration,
}

impl Stage {
    fn way(self) -> Option<EndAction> {
        match self {
            Self::LockAgain => None,
            Self::Lock => Some(EndAction::Lock),
            Self::HangUp => Some(EndAction::HangUp),
            Self::AskLeader | Self::Terminate | Self::Kill => Some(EndAction::Terminate),
        }
    }
}

impl Oracle {
    pub(crate) fn new(now: BootTime) -> Self {
        Self {
            now,
            known: BTreeMap::new(),
        }
    }

    /// Checks the engine's actions after `event`, or after a timeout.
    pub(crate) fn check(
        &mut self,
        now: BootTime,
        event: Option<&Event>,
        actions: &[Action],
        engine: &Engine,
    ) {
        self.now = self.now.max(now);
        let reported = event.map_or(&[][..], reported_sessions);
        let bound = 6 * (self.known.len() + reported.len()) + 2;
        assert!(actions.len() <= bound, "too many at once: {actions:#?}");
        let before = self.clone();
        self.takes(event);
        self.learns(reported, actions, engine);
        for action in actions {
            self.checks(action, event);
            self.comes_back(action, engine);
        }
        self.must_have_withdrawn(&before, event, actions);
        self.must_not_be_put_off(&before, event, engine);
        self.agrees_with(engine);
    }

    /// The daemon went down with these records, and came up again as this engine.
    pub(crate) fn restored(&mut self, now: BootTime, records: &[SessionRecord], engine: &Engine) {
        self.now = now;
        let kept = |key: &SessionKey| records.iter().any(|record| record.facts.key == *key);
        self.known.retain(|key, _| kept(key));
        for view in engine.sessions() {
            let Some(known) = self.known.get_mut(&view.facts.key) else {
                continue;
            };
            (known.ending, known.asked, known.groups_asked) = (None, None, None);
            known.lock_asked = false;
            (known.removal, known.way, known.bound) = (Removal::No, None, None);
            known.began = true;
            known.learns(&view);
            known.reported &= view.phase == Phase::Reported;
            let record = records.iter().find(|one| one.facts.key == view.facts.key);
            let record = record.expect("it was retained for its record");
            for (kind, limit) in [
                (LimitKind::Absolute, &record.absolute),
                (LimitKind::Inactivity, &record.inactivity),
            ] {
                let last_lead = limit.countdown.last_lead;
                let holds = known.warned.get(&kind).map(|warned| warned.last.lead) == last_lead;
                let same = known.limit(kind).is_some_and(|now| {
                    let known = last_lead
                        .is_some_and(|last_lead| now.leads.iter().any(|one| one == last_lead));
                    limit.length == Some(now.length) && known
                });
                let last = known.warned.get(&kind).is_some_and(|warned| {
                    let shortest = known.limit(kind).and_then(|limit| limit.leads.shortest());
                    (shortest == Some(warned.last.lead)) == limit.countdown.not_before.is_some()
                });
                if (!holds || !same || !last) && known.warned.remove(&kind).is_some() {
                    known.stale.insert(kind);
                }
            }
        }
    }

    /// Whether the session was asked to end.
    pub(crate) fn is_ending(&self, key: &SessionKey) -> bool {
        let known = self.known.get(key);
        known.is_some_and(|known| known.ending.is_some())
    }

    /// logind has it after all, unless another session has its id.
    fn reappears(&mut self, key: &SessionKey) {
        let mut others = self.known.keys();
        let newer = |other: &SessionKey| other.id == key.id && other.stamp > key.stamp;
        if !others.any(newer) {
            self.with(key, Known::reappears);
        }
    }

    /// Whether it is open whether anything is left of the session.
    pub(crate) fn is_dropped(&self, key: &SessionKey) -> bool {
        let known = self.known.get(key);
        known.is_some_and(|known| known.removal != Removal::No)
    }

    fn takes(&mut self, event: Option<&Event>) {
        let now = self.now;
        match event {
            Some(Event::ActivitySeen(key)) => self.with(key, |known| known.was_active(now)),
            Some(Event::Unlocked(key)) => self.with(key, |known| {
                // Nobody makes sure of a lock that is open.
                known.is_found_locked();
                known.was_active(now);
            }),
            Some(Event::EndFailed(key)) => self.with(key, |known| {
                if let Some(ending) = &mut known.ending {
                    (ending.failed, ending.unreached) = (true, false);
                }
            }),
            Some(Event::Unreached(key)) => self.with(key, |known| {
                if let Some(ending) = &mut known.ending {
                    (ending.unreached, ending.first) = (true, now);
                }
            }),
            Some(Event::GroupsResolved(key, _) | Event::GroupsUnavailable(key)) => {
                self.with(key, |known| known.groups_asked = None);
            }
            Some(Event::HungUp(key)) => self.with(key, Known::leader_ends),
            Some(Event::Verified(key, Remains::Something)) => self.with(key, |known| {
                if known.ended().is_none() {
                    known.reappears();
                }
            }),
            Some(Event::SessionSeen(facts)) => self.reappears(&facts.key),
            Some(Event::SessionsListed(listed)) => {
                for facts in listed {
                    self.reappears(&facts.key);
                }
            }
            Some(Event::LoginClosed(id)) => {
                // Whether anything is left of what logind has dropped is another question.
                let same = self.known.iter_mut().filter(|(key, _)| key.id == *id);
                let last = same.max_by_key(|(key, _)| key.stamp);
                if let Some((_, known)) = last.filter(|(_, known)| known.removal == Removal::No) {
                    known.leader_ends();
                    let locking = |ending: &mut Ending| ending.stage <= Stage::Lock;
                    if let Some(ending) = known.ending.take_if(locking) {
                        known.warned.remove(&ending.limit);
                    }
                }
            }
            Some(Event::Probed(key, reading)) => self.with(key, |known| {
                known.asked = None;
                if reading.locked == Some(true) {
                    known.is_found_locked();
                }
                match reading.hint {
                    Some(Hint::Active) => known.was_active(now),
                    Some(Hint::IdleSince(since)) => {
                        known.was_active(since.min(now).saturating_sub(HINT_ERROR));
                    }
                    None => {}
                }
            }),
            Some(Event::Locked(key)) => self.with(key, Known::is_found_locked),
            Some(Event::ProbeFailed(key)) => self.with(key, |known| known.asked = None),
            _ => {}
        }
    }

    /// What the engine says of its sessions after the call.
    fn learns(&mut self, reported: &[SessionFacts], actions: &[Action], engine: &Engine) {
        for view in engine.sessions() {
            let key = &view.facts.key;
            if !self.known.contains_key(key) {
                assert!(reported.iter().any(|facts| facts.key == *key), "{key:?}?");
                self.known.insert(key.clone(), Known::new(&view));
            }
            let wanted = needs_groups(engine, view.facts);
            let locked = |action: &Action| matches!(action, Action::Locked(locked, LockCause::Limit(_)) if locked == key);
            let stays = view
                .overriding
                .is_some_and(|earlier| earlier.end_action == EndAction::Lock);
            let locks = |limits: &Limits| limits.end_action == EndAction::Lock || stays;
            // Where nothing is locked any more instead of being ended, a lock is not waited for.
            let dropped = !view.limits.is_some_and(locks) && !actions.iter().any(locked);
            self.with(key, |known| {
                known.under_way.clear();
                known.learns(&view);
                known.groups_asked.take_if(|_| !wanted);
                let lock = |ending: &mut Ending| ending.stage <= Stage::Lock;
                if known
                    .ending
                    .take_if(|ending| dropped && lock(ending))
                    .is_some()
                {
                    // What was warned of was under way already, and is only taken back where it
                    // was for a limit that held until now.
                    let withdrawn =
                        |kind: &LimitKind| actions.contains(&Action::Withdraw(key.clone(), *kind));
                    known.under_way = known.warned.clone();
                    known.warned.retain(|kind, _| withdrawn(kind));
                }
            });
        }
    }

    /// What the daemon has kept until now is gone where logind has it, and may be in logind as
    /// another session with the same key in the same call.
    fn comes_back(&mut self, action: &Action, engine: &Engine) {
        if let Action::Left(facts, _) = action
            && let Some(view) = engine.session_of(&facts.key)
        {
            let mut known = Known::new(&view);
            known.learns(&view);
            self.known.insert(facts.key.clone(), known);
        }
    }

    fn with(&mut self, key: &SessionKey, act: impl FnOnce(&mut Known)) {
        if let Some(known) = self.known.get_mut(key) {
            act(known);
        }
    }

    fn checks(&mut self, action: &Action, event: Option<&Event>) {
        let now = self.now;
        if let Action::Left(facts, departure) = action {
            let known = self.known.remove(&facts.key);
            let known = known.expect("only a known session can leave");
            let certain = match event {
                Some(Event::Verified(key, remains)) if *key == facts.key => {
                    *remains == Remains::Nothing || known.ended().is_none()
                }
                Some(Event::LoginClosed(_)) => true,
                _ => known.removal == Removal::No && !known.needs_verification(facts),
            };
            assert!(certain, "nobody knows whether it is gone: {known:#?}");
            let ending = known
                .ending
                .filter(|ending| ending.stage != Stage::LockAgain);
            let ended = ending.map(|ending| ending.limit).or(known.hung_up);
            assert_eq!(
                *departure,
                ended.map_or(EndReason::Other, EndReason::Limit),
                "{known:#?}"
            );
            return;
        }
        let key = action.key();
        let known = self.known.get_mut(key);
        let known = known.unwrap_or_else(|| panic!("an action for unknown {key:?}"));
        if matches!(
            action,
            Action::Warn(..) | Action::Lock(..) | Action::Report(..)
        ) {
            known.gives_up_relock(now);
        }
        match action {
            Action::Adopt(_) => {
                assert!(known.limits.is_some() && known.removal == Removal::No);
            }
            Action::AskLeader(_, kind) => known.is_asked(now, *kind, Stage::AskLeader),
            Action::EndBegins(_, _, how) => {
                assert_ne!(known.ending.and_then(|ending| ending.way), Some(*how));
                known.way = Some(*how);
            }
            Action::EndRemains(_, kind) => assert_eq!(known.removal, Removal::Survived(*kind)),
            Action::Verify(_) => {
                assert!(known.removal != Removal::Survived(LimitKind::Absolute));
                assert!(known.has_leader, "it cannot be verified: {known:#?}");
                known.removal = Removal::Asked;
            }
            Action::Began(_) => {
                assert!(!known.began, "begins twice: {known:#?}");
                known.began = true;
            }
            Action::Extended(_, extended) => known.is_extended(now, extended),
            Action::ExtensionRefused(..) | Action::Left(..) => {}
            Action::HangUp(_, kind) => known.is_asked(now, *kind, Stage::HangUp),
            Action::HungUp(_, kind) => {
                let ending = known.ending.take().expect("nobody asked for a hang-up");
                assert_eq!((ending.stage, ending.limit), (Stage::HangUp, *kind));
                known.hung_up = Some(*kind);
                known.warned.clear();
            }
            Action::Kill(_, kind) => known.is_asked(now, *kind, Stage::Kill),
            Action::Lock(_, LockCause::Verify(kind)) => {
                known.is_asked(now, *kind, Stage::LockAgain);
            }
            Action::Lock(_, LockCause::Limit(kind)) => known.is_asked(now, *kind, Stage::Lock),
            Action::Lock(_, LockCause::LockAfter) => known.is_staged(now),
            Action::Locked(_, LockCause::Verify(kind) | LockCause::Limit(kind)) => {
                let ending = known.ending.take().expect("nobody asked for a lock");
                assert_eq!((ending.stage, ending.limit), (Stage::Lock, *kind));
                // What was warned of has come about, but for an end that no lock puts off.
                let fixed = known.absolute.is_some_and(|absolute| absolute.fixed);
                if *kind == LimitKind::Inactivity || !fixed {
                    known.warned.remove(kind);
                }
            }
            Action::Locked(_, LockCause::LockAfter) => {
                assert!(std::mem::take(&mut known.lock_asked), "{known:#?}");
            }
            Action::Probe(_) => {
                let early = |asked: BootTime| now < asked.saturating_add(PROBE_TIMEOUT);
                assert!(!known.asked.is_some_and(early), "asked twice: {known:#?}");
                let wanted = known.holds(|limits| known.counts_idle_time(limits));
                assert!(wanted, "a probe for nothing: {known:#?}");
                known.asked = Some(now);
            }
            Action::Report(_, finding) => known.is_reported(now, *finding),
            Action::ResolveGroups(_) => {
                let early = |asked: BootTime| now < asked.saturating_add(GROUPS_TIMEOUT);
                assert!(!known.groups_asked.is_some_and(early), "{known:#?}");
                known.groups_asked = Some(now);
            }
            Action::Terminate(_, kind) => known.is_asked(now, *kind, Stage::Terminate),
            Action::Warn(_, warning) => known.is_warned(now, *warning),
            Action::Withdraw(_, kind) => {
                // But for what is locked for the other limit, and may go on after that.
                let ends = |ending: Ending| ending.stage > Stage::Lock || ending.limit == *kind;
                let ends = known.ending.is_some_and(ends);
                assert!(!ends, "an end is not withdrawn: {known:#?}");
                let warned = known.warned.remove(kind).is_some();
                let stale = known.stale.remove(kind);
                assert!(warned || stale, "nobody was warned of {kind}: {known:#?}");
            }
        }
    }

    /// A warning that stood, and that input or another policy has made untrue, is taken back at
    /// once.
    fn must_have_withdrawn(&self, before: &Self, event: Option<&Event>, actions: &[Action]) {
        for (key, known) in &self.known {
            let Some(earlier) = before.known.get(key) else {
                continue;
            };
            for (kind, warned) in &known.warned {
                let stood = earlier.warned.get(kind).map(|warned| warned.at);
                let withdrawn = actions.contains(&Action::Withdraw(key.clone(), *kind));
                if stood != Some(warned.at) || withdrawn || known.ending.is_some() {
                    continue;
                }
                let active = *kind == LimitKind::Inactivity
                    && matches!(event, Some(Event::ActivitySeen(seen)) if seen == key)
                    && earlier.active < self.now;
                assert!(!active, "the warning stands: {known:#?}");
                assert_eq!(
                    earlier.limit(*kind),
                    known.limit(*kind),
                    "the warning stands under other terms"
                );
            }
        }
    }

    /// The end by the absolute limit is not put off by what a user changes about a session that
    /// has been something else before.
    fn must_not_be_put_off(&mut self, before: &Self, event: Option<&Event>, engine: &Engine) {
        let changed = matches!(
            event,
            Some(Event::SessionSeen(_) | Event::SessionsListed(_) | Event::Unlocked(_))
        );
        let now = self.now;
        for view in engine.sessions() {
            let key = &view.facts.key;
            let holds = engine
                .session(&key.id)
                .is_some_and(|one| one.facts.key == *key);
            let end = |one: &Milestone| one.what == MilestoneKind::End(LimitKind::Absolute);
            let schedule = engine.schedule(&key.id);
            let bound = schedule
                .iter()
                .find(|one| holds && end(one))
                .map(|one| one.at);
            let Some(known) = self.known.get_mut(key) else {
                continue;
            };
            known.bound = bound;
            let Some(earlier) = before.known.get(key) else {
                continue;
            };
            let fixed = |known: &Known| known.absolute.is_some_and(|absolute| absolute.fixed);
            let named = earlier.bound.filter(|bound| {
                let lead = earlier.limit(LimitKind::Absolute);
                let lead = lead
                    .and_then(|limit| limit.leads.shortest())
                    .unwrap_or_default();
                let warned = earlier.warned.get(&LimitKind::Absolute);
                warned.is_some_and(|warned| warned.last.lead == lead)
                    || now <= bound.saturating_sub(lead)
            });
            // A later login may have the key of one that is gone, and what the user is not behind is
            // another policy that was not decided until the groups were told.
            let same = earlier.started == known.started;
            let reloaded = earlier.groups_asked.is_some() && earlier.limits != known.limits;
            let checked = changed && same && !reloaded;
            if checked && fixed(earlier) && known.limits.is_some() && known.ending.is_none() {
                assert!(bound <= named.or(bound), "put off: {earlier:#?} {known:#?}");
            }
        }
    }

    /// What the engine shows is what it did, and it wants to be called exactly where it has a
    /// reason to.
    fn agrees_with(&mut self, engine: &Engine) {
        let now = self.now;
        for view in engine.sessions() {
            if !matches!(view.phase, Phase::Ending(_)) {
                self.with(&view.facts.key, |known| known.gives_up_relock(now));
            }
        }
        let mut shown: Vec<_> = engine
            .sessions()
            .map(|view| view.facts.key.clone())
            .collect();
        shown.sort();
        assert_eq!(shown, self.known.keys().cloned().collect::<Vec<_>>());
        for view in engine.sessions() {
            let known = &self.known[&view.facts.key];
            let ending = known
                .ending
                .filter(|ending| ending.stage != Stage::LockAgain);
            let ending = ending.map(|ending| ending.limit);
            match view.phase {
                Phase::Survived(kind) => assert_eq!(known.removal, Removal::Survived(kind)),
                Phase::Ending(kind) => assert_eq!(ending, Some(kind), "{known:#?}"),
                Phase::Warned => assert!(!known.warned.is_empty(), "{known:#?}"),
                Phase::Exempt(_) | Phase::Undecided => {
                    assert!(known.limits.is_none() && ending.is_none(), "{known:#?}");
                }
                Phase::Held(_) | Phase::Reported | Phase::Running => {
                    assert!(known.warned.is_empty() && ending.is_none(), "{known:#?}");
                }
            }
        }
        let deadline = engine.next_deadline();
        let ends = |limits: &Limits| limits.end_action != EndAction::Report;
        let must =
            |known: &Known| known.ending.is_some() || known.limits.as_ref().is_some_and(ends);
        if self.known.values().any(must) {
            assert!(deadline.is_some(), "nothing is armed: {self:#?}");
        }
        let asks =
            |view: View<'_>| view.phase == Phase::Undecided || needs_groups(engine, view.facts);
        let may = |known: &Known| {
            known.ending.is_some() || known.limits.is_some() || known.removal != Removal::No
        };
        if !self.known.values().any(may) && !engine.sessions().any(asks) {
            // After a restart nobody has asked yet about a session that another one has the id of.
            let asks = deadline.filter(|deadline| deadline.why != Wake::Verify);
            assert_eq!(asks, None, "nothing is to be done");
        }
    }
}

impl Known {
    fn new(view: &View<'_>) -> Self {
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

    fn learns(&mut self, view: &View<'_>) {
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
    fn leader_ends(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.leader_gone |= ending.stage == Stage::AskLeader;
        }
    }

    /// logind has it after all.
    fn reappears(&mut self) {
        if self.removal == Removal::Asked {
            self.removal = Removal::No;
        }
    }

    /// Which limit it is ended for, or was.
    fn ended(&self) -> Option<LimitKind> {
        if let Removal::Survived(limit) = self.removal {
            return Some(limit);
        }
        let ending = self
            .ending
            .filter(|ending| ending.stage != Stage::LockAgain);
        ending.map(|ending| ending.limit).or(self.hung_up)
    }

    /// Whether it matters if a process of it is left.
    fn needs_verification(&self, facts: &SessionFacts) -> bool {
        let never_in_logind =
            matches!(facts.keeper, Keeper::Daemon(why) if why != NoSession::Dropped);
        let taken_over = facts.keeper != Keeper::Logind;
        let matters = self.ended().is_some() || self.limits.is_some();
        facts.leader.is_some() && matters && !never_in_logind && !taken_over
    }

    /// What is being ended is not saved by input.
    fn was_active(&mut self, then: BootTime) {
        if self.ending.is_none() {
            self.active = self.active.max(then);
        }
    }

    /// The limits of a session that something is done about.
    fn limits_in_force(&self) -> &Limits {
        let limits = self.limits.as_ref();
        limits.unwrap_or_else(|| panic!("no limit holds for {self:#?}"))
    }

    fn limit(&self, kind: LimitKind) -> Option<&session_timeout_policy::Limit> {
        self.limits.as_ref()?.get(kind)
    }

    /// Whether this holds of the limits that held before the call or that hold after it.
    fn holds(&self, of: impl Fn(&Limits) -> bool) -> bool {
        self.before.iter().chain(&self.limits).any(of)
    }

    fn counts_idle_time(&self, limits: &Limits) -> bool {
        let staged = limits.lock_after.is_some() && self.graphical;
        limits.inactivity.is_some() || staged
    }

    /// When the limit passes, at the earliest.
    fn end(&self, kind: LimitKind) -> BootTime {
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

    fn is_extended(&mut self, now: BootTime, extended: &Extended) {
        assert!(self.ending.is_none(), "{self:#?}");
        assert!(!extended.by.is_zero() && extended.until >= now.saturating_add(extended.by));
        if self.before == self.limits {
            let most = ABSOLUTE_MAX.max(self.limits_in_force().absolute.length);
            let latest = self.anchor.saturating_add(most);
            assert!(extended.until <= latest, "{extended:?}: {self:#?}");
            if self.absolute.is_some_and(|absolute| !absolute.fixed) {
                assert_eq!(extended.until, self.end(LimitKind::Absolute));
            }
        }
        self.reported = false;
    }

    fn is_reported(&mut self, now: BootTime, finding: Finding) {
        match finding {
            Finding::GroupsUnavailable => {}
            Finding::NotLocked => assert!(std::mem::take(&mut self.lock_asked), "{self:#?}"),
            Finding::Passed(kind) => {
                assert!(self.ending.is_none());
                let how = match kind {
                    LimitKind::Absolute => self.absolute.map(|absolute| absolute.how),
                    LimitKind::Inactivity => Some(self.limits_in_force().end_action),
                };
                assert_eq!(how, Some(EndAction::Report));
                assert!(now >= self.end(kind), "{kind} has not passed: {self:#?}");
                let absolute = kind == LimitKind::Absolute;
                assert!(!(self.reported && absolute), "twice: {self:#?}");
                self.reported |= absolute;
            }
            Finding::Survived(kind) => {
                assert_eq!((self.removal, self.ended()), (Removal::Asked, Some(kind)));
                self.removal = Removal::Survived(kind);
            }
            Finding::UnknownIdle => {
                let reported = |limits: &Limits| {
                    limits.unknown_idle == UnknownIdle::Report && self.counts_idle_time(limits)
                };
                assert!(self.holds(reported), "{self:#?}");
                let warned = self.warned.contains_key(&LimitKind::Inactivity);
                assert!(!warned, "{self:#?}");
            }
        }
    }

    fn is_warned(&mut self, now: BootTime, warning: Warning) {
        assert!(self.ending.is_none(), "warned while ending: {self:#?}");
        let kind = warning.limit;
        let limit = self.limit(kind).expect("a warning of a limit that is off");
        let leads = &limit.leads;
        assert!(leads.iter().any(|lead| lead == warning.lead), "{limit:?}");
        let end = self.end(kind);
        assert!(
            now >= end.saturating_sub(warning.lead),
            "too soon: {self:#?}"
        );
        assert!(warning.ends_at >= end, "names an end too soon: {self:#?}");
        if leads.shortest() == Some(warning.lead) {
            assert!(warning.ends_at >= now.saturating_add(warning.lead));
        }
        let last = Warned {
            last: warning,
            at: now,
        };
        self.stale.remove(&kind);
        if let Some(before) = self.warned.insert(kind, last) {
            assert!(warning.lead < before.last.lead, "again: {self:#?}");
        }
    }

    /// A lock that was only to make sure is there, or is known not to be.
    fn is_found_locked(&mut self) {
        self.ending
            .take_if(|ending| ending.stage == Stage::LockAgain);
    }

    /// A lock that was only to make sure has not come.
    fn gives_up_relock(&mut self, now: BootTime) {
        self.ending.take_if(|ending| {
            let polite = now < ending.first.saturating_add(SOFT_RETRY_FOR);
            let outlived = now >= ending.last.saturating_add(ending.grace);
            let over = outlived || (ending.failed && !polite);
            ending.stage == Stage::LockAgain && over && !ending.unreached
        });
    }

    /// The screen is to be locked as a first stage.
    fn is_staged(&mut self, now: BootTime) {
        assert!(self.ending.is_none() && self.graphical, "{self:#?}");
        let limits = self.limits_in_force();
        let after = limits.lock_after.expect("no lock was asked for");
        assert_ne!(limits.end_action, EndAction::Report);
        let since = self.anchor.max(self.active);
        assert!(now >= since.saturating_add(after), "too soon: {self:#?}");
        self.lock_asked = true;
    }

    fn is_asked(&mut self, now: BootTime, kind: LimitKind, stage: Stage) {
        let Some(ending) = &mut self.ending else {
            self.begins_to_end(now, kind, stage);
            return;
        };
        assert_eq!(ending.limit, kind);
        let patience = match ending.stage {
            Stage::AskLeader => ending.grace,
            _ => SOFT_RETRY_FOR,
        };
        let polite = now < ending.first.saturating_add(patience);
        let given = match ending.stage {
            Stage::Terminate => ending.left,
            _ => ending.grace,
        };
        let outlived = now >= ending.last.saturating_add(given);
        match stage.cmp(&ending.stage) {
            std::cmp::Ordering::Less => panic!("softer than before: {self:#?}"),
            std::cmp::Ordering::Equal if stage != Stage::Kill => {
                let refused = ending.failed && polite;
                assert!(refused || ending.unreached, "asked again: {ending:?}");
            }
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => {
                let done = ending.stage == Stage::AskLeader && ending.leader_gone;
                assert!(!ending.unreached || done, "nobody was asked: {ending:?}");
                assert!(
                    outlived || (ending.failed && !polite) || done,
                    "too soon: {ending:?}"
                );
                let next = match ending.stage {
                    Stage::LockAgain | Stage::Lock => Stage::AskLeader,
                    Stage::HangUp | Stage::AskLeader => Stage::Terminate,
                    Stage::Terminate | Stage::Kill => Stage::Kill,
                };
                assert_eq!(stage, next, "another stage comes before: {ending:?}");
            }
        }
        ending.way = self.way.take().or(ending.way);
        assert_eq!(ending.way, stage.way(), "nobody said so: {ending:?}");
        if stage != ending.stage {
            ending.first = now;
        }
        (ending.stage, ending.last) = (stage, now);
        (ending.failed, ending.unreached) = (false, false);
    }

    fn begins_to_end(&mut self, now: BootTime, kind: LimitKind, stage: Stage) {
        let limits = self.limits_in_force();
        let absolute = self.absolute.filter(|_| kind == LimitKind::Absolute);
        let (how, grace) = absolute.map_or((limits.end_action, limits.grace), |absolute| {
            (absolute.how, absolute.grace)
        });
        let fixed = absolute.is_some_and(|absolute| absolute.fixed);
        let first = match how {
            EndAction::Lock if self.held && self.graphical && !fixed => Stage::LockAgain,
            EndAction::HangUp => Stage::HangUp,
            EndAction::Lock if self.graphical => Stage::Lock,
            EndAction::Lock | EndAction::Terminate if self.on_screen => Stage::AskLeader,
            EndAction::Lock | EndAction::Terminate => Stage::Terminate,
            EndAction::Report => panic!("ended where nothing ends: {self:#?}"),
        };
        assert_eq!(self.way.take(), stage.way(), "nobody said so: {self:#?}");
        assert_eq!(stage, first);
        assert!(now >= self.end(kind), "{kind} has not passed: {self:#?}");
        let shortest = self.limit(kind).and_then(|limit| limit.leads.shortest());
        // A lock that is asked for again, to make sure, is no news to anybody.
        if let Some(shortest) = shortest.filter(|_| stage != Stage::LockAgain) {
            let warned = self.warned.get(&kind).or(self.under_way.get(&kind));
            let warned = warned.unwrap_or_else(|| panic!("ended without a warning: {self:#?}"));
            assert_eq!(warned.last.lead, shortest, "{self:#?}");
            let lead_later = warned.at.saturating_add(shortest);
            assert!(now >= lead_later && now >= warned.last.ends_at, "{self:#?}");
        }
        // What was asked before is of no interest any more.
        self.asked = None;
        self.ending = Some(Ending {
            limit: kind,
            stage,
            grace,
            first: now,
            last: now,
            failed: false,
            unreached: false,
            leader_gone: false,
            way: stage.way(),
            left: if self.on_screen {
                Duration::from_secs(2)
            } else {
                grace
            },
        });
    }
}

/// Whether it depends on groups that nobody has told what holds for a session as it is, or as it
/// was before.
fn needs_groups(engine: &Engine, facts: &SessionFacts) -> bool {
    let unknown = session_timeout_policy::Groups::Unknown;
    let needs = |subject: &Subject<'_>| engine.policy().evaluate(subject) == Verdict::NeedsGroups;
    let mut records = engine.records();
    let record = records.find(|record| record.facts.key == facts.key);
    let past = record.and_then(|record| record.earlier);
    let past = past.into_iter().flat_map(|past| past.properties);
    needs(&facts.subject(&unknown))
        || past.into_iter().any(|variant| {
            needs(&Subject {
                class: &variant.class,
                session_type: variant.session_type,
                terminal: variant.terminal.as_deref(),
                ..facts.subject(&unknown)
            })
        })
}

fn reported_sessions(event: &Event) -> &[SessionFacts] {
    match event {
        Event::SessionSeen(facts) => std::slice::from_ref(facts),
        Event::SessionsListed(listed) => listed,
        _ => &[],
    }
}
