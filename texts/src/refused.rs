//! The catalogue's messages for the errors of an extension.

use session_timeout_protocol::bus::ExtendError;

/// The id of the message for this error.
pub(crate) const fn id(error: ExtendError) -> &'static str {
    match error {
        ExtendError::Abandoned => "refused-abandoned",
        ExtendError::Busy => "refused-busy",
        ExtendError::Dismissed => "refused-dismissed",
        ExtendError::Ending => "refused-ending",
        ExtendError::Interactive => "refused-interactive",
        ExtendError::Late => "refused-late",
        ExtendError::Longest => "refused-longest",
        ExtendError::NoAgent => "refused-no-agent",
        ExtendError::NoLimit => "refused-no-limit",
        ExtendError::NoSession => "refused-no-session",
        ExtendError::NotAllowed => "refused-not-allowed",
        ExtendError::NotAuthorized => "refused-not-authorized",
        ExtendError::Unavailable => "refused-unavailable",
        ExtendError::UsedUp => "refused-used-up",
    }
}
