//! The events that the driver waits for: inputs, its timer, and the writing of its state.

use std::io;
use std::time::Duration;

use session_timeout_policy::{BootTime, Event};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Driver, SAVE_INTERVAL};
use crate::input::Input;

/// A daemon that wakes again within this time has not slept, and systemd is not notified of a sleep.
const SLEEP_MIN: Duration = Duration::from_secs(1);

/// All that wakes the driver from outside of it.
pub(super) struct Sources {
    pub(super) queue: mpsc::Receiver<Input>,
    pub(super) signals: Signals,
    /// Tasks that end with the daemon and not before.
    pub(super) vital: JoinSet<()>,
}

pub(super) struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// What woke the driver.
pub(super) enum Wakeup {
    Alarm,
    Inhibitors,
    Input(Box<Input>),
    /// Actions that are deferred until the driver is idle.
    Deferred,
    /// Nothing has come for a moment, and there is something to do then.
    Quiet,
    Reload,
    Seen(Vec<Event>),
    Stop,
}

impl Driver {
    /// Waits for the next thing to deal with, with nothing due before the deadline.
    ///
    /// # Errors
    /// A kernel interface has failed, or a vital task has ended.
    pub(super) async fn next_wakeup(
        &mut self,
        sources: &mut Sources,
        deadline: Option<BootTime>,
    ) -> io::Result<Wakeup> {
        let to_keep = self.saved.revision != self.engine.revision();
        loop {
            let to_sleep = self.watchdog.must_notify(deadline);
            let watchdog = self.watchdog.clone();
            // When no input comes for a moment, or at the deadline of the deferral.
            let quiet = Instant::now() + SAVE_INTERVAL;
            let late = self.deferred.due().map_or(quiet, |due| due.min(quiet));
            let signals = &mut sources.signals;
            return Ok(tokio::select! {
                _ = signals.terminate.recv() => Wakeup::Stop,
                _ = signals.interrupt.recv() => Wakeup::Stop,
                _ = signals.reload.recv() => Wakeup::Reload,
                fired = self.alarm.fired() => {
                    fired?;
                    Wakeup::Alarm
                }
                active = self.actions.activity() => {
                    Wakeup::Seen(active?.into_iter().map(Event::ActivitySeen).collect())
                }
                changed = self.inhibitors.changed() => {
                    changed?;
                    Wakeup::Inhibitors
                }
                input = sources.queue.recv() => input.map_or(Wakeup::Stop, |input| Wakeup::Input(Box::new(input))),
                lost = loss(&mut sources.vital) => return Err(lost),
                // Other tasks woke up, and the sleep that systemd was notified of is over.
                () = watchdog.woke(), if !to_sleep => continue,
                () = tokio::time::sleep_until(late), if self.deferred.due().is_some() => Wakeup::Deferred,
                () = tokio::time::sleep(SAVE_INTERVAL), if to_keep => Wakeup::Quiet,
                () = tokio::time::sleep(SLEEP_MIN), if to_sleep => Wakeup::Quiet,
            });
        }
    }
}

/// Waits for a task to end that never should: by a bug. Without it the daemon would go on and end
/// nobody; systemd restarts it instead.
async fn loss(vital: &mut JoinSet<()>) -> io::Error {
    match vital.join_next().await {
        Some(Err(panic)) => io::Error::other(panic),
        Some(Ok(())) | None => io::Error::other("a task is over before the daemon is"),
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    #[tokio::test]
    async fn a_task_that_is_gone_is_the_end_of_the_daemon() {
        let mut vital = JoinSet::new();
        vital.spawn(future::pending());
        vital.spawn(async { panic!("a bug") });
        assert!(loss(&mut vital).await.to_string().contains("panic"));
        vital.spawn(future::ready(()));
        assert!(loss(&mut vital).await.to_string().contains("over"));
    }

    #[tokio::test]
    async fn tasks_that_go_on_are_no_loss() {
        let mut vital = JoinSet::new();
        vital.spawn(future::pending());
        let lost = tokio::time::timeout(Duration::from_millis(20), loss(&mut vital)).await;
        assert!(lost.is_err(), "{lost:?}");
    }
}
