//! Session properties (user id, class, type) and their names in logind's D-Bus interface.

mod user_names;

pub use user_names::is_systemd_user_name;

use std::fmt;

/// A user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(u32);

impl Uid {
    /// The superuser.
    pub const ROOT: Self = Self(0);

    /// The user id with this number.
    #[must_use]
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The number of this user id.
    #[must_use]
    pub const fn as_raw(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The class of a session, as logind's `Class` property has it (systemd 252 to 259).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionClass {
    /// `user`: an ordinary login.
    User,
    /// `user-early`: a login that may come before the system is up (systemd 256 and later).
    UserEarly,
    /// `user-light`: a login without a user manager (systemd 258).
    UserLight,
    /// `user-early-light`: both (systemd 258).
    UserEarlyLight,
    /// `user-incomplete`: a login whose home directory is not available yet; it becomes `user`
    /// later.
    UserIncomplete,
    /// `greeter`: the login screen.
    Greeter,
    /// `lock-screen`.
    LockScreen,
    /// `background`, `background-light`: cron and the like.
    Background,
    /// `manager`, `manager-early`: `user@.service` itself (systemd 256 and later).
    Manager,
    /// A class that this version does not know. No limits apply to it.
    Unknown(String),
}

impl SessionClass {
    /// The class by logind's name for it.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "user" => Self::User,
            "user-early" => Self::UserEarly,
            "user-light" => Self::UserLight,
            "user-early-light" => Self::UserEarlyLight,
            "user-incomplete" => Self::UserIncomplete,
            "greeter" => Self::Greeter,
            "lock-screen" => Self::LockScreen,
            "background" | "background-light" => Self::Background,
            "manager" | "manager-early" => Self::Manager,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// logind's name for the class.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::User => "user",
            Self::UserEarly => "user-early",
            Self::UserLight => "user-light",
            Self::UserEarlyLight => "user-early-light",
            Self::UserIncomplete => "user-incomplete",
            Self::Greeter => "greeter",
            Self::LockScreen => "lock-screen",
            Self::Background => "background",
            Self::Manager => "manager",
            Self::Unknown(name) => name,
        }
    }

    /// Whether a person logged in, as opposed to a session that the system starts for itself.
    #[must_use]
    pub const fn is_login_of_a_person(&self) -> bool {
        match self {
            Self::User | Self::UserEarly | Self::UserLight | Self::UserEarlyLight => true,
            Self::UserIncomplete
            | Self::Greeter
            | Self::LockScreen
            | Self::Background
            | Self::Manager
            | Self::Unknown(_) => false,
        }
    }
}

/// The type of a session, as logind's `Type` property has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionType {
    /// `tty`: a console or a remote shell.
    Tty,
    /// `x11`.
    X11,
    /// `wayland`.
    Wayland,
    /// `mir`.
    Mir,
    /// `web`: a web console, such as Cockpit.
    Web,
    /// `unspecified`, or a type that this version does not know.
    Unspecified,
}

impl SessionType {
    /// The type by logind's name for it.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "tty" => Self::Tty,
            "x11" => Self::X11,
            "wayland" => Self::Wayland,
            "mir" => Self::Mir,
            "web" => Self::Web,
            _ => Self::Unspecified,
        }
    }

    /// logind's name for the type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tty => "tty",
            Self::X11 => "x11",
            Self::Wayland => "wayland",
            Self::Mir => "mir",
            Self::Web => "web",
            Self::Unspecified => "unspecified",
        }
    }

    /// Whether the session has a desktop: input does not come from a terminal.
    #[must_use]
    pub const fn is_graphical(self) -> bool {
        match self {
            Self::X11 | Self::Wayland | Self::Mir => true,
            Self::Tty | Self::Web | Self::Unspecified => false,
        }
    }

    /// Whether the user can be active without input in the terminals of the session, and without
    /// anything that reports it: on the other pages of a web console.
    #[must_use]
    pub const fn has_unreported_input(self) -> bool {
        match self {
            Self::Web => true,
            Self::Tty | Self::X11 | Self::Wayland | Self::Mir | Self::Unspecified => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SessionType;

    #[test]
    fn every_type_of_logind_keeps_its_name() {
        // `session_type_table` of logind-session.c, in systemd 252 to 259.
        for name in ["unspecified", "tty", "x11", "wayland", "mir", "web"] {
            assert_eq!(SessionType::parse(name).as_str(), name);
        }
        assert_eq!(SessionType::parse("hologram"), SessionType::Unspecified);
    }
}
