//! The errors of `ExtendSession`: each reason has an error name of its own, so that the caller can
//! show it in the user's language.

use std::fmt;

use session_timeout_policy::Refusal;
use session_timeout_protocol::bus::ExtendError;
use zbus::message::Header;
use zbus::names::ErrorName;
use zbus::{DBusError, Message, fdo};

use super::polkit::Denial;

/// Why a session was not extended.
#[derive(Debug)]
pub(super) enum NotExtended {
    /// The reason, and a text for callers that do not know its name.
    Refused(ExtendError, String),
    /// The request failed before a decision.
    Bus(fdo::Error),
}

impl NotExtended {
    pub(super) fn new(why: ExtendError, text: impl fmt::Display) -> Self {
        Self::Refused(why, text.to_string())
    }
}

impl From<&Refusal> for NotExtended {
    fn from(refusal: &Refusal) -> Self {
        let why = match refusal {
            Refusal::Ending => ExtendError::Ending,
            Refusal::Longest => ExtendError::Longest,
            Refusal::NotAllowed => ExtendError::NotAllowed,
            Refusal::NoLimit => ExtendError::NoLimit,
            Refusal::NoSession => ExtendError::NoSession,
            Refusal::UsedUp { .. } => ExtendError::UsedUp,
        };
        Self::new(why, refusal)
    }
}

impl From<&Denial> for NotExtended {
    fn from(denial: &Denial) -> Self {
        let why = match denial {
            Denial::Abandoned => ExtendError::Abandoned,
            Denial::Dismissed => ExtendError::Dismissed,
            Denial::Interactive => ExtendError::Interactive,
            Denial::Late(_) => ExtendError::Late,
            Denial::NoAgent => ExtendError::NoAgent,
            Denial::NotAuthorized => ExtendError::NotAuthorized,
            Denial::Unavailable(_) => ExtendError::Unavailable,
        };
        Self::new(why, denial)
    }
}

impl From<fdo::Error> for NotExtended {
    fn from(error: fdo::Error) -> Self {
        Self::Bus(error)
    }
}

impl DBusError for NotExtended {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        match self {
            Self::Refused(why, text) => {
                Message::error(call, why.error_name()).build(&(text.as_str(),))
            }
            Self::Bus(error) => error.create_reply(call),
        }
    }

    fn name(&self) -> ErrorName<'_> {
        match self {
            Self::Refused(why, _) => ErrorName::from_static_str_unchecked(why.error_name()),
            Self::Bus(error) => error.name(),
        }
    }

    fn description(&self) -> Option<&str> {
        match self {
            Self::Refused(_, text) => Some(text),
            Self::Bus(error) => error.description(),
        }
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_protocol::bus::manager;

    use super::*;

    #[test]
    fn every_reason_is_an_error_that_the_bus_takes() {
        let call = Message::method_call(manager::PATH, manager::EXTEND_SESSION);
        let call = call.build(&("c1",)).unwrap();
        for why in ExtendError::ALL {
            let error = NotExtended::new(why, "because");
            let reply = error.create_reply(&call.header()).unwrap();
            let header = reply.header();
            let name = header.error_name().unwrap().as_str();
            assert_eq!(ExtendError::by_error_name(name), Some(why));
            assert_eq!(reply.body().deserialize::<String>().unwrap(), "because");
        }
    }
}
