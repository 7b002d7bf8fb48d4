//! The D-Bus errors of [`EXTEND_SESSION`](super::manager::EXTEND_SESSION).

/// Why an absolute limit is not extended. Each reason is a D-Bus error with its own name, so that
/// the caller can show a message in the user's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendError {
    /// The caller has left the bus.
    Abandoned,
    /// An earlier request of the same user is still pending.
    Busy,
    /// The user dismissed the authentication dialog.
    Dismissed,
    /// The session is already being ended.
    Ending,
    /// Authentication is required, and the caller did not allow interaction.
    Interactive,
    /// The authentication timed out.
    Late,
    /// The session has reached the longest time that any session may last.
    Longest,
    /// Authentication is required, and the user has no polkit authentication agent.
    NoAgent,
    /// No absolute limit applies.
    NoLimit,
    /// The session does not exist, or the caller may not see it.
    NoSession,
    /// The policy allows no extension.
    NotAllowed,
    /// polkit did not authorize the caller.
    NotAuthorized,
    /// polkit is not available.
    Unavailable,
    /// All extensions that the policy allows are used.
    UsedUp,
}

impl ExtendError {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Abandoned,
        Self::Busy,
        Self::Dismissed,
        Self::Ending,
        Self::Interactive,
        Self::Late,
        Self::Longest,
        Self::NoAgent,
        Self::NoLimit,
        Self::NoSession,
        Self::NotAllowed,
        Self::NotAuthorized,
        Self::Unavailable,
        Self::UsedUp,
    ];

    /// The name of the error on D-Bus.
    #[must_use]
    pub const fn error_name(self) -> &'static str {
        match self {
            Self::Abandoned => "org.sessiontimeout1.Error.Abandoned",
            Self::Busy => "org.sessiontimeout1.Error.Busy",
            Self::Dismissed => "org.sessiontimeout1.Error.Dismissed",
            Self::Ending => "org.sessiontimeout1.Error.Ending",
            Self::Interactive => "org.sessiontimeout1.Error.Interactive",
            Self::Late => "org.sessiontimeout1.Error.Late",
            Self::Longest => "org.sessiontimeout1.Error.Longest",
            Self::NoAgent => "org.sessiontimeout1.Error.NoAgent",
            Self::NoLimit => "org.sessiontimeout1.Error.NoLimit",
            Self::NoSession => "org.sessiontimeout1.Error.NoSession",
            Self::NotAllowed => "org.sessiontimeout1.Error.NotAllowed",
            Self::NotAuthorized => "org.sessiontimeout1.Error.NotAuthorized",
            Self::Unavailable => "org.sessiontimeout1.Error.Unavailable",
            Self::UsedUp => "org.sessiontimeout1.Error.UsedUp",
        }
    }

    /// The reason with this name on D-Bus.
    #[must_use]
    pub fn by_error_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.error_name() == name)
    }

    /// Whether every later request for the session would be refused as well.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Ending
                | Self::Longest
                | Self::NoLimit
                | Self::NoSession
                | Self::NotAllowed
                | Self::UsedUp
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_name_that_gives_the_reason() {
        for reason in ExtendError::ALL {
            assert_eq!(
                ExtendError::by_error_name(reason.error_name()),
                Some(reason)
            );
        }
        assert_eq!(
            ExtendError::by_error_name("org.sessiontimeout1.Error.Rain"),
            None
        );
        assert_eq!(
            ExtendError::by_error_name("org.freedesktop.DBus.Error.Failed"),
            None
        );
    }
}
