//! Decides when a case may start its machine.
//!
//! A case mostly waits for a limit, which takes no processor, so that there can be more cases at
//! once than processors. The sum of their [`Load`]s is bounded; while processes wait for a processor
//! (`/proc/pressure/cpu`), the bound is three quarters of that. Cases with a load of which few may run at once
//! start first, and light cases run beside them.

use std::cmp::Reverse;
use std::fs;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Outcome;
use crate::load::Load;
use crate::machine::Machine;
use crate::pressure::Pressure;
use crate::running::Running;
use crate::times::{self, Times};

/// The sum of loads for each processor. With seven, two processors were always busy: the run took as
/// long as with four, and cases that measure a delay failed.
const PER_PROCESSOR: usize = 4;

/// The number of root's inotify instances that a machine takes: three of systemd, one of agetty, three of
/// root's user manager where root logs in, and one of the daemon.
const INSTANCES: usize = 8;

/// The interval at which cases are started. The threads of a run ask at about the same time, so no
/// case starts before the scheduler knows all of them.
const INTERVAL: Duration = Duration::from_millis(200);

/// The permission to run a case; released when it is dropped.
#[derive(Debug)]
pub struct Place {
    case: &'static str,
    load: Load,
    started: Instant,
    events: Sender<Event>,
}

#[derive(Debug)]
enum Event {
    Asked(Waiting),
    Ended(Load),
}

/// A case that waits for its start.
#[derive(Debug)]
struct Waiting {
    load: Load,
    /// Its duration in the last run, if it is known.
    last: Option<Duration>,
    begin: Sender<()>,
}

impl Place {
    /// Waits until the case of this name may start.
    #[must_use]
    pub fn take(case: &'static str, load: Load) -> Self {
        let events = events();
        let (begin, begun) = mpsc::channel();
        let last = times::last(case);
        // If the scheduler is gone, the case starts at once.
        let _ = events.send(Event::Asked(Waiting { load, last, begin }));
        let _ = begun.recv();
        Self {
            case,
            load,
            started: Instant::now(),
            events,
        }
    }

    /// Saves the duration of the case, for the order of the next run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_times(&self, machine: &Machine) -> Outcome {
        let times = Times {
            whole: self.started.elapsed(),
            processor: machine.processor_time()?,
        };
        times.keep(self.case)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Ended(self.load));
    }
}

/// The sender of events to the scheduler of this process, which the first call starts.
fn events() -> Sender<Event> {
    static EVENTS: OnceLock<Mutex<Sender<Event>>> = OnceLock::new();
    let events = EVENTS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || schedule(&receiver));
        Mutex::new(sender)
    });
    events
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

fn schedule(events: &Receiver<Event>) {
    let mut running = Running::up_to(capacity());
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        match events.recv_timeout(INTERVAL) {
            Ok(Event::Asked(case)) => {
                waiting.push(case);
                waiting.sort_by_key(|case| Reverse(case.last));
            }
            Ok(Event::Ended(load)) => running.remove(load),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let loads: Vec<_> = waiting.iter().map(|case| case.load).collect();
                if let Some(at) = running.next_of(&loads, Pressure::now()) {
                    let case = waiting.remove(at);
                    running.add(case.load);
                    let _ = case.begin.send(());
                }
            }
        }
    }
}

/// The sum of loads that this host can run at once; `MACHINES` in the environment overrides it.
fn capacity() -> usize {
    let wanted = std::env::var("MACHINES")
        .ok()
        .and_then(|it| it.parse().ok());
    let processors = thread::available_parallelism().map_or(1, usize::from);
    wanted.unwrap_or_else(|| (processors * PER_PROCESSOR).min(instances() / INSTANCES))
}

/// The number of inotify instances that the kernel allows root on the whole host.
fn instances() -> usize {
    let text = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances");
    let most = text.ok().and_then(|text| text.trim().parse().ok());
    most.unwrap_or(128)
}
