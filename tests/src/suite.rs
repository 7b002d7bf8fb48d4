//! The Debian releases that the product is tested on.

use std::fmt;
use std::str::FromStr;

use crate::failure::Failure;

/// A Debian release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Debian 12, systemd 252: logind learns SSH terminals from utmp.
    Bookworm,
    /// Debian 13, systemd 257: logind knows no terminal and no idle time of an SSH session.
    Trixie,
}

impl Suite {
    /// Its name in the archive.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Suite {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        [Self::Bookworm, Self::Trixie]
            .into_iter()
            .find(|suite| suite.name() == name)
            .ok_or_else(|| Failure::new(format!("no suite {name}: bookworm or trixie")))
    }
}
