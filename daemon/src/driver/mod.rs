//! The driver: the loop that passes inputs to the engine and has the engine's outputs executed.
//!
//! It waits only for the next input or deadline. Work that may take time runs in tasks, and the
//! result of each is another input.

mod deferred;
mod inputs;
mod select;
mod setup;

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use session_timeout_config::{Minima, Settings};
use session_timeout_policy::{
    ActivityKind, BootTime, Engine, Event, Output, Policy, SessionId, View,
};
use tokio::sync::{mpsc, watch};

use self::deferred::Deferred;
use self::select::{Sources, Wakeup};
pub(crate) use self::setup::run;
use crate::actions::ActionRunner;
use crate::agents::Agents;
use crate::control::{ChangedSessions, Changes};
use crate::idle::inhibitors::{Inhibitors, Wanted};
use crate::input::Input;
use crate::journal::Journal;
use crate::pam::replies::PendingReplies;
use crate::policy_file::{LoadedPolicy, PolicyFile, PolicyOrigin};
use crate::report::Status;
use crate::store::Store;
use crate::sys::clock::{Alarm, boot_now};
use crate::sys::watchdog::Watchdog;
use crate::unregistered::Unregistered;

/// Inputs that may wait for the driver; senders of more wait.
const INPUTS_MAX: usize = 256;
/// Shortest time between two writes of the state, so that many logins at once do not cause as many
/// writes.
const SAVE_INTERVAL: Duration = Duration::from_millis(100);
/// And this many times the duration of a write, where there are thousands of sessions.
const SAVE_COST_FACTOR: u32 = 10;
/// Where the state is kept, below systemd's `RuntimeDirectory=`.
const STATE_PATH: &str = "/run/session-timeout/state.json";

struct Driver {
    engine: Engine,
    alarm: Alarm,
    actions: ActionRunner,
    deferred: Deferred,
    inhibitors: Inhibitors,
    agents: Agents,
    journal: Journal,
    file: PolicyFile,
    origin: PolicyOrigin,
    /// Where each value of the policy was set.
    settings: Option<Settings>,
    policy_error: Option<String>,
    store: Store,
    saved: Saved,
    logind: LogindState,
    rejected_frames: u64,
    replies: PendingReplies,
    unregistered: Unregistered,
    wanted: mpsc::Sender<SessionId>,
    changes: Changes,
    changed: ChangedSessions,
    status: watch::Sender<Status>,
    watchdog: Watchdog,
}

/// How much of the engine's state is in the file.
struct Saved {
    revision: u64,
    /// Not before.
    next: BootTime,
    /// A failure is logged once, until the next success.
    failing: bool,
}

/// Whether logind answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogindState {
    Starting,
    Connected,
    Lost,
}

/// Whether there is anything to come.
enum Turn {
    Another,
    Last,
}

impl Driver {
    /// # Errors
    /// A kernel interface has failed, or a vital task has ended.
    async fn drive(mut self, mut sources: Sources) -> io::Result<()> {
        self.actions.watch_again(&self.engine);
        self.actions.adopt_again(&self.engine);
        let ended = loop {
            match self.turn(&mut sources).await {
                Ok(Turn::Another) => {}
                Ok(Turn::Last) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // From here on systemd waits for `TimeoutStopSec=` and no longer.
        notify(&[NotifyState::Stopping]);
        self.save();
        ended
    }

    /// Waits for something, and deals with it.
    async fn turn(&mut self, sources: &mut Sources) -> io::Result<Turn> {
        self.publish_status();
        let deadline = self.engine.next_deadline().map(|deadline| deadline.at);
        self.alarm.set(deadline)?;
        let wakeup = self.next_wakeup(sources, deadline).await?;
        if !matches!(wakeup, Wakeup::Quiet | Wakeup::Stop) {
            self.watchdog.notify_awake();
        }
        let quiet = matches!(wakeup, Wakeup::Quiet);
        match wakeup {
            Wakeup::Alarm => {
                let outputs = self.engine.handle_timeout(boot_now());
                self.perform(outputs);
            }
            Wakeup::Inhibitors => self.handle(Event::InhibitorsChanged),
            Wakeup::Input(input) => {
                self.take(*input);
                self.take_more(&mut sources.queue);
            }
            Wakeup::Deferred => self.perform_deferred(),
            Wakeup::Quiet => {}
            Wakeup::Reload => self.reload(),
            Wakeup::Seen(events) => events.into_iter().for_each(|event| self.handle(event)),
            Wakeup::Stop => return Ok(Turn::Last),
        }
        self.publish_and_save();
        if quiet && self.watchdog.must_notify(deadline) {
            self.watchdog.notify_sleep(deadline);
        }
        Ok(Turn::Another)
    }

    /// Executes the engine's outputs, except those of a deferred session.
    fn perform(&mut self, outputs: Vec<Output>) {
        let outputs = self.deferred.defer(outputs);
        self.perform_now(&outputs);
    }

    /// Executes the deferred outputs.
    fn perform_deferred(&mut self) {
        let outputs = self.deferred.take();
        self.perform_now(&outputs);
        self.deferred.clear_suspect();
    }

    fn perform_now(&mut self, outputs: &[Output]) {
        if outputs.is_empty() {
            return;
        }
        for output in outputs {
            self.deferred.begin(output.key());
            self.actions.perform(&self.engine, output);
        }
        self.deferred.end();
    }

    /// Takes the other queued inputs: what follows a turn reads every session, and is done once for
    /// many inputs.
    fn take_more(&mut self, queue: &mut mpsc::Receiver<Input>) {
        for _ in 1..INPUTS_MAX {
            match queue.try_recv() {
                Ok(input) => self.take(input),
                Err(_) => return,
            }
        }
    }

    fn reload(&mut self) {
        notify_reloading();
        match self.file.read() {
            Ok(found) => {
                self.journal.policy(&self.file.path, &found);
                let LoadedPolicy {
                    policy,
                    settings,
                    origin,
                    ..
                } = found;
                self.inhibitors.watch(counts_inhibitors(&policy));
                (self.origin, self.settings) = (origin, settings);
                self.policy_error = None;
                self.handle(Event::PolicyReplaced(policy));
                // Agents may have to watch for another time now.
                let watched = |session: &View<'_>| {
                    let key = &session.facts.key;
                    self.agents.source_of(key).is_some()
                };
                let sessions = self.engine.sessions();
                sessions
                    .filter(watched)
                    .for_each(|session| self.probe(&session));
            }
            Err(error) => {
                self.journal.policy_rejected(&error);
                self.policy_error = Some(error);
            }
        }
        notify(&[NotifyState::Ready]);
    }

    /// Publishes the state of the daemon.
    fn publish_status(&self) {
        let now = Status {
            policy_path: self.file.path.display().to_string(),
            policy_state: self.origin.as_str(),
            policy_error: self.policy_error.clone(),
            short_limits: self.file.minima == Minima::Lifted,
            logind_connected: self.logind == LogindState::Connected,
            rejected_frames: self.rejected_frames,
        };
        self.status.send_if_modified(|shown| {
            let is_news = *shown != now;
            *shown = now;
            is_news
        });
    }

    /// Tells and writes down what has changed, unless that was done a moment ago.
    fn publish_and_save(&mut self) {
        let begun = boot_now();
        if begun < self.saved.next || self.saved.revision == self.engine.revision() {
            return;
        }
        self.changed.add(self.changes.since(&self.engine));
        self.save();
        let took = boot_now().since(begun);
        self.saved.next =
            boot_now().saturating_add(SAVE_INTERVAL.max(took.saturating_mul(SAVE_COST_FACTOR)));
    }

    fn save(&mut self) {
        self.saved.revision = self.engine.revision();
        self.actions.save_last_sessions();
        match self.store.save(self.engine.records()) {
            Ok(()) => self.saved.failing = false,
            Err(error) if !self.saved.failing => {
                self.saved.failing = true;
                log::error!("cannot keep the state in {STATE_PATH}, going on without: {error}");
            }
            Err(_) => {}
        }
    }
}

/// Whether anybody's policy counts inhibitor locks as activity.
fn counts_inhibitors(policy: &Policy) -> Wanted {
    let rules = policy.rules.iter().map(|rule| &rule.limits);
    let counted = rules
        .chain(&policy.default)
        .any(|limits| limits.activity.contains(&ActivityKind::Inhibitor));
    if counted { Wanted::Yes } else { Wanted::No }
}

fn notify_reloading() {
    // Both are wanted together since systemd 253.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// systemd may not be listening, when the daemon is tried out by hand.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::debug!("cannot notify systemd: {error}");
    }
}
