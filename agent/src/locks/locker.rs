//! The programs that lock the screen without setting logind's `LockedHint`.

use std::fmt;

/// A program that locks the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Locker {
    CinnamonScreensaver,
    MateScreensaver,
    Xfce4Screensaver,
    XScreenSaver,
}

/// The state that a locker was seen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// It does not run.
    Absent,
    /// It shows the desktop.
    Open,
    /// It covers the screen, with or without a lock.
    Covered,
    /// It says that the screen is locked.
    Locked,
}

impl Locker {
    pub(super) const ALL: [Self; 4] = [
        Self::CinnamonScreensaver,
        Self::MateScreensaver,
        Self::Xfce4Screensaver,
        Self::XScreenSaver,
    ];

    /// Whether it distinguishes a lock from a cover.
    pub(super) const fn reports_locks(self) -> bool {
        matches!(self, Self::XScreenSaver)
    }
}

impl fmt::Display for Locker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CinnamonScreensaver => "cinnamon-screensaver",
            Self::MateScreensaver => "mate-screensaver",
            Self::Xfce4Screensaver => "xfce4-screensaver",
            Self::XScreenSaver => "xscreensaver",
        })
    }
}
