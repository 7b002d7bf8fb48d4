//! Checks the state of all sessions after a call.

use session_timeout_policy::{
    Action, EndAction, Engine, Event, LimitKind, Limits, Milestone, MilestoneKind, Output, Phase,
    SessionFacts, Subject, Verdict, View, Wake,
};

use super::Oracle;
use super::session::{Removal, SessionState, Stage};

impl Oracle {
    /// Checks that a warning was withdrawn if input or a new policy has made it wrong.
    pub(super) fn check_withdrawals(
        &self,
        before: &Self,
        event: Option<&Event>,
        outputs: &[Output],
    ) {
        for (key, session) in &self.sessions {
            let Some(earlier) = before.sessions.get(key) else {
                continue;
            };
            for (kind, warned) in &session.warned {
                let at_before = earlier.warned.get(kind).map(|warned| warned.at);
                let withdrawn = outputs.contains(&Action::Withdraw(key.clone(), *kind).into());
                if at_before != Some(warned.at) || withdrawn || session.ending.is_some() {
                    continue;
                }
                let active = *kind == LimitKind::Inactivity
                    && matches!(event, Some(Event::ActivitySeen(seen)) if seen == key)
                    && earlier.active < self.now;
                assert!(!active, "the warning was not withdrawn: {session:#?}");
                assert_eq!(
                    earlier.limit(*kind),
                    session.limit(*kind),
                    "the warning is for other limits"
                );
            }
        }
    }

    /// Checks that the absolute limit does not end a session later because its user has changed its
    /// properties.
    pub(super) fn check_no_later_end(
        &mut self,
        before: &Self,
        event: Option<&Event>,
        engine: &Engine,
    ) {
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
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            session.bound = bound;
            let Some(earlier) = before.sessions.get(key) else {
                continue;
            };
            let fixed =
                |session: &SessionState| session.absolute.is_some_and(|absolute| absolute.fixed);
            let named = earlier.bound.filter(|bound| {
                let lead = earlier.limit(LimitKind::Absolute);
                let lead = lead
                    .and_then(|limit| limit.leads.shortest())
                    .unwrap_or_default();
                let warned = earlier.warned.get(&LimitKind::Absolute);
                warned.is_some_and(|warned| warned.last.lead == lead)
                    || now <= bound.saturating_sub(lead)
            });
            // Not a later login with the same key, and not a new policy whose evaluation waited for
            // groups.
            let same = earlier.started == session.started;
            let reloaded = earlier.groups_requested.is_some() && earlier.limits != session.limits;
            let checked = changed && same && !reloaded;
            if checked && fixed(earlier) && session.limits.is_some() && session.ending.is_none() {
                assert!(
                    bound <= named.or(bound),
                    "the end is later: {earlier:#?} {session:#?}"
                );
            }
        }
    }

    /// Checks that the engine's views agree with its actions, and that it has a deadline exactly if
    /// it needs one.
    pub(super) fn check_engine_state(&mut self, engine: &Engine) {
        let now = self.now;
        for view in engine.sessions() {
            if !matches!(view.phase, Phase::Ending(_)) {
                self.with(&view.facts.key, |session| session.expire_verification(now));
            }
        }
        let mut shown: Vec<_> = engine
            .sessions()
            .map(|view| view.facts.key.clone())
            .collect();
        shown.sort();
        assert_eq!(shown, self.sessions.keys().cloned().collect::<Vec<_>>());
        for view in engine.sessions() {
            let session = &self.sessions[&view.facts.key];
            let ending = session
                .ending
                .filter(|ending| ending.stage != Stage::VerifyLock);
            let ending = ending.map(|ending| ending.limit);
            match view.phase {
                Phase::Survived(kind) => assert_eq!(session.removal, Removal::Survived(kind)),
                Phase::Ending(kind) => assert_eq!(ending, Some(kind), "{session:#?}"),
                Phase::Warned => assert!(!session.warned.is_empty(), "{session:#?}"),
                Phase::Exempt(_) | Phase::Undecided => {
                    assert!(session.limits.is_none() && ending.is_none(), "{session:#?}");
                }
                Phase::Held(_) | Phase::Reported | Phase::Running => {
                    assert!(
                        session.warned.is_empty() && ending.is_none(),
                        "{session:#?}"
                    );
                }
            }
        }
        let deadline = engine.next_deadline();
        let ends = |limits: &Limits| limits.end_action != EndAction::Report;
        let must = |session: &SessionState| {
            session.ending.is_some() || session.limits.as_ref().is_some_and(ends)
        };
        if self.sessions.values().any(must) {
            assert!(deadline.is_some(), "there is no deadline: {self:#?}");
        }
        let asks =
            |view: View<'_>| view.phase == Phase::Undecided || needs_groups(engine, view.facts);
        let may = |session: &SessionState| {
            session.ending.is_some() || session.limits.is_some() || session.removal != Removal::No
        };
        if !self.sessions.values().any(may) && !engine.sessions().any(asks) {
            // After a restart the engine still has to verify sessions whose id a later one has.
            let asks = deadline.filter(|deadline| deadline.why != Wake::Verify);
            assert_eq!(asks, None, "there is a deadline without a use");
        }
    }
}

/// Whether the limits of a session depend on unknown groups, for its current or earlier properties.
pub(super) fn needs_groups(engine: &Engine, facts: &SessionFacts) -> bool {
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
