//! Journal entries about the daemon itself: its policy, short limits, and rejected connections.

use std::path::Path;

use log::Level;
use session_timeout_protocol::FrameError;

use super::Journal;
use super::writer::{Entry, EventKind};
use crate::policy_file::{LoadedPolicy, PolicyOrigin};

impl Journal {
    pub(crate) fn policy(&self, path: &Path, found: &LoadedPolicy) {
        let path = path.display();
        let (level, message) = match found.origin {
            PolicyOrigin::File => {
                let files = found.files.iter().map(|file| file.display().to_string());
                let files = files.collect::<Vec<_>>().join(", ");
                (Level::Info, format!("The policy of {files} is in force"))
            }
            PolicyOrigin::BuiltIn => (
                Level::Info,
                format!("There is no {path}: the built-in policy is in force"),
            ),
            PolicyOrigin::LastGood => (
                Level::Error,
                format!("{path} is broken: the last good policy is in force instead"),
            ),
            PolicyOrigin::Nowhere => (
                Level::Error,
                format!("{path} is broken and there is no good one: NOTHING IS ENFORCED"),
            ),
        };
        self.0
            .write(Entry::new(level, EventKind::PolicyLoaded, message));
        for warning in found.warnings() {
            self.0
                .write(Entry::new(Level::Warn, EventKind::PolicyLoaded, warning));
        }
    }

    pub(crate) fn policy_rejected(&self, error: &str) {
        let message = format!("The policy was not taken: {error}");
        self.0
            .write(Entry::new(Level::Error, EventKind::PolicyRejected, message));
    }

    pub(crate) fn short_limits(&self) {
        let message = "LIMITS OF SECONDS ARE ALLOWED (--allow-short-limits). \
                       This is for trying a policy out, not for daily use.";
        self.0
            .write(Entry::new(Level::Warn, EventKind::ShortLimits, message));
    }

    pub(crate) fn frame_rejected(&self, error: FrameError, count: u64) {
        // At powers of two only, so that each of the first is logged and a flood is not.
        if count.is_power_of_two() {
            let message =
                format!("A connection to the login socket was closed ({count} so far): {error}");
            self.0
                .write(Entry::new(Level::Warn, EventKind::FrameRejected, message));
        }
    }

    pub(crate) fn logind_connected(&self) {
        self.0.write(Entry::new(
            Level::Info,
            EventKind::LogindConnected,
            "systemd-logind answers again",
        ));
    }

    pub(crate) fn logind_lost(&self, why: &str) {
        let message = format!(
            "systemd-logind cannot be reached, trying again until it can; \
             sessions are ended through PID 1 meanwhile: {why}"
        );
        self.0
            .write(Entry::new(Level::Warn, EventKind::LogindLost, message));
    }
}
