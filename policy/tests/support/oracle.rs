//! The judge: what the engine may never do, whatever it is told.
//!
//! It knows the promises, not the engine's ways: it follows the events and the actions alone, and
//! panics at the first action that breaks a promise.

use std::collections::BTreeMap;
use std::time::Duration;

use session_timeout_policy::{
    Action, BootTime, Departure, EndAction, Engine, Event, Finding, Hint, Leads, Limit, LimitKind,
    Limits, Phase, Policy, SessionFacts, SessionKey, SessionRecord, Subject, UnknownIdle, Verdict,
    Warning,
};

/// A look that is not answered may be repeated after this time, and not before.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// After this time of requests that fail, a session may be killed that was never asked.
const POLITE: Duration = Duration::from_secs(30);

/// The time of a hint is only good to the second.
const HINT_ERROR: Duration = Duration::from_secs(1);

/// What the engine has been told and has done.
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    policy: Policy,
    now: BootTime,
    known: BTreeMap<SessionKey, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    facts: SessionFacts,
    closed: bool,
    /// The warnings that stand.
    warned: BTreeMap<LimitKind, Warned>,
    /// The absolute limit was reported as passed.
    reported: bool,
    ending: Option<Ending>,
    /// The last activity that is beyond doubt.
    active: BootTime,
    /// A look that was not answered yet.
    asked: Option<BootTime>,
}

#[derive(Clone, Copy, Debug)]
struct Warned {
    last: Warning,
    at: BootTime,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    limit: LimitKind,
    grace: Duration,
    first: BootTime,
    last: BootTime,
    failed: bool,
    killed: bool,
}

impl Oracle {
    pub(crate) fn new(now: BootTime, policy: Policy) -> Self {
        Self {
            policy,
            now,
            known: BTreeMap::new(),
        }
    }

    /// Judges what the engine did when it was told of `event`, or when nothing but time came.
    pub(crate) fn check(
        &mut self,
        now: BootTime,
        event: Option<&Event>,
        actions: &[Action],
        engine: &Engine,
    ) {
        self.now = self.now.max(now);
        let before = self.clone();
        let told = event.map_or(&[][..], told_of);
        let bound = 6 * (before.known.len() + told.len());
        assert!(
            actions.len() <= bound,
            "{} actions at once: {actions:#?}",
            actions.len()
        );
        if let Some(event) = event {
            self.take(event);
        }
        self.changed_terms(&before, |known, kind| {
            known.forget_report(kind);
            if known.ending.is_some() {
                known.warned.remove(&kind);
            }
        });
        for action in actions {
            self.judge(action, told);
        }
        self.must_withdraw(&before, event, actions);
        self.agrees_with(engine);
    }

    /// The daemon went down with `records`, and came up again with `policy`.
    pub(crate) fn restored(&mut self, now: BootTime, policy: &Policy, records: &[SessionRecord]) {
        self.now = now;
        let before = std::mem::replace(&mut self.policy, policy.clone());
        self.known
            .retain(|key, _| records.iter().any(|record| record.facts.key == *key));
        for known in self.known.values_mut() {
            known.ending = None;
            known.asked = None;
            let (before, after) = (known.limits(&before), known.limits(policy));
            known.warned.retain(|kind, warned| {
                let lead = warned.last.lead;
                let standing = |limits: &Option<Limits>| {
                    let limit = limits.as_ref().and_then(|limits| limits.get(*kind))?;
                    let heard = limit.leads.iter().any(|other| other == lead);
                    heard.then_some((limit.length, limit.leads.shortest() == Some(lead)))
                };
                standing(&before).is_some() && standing(&before) == standing(&after)
            });
        }
        self.changed_terms(
            &Self {
                policy: before,
                ..self.clone()
            },
            Known::forget_report,
        );
    }

    /// Whether a warning stands for this session and this limit.
    pub(crate) fn is_warned(&self, key: &SessionKey, kind: LimitKind) -> bool {
        self.known
            .get(key)
            .is_some_and(|known| known.warned.contains_key(&kind))
    }

    /// Whether the session was asked to end.
    pub(crate) fn is_ending(&self, key: &SessionKey) -> bool {
        self.known
            .get(key)
            .is_some_and(|known| known.ending.is_some())
    }

    /// Whether a look at any session has not been answered with a reading yet.
    pub(crate) fn awaits_a_look(&self) -> bool {
        self.known.values().any(|known| known.asked.is_some())
    }

    fn take(&mut self, event: &Event) {
        let now = self.now;
        match event {
            Event::ActivitySeen(key) => self.with(key, |known| known.was_active(now)),
            Event::EndFailed(key) => self.with(key, |known| {
                if let Some(ending) = &mut known.ending {
                    ending.failed = true;
                }
            }),
            Event::LoginClosed(id) => {
                for known in self
                    .known
                    .values_mut()
                    .filter(|known| known.facts.key.id == *id)
                {
                    known.closed = true;
                }
            }
            Event::LoginRecorded(_) | Event::SessionGone(_) => {}
            Event::PolicyReplaced(policy) => self.policy = policy.clone(),
            Event::Probed(key, reading) => self.with(key, |known| {
                known.asked = None;
                match reading.hint {
                    Some(Hint::Active) => known.was_active(now),
                    Some(Hint::IdleSince(since)) => {
                        known.was_active(since.min(now).saturating_sub(HINT_ERROR));
                    }
                    None => {}
                }
            }),
            Event::ProbeFailed(key) => self.with(key, |known| known.asked = None),
            Event::SessionSeen(_) | Event::SessionsListed(_) => {
                for facts in told_of(event) {
                    self.with(&facts.key, |known| {
                        let started = known.facts.started;
                        known.facts = SessionFacts {
                            started,
                            ..facts.clone()
                        };
                    });
                }
            }
        }
    }

    fn with(&mut self, key: &SessionKey, act: impl FnOnce(&mut Known)) {
        if let Some(known) = self.known.get_mut(key) {
            act(known);
        }
    }

    fn judge(&mut self, action: &Action, told: &[SessionFacts]) {
        let (now, policy) = (self.now, self.policy.clone());
        match action {
            Action::Began(key) => self.begins(key, told),
            Action::Left(facts, departure) => {
                let key = &facts.key;
                let known = self
                    .known
                    .remove(key)
                    .expect("only a known session can leave");
                let expected = match known.ending {
                    Some(ending) => Departure::Ended(ending.limit),
                    None => Departure::Own,
                };
                assert_eq!(*departure, expected, "{key:?}");
            }
            Action::Probe(key) => self.get(key).is_looked_at(now, &policy),
            Action::Report(key, finding) => self.get(key).is_reported(now, &policy, *finding),
            Action::Warn(key, warning) => self.get(key).is_warned(now, &policy, *warning),
            Action::Withdraw(key, kind) => {
                let known = self.get(key);
                assert!(known.ending.is_none(), "{key:?}: an end is not withdrawn");
                let warned = known.warned.remove(kind);
                assert!(warned.is_some(), "{key:?}: nobody was warned of {kind:?}");
            }
            Action::Terminate(key, kind) => self.get(key).is_asked_to_end(now, &policy, *kind),
            Action::Kill(key, kind) => self.get(key).is_killed(now, *kind),
        }
    }

    fn get(&mut self, key: &SessionKey) -> &mut Known {
        self.known
            .get_mut(key)
            .unwrap_or_else(|| panic!("an action for unknown {key:?}"))
    }

    fn begins(&mut self, key: &SessionKey, told: &[SessionFacts]) {
        let facts = told.iter().find(|facts| facts.key == *key);
        let facts = facts.expect("a session begins when it is told of");
        let facts = SessionFacts {
            started: facts.started.min(self.now),
            ..facts.clone()
        };
        let same_id = self.known.keys().any(|known| known.id == key.id);
        assert!(
            !same_id,
            "{key:?} begins, and another with its id has not left"
        );
        let known = Known {
            active: facts.started,
            facts,
            closed: false,
            warned: BTreeMap::new(),
            reported: false,
            ending: None,
            asked: None,
        };
        self.known.insert(key.clone(), known);
    }

    /// A warning that stands, and that input, the logout or another policy has made untrue, is
    /// taken back at once.
    fn must_withdraw(&mut self, before: &Self, event: Option<&Event>, actions: &[Action]) {
        let check = |key: &SessionKey, kind: LimitKind| {
            let stood = before.is_warned(key, kind) && !before.is_ending(key);
            let withdrawn = actions.contains(&Action::Withdraw(key.clone(), kind));
            assert!(
                withdrawn || !stood,
                "{key:?}: the {kind} warning stands: {actions:#?}"
            );
        };
        if let Some(Event::ActivitySeen(key)) = event {
            let earlier = before
                .known
                .get(key)
                .is_some_and(|known| known.active < self.now);
            if earlier {
                check(key, LimitKind::Inactivity);
            }
        }
        self.changed_terms(before, |known, kind| check(&known.facts.key, kind));
    }

    /// Every limit of a session that was known before and has other terms now.
    fn changed_terms(&mut self, before: &Self, mut act: impl FnMut(&mut Known, LimitKind)) {
        for (key, known) in &mut self.known {
            let Some(earlier) = before.known.get(key) else {
                continue;
            };
            for kind in [LimitKind::Absolute, LimitKind::Inactivity] {
                if earlier.terms(&before.policy, kind) != known.terms(&self.policy, kind) {
                    act(known, kind);
                }
            }
        }
    }

    /// What the engine shows is what it did, and it wants to be called exactly where it has a
    /// reason to.
    fn agrees_with(&self, engine: &Engine) {
        let shown: Vec<_> = engine.sessions().map(|view| &view.facts.key).collect();
        assert_eq!(shown, self.known.keys().collect::<Vec<_>>());
        for view in engine.sessions() {
            let known = &self.known[&view.facts.key];
            let limits = known.limits(&self.policy);
            let expected = match (&known.ending, &limits) {
                (Some(ending), _) => Phase::Ending(ending.limit),
                (None, None) => {
                    assert!(matches!(view.phase, Phase::Exempt(_)), "{view:?}");
                    view.phase
                }
                (None, Some(_)) if !known.warned.is_empty() => Phase::Warned,
                (None, Some(_)) if known.reported => Phase::Reported,
                // Input that the judge does not know of may have made it run again.
                (None, Some(_)) if view.phase == Phase::Reported => Phase::Reported,
                (None, Some(_)) => Phase::Running,
            };
            assert_eq!(view.phase, expected, "{known:#?}");
        }
        let limits = |known: &Known| known.limits(&self.policy);
        let deadline = engine.next_deadline();
        let must_end = |known: &Known| {
            known.ending.is_some()
                || limits(known).is_some_and(|limits| limits.end_action == EndAction::Terminate)
        };
        if self.known.values().any(must_end) {
            assert!(deadline.is_some(), "nothing is armed: {self:#?}");
        }
        let may_end = |known: &Known| known.ending.is_some() || limits(known).is_some();
        if !self.known.values().any(may_end) {
            assert_eq!(deadline, None, "nothing is to be done");
        }
    }
}

impl Known {
    fn limits(&self, policy: &Policy) -> Option<Limits> {
        limits_of(policy, &self.facts).filter(|_| !self.closed)
    }

    /// The limits of a session that something is done about.
    fn judged(&self, policy: &Policy) -> Limits {
        self.limits(policy)
            .unwrap_or_else(|| panic!("no limit holds for {self:#?}"))
    }

    /// What a warning of this kind is given under.
    fn terms(&self, policy: &Policy, kind: LimitKind) -> Option<(Limit, EndAction)> {
        let limits = self.limits(policy)?;
        limits
            .get(kind)
            .map(|limit| (limit.clone(), limits.end_action))
    }

    /// What is being ended is not saved by input.
    fn was_active(&mut self, then: BootTime) {
        if self.ending.is_none() {
            self.active = self.active.max(then);
        }
    }

    fn forget_report(&mut self, kind: LimitKind) {
        self.reported &= kind != LimitKind::Absolute;
    }

    fn is_looked_at(&mut self, now: BootTime, policy: &Policy) {
        assert!(
            self.judged(policy).inactivity.is_some(),
            "a look for nothing: {self:#?}"
        );
        if let Some(asked) = self.asked {
            assert!(
                now >= asked.saturating_add(PROBE_TIMEOUT),
                "asked twice: {self:#?}"
            );
        }
        self.asked = Some(now);
    }

    fn is_reported(&mut self, now: BootTime, policy: &Policy, finding: Finding) {
        let limits = self.judged(policy);
        assert!(self.ending.is_none(), "reported while ending: {self:#?}");
        match finding {
            Finding::Passed(kind) => {
                assert_eq!(limits.end_action, EndAction::Report);
                self.has_passed(now, kind, &limits);
                assert!(
                    !self.reported || kind != LimitKind::Absolute,
                    "twice: {self:#?}"
                );
                self.reported |= kind == LimitKind::Absolute;
            }
            Finding::UnknownIdle => {
                assert_eq!(limits.unknown_idle, UnknownIdle::Report);
                assert!(limits.inactivity.is_some(), "{self:#?}");
                assert!(
                    !self.warned.contains_key(&LimitKind::Inactivity),
                    "{self:#?}"
                );
            }
        }
    }

    fn is_warned(&mut self, now: BootTime, policy: &Policy, warning: Warning) {
        let limits = self.judged(policy);
        let limit = limits
            .get(warning.limit)
            .expect("a warning of a limit that is off");
        assert!(self.ending.is_none(), "warned while ending: {self:#?}");
        assert_eq!(warning.length, limit.length);
        assert!(
            limit.leads.iter().any(|lead| lead == warning.lead),
            "{warning:?}: {limit:?}"
        );
        let anchor = self.anchor(warning.limit);
        let end = anchor.saturating_add(limit.length);
        assert!(
            now >= end.saturating_sub(warning.lead),
            "{warning:?} too soon: {self:#?}"
        );
        assert!(
            warning.ends_at >= end,
            "{warning:?} names an end too soon: {self:#?}"
        );
        if limit.leads.shortest() == Some(warning.lead) {
            assert!(
                warning.ends_at >= now.saturating_add(warning.lead),
                "{warning:?}: {self:#?}"
            );
        }
        if let Some(before) = self.warned.get(&warning.limit) {
            assert!(
                warning.lead < before.last.lead,
                "{warning:?} again: {self:#?}"
            );
        }
        self.warned.insert(
            warning.limit,
            Warned {
                last: warning,
                at: now,
            },
        );
    }

    fn is_asked_to_end(&mut self, now: BootTime, policy: &Policy, kind: LimitKind) {
        if let Some(ending) = &mut self.ending {
            assert_eq!(ending.limit, kind);
            assert!(ending.failed && !ending.killed, "asked again: {ending:?}");
            assert!(
                now < ending.first.saturating_add(POLITE),
                "asked for too long: {ending:?}"
            );
            (ending.last, ending.failed) = (now, false);
            return;
        }
        let limits = self.judged(policy);
        assert_eq!(limits.end_action, EndAction::Terminate);
        self.has_passed(now, kind, &limits);
        if let Some(shortest) = limits.get(kind).and_then(|limit| limit.leads.shortest()) {
            let warned = self.warned.get(&kind);
            let warned = warned.unwrap_or_else(|| panic!("ended without a warning: {self:#?}"));
            assert_eq!(
                warned.last.lead, shortest,
                "not the shortest warning: {self:#?}"
            );
            assert!(
                now >= warned.at.saturating_add(shortest),
                "warned too late: {self:#?}"
            );
            assert!(
                now >= warned.last.ends_at,
                "ended sooner than was said: {self:#?}"
            );
        }
        self.ending = Some(Ending {
            limit: kind,
            grace: limits.grace,
            first: now,
            last: now,
            failed: false,
            killed: false,
        });
    }

    fn is_killed(&mut self, now: BootTime, kind: LimitKind) {
        let Some(ending) = &mut self.ending else {
            panic!("killed without being asked: {self:#?}")
        };
        assert_eq!(ending.limit, kind);
        let polite = ending.failed && now >= ending.first.saturating_add(POLITE);
        let outlived = now >= ending.last.saturating_add(ending.grace);
        assert!(
            ending.killed || polite || outlived,
            "killed at {now}, too soon: {ending:?}"
        );
        ending.killed = true;
    }

    fn has_passed(&self, now: BootTime, kind: LimitKind, limits: &Limits) {
        let limit = limits.get(kind).expect("a limit that is off was passed");
        let end = self.anchor(kind).saturating_add(limit.length);
        assert!(now >= end, "{kind} has not passed at {now}: {self:#?}");
    }

    /// What the limit counts from, at the earliest.
    fn anchor(&self, kind: LimitKind) -> BootTime {
        match kind {
            LimitKind::Absolute => self.facts.started,
            LimitKind::Inactivity => self.active,
        }
    }
}

fn told_of(event: &Event) -> &[SessionFacts] {
    match event {
        Event::SessionSeen(facts) => std::slice::from_ref(facts),
        Event::SessionsListed(listed) => listed,
        _ => &[],
    }
}

/// What the policy says of the session, with the warnings that can come at all.
fn limits_of(policy: &Policy, facts: &SessionFacts) -> Option<Limits> {
    let subject = Subject {
        uid: facts.uid,
        class: facts.class.clone(),
        session_type: facts.session_type,
    };
    let Verdict::Limited(limits) = policy.judge(&subject) else {
        return None;
    };
    let fit = |limit: &Limit| {
        let half = Some(limit.length / 2).filter(|_| limit.leads.shortest().is_some());
        let fitting: Vec<_> = limit
            .leads
            .iter()
            .filter(|lead| *lead < limit.length)
            .collect();
        let leads = match limits.end_action {
            EndAction::Report => Leads::default(),
            EndAction::Terminate if fitting.is_empty() => Leads::new(half),
            EndAction::Terminate => Leads::new(fitting),
        };
        Limit {
            length: limit.length,
            leads,
        }
    };
    Some(Limits {
        absolute: fit(&limits.absolute),
        inactivity: limits.inactivity.as_ref().map(fit),
        ..limits.clone()
    })
}
