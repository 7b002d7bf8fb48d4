//! Journal entries about the agents in desktops.

use log::Level;
use session_timeout_policy::{IdleSource, SessionFacts, View};

use super::Journal;
use super::writer::{Entry, EventKind, field};
use crate::agents::Source;

impl Journal {
    /// The desktop of a session has an agent, with this source of idle time.
    pub(crate) fn agent_attached(&self, facts: &SessionFacts, source: Source) {
        let (id, user) = (&facts.key.id, &facts.user);
        let knows = match source {
            Source::None => "which has nobody to ask for input there".to_owned(),
            source => format!("which knows its input by {}", source.as_str()),
        };
        let message = format!("Session {id} of {user} has an agent, {knows}");
        let entry = Entry::new(Level::Info, EventKind::AgentAttached, message).about(facts);
        self.0.write(entry.with(field::SOURCE, source.as_str()));
    }

    /// The desktop of a session has no agent any more.
    pub(crate) fn agent_gone(&self, session: &View<'_>) {
        let facts = session.facts;
        let message = format!(
            "The agent of session {} of {} is gone; {}",
            facts.key.id,
            facts.user,
            falls_back(session)
        );
        self.0
            .write(Entry::new(Level::Warn, EventKind::AgentGone, message).about(facts));
    }

    /// The agent of a session does not answer. The caller reports this once, until the agent
    /// answers.
    pub(crate) fn agent_silent(&self, session: &View<'_>) {
        let facts = session.facts;
        let message = format!(
            "The agent of session {} of {} does not answer; until it does, {}",
            facts.key.id,
            facts.user,
            falls_back(session)
        );
        self.0
            .write(Entry::new(Level::Warn, EventKind::AgentSilent, message).about(facts));
    }
}

/// The source of the idle time while the agent does not answer.
fn falls_back(session: &View<'_>) -> &'static str {
    if session.activity.fallbacks.contains(&IdleSource::Logind)
        || session.activity.source == IdleSource::Logind
    {
        "its idle time is what the desktop tells logind"
    } else {
        "nobody knows its idle time"
    }
}
