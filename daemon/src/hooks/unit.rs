//! One hook in a unit of its own, from its start to its end.
//!
//! PID 1 is asked on its own socket, which has nothing to do with the connection to the bus that
//! ends sessions, and on which a caller costs PID 1 no match rule on the bus.

use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use zbus::connection::Builder;
use zbus::names::BusName;
use zbus::wire::{OwnedObjectPath, Variant};
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::clock::boot_now;

/// systemd has it for systemctl(1) of root (`bus_init_private()` in src/core/dbus.c), and sends its
/// signals to all who are connected.
const SOCKET: &str = "/run/systemd/private";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// A hook that runs for longer is ended.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long one may take to end that was told to.
const STOPPING: Duration = Duration::from_secs(5);
/// How long PID 1 may take to start one, connecting included.
const STARTING: Duration = Duration::from_secs(5);
/// No hook is there for longer than that: `TimeoutStopSec=` counts for SIGTERM and for SIGKILL.
const LONGEST: Duration = Duration::from_secs(50);

/// Properties of a unit, by their names on D-Bus.
type Settings<'a> = Vec<(&'a str, Variant<'a>)>;

/// A program, and what it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook<'a> {
    pub(super) program: &'a Path,
    pub(super) occasion: &'a str,
    pub(super) variables: &'a [String],
}

/// What was seen of a hook that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Ended,
    /// The connection was lost before.
    Lost,
}

impl Hook<'_> {
    /// Runs it, and waits until it has ended.
    ///
    /// # Errors
    /// PID 1 has not started it.
    pub(super) async fn run(self) -> zbus::Result<()> {
        let Some(program) = self.program.to_str() else {
            return Err(failed("its name is no text"));
        };
        let begun = Instant::now();
        let connecting = timeout(STARTING, connect()).await;
        let connection = connecting.unwrap_or_else(|_elapsed| Err(failed("PID 1 is busy")))?;
        let name = unit_name();
        let seen = self.watch(&connection, &name, program);
        match timeout_at(begun + LONGEST, seen).await {
            Ok(Ok(Seen::Lost)) => {
                // PID 1 was executed again, say, and ends it as if nothing had been.
                sleep_until(begun + LONGEST).await;
                Ok(())
            }
            Ok(Ok(Seen::Ended)) | Err(_) => Ok(()),
            Ok(Err(error)) => Err(error),
        }
    }

    async fn watch(self, connection: &Connection, unit: &str, program: &str) -> zbus::Result<Seen> {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface(MANAGER)
            .member("JobRemoved")
            .build()?;
        let mut jobs = MessageStream::for_match_rule(rule, connection, None).await?;
        let auxiliary: Vec<(String, Settings<'_>)> = Vec::new();
        let body = (unit, "fail", self.settings(program), auxiliary);
        let nobody = None::<BusName<'_>>;
        let method = "StartTransientUnit";
        let call = connection.call_method(nobody, PATH, Some(MANAGER), method, &body);
        let mut answer = pin!(timeout(STARTING, call));
        let mut is_started = false;
        loop {
            // Signals are taken while the answer is waited for: it may be behind them.
            tokio::select! {
                answer = &mut answer, if !is_started => {
                    answer.unwrap_or_else(|_elapsed| Err(failed("PID 1 does not answer")))?;
                    is_started = true;
                }
                job = jobs.next() => match job {
                    Some(Ok(job)) if is_of(&job, unit) => return Ok(Seen::Ended),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None if is_started => return Ok(Seen::Lost),
                    Some(Err(error)) => return Err(error),
                    None => return Err(failed("the connection to PID 1 is lost")),
                },
            }
        }
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
            // The job of a oneshot service ends with the service.
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

async fn connect() -> zbus::Result<Connection> {
    let stream = UnixStream::connect(SOCKET).await?;
    Builder::unix_stream(stream.into_std()?).p2p().build().await
}

/// A name that no unit has had.
fn unit_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = boot_now().as_micros();
    format!("session-timeout-hook-{now}-{number}.service")
}

/// Whether this `JobRemoved` is about the job of a unit.
fn is_of(signal: &Message, unit: &str) -> bool {
    type JobRemoved = (u32, OwnedObjectPath, String, String);
    let body = signal.body();
    body.deserialize::<JobRemoved>()
        .is_ok_and(|(_, _, of, _)| of == unit)
}

fn failed(why: &str) -> zbus::Error {
    zbus::Error::Failure(why.to_owned())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_known_by_its_unit() {
        let job = OwnedObjectPath::try_from("/org/freedesktop/systemd1/job/7").unwrap();
        let signal = Message::signal(PATH, MANAGER, "JobRemoved");
        let signal = signal.build(&(7_u32, job, "a.service", "done")).unwrap();
        assert!(is_of(&signal, "a.service"));
        assert!(!is_of(&signal, "b.service"));
        let other = Message::signal(PATH, MANAGER, "JobRemoved");
        assert!(!is_of(&other.build(&7_u32).unwrap(), "a.service"));
    }
}
