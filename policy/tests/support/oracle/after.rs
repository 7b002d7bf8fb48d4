//! What must hold after a call.

use session_timeout_policy::{
    Action, EndAction, Engine, Event, LimitKind, Limits, Milestone, MilestoneKind, Phase,
    SessionFacts, Subject, Verdict, View, Wake,
};

use super::Oracle;
use super::session::{Known, Removal, Stage};

impl Oracle {
    /// A warning that stood, and that input or another policy has made untrue, is taken back at
    /// once.
    pub(super) fn must_have_withdrawn(
        &self,
        before: &Self,
        event: Option<&Event>,
        actions: &[Action],
    ) {
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
    pub(super) fn must_not_be_put_off(
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
    pub(super) fn agrees_with(&mut self, engine: &Engine) {
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

/// Whether it depends on groups that nobody has told what holds for a session as it is, or as it
/// was before.
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
