//! The state of the agent's attachment to the daemon.

use std::fmt;

use zbus::names::OwnedUniqueName;

/// Whether the agent is attached to the daemon.
#[derive(Debug)]
pub(crate) enum Attachment {
    /// It is attached to the daemon with this unique name.
    Attached(OwnedUniqueName),
    /// No daemon runs, or the running one failed; the agent waits for the next one.
    Waiting(Option<AttachError>),
    /// The session has another agent.
    Taken,
    /// The daemon or the bus rejects the agent permanently.
    Rejected(AttachError),
}

/// Why the daemon or the bus did not attach the agent.
#[derive(Debug)]
pub(crate) enum AttachError {
    Denied(String),
    NoSuchSession(String),
    OldDaemon,
    NoAnswer(String),
}

impl fmt::Display for AttachError {
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
