//! A desktop session for logind's eyes: on a seat, with or without somebody who locks its screen.
//!
//! There is no screen. What makes it a desktop is what logind is told at the login, and what the
//! desktop says afterwards: its two hints, about the user's presence and about the lock.

use std::time::{Duration, Instant};

use crate::failure::{Context, Outcome};
use crate::login::Account;
use crate::machine::Machine;
use crate::seat::Seated;

/// Whether anybody in the session locks the screen when logind says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locker {
    /// As GNOME and KDE do: a program that listens to logind's `Lock` says that the screen is locked.
    Listens,
    /// As in a bare window manager.
    None,
}

/// Somebody's desktop.
#[derive(Debug)]
pub struct Desktop<'a> {
    machine: &'a Machine,
    account: Account,
    seated: Seated,
    path: String,
}

/// Waits for nothing; what it is and says is all that matters.
const NO_LOCKER: &str = r#"echo "session=$XDG_SESSION_ID."; exec sleep 100000"#;

/// dbus-monitor may not monitor as a user, says so on its standard error, and then hears what
/// everybody hears: signals.
const WITH_LOCKER: &str = r#"
    logind=org.freedesktop.login1
    reply=$(busctl call $logind /org/freedesktop/login1 $logind.Manager \
        GetSession s "$XDG_SESSION_ID")
    path=$(echo "$reply" | cut -d '"' -f 2)
    dbus-monitor --system "type='signal',interface='$logind.Session',member='Lock',path='$path'" \
        2>/dev/null |
    while read -r line; do
        case $line in
        *NameAcquired*) echo "session=$XDG_SESSION_ID." ;;
        *member=Lock*) busctl call $logind "$path" $logind.Session SetLockedHint b true ;;
        esac
    done &
    exec sleep 100000
"#;

impl<'a> Desktop<'a> {
    /// Logs in as a display manager does it, on the machine's first seat.
    ///
    /// # Errors
    /// Where the login fails or takes longer than half a minute.
    pub fn open(machine: &'a Machine, account: Account, locker: Locker) -> Outcome<Self> {
        let script = match locker {
            Locker::Listens => WITH_LOCKER,
            Locker::None => NO_LOCKER,
        };
        let seated = Seated::log_in(machine, account, "wayland", script)?;
        let reply = machine.run(&format!(
            "busctl call org.freedesktop.login1 /org/freedesktop/login1 \
             org.freedesktop.login1.Manager GetSession s {}",
            seated.session()
        ))?;
        let path = reply.split('"').nth(1);
        let path = path.context(format!("no path in {reply}"))?.to_owned();
        Ok(Self {
            machine,
            account,
            seated,
            path,
        })
    }

    /// logind's name of the session.
    #[must_use]
    pub fn session(&self) -> &str {
        self.seated.session()
    }

    /// The user unlocks the screen.
    ///
    /// # Errors
    /// Where logind does not take it.
    pub fn unlock(&self) -> Outcome {
        self.say("SetLockedHint", "false")
    }

    /// The user locks the screen.
    ///
    /// # Errors
    /// Where logind does not take it.
    pub fn lock(&self) -> Outcome {
        self.say("SetLockedHint", "true")
    }

    /// The desktop says that nobody has touched anything for a while.
    ///
    /// # Errors
    /// Where logind does not take it.
    pub fn turn_idle(&self) -> Outcome {
        self.say("SetIdleHint", "true")
    }

    /// The desktop says that the user is back.
    ///
    /// # Errors
    /// Where logind does not take it.
    pub fn turn_active(&self) -> Outcome {
        self.say("SetIdleHint", "false")
    }

    /// Waits until the desktop is gone.
    ///
    /// # Errors
    /// Where it is there after `bound`.
    pub fn wait_closed(&self, bound: Duration) -> Outcome<Instant> {
        self.seated.wait_closed(bound)
    }

    /// Whether the desktop is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.seated.is_open()
    }

    /// Tells logind, as the desktop's user.
    fn say(&self, method: &str, value: &str) -> Outcome {
        let (user, path) = (self.account.name(), &self.path);
        let script = format!(
            "runuser -u {user} -- busctl call org.freedesktop.login1 {path} \
             org.freedesktop.login1.Session {method} b {value}"
        );
        self.machine.run(&script).map(drop)
    }
}
