//! A desktop session as logind sees it: on a seat, with or without a program that locks the screen.
//!
//! There is no screen. The login has the type of a desktop, and the session sets logind's two
//! hints: whether it is idle, and whether it is locked.

use std::time::{Duration, Instant};

use crate::failure::{Context, Outcome};
use crate::login::Account;
use crate::machine::Machine;
use crate::seat::Seated;

/// Whether a program in the session locks the screen on logind's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locker {
    /// As in GNOME and KDE: a program receives logind's `Lock` signal and sets the hint that the
    /// screen is locked.
    Listens,
    /// As in a bare window manager: no program does.
    None,
}

/// A desktop session without a screen.
#[derive(Debug)]
pub struct Desktop<'a> {
    machine: &'a Machine,
    account: Account,
    seated: Seated,
    path: String,
}

/// The program of such a session: it only prints the session id.
const NO_LOCKER: &str = r#"echo "session=$XDG_SESSION_ID."; exec sleep 100000"#;

/// A user's dbus-monitor may not become a monitor. It says so on its standard error, and then
/// receives broadcast signals.
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
    /// Logs in as a display manager does, on the machine's first seat.
    ///
    /// # Errors
    /// The login fails or takes longer than half a minute.
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

    /// logind's id of the session.
    #[must_use]
    pub fn session(&self) -> &str {
        self.seated.session()
    }

    /// Unlocks the screen as the user.
    ///
    /// # Errors
    /// logind refuses.
    pub fn unlock(&self) -> Outcome {
        self.say("SetLockedHint", "false")
    }

    /// Locks the screen as the user.
    ///
    /// # Errors
    /// logind refuses.
    pub fn lock(&self) -> Outcome {
        self.say("SetLockedHint", "true")
    }

    /// Sets the idle hint, as a desktop without input does.
    ///
    /// # Errors
    /// logind refuses.
    pub fn turn_idle(&self) -> Outcome {
        self.say("SetIdleHint", "true")
    }

    /// Clears the idle hint, as a desktop does at the first input.
    ///
    /// # Errors
    /// logind refuses.
    pub fn turn_active(&self) -> Outcome {
        self.say("SetIdleHint", "false")
    }

    /// Waits until the session is gone.
    ///
    /// # Errors
    /// It exists after `bound`.
    pub fn wait_closed(&self, bound: Duration) -> Outcome<Instant> {
        self.seated.wait_closed(bound)
    }

    /// Whether the session exists.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.seated.is_open()
    }

    /// Calls logind as the user of the desktop.
    fn say(&self, method: &str, value: &str) -> Outcome {
        let (user, path) = (self.account.name(), &self.path);
        let script = format!(
            "runuser -u {user} -- busctl call org.freedesktop.login1 {path} \
             org.freedesktop.login1.Session {method} b {value}"
        );
        self.machine.run(&script).map(drop)
    }
}
