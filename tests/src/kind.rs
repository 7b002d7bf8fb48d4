//! The kinds of machines: what is installed on them besides our package.

use std::fmt;

/// What a machine is for. Each kind has a root tree of its own, so that a case waits for no more
/// to be built and booted than it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Logins over SSH and on consoles, and desktops that are there for logind's eyes alone.
    Server,
    /// Compositors, an X server, and what puts input into them and takes pictures of them.
    Desktops,
    /// The whole GNOME session. Such a machine takes half a gigabyte of memory, others a tenth.
    Gnome,
    /// Login managers and KDE Plasma. Such a machine takes over a gigabyte of memory, and the
    /// host's virtual terminals for itself.
    LoginManagers,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::Server,
        Self::Desktops,
        Self::Gnome,
        Self::LoginManagers,
    ];

    /// How its trees are called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Desktops => "desktops",
            Self::Gnome => "gnome",
            Self::LoginManagers => "login-managers",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
