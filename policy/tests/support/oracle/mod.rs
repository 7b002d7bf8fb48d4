//! The oracle of the property tests: it checks the engine's actions after events in any order.
//!
//! It follows events and actions, and panics at the first action that they do not permit. It takes
//! the limits in force from the engine: the simulation checks whether those are right, and whether
//! every action comes in time.

mod actions;
mod after;
mod ends;
mod events;
mod session;

use std::collections::BTreeMap;

use session_timeout_policy::{
    BootTime, Engine, Event, Extended, LimitKind, Output, Phase, Refusal, SessionKey, SessionRecord,
};

use events::facts_in;
use session::{Removal, SessionState};

/// The history of the engine so far, as a state for each session.
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    now: BootTime,
    sessions: BTreeMap<SessionKey, SessionState>,
}

/// A call of the engine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call<'a> {
    Event(&'a Event),
    /// A request for an extension, and its answer.
    Extend(&'a SessionKey, &'a Result<Extended, Refusal>),
    Timeout,
}

impl Oracle {
    pub(crate) fn new(now: BootTime) -> Self {
        Self {
            now,
            sessions: BTreeMap::new(),
        }
    }

    /// Checks the outputs that the engine returned for this call.
    pub(crate) fn check(
        &mut self,
        now: BootTime,
        call: Call<'_>,
        outputs: &[Output],
        engine: &Engine,
    ) {
        self.now = self.now.max(now);
        let event = match call {
            Call::Event(event) => Some(event),
            Call::Extend(..) | Call::Timeout => None,
        };
        let seen = event.map_or(&[][..], facts_in);
        let bound = 6 * (self.sessions.len() + seen.len()) + 2;
        assert!(outputs.len() <= bound, "too many outputs: {outputs:#?}");
        let before = self.clone();
        self.apply_event(event);
        self.update(seen, outputs, engine);
        if let Call::Extend(key, result) = call {
            self.check_result(key, result);
        }
        for output in outputs {
            self.check_output(output, event);
            self.replace_adopted(output, engine);
        }
        self.check_withdrawals(&before, event, outputs);
        self.check_no_later_end(&before, event, engine);
        self.check_engine_state(engine);
    }

    /// Checks the answer to a request for an extension.
    fn check_result(&mut self, key: &SessionKey, result: &Result<Extended, Refusal>) {
        let now = self.now;
        match (self.sessions.get_mut(key), result) {
            (Some(session), Ok(extended)) => session.check_extension(now, extended),
            (Some(_), Err(refusal)) => assert_ne!(*refusal, Refusal::NoSession, "{key:?}"),
            (None, result) => assert_eq!(*result, Err(Refusal::NoSession), "{key:?}"),
        }
    }

    /// Follows a restart of the daemon, which restored this engine from these records.
    pub(crate) fn restored(&mut self, now: BootTime, records: &[SessionRecord], engine: &Engine) {
        self.now = now;
        let kept = |key: &SessionKey| records.iter().any(|record| record.facts.key == *key);
        self.sessions.retain(|key, _| kept(key));
        for view in engine.sessions() {
            let Some(session) = self.sessions.get_mut(&view.facts.key) else {
                continue;
            };
            (
                session.ending,
                session.probe_requested,
                session.groups_requested,
            ) = (None, None, None);
            session.lock_requested = false;
            (session.removal, session.end_action, session.bound) = (Removal::No, None, None);
            session.began = true;
            session.update(&view);
            session.reported &= view.phase == Phase::Reported;
            let record = records.iter().find(|one| one.facts.key == view.facts.key);
            let record = record.expect("sessions without a record were removed");
            for (kind, limit) in [
                (LimitKind::Absolute, &record.absolute),
                (LimitKind::Inactivity, &record.inactivity),
            ] {
                let last_lead = limit.countdown.last_lead;
                let holds = session.warned.get(&kind).map(|warned| warned.last.lead) == last_lead;
                let same = session.limit(kind).is_some_and(|now| {
                    let has_lead = last_lead
                        .is_some_and(|last_lead| now.leads.iter().any(|one| one == last_lead));
                    limit.length == Some(now.length) && has_lead
                });
                let last = session.warned.get(&kind).is_some_and(|warned| {
                    let shortest = session.limit(kind).and_then(|limit| limit.leads.shortest());
                    (shortest == Some(warned.last.lead)) == limit.countdown.not_before.is_some()
                });
                if (!holds || !same || !last) && session.warned.remove(&kind).is_some() {
                    session.stale.insert(kind);
                }
            }
        }
    }

    /// Whether an end of the session is under way.
    pub(crate) fn is_ending(&self, key: &SessionKey) -> bool {
        let session = self.sessions.get(key);
        session.is_some_and(|session| session.ending.is_some())
    }

    /// Whether logind has dropped the session and its removal is not complete.
    pub(crate) fn is_dropped(&self, key: &SessionKey) -> bool {
        let session = self.sessions.get(key);
        session.is_some_and(|session| session.removal != Removal::No)
    }

    fn with(&mut self, key: &SessionKey, act: impl FnOnce(&mut SessionState)) {
        if let Some(session) = self.sessions.get_mut(key) {
            act(session);
        }
    }
}
