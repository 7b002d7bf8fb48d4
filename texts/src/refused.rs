//! Why there is no more time.

/// Why an absolute limit is not put off.
///
/// Over D-Bus each is an error with a name of its own, so that the caller can say it in the
/// user's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The caller has left the bus.
    Abandoned,
    /// An earlier wish of the same user is not decided yet.
    Busy,
    /// The user did not want to authenticate after all.
    Dismissed,
    /// The session is being ended already.
    Ending,
    /// The user would have to authenticate, and the caller did not allow interaction.
    Interactive,
    /// Nobody authenticated in time.
    Late,
    /// No session lasts longer.
    Longest,
    /// Nobody is there who could ask for the authentication.
    NoAgent,
    /// No absolute limit holds.
    NoLimit,
    /// There is no such session.
    NoSession,
    /// The policy grants no extension.
    NotAllowed,
    /// polkit says no.
    NotAuthorized,
    /// polkit does not answer.
    Unavailable,
    /// As many as the policy grants have been granted.
    UsedUp,
}

impl Refused {
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

    /// Whether another request would be refused as well, by any caller and in any way.
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

    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Abandoned => "refused-abandoned",
            Self::Busy => "refused-busy",
            Self::Dismissed => "refused-dismissed",
            Self::Ending => "refused-ending",
            Self::Interactive => "refused-interactive",
            Self::Late => "refused-late",
            Self::Longest => "refused-longest",
            Self::NoAgent => "refused-no-agent",
            Self::NoLimit => "refused-no-limit",
            Self::NoSession => "refused-no-session",
            Self::NotAllowed => "refused-not-allowed",
            Self::NotAuthorized => "refused-not-authorized",
            Self::Unavailable => "refused-unavailable",
            Self::UsedUp => "refused-used-up",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_known_by_its_name() {
        for reason in Refused::ALL {
            assert_eq!(Refused::by_error_name(reason.error_name()), Some(reason));
        }
        assert_eq!(
            Refused::by_error_name("org.sessiontimeout1.Error.Rain"),
            None
        );
        assert_eq!(
            Refused::by_error_name("org.freedesktop.DBus.Error.Failed"),
            None
        );
    }
}
