//! One hook in a unit of its own, from its start to its end.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use zbus::wire::Variant;
use zbus::{DBusError as _, Error};

use crate::bus::Direct;
use crate::clock::boot_now;

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// A hook that runs for longer is ended.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long one may take to end that was told to.
const STOPPING: Duration = Duration::from_secs(5);
/// No hook is there for longer than that: `TimeoutStopSec=` counts for SIGTERM and for SIGKILL.
const LONGEST: Duration = Duration::from_secs(50);

/// How long after its start PID 1 is asked for it at first, and how long it is left alone at most.
const FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Properties of a unit, by their names on D-Bus.
type Settings<'a> = Vec<(&'a str, Variant<'a>)>;

/// A program, and what it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook<'a> {
    pub(super) program: &'a Path,
    pub(super) occasion: &'a str,
    pub(super) variables: &'a [String],
}

impl Hook<'_> {
    /// Runs it, and waits until it has ended. PID 1 tells only those of that who stay connected,
    /// and of everything else as well, so it is asked.
    ///
    /// # Errors
    /// PID 1 has not started it.
    pub(super) async fn run(self, pid1: &Direct) -> zbus::Result<()> {
        let Some(program) = self.program.to_str() else {
            return Err(Error::Failure("its name is no text".to_owned()));
        };
        let begun = Instant::now();
        let unit = unit_name();
        let auxiliary: Vec<(String, Settings<'_>)> = Vec::new();
        let body = (&unit, "fail", self.settings(program), auxiliary);
        let start = pid1.call(MANAGER_PATH, MANAGER, "StartTransientUnit", &body);
        start.await?;
        let mut pause = FIRST;
        while begun.elapsed() < LONGEST {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            let asked = pid1.call(MANAGER_PATH, MANAGER, "GetUnit", &unit).await;
            if asked.is_err_and(|error| is_unknown(&error)) {
                break;
            }
        }
        Ok(())
    }

    fn settings(&self, program: &str) -> Settings<'static> {
        let occasion = self.occasion;
        let argv = vec![program.to_owned(), occasion.to_owned()];
        let mut variables = self.variables.to_vec();
        variables.push(format!("SESSION_TIMEOUT_EVENT={occasion}"));
        let command = vec![(program.to_owned(), argv, false)];
        vec![
            (
                "Description",
                Variant::from(format!("{program} {occasion}")),
            ),
            ("Type", Variant::from("oneshot")),
            ("ExecStart", Variant::from(command)),
            ("Environment", Variant::from(variables)),
            // Of a oneshot service this is all the time that there is.
            ("TimeoutStartUSec", Variant::from(micros(TIMEOUT))),
            // And that after it, for what does not heed SIGTERM.
            ("TimeoutStopUSec", Variant::from(micros(STOPPING))),
            ("CollectMode", Variant::from("inactive-or-failed")),
            ("SyslogIdentifier", Variant::from("session-timeout-hook")),
        ]
    }
}

/// A name that no unit has had.
fn unit_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = boot_now().as_micros();
    format!("session-timeout-hook-{now}-{number}.service")
}

/// PID 1 forgets the unit when it has ended (`CollectMode=`).
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
