//! The state of the agent's attachment to the daemon.

use std::fmt;

use zbus::names::OwnedUniqueName;

/// Where the agent stands with the daemon.
#[derive(Debug)]
pub(crate) enum Attachment {
    /// This daemon has taken it.
    Attached(OwnedUniqueName),
    /// There is no daemon, or none that answers; the agent waits for one.
    Waiting(Option<Refusal>),
    /// Another agent speaks for the session.
    Taken,
    /// It will never be taken.
    Refused(Refusal),
}

/// What the daemon, or the bus before it, says against it.
#[derive(Debug)]
pub(crate) enum Refusal {
    Denied(String),
    NoSuchSession(String),
    OldDaemon,
    NoAnswer(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(why) => write!(
                f,
                "this user may not attach an agent ({why}); if it is the system bus that says so, \
                 its policy is missing: is there org.sessiontimeout1.conf in \
                 /usr/share/dbus-1/system.d? Then: systemctl reload dbus"
            ),
            Self::NoSuchSession(why) => write!(
                f,
                "session-timeoutd does not take this session ({why}); see loginctl, and \
                 session-timeout status"
            ),
            Self::OldDaemon => f.write_str(
                "session-timeoutd knows no agents, it is older; systemctl restart session-timeoutd",
            ),
            Self::NoAnswer(why) => write!(
                f,
                "session-timeoutd does not answer ({why}); systemctl status session-timeoutd"
            ),
        }
    }
}
