//! The screensavers of MATE, Cinnamon and Xfce, on the bus of the user.
//!
//! Their interfaces descend from `org.gnome.ScreenSaver`: `GetActive` and `ActiveChanged` say
//! whether the screen is covered, and nothing says whether it is locked (mate-screensaver 1.26 and
//! xfce4-screensaver 4.18, `gs-listener-dbus.c`; cinnamon-screensaver 6.4, `manager.py`). On
//! logind's `Lock` they cover the screen, and lock it even if they cover it already, unless their
//! settings forbid it.
//!
//! light-locker is not among them: its `ActiveChanged` follows the power saving of the monitor
//! (`gs-listener-x11.c`), neither its cover nor the greeter that it switches to.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::wire::OwnedVariant;
use zbus::{Connection, Message, MessageStream};

use super::Input;
use super::locker::{Locker, Sighting};
use crate::bus::{self, with_timeout};

/// A screensaver on the bus of the user.
#[derive(Debug)]
pub(super) struct Screensaver {
    pub(super) locker: Locker,
    /// Its name on the bus, which is that of its interface as well.
    name: &'static str,
    path: &'static str,
}

/// The screensavers that are watched.
pub(super) static SCREENSAVERS: [Screensaver; 3] = [
    Screensaver {
        locker: Locker::CinnamonScreensaver,
        name: "org.cinnamon.ScreenSaver",
        path: "/org/cinnamon/ScreenSaver",
    },
    Screensaver {
        locker: Locker::MateScreensaver,
        name: "org.mate.ScreenSaver",
        path: "/org/mate/ScreenSaver",
    },
    Screensaver {
        locker: Locker::Xfce4Screensaver,
        name: "org.xfce.ScreenSaver",
        path: "/org/xfce/ScreenSaver",
    },
];

/// The group of users that cinnamon-screensaver does not lock out (`utils.py`, `user_can_lock`).
const WITHOUT_PASSWORD: &str = "nopasswdlogin";

/// Bound for the lookup of that group.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

const XFCONF: &str = "org.xfce.Xfconf";
const XFCONF_PATH: &str = "/org/xfce/Xfconf";

/// The channel and the property of the setting "Enable lock screen" of xfce4-screensaver
/// (`gs-prefs.h`), which is on by default.
const XFCE_LOCKS: (&str, &str) = ("xfce4-screensaver", "/lock/enabled");

/// The subscriptions to one screensaver.
pub(super) struct Subscription {
    bus: Connection,
    screensaver: &'static Screensaver,
    owners: MessageStream,
    changes: MessageStream,
}

impl Screensaver {
    /// # Errors
    /// The connection has failed.
    pub(super) async fn subscribe(&'static self, bus: &Connection) -> zbus::Result<Subscription> {
        let (name, path) = (self.name, self.path);
        let rule =
            format!("sender='{name}',path='{path}',interface='{name}',member='ActiveChanged'");
        Ok(Subscription {
            bus: bus.clone(),
            screensaver: self,
            owners: bus::owner_changes(bus, name).await?,
            changes: bus::signals(bus, &rule).await?,
        })
    }

    /// Whether it locks the screen when logind requests that.
    pub(super) async fn complies(&self, bus: &Connection) -> bool {
        match self.locker {
            Locker::CinnamonScreensaver => user_has_password().await,
            Locker::Xfce4Screensaver => xfce_locks(bus).await,
            Locker::MateScreensaver | Locker::XScreenSaver => true,
        }
    }

    async fn sighting(&self, bus: &Connection) -> Sighting {
        // Asked for first: a call to a name without an owner would start the program.
        if !matches!(bus::owner(bus, self.name).await, Ok(Some(_))) {
            return Sighting::Absent;
        }
        let (name, path) = (self.name, self.path);
        let call = bus.call_method(Some(name), path, Some(name), "GetActive", &());
        let reply = with_timeout(call).await;
        match reply.and_then(|reply| reply.body().deserialize()) {
            Ok(true) => Sighting::Covered,
            Ok(false) | Err(_) => Sighting::Open,
        }
    }
}

impl Subscription {
    /// The state that the screensaver is in now.
    pub(super) async fn sighting(&self) -> Sighting {
        self.screensaver.sighting(&self.bus).await
    }

    /// Reports each change until the bus has ended.
    pub(super) async fn watch(mut self, inputs: mpsc::Sender<Input>) {
        loop {
            let sighting = tokio::select! {
                Some(Ok(message)) = self.owners.next() => match bus::new_owner(&message) {
                    Some(Some(_)) => Some(self.sighting().await),
                    Some(None) => Some(Sighting::Absent),
                    None => None,
                },
                Some(Ok(message)) = self.changes.next() => cover(&message),
                else => return,
            };
            if let Some(sighting) = sighting {
                let seen = Input::Seen(self.screensaver.locker, sighting);
                if inputs.send(seen).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What the signal `ActiveChanged` says.
fn cover(message: &Message) -> Option<Sighting> {
    match message.body().deserialize() {
        Ok(true) => Some(Sighting::Covered),
        Ok(false) => Some(Sighting::Open),
        Err(_) => None,
    }
}

/// Whether Cinnamon asks the user for a password. An unknown group has no members.
async fn user_has_password() -> bool {
    let lookup = tokio::task::spawn_blocking(|| {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid());
        let group = nix::unistd::Group::from_name(WITHOUT_PASSWORD);
        match (user, group) {
            (Ok(Some(user)), Ok(Some(group))) => !group.mem.contains(&user.name),
            (Ok(_), Ok(None)) => true,
            (Err(_) | Ok(None), _) | (_, Err(_)) => false,
        }
    });
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await;
    matches!(found, Ok(Ok(true)))
}

/// Whether the user's settings allow xfce4-screensaver to lock. Without an answer of Xfconf no lock
/// is believed.
async fn xfce_locks(bus: &Connection) -> bool {
    let call = bus.call_method(
        Some(XFCONF),
        XFCONF_PATH,
        Some(XFCONF),
        "GetProperty",
        &XFCE_LOCKS,
    );
    match with_timeout(call).await {
        Ok(reply) => {
            let value: zbus::Result<OwnedVariant> = reply.body().deserialize();
            value.is_ok_and(|value| matches!(bool::try_from(value), Ok(true)))
        }
        // It has the default.
        Err(zbus::Error::MethodError(name, ..)) => name.ends_with(".PropertyNotFound"),
        Err(_) => false,
    }
}
