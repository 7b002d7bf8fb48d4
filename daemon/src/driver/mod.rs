//! The loop: what comes in goes to the engine, and what the engine says is done.
//!
//! Nothing in here waits for anything but the next input. What may take time is done by a task of
//! its own, and its outcome is another input.

mod deferred;
mod inputs;
mod select;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sd_notify::NotifyState;
use session_timeout_config::{Minima, Settings};
use session_timeout_policy::{Action, ActivityKind, BootTime, Engine, Event, Policy, View};
use session_timeout_texts::Language;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::deferred::Last;
use self::select::{Signals, Sources, Woken};
use crate::actions::terminal_tasks;
use crate::actions::{Hands, Means};
use crate::agents::Agents;
use crate::cli::Args;
use crate::control::{self, Changes, News, Questions};
use crate::idle::inhibitors::{Inhibitors, Wanted};
use crate::idle::probe::Prober;
use crate::input::Input;
use crate::journal::Journal;
use crate::journal::Teller;
use crate::logind;
use crate::pam::last_session::Endings;
use crate::pam::replies::Logins;
use crate::pam::socket;
use crate::policy_file::{Found, Origin, PolicyFile};
use crate::report::Status;
use crate::store::Store;
use crate::sys::blocking_pool::Walks;
use crate::sys::clock::{Alarm, boot_now};
use crate::sys::watchdog::Watchdog;
use crate::terminal::own_writes::Writes;
use crate::unregistered::Unregistered;

/// Inputs that may wait for the driver; senders of more wait.
const INPUTS_MAX: usize = 256;
/// Sessions that logind may be asked for out of turn.
const WANTED_MAX: usize = 64;
/// Shortest time between two writes of the state, so that many logins at once do not cause as many
/// writes.
const SAVE_INTERVAL: Duration = Duration::from_millis(100);
/// And this many times the duration of a write, where there are thousands of sessions.
const SAVE_COST_FACTOR: u32 = 10;
/// Where the state is kept, below systemd's `RuntimeDirectory=`.
const STATE_PATH: &str = "/run/session-timeout/state.json";

/// The file that records which session is being processed.
const AT_WORK_PATH: &str = "/run/session-timeout/at-work";

/// Where the endings are kept that somebody has yet to be told of.
const LAST_SESSIONS_PATH: &str = "/run/session-timeout/endings.json";

/// Runs the daemon until it is told to stop.
pub(crate) async fn run(args: Args, journal: Journal, watchdog: Watchdog) -> io::Result<()> {
    let signals = Signals::new()?;
    let listener = socket::listener()?;
    let (inputs, queue) = mpsc::channel(INPUTS_MAX);
    let (link, private) = watch::channel(None);
    let (connection, public) = watch::channel(None);
    let (wanted, asked_for) = mpsc::channel(WANTED_MAX);

    let teller = Teller::new(journal);
    let (writes, walks) = (Writes::default(), Walks::default());
    let agents = Agents::new(public.clone());
    let prober = Prober::new(
        private.clone(),
        inputs.clone(),
        agents.clone(),
        writes.clone(),
        walks.clone(),
    );
    let endings = Endings::load(PathBuf::from(LAST_SESSIONS_PATH));
    // That of the machine: systemd gives its locale to every service.
    let language = Language::of_environment();
    let (unfinished, finished) = terminal_tasks::finished();
    let hands = Hands::new(Means {
        inputs: inputs.clone(),
        bus: private.clone(),
        writes,
        walks: walks.clone(),
        agents: agents.clone(),
        endings: endings.clone(),
        prober: prober.clone(),
        teller: teller.clone(),
        language,
        unfinished,
    });
    let logins = Logins::new(endings.clone(), walks, language);
    let parts = Parts {
        hands,
        agents: agents.clone(),
        teller: teller.clone(),
        logins,
        unregistered: Unregistered::new(inputs.clone(), private.clone(), teller.clone()),
        wanted,
        watchdog,
    };
    let driver = Driver::new(args, parts)?;
    let questions = Questions {
        inputs: inputs.clone(),
        status: driver.status.subscribe(),
        private,
        agents,
        endings,
        prober,
        teller,
    };
    let mut vital = JoinSet::new();
    vital.spawn(control::announce(driver.news.clone(), public));
    vital.spawn(control::offer(connection, questions));
    vital.spawn(socket::serve(listener, inputs.clone()));
    vital.spawn(logind::follow(inputs, link, asked_for));
    notify(&[NotifyState::Ready]);
    let sources = Sources {
        queue,
        signals,
        vital,
    };
    let ended = driver.drive(sources).await;
    finished.wait().await;
    ended
}

struct Driver {
    engine: Engine,
    alarm: Alarm,
    hands: Hands,
    last: Last,
    inhibitors: Inhibitors,
    agents: Agents,
    teller: Teller,
    file: PolicyFile,
    origin: Origin,
    /// Where each value of the policy was set.
    settings: Option<Settings>,
    policy_error: Option<String>,
    store: Store,
    kept: Kept,
    logind: Logind,
    rejected_frames: u64,
    logins: Logins,
    unregistered: Unregistered,
    wanted: mpsc::Sender<String>,
    changes: Changes,
    news: News,
    status: watch::Sender<Status>,
    watchdog: Watchdog,
}

/// The parts that the driver works with.
struct Parts {
    hands: Hands,
    agents: Agents,
    teller: Teller,
    logins: Logins,
    unregistered: Unregistered,
    wanted: mpsc::Sender<String>,
    watchdog: Watchdog,
}

/// How much of the engine's state is in the file, and was told.
struct Kept {
    revision: u64,
    /// Not before.
    next: BootTime,
    /// A failure is told once, until the next success.
    failing: bool,
}

/// Whether logind answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logind {
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
    fn new(args: Args, parts: Parts) -> io::Result<Self> {
        let Parts {
            hands,
            agents,
            teller,
            logins,
            unregistered,
            wanted,
            watchdog,
        } = parts;
        let minima = args.minima();
        let file = PolicyFile::new(args.policy, minima);
        if minima == Minima::Lifted {
            teller.short_limits();
        }
        let (found, policy_error) = match file.read() {
            Ok(found) => (found, None),
            Err(error) => {
                teller.policy_rejected(&error);
                (file.fall_back(), Some(error))
            }
        };
        teller.policy(&file.path, &found);

        let store = Store::new(PathBuf::from(STATE_PATH));
        let now = boot_now();
        let engine = match store.load() {
            Ok(records) => Engine::restore(now, found.policy, records),
            Err(error) => {
                log::warn!("cannot use {STATE_PATH}, asking logind for everything: {error}");
                Engine::new(now, found.policy)
            }
        };
        let kept = Kept {
            revision: engine.revision(),
            next: BootTime::default(),
            failing: false,
        };
        let mut inhibitors = Inhibitors::new();
        inhibitors.watch(counts_inhibitors(engine.policy()));
        let changes = Changes::new(&engine);
        Ok(Self {
            engine,
            alarm: Alarm::new()?,
            hands,
            last: Last::load(Path::new(AT_WORK_PATH)),
            inhibitors,
            agents,
            teller,
            file,
            origin: found.origin,
            settings: found.settings,
            policy_error,
            store,
            kept,
            logind: Logind::Starting,
            rejected_frames: 0,
            logins,
            unregistered,
            wanted,
            changes,
            news: News::default(),
            status: watch::Sender::default(),
            watchdog,
        })
    }

    /// # Errors
    /// The kernel tells nothing more of something, or a task is gone that should not be.
    async fn drive(mut self, mut sources: Sources) -> io::Result<()> {
        self.hands.watch_again(&self.engine);
        self.hands.adopt_again(&self.engine);
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
        self.show();
        let deadline = self.engine.next_deadline().map(|deadline| deadline.at);
        self.alarm.set(deadline)?;
        let woken = self.woken(sources, deadline).await?;
        if !matches!(woken, Woken::Quiet | Woken::Stop) {
            self.watchdog.woken();
        }
        let quiet = matches!(woken, Woken::Quiet);
        match woken {
            Woken::Alarm => {
                let actions = self.engine.handle_timeout(boot_now());
                self.perform(actions);
            }
            Woken::Inhibitors => self.tell(Event::InhibitorsChanged),
            Woken::Input(input) => {
                self.take(*input);
                self.take_more(&mut sources.queue);
            }
            Woken::Late => self.perform_late(),
            Woken::Quiet => {}
            Woken::Reload => self.reload(),
            Woken::Seen(events) => events.into_iter().for_each(|event| self.tell(event)),
            Woken::Stop => return Ok(Turn::Last),
        }
        self.keep_up();
        if quiet && self.watchdog.owes(deadline) {
            self.watchdog.rests(deadline);
        }
        Ok(Turn::Another)
    }

    /// Executes the engine's actions, except those of a deferred session.
    fn perform(&mut self, actions: Vec<Action>) {
        let actions = self.last.sift(actions);
        self.perform_now(&actions);
    }

    /// Executes the deferred actions.
    fn perform_late(&mut self) {
        let actions = self.last.take();
        self.perform_now(&actions);
        self.last.acquit();
    }

    fn perform_now(&mut self, actions: &[Action]) {
        if actions.is_empty() {
            return;
        }
        for action in actions {
            self.last.begin(action.key());
            self.hands.perform(&self.engine, action);
        }
        self.last.end();
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
                self.teller.policy(&self.file.path, &found);
                let Found {
                    policy,
                    settings,
                    origin,
                    ..
                } = found;
                self.inhibitors.watch(counts_inhibitors(&policy));
                (self.origin, self.settings) = (origin, settings);
                self.policy_error = None;
                self.tell(Event::PolicyReplaced(policy));
                // Agents may have to watch for another time now.
                let watched = |session: &View<'_>| {
                    let key = &session.facts.key;
                    self.agents.source_of(key).is_some()
                };
                let sessions = self.engine.sessions();
                sessions
                    .filter(watched)
                    .for_each(|session| self.look(&session));
            }
            Err(error) => {
                self.teller.policy_rejected(&error);
                self.policy_error = Some(error);
            }
        }
        notify(&[NotifyState::Ready]);
    }

    /// Publishes the state of the daemon.
    fn show(&self) {
        let now = Status {
            policy_path: self.file.path.display().to_string(),
            policy_state: self.origin.as_str(),
            policy_error: self.policy_error.clone(),
            short_limits: self.file.minima == Minima::Lifted,
            logind_connected: self.logind == Logind::Connected,
            rejected_frames: self.rejected_frames,
        };
        self.status.send_if_modified(|shown| {
            let is_news = *shown != now;
            *shown = now;
            is_news
        });
    }

    /// Tells and writes down what has changed, unless that was done a moment ago.
    fn keep_up(&mut self) {
        let begun = boot_now();
        if begun < self.kept.next || self.kept.revision == self.engine.revision() {
            return;
        }
        self.news.tell(self.changes.since(&self.engine));
        self.save();
        let took = boot_now().since(begun);
        self.kept.next =
            boot_now().saturating_add(SAVE_INTERVAL.max(took.saturating_mul(SAVE_COST_FACTOR)));
    }

    fn save(&mut self) {
        self.kept.revision = self.engine.revision();
        self.hands.save_endings();
        match self.store.save(self.engine.records()) {
            Ok(()) => self.kept.failing = false,
            Err(error) if !self.kept.failing => {
                self.kept.failing = true;
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
