//! Whether messages to a user reach an agent.

use session_timeout_policy::SessionKey;

use super::Agents;

/// Whether messages to the session's user reach an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    /// An agent is registered and answers.
    Answers,
    /// An agent is registered, and did not answer the last query.
    Silent,
    /// No agent is registered.
    Nobody,
}

impl Agents {
    /// Whether the session's agent receives the messages to its user.
    pub(crate) fn hears(&self, key: &SessionKey) -> Hears {
        match self.all().agents.get(key) {
            Some(agent) if agent.silent => Hears::Silent,
            Some(_) => Hears::Answers,
            None => Hears::Nobody,
        }
    }
}
