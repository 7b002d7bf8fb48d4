//! The kinds of machines: which packages are installed besides the tested one.

use std::fmt;

/// The purpose of a machine. Each kind has its own root tree, so that a case boots only what it
/// needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Logins over SSH and on consoles, and desktops that exist for logind only.
    Server,
    /// Compositors, an X server, and tools that send input to them and take pictures of them.
    Desktops,
    /// A full GNOME session. Such a machine takes half a gigabyte of memory, others a tenth of
    /// that.
    Gnome,
    /// Login managers and KDE Plasma. Such a machine takes over a gigabyte of memory, and is the
    /// only user of the host's virtual terminals.
    LoginManagers,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Server,
        Self::Desktops,
        Self::Gnome,
        Self::LoginManagers,
    ];

    /// The name of the kind in the names of root trees.
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
