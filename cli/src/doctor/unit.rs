//! The state of units, from systemd.

use zbus::OwnedVariant;

use crate::bus::Bus;

/// The name and the path of systemd on the bus.
pub(crate) const SYSTEMD: (&str, &str) = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1");
pub(crate) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
/// The object paths of our units (`bus_label_escape()`), which work for units that are not loaded, too.
const DAEMON: &str = "/org/freedesktop/systemd1/unit/session_2dtimeoutd_2eservice";
const HELPER: &str = "/org/freedesktop/systemd1/unit/session_2dtimeout_2dterminals_2eservice";
const HELPER_SOCKET: &str = "/org/freedesktop/systemd1/unit/session_2dtimeout_2dterminals_2esocket";

/// The reason why the daemon does not run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// `Result` of the service: `success`, `exit-code`, `signal`, and others of systemd.exec(5).
    result: String,
    restarts: u32,
    /// `ActiveState` of the unit.
    state: String,
}

impl Outcome {
    /// Queries systemd; `None` if it does not reply.
    pub(crate) async fn gather(bus: &Bus) -> Option<Self> {
        let result = property(bus, DAEMON, SERVICE, "Result").await?;
        let restarts = property(bus, DAEMON, SERVICE, "NRestarts").await?;
        Some(Self {
            result: String::try_from(result).ok()?,
            restarts: u32::try_from(restarts).ok()?,
            state: state(bus, DAEMON).await?,
        })
    }

    /// Why the daemon does not run. `None`: it was stopped, or never started.
    pub(crate) fn failure(&self) -> Option<String> {
        let times = match self.restarts {
            0 => "never".to_owned(),
            1 => "once".to_owned(),
            n => format!("{n} times"),
        };
        match self.result.as_str() {
            // systemd resets the result while the unit is being restarted.
            "" | "success" if self.state != "activating" || self.restarts == 0 => None,
            "" | "success" => Some(format!("systemd starts it again; restarted: {times}")),
            result => Some(format!(
                "its last result is \"{result}\"; restarted: {times}"
            )),
        }
    }
}

/// `ActiveState` of the units of session-timeout-terminals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Helper {
    pub(crate) socket: String,
    pub(crate) service: String,
}

impl Helper {
    /// Queries systemd; `None` if it does not reply.
    pub(crate) async fn gather(bus: &Bus) -> Option<Self> {
        Some(Self {
            socket: state(bus, HELPER_SOCKET).await?,
            service: state(bus, HELPER).await?,
        })
    }
}

/// `Restart` of the service with this object path.
pub(crate) async fn restart(bus: &Bus, unit: &str) -> Option<String> {
    let restart = property(bus, unit, SERVICE, "Restart").await?;
    String::try_from(restart).ok()
}

async fn state(bus: &Bus, unit: &str) -> Option<String> {
    let state = property(bus, unit, UNIT, "ActiveState").await?;
    String::try_from(state).ok()
}

/// Queried one by one instead of all at once: the properties about executed programs have types
/// that not every client can parse.
async fn property(bus: &Bus, unit: &str, interface: &str, name: &str) -> Option<OwnedVariant> {
    let about = &(interface, name);
    let answer = bus.with_timeout(async {
        let connection = bus.connection();
        let call = connection.call_method(Some(SYSTEMD.0), unit, Some(PROPERTIES), "Get", about);
        call.await?.body().deserialize()
    });
    answer.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_was_stopped_has_not_failed() {
        let failure = |result: &str, restarts, state: &str| {
            let (result, state) = (result.to_owned(), state.to_owned());
            let outcome = Outcome {
                result,
                restarts,
                state,
            };
            outcome.failure()
        };
        assert_eq!(failure("success", 0, "inactive"), None);
        assert_eq!(failure("success", 7, "inactive"), None);
        assert_eq!(failure("success", 0, "activating"), None);
        let exec = failure("exit-code", 1, "activating").unwrap();
        assert_eq!(exec, "its last result is \"exit-code\"; restarted: once");
        let again = failure("success", 7, "activating").unwrap();
        assert!(again.ends_with("restarted: 7 times"));
    }
}
