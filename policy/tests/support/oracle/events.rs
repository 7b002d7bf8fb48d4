//! Updates the oracle's sessions from events, and from the engine's state after a call.

use std::time::Duration;

use session_timeout_policy::{
    Action, EndAction, Engine, Event, Hint, LimitKind, Limits, LockCause, Remains, SessionFacts,
    SessionKey,
};

use super::Oracle;
use super::after::needs_groups;
use super::session::{Escalation, Removal, SessionState, Stage};

/// The tolerance of the time in a hint.
const HINT_ERROR: Duration = Duration::from_secs(1);

impl Oracle {
    /// Records the effects of an event, before its actions are checked.
    pub(super) fn apply_event(&mut self, event: Option<&Event>) {
        let now = self.now;
        match event {
            Some(Event::ActivitySeen(key)) => {
                self.with(key, |session| session.record_activity(now));
            }
            Some(Event::Unlocked(key)) => self.with(key, |session| {
                // The screen is not locked, so the lock cannot be confirmed.
                session.end_verification();
                session.record_activity(now);
            }),
            Some(Event::EndFailed(key)) => self.with(key, |session| {
                if let Some(ending) = &mut session.ending {
                    (ending.failed, ending.unreached) = (true, false);
                }
            }),
            Some(Event::Unreached(key)) => self.with(key, |session| {
                if let Some(ending) = &mut session.ending {
                    (ending.unreached, ending.stage_since) = (true, now);
                }
            }),
            Some(Event::GroupsResolved(key, _) | Event::GroupsUnavailable(key)) => {
                self.with(key, |session| session.groups_requested = None);
            }
            Some(Event::HungUp(key)) => self.with(key, SessionState::leader_exits),
            Some(Event::Verified(key, Remains::Something)) => self.with(key, |session| {
                if session.ended_limit().is_none() {
                    session.reappears();
                }
            }),
            Some(Event::SessionSeen(facts)) => self.reappears(&facts.key),
            Some(Event::SessionsListed(listed)) => {
                for facts in listed {
                    self.reappears(&facts.key);
                }
            }
            Some(Event::LoginClosed(id)) => {
                // After logind has dropped a session, only its verification counts.
                let same = self.sessions.iter_mut().filter(|(key, _)| key.id == *id);
                let last = same.max_by_key(|(key, _)| key.stamp);
                if let Some((_, session)) =
                    last.filter(|(_, session)| session.removal == Removal::No)
                {
                    session.leader_exits();
                    let locking = |ending: &mut Escalation| ending.stage <= Stage::Lock;
                    if let Some(ending) = session.ending.take_if(locking) {
                        session.warned.remove(&ending.limit);
                    }
                }
            }
            Some(Event::Probed(key, reading)) => self.with(key, |session| {
                session.probe_requested = None;
                if reading.locked == Some(true) {
                    session.end_verification();
                }
                match reading.hint {
                    Some(Hint::Active) => session.record_activity(now),
                    Some(Hint::IdleSince(since)) => {
                        session.record_activity(since.min(now).saturating_sub(HINT_ERROR));
                    }
                    None => {}
                }
            }),
            Some(Event::Locked(key)) => self.with(key, SessionState::end_verification),
            Some(Event::ProbeFailed(key)) => {
                self.with(key, |session| session.probe_requested = None);
            }
            _ => {}
        }
    }

    /// Records that logind still has the session, unless a later one has its id.
    fn reappears(&mut self, key: &SessionKey) {
        let mut others = self.sessions.keys();
        let newer = |other: &SessionKey| other.id == key.id && other.stamp > key.stamp;
        if !others.any(newer) {
            self.with(key, SessionState::reappears);
        }
    }

    /// Updates the sessions from the engine's state after the call. New ones must be in `seen`.
    pub(super) fn update(&mut self, seen: &[SessionFacts], actions: &[Action], engine: &Engine) {
        for view in engine.sessions() {
            let key = &view.facts.key;
            if !self.sessions.contains_key(key) {
                assert!(
                    seen.iter().any(|facts| facts.key == *key),
                    "an unknown session: {key:?}"
                );
                self.sessions.insert(key.clone(), SessionState::new(&view));
            }
            let wanted = needs_groups(engine, view.facts);
            let locked = |action: &Action| matches!(action, Action::Locked(locked, LockCause::Limit(_)) if locked == key);
            let stays = view
                .overriding
                .is_some_and(|earlier| earlier.end_action == EndAction::Lock);
            let locks = |limits: &Limits| limits.end_action == EndAction::Lock || stays;
            // If the end action is no longer a lock, a lock under way is abandoned.
            let dropped = !view.limits.is_some_and(locks) && !actions.iter().any(locked);
            self.with(key, |session| {
                session.locking_warned.clear();
                session.update(&view);
                session.groups_requested.take_if(|_| !wanted);
                let lock = |ending: &mut Escalation| ending.stage <= Stage::Lock;
                if session
                    .ending
                    .take_if(|ending| dropped && lock(ending))
                    .is_some()
                {
                    // Its warnings are only withdrawn if the limit was in force until now.
                    let withdrawn =
                        |kind: &LimitKind| actions.contains(&Action::Withdraw(key.clone(), *kind));
                    session.locking_warned = session.warned.clone();
                    session.warned.retain(|kind, _| withdrawn(kind));
                }
            });
        }
    }

    /// After `Left` for a login that the daemon kept, logind may have it in the same call: another
    /// session with the same key.
    pub(super) fn replace_adopted(&mut self, action: &Action, engine: &Engine) {
        if let Action::Left(facts, _) = action
            && let Some(view) = engine.session_of(&facts.key)
        {
            let mut session = SessionState::new(&view);
            session.update(&view);
            self.sessions.insert(facts.key.clone(), session);
        }
    }
}

/// The sessions that an event contains.
pub(super) fn facts_in(event: &Event) -> &[SessionFacts] {
    match event {
        Event::SessionSeen(facts) => std::slice::from_ref(facts),
        Event::SessionsListed(listed) => listed,
        _ => &[],
    }
}
