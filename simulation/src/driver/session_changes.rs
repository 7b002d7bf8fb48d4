//! Changes of a session's properties in logind.

use session_timeout_policy::{Event, Keeper, SessionId, SessionKey};

use super::Driver;
use super::events::Checked;
use crate::plan::{LoginId, PropertyChange};
use crate::world::{KeptBy, Session, State};

impl Driver<'_> {
    /// logind creates a session for a login that had none.
    pub(super) fn becomes_known(&mut self, who: LoginId) -> Checked {
        let now = self.now;
        let stamp = self.world.stamp(now);
        let Some(session) = self.world.who(who) else {
            return Ok(());
        };
        if session.state != State::Open {
            return Ok(());
        }
        session.keeper = KeptBy::Logind;
        session.facts.keeper = Keeper::Logind;
        session.facts.started = now;
        session.facts.key = SessionKey {
            id: SessionId::new(format!("k{}", who.0)),
            stamp,
        };
        let facts = session.facts.clone();
        self.signal(Event::SessionSeen(facts))
    }

    /// The user manager has started, so that the session gets its final class.
    pub(super) fn becomes_ready(&mut self, who: LoginId) -> Checked {
        let Some(session) = self.world.who(who) else {
            return Ok(());
        };
        session.facts.class = session_timeout_policy::SessionClass::User;
        let facts = session.facts.clone();
        match session.keeper {
            KeptBy::Logind | KeptBy::Daemon => self.signal(Event::SessionSeen(facts)),
            KeptBy::Nobody => Ok(()),
        }
    }

    /// The user changes a property of the session, if logind has the session.
    pub(super) fn changes(&mut self, who: LoginId, change: &PropertyChange) -> Checked {
        let by_logind = |session: &&mut Session| session.keeper == KeptBy::Logind;
        let Some(session) = self.world.who(who).filter(by_logind) else {
            return Ok(());
        };
        match change {
            PropertyChange::Terminal(name) => session.facts.terminal = Some(name.clone()),
            PropertyChange::Type(session_type) => session.facts.session_type = *session_type,
        }
        let facts = session.facts.clone();
        self.signal(Event::SessionSeen(facts))
    }
}
