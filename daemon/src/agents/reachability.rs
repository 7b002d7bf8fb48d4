//! Whether messages to a user reach an agent.

use session_timeout_policy::SessionKey;

use super::Agents;

/// Whether messages to the session's user reach an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reachability {
    /// An agent is registered and answers.
    Answers,
    /// An agent is registered, and did not answer the last query.
    Silent,
    /// No agent is registered.
    Nobody,
}

impl Agents {
    /// Whether the session's agent receives the messages to its user.
    pub(crate) fn reachability(&self, key: &SessionKey) -> Reachability {
        match self.all().agents.get(key) {
            Some(agent) if agent.silent => Reachability::Silent,
            Some(_) => Reachability::Answers,
            None => Reachability::Nobody,
        }
    }
}
