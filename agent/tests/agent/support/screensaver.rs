//! Fake screensavers on the session bus, Xfce's settings, and logind's lock of the session.

use zbus::wire::{OwnedVariant, Variant};
use zbus::{Message, fdo};

use super::{Call, Harness, SERVER, SESSION_PATH, Server, lock};

pub(crate) const MATE: &str = "org.mate.ScreenSaver";
pub(crate) const XFCE: &str = "org.xfce.ScreenSaver";
pub(super) const MATE_PATH: &str = "/org/mate/ScreenSaver";
pub(super) const XFCE_PATH: &str = "/org/xfce/ScreenSaver";
pub(super) const XFCONF_PATH: &str = "/org/xfce/Xfconf";

/// The file by which the agent remembers that it has set the hint.
pub(super) const MARKER: &str = "session-timeout-agent.c1.locked";

/// logind's hint, and who has set it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    Unlocked,
    /// By an agent that was killed.
    LockedByAgent,
    LockedByDesktop,
}

/// The screensaver of the session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screensaver {
    /// Its name on the bus; empty if it does not run.
    pub(crate) name: &'static str,
    pub(crate) cover: Cover,
    /// Xfce's setting whether it locks; `None` for the default.
    pub(crate) locks: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    Covered,
    Open,
}

pub(super) struct Mate(pub(super) Server);

pub(super) struct Xfce(pub(super) Server);

pub(super) struct Xfconf(pub(super) Server);

#[zbus::interface(name = "org.mate.ScreenSaver")]
impl Mate {
    fn get_active(&self) -> bool {
        self.0.covered()
    }
}

#[zbus::interface(name = "org.xfce.ScreenSaver")]
impl Xfce {
    fn get_active(&self) -> bool {
        self.0.covered()
    }
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.xfce.Xfconf.Error")]
enum XfconfError {
    #[zbus(error)]
    Bus(zbus::Error),
    PropertyNotFound(String),
}

#[zbus::interface(name = "org.xfce.Xfconf")]
impl Xfconf {
    fn get_property(&self, channel: &str, property: &str) -> Result<OwnedVariant, XfconfError> {
        assert_eq!((channel, property), ("xfce4-screensaver", "/lock/enabled"));
        let locks = lock(&self.0.peers).screensaver.locks;
        let missing = || XfconfError::PropertyNotFound(property.to_owned());
        let locks = locks.ok_or_else(missing)?;
        OwnedVariant::try_from(Variant::from(locks)).map_err(XfconfError::Bus)
    }
}

impl Server {
    fn covered(&self) -> bool {
        self.note(Call::GetActive);
        lock(&self.peers).screensaver.cover == Cover::Covered
    }

    fn take_hint(&self, hint: Hint) -> fdo::Result<()> {
        let mut peers = lock(&self.peers);
        if let Some(left) = peers.refused_hints.checked_sub(1) {
            peers.refused_hints = left;
            return Err(fdo::Error::Failed("not now".to_owned()));
        }
        peers.hint = hint;
        Ok(())
    }

    pub(super) fn set_locked_hint(&self, locked: bool) -> fdo::Result<()> {
        let hint = if locked {
            Hint::LockedByAgent
        } else {
            Hint::Unlocked
        };
        let taken = self.take_hint(hint);
        self.note(Call::SetLockedHint(locked));
        taken
    }
}

impl Harness {
    /// Makes the screensaver of this name cover the screen, or show the desktop.
    pub(crate) async fn screensaver_is(&self, name: &str, cover: Cover) {
        self.peers().screensaver.cover = cover;
        let path = if name == MATE { MATE_PATH } else { XFCE_PATH };
        let signal = Message::signal(path, name, "ActiveChanged").sender(SERVER);
        let covered = cover == Cover::Covered;
        self.signal_user(&signal.build(&(covered,)).unwrap()).await;
    }

    /// Sends logind's signal that requests a lock, from this sender.
    pub(crate) async fn lock_requested_by(&self, sender: &str) {
        let interface = "org.freedesktop.login1.Session";
        let signal = Message::signal(SESSION_PATH, interface, "Lock").sender(sender);
        self.system.send(&signal.build(&()).unwrap()).await.unwrap();
    }

    /// Whether the agent remembers that it has set the hint.
    pub(crate) fn marked(&self) -> bool {
        self.dir.path().join(MARKER).exists()
    }
}
