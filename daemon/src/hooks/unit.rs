//! Runs one hook in a transient unit, from its start to its end.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use zbus::wire::Variant;
use zbus::{DBusError as _, Error};

use crate::bus::Pid1;
use crate::sys::clock::boot_now;

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// Timeout of a hook.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Time between SIGTERM and SIGKILL for a hook that timed out.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Upper bound of a hook's life in seconds: `TimeoutStopSec=` counts once for SIGTERM and once for
/// SIGKILL.
const LIFETIME_MAX: Duration = Duration::from_secs(50);

/// First and longest interval of the queries whether the hook's unit is gone.
const POLL_MIN: Duration = Duration::from_millis(100);
const POLL_MAX: Duration = Duration::from_secs(1);

/// Properties of a unit, by their D-Bus names.
type UnitProperties<'a> = Vec<(&'a str, Variant<'a>)>;

/// A program and its argument and environment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook<'a> {
    pub(super) program: &'a Path,
    pub(super) event: &'a str,
    pub(super) variables: &'a [String],
}

impl Hook<'_> {
    /// Runs the hook, and waits for its end by polling: for signals of PID 1 the connection would
    /// have to stay open, and receive all others as well.
    ///
    /// # Errors
    /// PID 1 has not started the unit.
    pub(super) async fn run(self, pid1: &Pid1) -> zbus::Result<()> {
        let Some(program) = self.program.to_str() else {
            return Err(Error::Failure("its name is no text".to_owned()));
        };
        let begun = Instant::now();
        let unit = unit_name();
        let auxiliary: Vec<(String, UnitProperties<'_>)> = Vec::new();
        let body = (&unit, "fail", self.properties(program), auxiliary);
        let start = pid1.call(MANAGER_PATH, MANAGER, "StartTransientUnit", &body);
        start.await?;
        let mut pause = POLL_MIN;
        while begun.elapsed() < LIFETIME_MAX {
            sleep(pause).await;
            pause = (pause * 2).min(POLL_MAX);
            let asked = pid1.call(MANAGER_PATH, MANAGER, "GetUnit", &unit).await;
            if asked.is_err_and(|error| is_unknown(&error)) {
                break;
            }
        }
        Ok(())
    }

    fn properties(&self, program: &str) -> UnitProperties<'static> {
        let event = self.event;
        let argv = vec![program.to_owned(), event.to_owned()];
        let mut variables = self.variables.to_vec();
        variables.push(format!("SESSION_TIMEOUT_EVENT={event}"));
        let command = vec![(program.to_owned(), argv, false)];
        vec![
            ("Description", Variant::from(format!("{program} {event}"))),
            ("Type", Variant::from("oneshot")),
            ("ExecStart", Variant::from(command)),
            ("Environment", Variant::from(variables)),
            // The run time of a oneshot service is its start time.
            ("TimeoutStartUSec", Variant::from(micros(TIMEOUT))),
            // The time after that for processes that ignore SIGTERM.
            ("TimeoutStopUSec", Variant::from(micros(STOP_TIMEOUT))),
            ("CollectMode", Variant::from("inactive-or-failed")),
            ("SyslogIdentifier", Variant::from("session-timeout-hook")),
        ]
    }
}

/// A unit name that was never used before.
fn unit_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = boot_now().as_micros();
    format!("session-timeout-hook-{now}-{number}.service")
}

/// PID 1 unloads the unit when it has ended (`CollectMode=`).
fn is_unknown(error: &Error) -> bool {
    match error {
        Error::MethodError(name, ..) => name.as_str() == NO_SUCH_UNIT,
        Error::FDO(error) => error.name().as_str() == NO_SUCH_UNIT,
        _ => false,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
