//! The oracle of the properties: actions that the engine may never return, after any events.
//!
//! It follows the events and the actions, and panics at the first action that does not follow from
//! what came before. Which limits hold it takes from the engine: whether those are the right ones,
//! and whether everything comes in time, is the simulation's concern.

mod actions;
mod after;
mod ends;
mod events;
mod session;

use std::collections::BTreeMap;

use session_timeout_policy::{
    Action, BootTime, Engine, Event, LimitKind, Phase, SessionKey, SessionRecord,
};

use events::told_of;
use session::{Known, Removal};

/// What the engine has been told and has done.
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    now: BootTime,
    known: BTreeMap<SessionKey, Known>,
}

impl Oracle {
    pub(crate) fn new(now: BootTime) -> Self {
        Self {
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
        let told = event.map_or(&[][..], told_of);
        let bound = 6 * (self.known.len() + told.len()) + 2;
        assert!(actions.len() <= bound, "too many at once: {actions:#?}");
        let before = self.clone();
        self.takes(event);
        self.learns(told, actions, engine);
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

    /// Whether it is open whether anything is left of the session.
    pub(crate) fn is_dropped(&self, key: &SessionKey) -> bool {
        let known = self.known.get(key);
        known.is_some_and(|known| known.removal != Removal::No)
    }

    fn with(&mut self, key: &SessionKey, act: impl FnOnce(&mut Known)) {
        if let Some(known) = self.known.get_mut(key) {
            act(known);
        }
    }
}
