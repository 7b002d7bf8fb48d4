//! Uses the installed product in a machine: its policy, its daemon and its command.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::failure::{Context, Failure, Outcome};
use crate::journal::UNIT;
use crate::machine::Machine;
use crate::wait::wait_until;

/// The path of the policy.
const POLICY: &str = "/etc/session-timeout/policy.toml";

/// Timeout for a start or stop of the daemon, which is far shorter on an idle host.
const SOON: Duration = Duration::from_secs(15);

impl Machine {
    /// Writes a policy, allows short limits, and restarts the daemon.
    ///
    /// # Errors
    /// The daemon does not start with it.
    pub fn policy(&self, policy: &str) -> Outcome {
        self.write_policy(policy)?;
        self.write(
            &format!("/etc/systemd/system/{UNIT}.d/short-limits.conf"),
            "[Service]\nEnvironment=SESSION_TIMEOUTD_OPTIONS=--allow-short-limits\n",
        )?;
        self.run(&format!(
            "systemctl daemon-reload && systemctl restart {UNIT}"
        ))?;
        self.wait_active()
    }

    /// Writes the policy without a reload.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_policy(&self, policy: &str) -> Outcome {
        self.write(POLICY, policy)
    }

    /// Reloads the policy.
    ///
    /// # Errors
    /// The daemon refuses it.
    pub fn reload(&self) -> Outcome {
        self.run(&format!("systemctl reload {UNIT}")).map(drop)
    }

    /// Waits until the daemon and its helper are active.
    ///
    /// # Errors
    /// They are not active in time.
    pub fn wait_active(&self) -> Outcome {
        // `is-active` succeeds if one of several units is active.
        for unit in [UNIT, "session-timeout-terminals.service"] {
            wait_until(SOON, &format!("{unit} to be up"), || {
                self.run(&format!("systemctl is-active {unit}")).map(drop)
            })?;
        }
        Ok(())
    }

    /// The daemon's pid in the machine's pid namespace.
    ///
    /// # Errors
    /// It is not running.
    pub fn daemon_pid(&self) -> Outcome<u32> {
        self.main_pid(UNIT)
    }

    /// The main pid of a service in the machine's pid namespace.
    ///
    /// # Errors
    /// It is not running.
    pub fn main_pid(&self, unit: &str) -> Outcome<u32> {
        let pid = self.run(&format!("systemctl show --property=MainPID --value {unit}"))?;
        let pid = pid.trim().parse();
        match pid.context(format!("the pid of {unit}"))? {
            0 => Err(Failure::new(format!("{unit} does not run"))),
            pid => Ok(pid),
        }
    }

    /// The output of `session-timeout status --json` as root.
    ///
    /// # Errors
    /// The command fails.
    pub fn status(&self) -> Outcome<Value> {
        let text = self.run("session-timeout status --json")?;
        serde_json::from_str(&text).context(format!("read the status {text}"))
    }

    /// A session in the status.
    ///
    /// # Errors
    /// The session is not there.
    pub fn session_status(&self, id: &str) -> Outcome<Value> {
        let status = self.status()?;
        let sessions = status["sessions"].as_array();
        let mut sessions = sessions.map(Vec::as_slice).unwrap_or_default().iter();
        let found = sessions.find(|session| session["id"] == id).cloned();
        found.ok_or_else(|| Failure::new(format!("no session {id} in {status}")))
    }

    /// Waits until the daemon has a session in its status.
    ///
    /// # Errors
    /// The session does not appear in time.
    pub fn wait_known(&self, id: &str) -> Outcome<Value> {
        wait_until(SOON, "the daemon to know a session", || {
            self.session_status(id)
        })
    }

    /// The output of `session-timeout explain --json` as root for a session.
    ///
    /// # Errors
    /// The command fails.
    pub fn explain(&self, id: &str) -> Outcome<Value> {
        let text = self.run(&format!("session-timeout explain --json {id}"))?;
        serde_json::from_str(&text).context(format!("read the explanation {text}"))
    }

    /// Waits until the status of a session meets a condition; returns that status.
    ///
    /// # Errors
    /// The condition is not met within `bound`.
    pub fn wait_status(
        &self,
        id: &str,
        bound: Duration,
        suits: impl Fn(&Value) -> bool,
    ) -> Outcome<Value> {
        wait_until(bound, "a session to change in the status", || {
            let session = self.session_status(id)?;
            if suits(&session) {
                Ok(session)
            } else {
                Err(Failure::new(session.to_string()))
            }
        })
    }

    /// A property of a logind session.
    ///
    /// # Errors
    /// logind does not have the session.
    pub fn logind_property(&self, id: &str, name: &str) -> Outcome<String> {
        let script = format!("loginctl show-session {id} --property={name} --value");
        Ok(self.run(&script)?.trim().to_owned())
    }

    /// Waits until neither logind nor PID 1 has the session or its scope.
    ///
    /// # Errors
    /// One has it after `bound`.
    pub fn wait_session_gone(&self, id: &str, bound: Duration) -> Outcome<Instant> {
        wait_until(bound, "the session to be gone", || {
            let left = self.attempt(&format!(
                "loginctl show-session {id} --property=State; systemctl is-active session-{id}.scope"
            ))?;
            match left.stdout.trim() {
                "inactive" => Ok(Instant::now()),
                state => Err(Failure::new(state)),
            }
        })
    }
}
