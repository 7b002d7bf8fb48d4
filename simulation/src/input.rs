//! One call of the engine, and its results.

use session_timeout_policy::{Event, Extended, Output, Refusal, SessionKey};

/// An input of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Event(Event),
    /// A request for an extension of this session.
    Extend(SessionKey),
}

impl From<Event> for Input {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

/// The results of a call of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The answer to a request for an extension of this session.
    pub(crate) extension: Option<(SessionKey, Result<Extended, Refusal>)>,
    pub(crate) outputs: Vec<Output>,
}

impl From<Vec<Output>> for Reply {
    fn from(outputs: Vec<Output>) -> Self {
        Self {
            extension: None,
            outputs,
        }
    }
}
