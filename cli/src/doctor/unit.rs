//! What systemd says of a daemon that does not run.

use crate::bus::Bus;

const SYSTEMD: (&str, &str) = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1");
/// By name (`bus_label_escape()`), whether it is loaded or not.
const UNIT: &str = "/org/freedesktop/systemd1/unit/session_2dtimeoutd_2eservice";

/// How it came to that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// `Result` of the service: `success`, `exit-code`, `signal`, and others of systemd.exec(5).
    result: String,
    restarts: u64,
}

impl Outcome {
    /// What systemd says; `None` where it does not.
    pub(crate) async fn gather(bus: &Bus) -> Option<Self> {
        const INTERFACE: &str = "org.freedesktop.systemd1.Service";
        let keys = bus.properties((SYSTEMD.0, UNIT), INTERFACE).await.ok()?;
        Some(Self {
            result: keys.text("Result")?,
            restarts: keys.number("NRestarts").unwrap_or_default(),
        })
    }

    /// Why it does not run. `None`: it was stopped, or never started.
    pub(crate) fn failure(&self) -> Option<String> {
        let result = self.result.as_str();
        let failed = !matches!(result, "" | "success");
        let times = match self.restarts {
            0 => "never".to_owned(),
            1 => "once".to_owned(),
            n => format!("{n} times"),
        };
        failed.then(|| format!("its last result is \"{result}\"; restarted: {times}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_was_stopped_has_not_failed() {
        let failure = |result: &str, restarts| {
            let result = result.to_owned();
            Outcome { result, restarts }.failure()
        };
        assert_eq!(failure("success", 0), None);
        let exec = failure("exit-code", 1).unwrap();
        assert_eq!(exec, "its last result is \"exit-code\"; restarted: once");
        assert!(failure("signal", 7).unwrap().ends_with("7 times"));
        assert_eq!(failure("success", 7), None);
    }
}
