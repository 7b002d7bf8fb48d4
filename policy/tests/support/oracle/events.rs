//! What events and the engine tell the oracle of sessions.

use std::time::Duration;

use session_timeout_policy::{
    Action, EndAction, Engine, Event, Hint, LimitKind, Limits, LockCause, Remains, SessionFacts,
    SessionKey,
};

use super::Oracle;
use super::after::needs_groups;
use super::session::{Ending, Known, Removal, Stage};

/// The time of a hint is only good to the second.
const HINT_ERROR: Duration = Duration::from_secs(1);

impl Oracle {
    pub(super) fn takes(&mut self, event: Option<&Event>) {
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

    /// logind has it after all, unless another session has its id.
    fn reappears(&mut self, key: &SessionKey) {
        let mut others = self.known.keys();
        let newer = |other: &SessionKey| other.id == key.id && other.stamp > key.stamp;
        if !others.any(newer) {
            self.with(key, Known::reappears);
        }
    }

    /// What the engine says of its sessions after the call.
    pub(super) fn learns(&mut self, told: &[SessionFacts], actions: &[Action], engine: &Engine) {
        for view in engine.sessions() {
            let key = &view.facts.key;
            if !self.known.contains_key(key) {
                assert!(told.iter().any(|facts| facts.key == *key), "{key:?}?");
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
    pub(super) fn comes_back(&mut self, action: &Action, engine: &Engine) {
        if let Action::Left(facts, _) = action
            && let Some(view) = engine.session_of(&facts.key)
        {
            let mut known = Known::new(&view);
            known.learns(&view);
            self.known.insert(facts.key.clone(), known);
        }
    }
}

pub(super) fn told_of(event: &Event) -> &[SessionFacts] {
    match event {
        Event::SessionSeen(facts) => std::slice::from_ref(facts),
        Event::SessionsListed(listed) => listed,
        _ => &[],
    }
}
