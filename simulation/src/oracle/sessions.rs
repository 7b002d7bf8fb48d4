//! Arrival and departure of sessions: those that logind lists, those that it has dropped, and those
//! that the daemon keeps.

use session_timeout_policy::{
    BootTime, Keeper, NoSession, Remains, SessionFacts, SessionId, SessionKey,
};

use super::events::{LOGIN_KEPT, joined, updated};
use super::{CheckedSession, Oracle};
use crate::history::History;
use crate::limits::EffectiveLimits;

impl Oracle<'_> {
    pub(super) fn sees(&mut self, facts: &SessionFacts) {
        let now = self.moment();
        self.reported += 1;
        let there = self.sessions.iter();
        let mut there = there.filter(|session| session.history.facts.key.id == facts.key.id);
        if there.any(|session| !session.gone && session.history.stamp() > facts.key.stamp) {
            return;
        }
        if let Some(at) = self.index(&facts.key) {
            let graphical = facts.session_type.is_graphical();
            let limits = self
                .sessions
                .get(at)
                .and_then(|one| self.limits(&one.history));
            let counts = limits.is_some_and(|limits| limits.counts_activity(graphical));
            if let Some(session) = self.sessions.get_mut(at) {
                session.touched = true;
                session.displaced = false;
                let history = &mut session.history;
                history
                    .removal
                    .take_if(|removal| removal.survived.is_none());
                let before = history.facts.clone();
                updated(&mut history.facts, facts);
                history.was(&before);
                let changed = before.session_type != facts.session_type
                    || before.class != facts.class
                    || before.terminal != history.facts.terminal;
                if changed && !counts {
                    // The pending probe has no effect any more.
                    history.drops_probe();
                }
            }
            return;
        }
        if self.is_in_logind(facts) {
            return;
        }
        self.is_displaced(&facts.key.id);
        let started = self.takes_over(facts);
        let mut history = History::begin(now, facts.clone(), self.lag);
        history.facts.started = started.unwrap_or(facts.started).min(facts.started);
        let oldest = self.now.saturating_sub(LOGIN_KEPT);
        self.logins.retain(|(since, _)| *since >= oldest);
        if let Some(at) = self
            .logins
            .iter()
            .position(|(_, login)| login.id == facts.key.id)
        {
            let (_, login) = self.logins.remove(at);
            if facts.leader.is_none_or(|leader| leader == login.leader) {
                joined(&mut history.facts, &login);
            }
        }
        self.sessions.push(CheckedSession {
            history,
            required: None,
            gone: false,
            touched: true,
            displaced: false,
        });
        self.find_displaced();
    }

    pub(super) fn goes(&mut self, id: &SessionId) {
        let now = self.moment();
        let dropped = Keeper::Daemon(NoSession::Dropped);
        let mut doubtful = false;
        let there = self.sessions.iter_mut();
        let there = there.filter(|session| session.history.facts.key.id == *id && !session.gone);
        let (kept, holder): (Vec<_>, Vec<_>) = there.partition(|session| session.displaced);
        for session in kept {
            if session.history.facts.keeper == dropped {
                doubtful = true;
                session.touched = true;
                session.is_dropped(now);
            }
        }
        for session in holder {
            session.touched = true;
            if !doubtful {
                session.is_dropped(now);
            } else if session.history.removal.is_none() && session.history.needs_verification() {
                session.history.is_dropped(now);
                if let Some(removal) = &mut session.history.removal {
                    removal.doubtful = true;
                }
            }
        }
    }

    pub(super) fn lists(&mut self, listed: &[SessionFacts]) {
        let now = self.moment();
        for session in &mut self.sessions {
            session.touched = true;
            let facts = &session.history.facts;
            let is_listed = listed.iter().any(|other| other.key.id == facts.key.id);
            let has = is_listed && !session.displaced;
            if facts.keeper == Keeper::Logind && !has {
                session.is_dropped(now);
            }
        }
        self.reported = self.sessions.len();
        for facts in listed {
            self.sees(facts);
        }
    }

    pub(super) fn verified(&mut self, key: &SessionKey, remains: Remains) {
        let now = self.moment();
        self.reported = 1;
        let Some(at) = self.index(key) else { return };
        let Some(session) = self.sessions.get_mut(at) else {
            return;
        };
        session.touched = true;
        let history = &mut session.history;
        let (kind, open) = (history.ended_for(), history.is_open());
        let limited = open && matches!(history.effective(), EffectiveLimits::Limited(_));
        let Some(removal) = &mut history.removal else {
            return;
        };
        match remains {
            Remains::Something if removal.doubtful => history.removal = None,
            Remains::Something if kind.is_some() => {
                removal.survived = removal.survived.or(Some(now));
                removal.ended = kind;
            }
            Remains::Something if limited => {
                history.removal = None;
                history.adopted = None;
                history.facts.keeper = Keeper::Daemon(NoSession::Dropped);
            }
            Remains::Nothing | Remains::Something => session.gone = true,
        }
    }

    /// Marks sessions whose id is now used by a newer session.
    pub(super) fn find_displaced(&mut self) {
        let all: Vec<SessionKey> = self
            .sessions
            .iter()
            .map(|session| session.history.facts.key.clone())
            .collect();
        let now = self.moment();
        for session in &mut self.sessions {
            let key = &session.history.facts.key;
            let newer = |other: &SessionKey| other.id == key.id && other.stamp > key.stamp;
            let displaced = all.iter().any(newer);
            let is_new = displaced && !session.displaced;
            session.displaced = displaced;
            if is_new && !session.gone {
                session.history.is_dropped(now);
            }
        }
    }

    /// Whether logind has a session for this login, which the daemon is to keep.
    fn is_in_logind(&self, facts: &SessionFacts) -> bool {
        facts.keeper != Keeper::Logind
            && self.sessions.iter().any(|session| {
                let known = &session.history.facts;
                known.keeper == Keeper::Logind
                    && known.leader == facts.leader
                    && session.history.is_open()
                    && !session.displaced
            })
    }

    /// Replaces a login that the daemon kept by logind's session. Returns the start of the login.
    fn takes_over(&mut self, facts: &SessionFacts) -> Option<BootTime> {
        let dropped = Keeper::Daemon(NoSession::Dropped);
        let kept = self.sessions.iter_mut().find(|session| {
            let known = &session.history.facts;
            !matches!(known.keeper, Keeper::Logind)
                && known.keeper != dropped
                && known.leader == facts.leader
        });
        let kept = kept.filter(|_| facts.keeper == Keeper::Logind)?;
        (kept.gone, kept.touched) = (true, true);
        Some(kept.history.facts.started)
    }

    /// Marks the session that has this id as displaced by another.
    fn is_displaced(&mut self, id: &SessionId) {
        let now = self.moment();
        let there = self.sessions.iter_mut();
        let mut there = there.filter(|session| session.history.facts.key.id == *id);
        if let Some(session) = there.find(|session| !session.displaced && !session.gone) {
            session.touched = true;
            session.is_dropped(now);
        }
    }
}

impl CheckedSession {
    /// Records that logind, or the daemon that kept the session, has dropped it.
    fn is_dropped(&mut self, now: super::Moment) {
        if self.history.removal.is_some() {
            return;
        }
        if self.history.needs_verification() {
            self.history.is_dropped(now);
        } else {
            self.gone = true;
        }
    }
}
