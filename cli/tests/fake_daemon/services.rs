//! logind and systemd on the fake bus.

use zbus::ObjectPath;

use crate::daemon::{Daemon, SECOND};

pub(crate) const LOGIND_SESSION: &str = "/org/freedesktop/login1/session/c1";

pub(crate) const CLOSING_SESSION: &str = "/org/freedesktop/login1/session/c2";

pub(crate) const SILENT_SESSION: &str = "/org/freedesktop/login1/session/c3";

pub(crate) struct Logind(pub(crate) Daemon);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    fn get_session(&self, _session: &str) -> ObjectPath<'static> {
        ObjectPath::from_static_str_unchecked(LOGIND_SESSION)
    }

    /// Two closing sessions of bob, one of alice, and one that is not closing. A troubled logind
    /// has another one whose properties cannot be read.
    fn list_sessions(&self) -> Vec<(String, u32, String, String, ObjectPath<'static>)> {
        let listed = |(user, path): (&str, &'static str)| {
            let path = ObjectPath::from_static_str_unchecked(path);
            (String::new(), 1000, user.to_owned(), String::new(), path)
        };
        let sessions = [
            ("alice", CLOSING_SESSION),
            ("bob", CLOSING_SESSION),
            ("carol", LOGIND_SESSION),
            ("bob", CLOSING_SESSION),
        ];
        let silent = matches!(self.0, Daemon::Troubled).then_some(("carol", SILENT_SESSION));
        sessions.into_iter().chain(silent).map(listed).collect()
    }

    #[zbus(property, name = "NCurrentSessions")]
    fn current_sessions(&self) -> u64 {
        19
    }

    #[zbus(property)]
    fn sessions_max(&self) -> u64 {
        20
    }

    #[zbus(property, name = "StopIdleSessionUSec")]
    fn stop_idle_session(&self) -> u64 {
        600 * SECOND
    }
}

pub(crate) struct LogindSession(pub(crate) &'static str);

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl LogindSession {
    #[zbus(property)]
    fn state(&self) -> &str {
        self.0
    }

    #[zbus(property)]
    fn id(&self) -> &str {
        "c1"
    }

    #[zbus(property)]
    fn desktop(&self) -> &str {
        "sway"
    }
}

pub(crate) struct SilentSession;

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl SilentSession {
    #[zbus(property)]
    async fn state(&self) -> String {
        std::future::pending().await
    }
}

pub(crate) struct Systemd;

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn get_unit_file_state(&self, unit: &str) -> &str {
        match unit {
            "session-timeoutd.socket" => "enabled",
            _ => "disabled",
        }
    }
}
