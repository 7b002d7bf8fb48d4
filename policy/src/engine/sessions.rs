//! Arrival and departure of sessions: those that logind lists, those that it has dropped, and those
//! that the daemon keeps.

use std::cmp::Ordering;

use crate::engine::Engine;
use crate::session::outputs::Outputs;
use crate::session::removal::Gone;
use crate::session::{LoginState, Session};
use crate::{BootTime, Keeper, NoSession, SessionFacts, SessionId, SessionKey, Transition};

impl Engine {
    pub(crate) fn session_seen(&mut self, facts: SessionFacts, out: &mut Outputs) {
        let key = facts.key.clone();
        if !self.sessions.contains_key(&key.id)
            && let Some(session) = self.displaced.remove(&key)
        {
            self.sessions.insert(key.id.clone(), session);
        }
        if let Some(known) = self.sessions.get_mut(&key.id) {
            match key.stamp.cmp(&known.facts.key.stamp) {
                Ordering::Equal => {
                    known.reappeared();
                    known.update(facts, &self.policy);
                    known.reevaluate(self.now, &self.policy, out);
                    return;
                }
                // It was dropped before the one that has its id now was made.
                Ordering::Less => return,
                Ordering::Greater => self.session_dropped(&key.id, out),
            }
        } else if self.is_in_logind(&facts) {
            return;
        }
        let started = self.take_over(&facts, out);
        let mut session = Session::new(self.now, facts);
        session.set_earlier_start(started);
        if let Some((_, login)) = self.logins.remove(&key.id)
            && session
                .facts
                .leader
                .is_none_or(|leader| leader == login.leader)
        {
            session.record(login);
        }
        session.reevaluate(self.now, &self.policy, out);
        self.insert(Box::new(session));
    }

    pub(crate) fn reconcile(&mut self, listed: Vec<SessionFacts>, out: &mut Outputs) {
        let is_listed = |id: &SessionId| listed.iter().any(|facts| facts.key.id == *id);
        let in_logind = |session: &Session| session.facts.keeper == Keeper::Logind;
        let gone: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(id, session)| in_logind(session) && !is_listed(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.session_dropped(&id, out);
        }
        for facts in listed {
            self.session_seen(facts, out);
        }
        self.update_unlisted(out);
    }

    /// A session with this id is gone: the one that has the id, or one that had it and that the
    /// daemon keeps.
    pub(crate) fn session_gone(&mut self, id: &SessionId, out: &mut Outputs) {
        let displaced = self.displaced.iter();
        let kept = displaced.filter(|(key, session)| key.id == *id && session.is_kept_after_drop());
        let kept: Vec<SessionKey> = kept.map(|(key, _)| key.clone()).collect();
        if kept.is_empty() {
            self.session_dropped(id, out);
            return;
        }
        for key in kept {
            self.update_or_remove(&key, out, Session::dropped);
        }
        if let Some(holder) = self.sessions.get_mut(id) {
            holder.in_doubt(self.now, out);
        }
    }

    pub(crate) fn remove(&mut self, key: &SessionKey, out: &mut Outputs) {
        let holder = self.sessions.get(&key.id);
        let session = if holder.is_some_and(|holder| holder.facts.key == *key) {
            self.sessions.remove(&key.id)
        } else {
            self.displaced.remove(key)
        };
        if let Some(session) = session {
            let (facts, departure) = session.into_end();
            out.push(Transition::Left(facts, departure));
        }
        self.restore_displaced(&key.id);
    }

    /// Keeps a session. If two have the same id, logind has dropped the older one.
    pub(crate) fn insert(&mut self, session: Box<Session>) {
        let key = session.facts.key.clone();
        let other = self
            .sessions
            .get(&key.id)
            .map(|other| other.facts.key.stamp);
        if other.is_some_and(|stamp| stamp > key.stamp) {
            self.displaced.insert(key, session);
        } else if let Some(other) = self.sessions.insert(key.id, session) {
            self.displaced.insert(other.facts.key.clone(), other);
        }
    }

    /// Whether logind has a session for a login that the daemon is to keep.
    fn is_in_logind(&self, facts: &SessionFacts) -> bool {
        facts.keeper != Keeper::Logind
            && facts.leader.is_some()
            && self.sessions.values().any(|session| {
                session.facts.keeper == Keeper::Logind
                    && session.facts.leader == facts.leader
                    && session.login == LoginState::Open
            })
    }

    /// logind has a session for a login that the daemon has kept until now: it replaces the
    /// daemon's. Returns when the login began.
    fn take_over(&mut self, facts: &SessionFacts, out: &mut Outputs) -> Option<BootTime> {
        if facts.keeper != Keeper::Logind {
            return None;
        }
        let kept = self.sessions.values().find(|session| {
            let keeper = session.facts.keeper;
            // A session that logind had before is not a login that logind was late for.
            !matches!(keeper, Keeper::Logind | Keeper::Daemon(NoSession::Dropped))
                && session.facts.leader.is_some()
                && session.facts.leader == facts.leader
        })?;
        let (key, started) = (kept.facts.key.clone(), kept.facts.started);
        self.remove(&key, out);
        Some(started)
    }

    /// Handles sessions that are not in logind's list: displaced ones, and those that the daemon
    /// keeps.
    fn update_unlisted(&mut self, out: &mut Outputs) {
        let displaced = self.displaced.iter();
        let displaced = displaced.filter(|(_, session)| !session.is_kept_after_drop());
        let displaced: Vec<SessionKey> = displaced.map(|(key, _)| key.clone()).collect();
        for key in displaced {
            self.update_or_remove(&key, out, Session::dropped);
        }
        for session in self.displaced.values_mut() {
            session.reevaluate(self.now, &self.policy, out);
        }
        for session in self.sessions.values_mut() {
            // One with a removal has its id again, which another one had until now.
            if session.facts.keeper != Keeper::Logind || session.removal.is_some() {
                session.reevaluate(self.now, &self.policy, out);
            }
        }
    }

    /// The session with this id is gone from logind, or from the daemon that kept it.
    fn session_dropped(&mut self, id: &SessionId, out: &mut Outputs) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        match session.dropped(self.now, out) {
            Gone::No => session.reevaluate(self.now, &self.policy, out),
            Gone::Yes => {
                let key = session.facts.key.clone();
                self.remove(&key, out);
            }
        }
    }

    /// If no session has this id any more, it goes back to the last one that had it.
    fn restore_displaced(&mut self, id: &SessionId) {
        if self.sessions.contains_key(id) {
            return;
        }
        let mut had = self.displaced.keys().rev();
        let last = had.find(|key| key.id == *id).cloned();
        if let Some(session) = last.and_then(|key| self.displaced.remove(&key)) {
            self.sessions.insert(id.clone(), session);
        }
    }
}
