//! Whether what a user is told reaches an agent.

use session_timeout_policy::SessionKey;

use super::Agents;

/// Whether what a user is told reaches an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    /// There is an agent.
    Answers,
    /// There is one, and it did not answer the last question.
    Silent,
    /// There is none.
    Nobody,
}

impl Agents {
    /// Whether the session's agent hears what its user is told.
    pub(crate) fn hears(&self, key: &SessionKey) -> Hears {
        match self.all().agents.get(key) {
            Some(agent) if agent.silent => Hears::Silent,
            Some(_) => Hears::Answers,
            None => Hears::Nobody,
        }
    }
}
