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
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Server, Self::Desktops, Self::Gnome];

    /// How its trees are called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Desktops => "desktops",
            Self::Gnome => "gnome",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
