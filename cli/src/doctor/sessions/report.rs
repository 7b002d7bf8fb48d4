//! One session of the daemon, with what logind, its desktop and its agent say of it.

use crate::doctor::sessions::desktop::Desktop;
use crate::status::Session;
use session_timeout_protocol::bus::agent;

/// A session of the daemon, with what others report about it.
#[derive(Debug, Default)]
pub(crate) struct SessionReport {
    pub(crate) session: Session,
    /// Its desktop, as logind has it (`XDG_SESSION_DESKTOP`).
    pub(crate) desktop: Desktop,
    /// `unknown-idle` of its policy, if that was queried.
    pub(crate) unknown_idle: Option<String>,
    /// How warnings are shown on its screen, if its agent was queried.
    pub(crate) notifications: Option<Notifications>,
    /// The screen lockers whose locks its agent reports to logind, if the agent was queried.
    pub(crate) lockers: Option<Vec<String>>,
}

/// How warnings are shown on a desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notifications {
    Shown,
    /// The notification server shows no buttons.
    WithoutButtons,
    /// There is no notification server.
    Nowhere,
    /// The agent did not reply in time.
    Unsaid,
}

impl Notifications {
    /// Parses the word of an agent.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            agent::DELIVERED => Some(Self::Shown),
            agent::WITHOUT_ACTIONS => Some(Self::WithoutButtons),
            agent::NOT_DELIVERED => Some(Self::Nowhere),
            _ => None,
        }
    }
}

/// Whether it has limits, or will once its groups are known.
pub(crate) fn is_judged(session: &Session) -> bool {
    session.phase != "exempt" && session.exemption.is_none()
}

/// Whether its idle time is unknown.
pub(crate) fn is_unknown(session: &Session) -> bool {
    session.idle.is_none() && matches!(session.idle_source.as_str(), "unknown" | "")
}

/// `session c1 of alice (wayland, KDE)`
pub(super) fn subject(report: &SessionReport) -> String {
    let Session {
        id,
        user,
        session_type,
        ..
    } = &report.session;
    match report.desktop.name() {
        Some(desktop) => format!("session {id} of {user} ({session_type}, {desktop})"),
        None => format!("session {id} of {user} ({session_type})"),
    }
}

pub(crate) fn is_graphical(session: &Session) -> bool {
    matches!(session.session_type.as_str(), "x11" | "wayland" | "mir")
}
