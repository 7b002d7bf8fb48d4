//! One session of the daemon, with what logind, its desktop and its agent say of it.

use crate::doctor::sessions::desktop::Desktop;
use crate::status::Session;

/// A session and what others than the daemon say of it.
#[derive(Debug, Default)]
pub(crate) struct SessionReport {
    pub(crate) session: Session,
    /// Its desktop, as logind has it (`XDG_SESSION_DESKTOP`).
    pub(crate) desktop: Desktop,
    /// `unknown-idle` of its policy, where somebody asked.
    pub(crate) unknown_idle: Option<String>,
    /// How warnings reach its screen, where somebody asked its agent.
    pub(crate) notifications: Option<Notifications>,
}

/// How warnings reach the screen of a desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notifications {
    Shown,
    /// The server shows no buttons.
    WithoutButtons,
    /// There is no server.
    Nowhere,
    /// The agent has not said in time.
    Unsaid,
}

impl Notifications {
    /// What an agent's word for it means.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "ok" => Some(Self::Shown),
            "no-actions" => Some(Self::WithoutButtons),
            "none" => Some(Self::Nowhere),
            _ => None,
        }
    }
}

/// Whether a limit holds for it, or will once its groups are known.
pub(crate) fn is_judged(session: &Session) -> bool {
    session.phase != "exempt" && session.exemption.is_none()
}

/// Whether nobody can tell its idle time.
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
