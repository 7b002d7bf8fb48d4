//! Builds the parts of the daemon, connects them, and starts the tasks that run until it stops.

use std::io;
use std::path::{Path, PathBuf};

use sd_notify::NotifyState;
use session_timeout_config::Minima;
use session_timeout_policy::{BootTime, Engine, SessionId};
use session_timeout_texts::Language;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::deferred::Deferred;
use super::select::{Signals, Sources};
use super::{Driver, INPUTS_MAX, LogindState, STATE_PATH, Saved, counts_inhibitors, notify};
use crate::actions::ActionRunner;
use crate::actions::terminal_tasks::{self, TerminalTasks};
use crate::agents::Agents;
use crate::cli::Args;
use crate::control::{self, ChangedSessions, Changes, Context};
use crate::ends::Ends;
use crate::groups::NameService;
use crate::hooks::Hooks;
use crate::idle::inhibitors::Inhibitors;
use crate::idle::probe::Prober;
use crate::journal::Journal;
use crate::logind;
use crate::pam::last_session::LastSessions;
use crate::pam::replies::PendingReplies;
use crate::pam::socket;
use crate::policy_file::PolicyFile;
use crate::store::Store;
use crate::sys::blocking_pool::BlockingPool;
use crate::sys::clock::{Alarm, boot_now};
use crate::sys::watchdog::Watchdog;
use crate::terminal::helper::Helper;
use crate::terminal::input_watch::InputWatch;
use crate::terminal::own_writes::OwnWrites;
use crate::unregistered::Unregistered;
use crate::unwarned::Unwarned;

/// Sessions that logind may be asked for out of turn.
const WANTED_MAX: usize = 64;
/// The file that records which session is being processed.
const AT_WORK_PATH: &str = "/run/session-timeout/at-work";

/// The file of last sessions that their users have not been shown.
const LAST_SESSIONS_PATH: &str = "/run/session-timeout/endings.json";

/// Runs the daemon until a signal stops it.
pub(crate) async fn run(args: Args, journal: Journal, watchdog: Watchdog) -> io::Result<()> {
    let signals = Signals::new()?;
    let listener = socket::listener()?;
    let (inputs, queue) = mpsc::channel(INPUTS_MAX);
    let (link, private) = watch::channel(None);
    let (connection, public) = watch::channel(None);
    let (wanted, asked_for) = mpsc::channel(WANTED_MAX);

    let (writes, pool) = (OwnWrites::default(), BlockingPool::default());
    let agents = Agents::new(public.clone());
    let prober = Prober::new(
        private.clone(),
        inputs.clone(),
        agents.clone(),
        writes.clone(),
        pool.clone(),
    );
    let last_sessions = LastSessions::load(PathBuf::from(LAST_SESSIONS_PATH));
    // That of the machine: systemd gives its locale to every service.
    let language = Language::of_environment();
    let (unfinished, finished) = terminal_tasks::finished();
    let terminal_tasks = TerminalTasks {
        helper: Helper::new(),
        inputs: inputs.clone(),
        pool: pool.clone(),
        writes,
        agents: agents.clone(),
        last_sessions: last_sessions.clone(),
        unwarned: Unwarned::default(),
        queue: terminal_tasks::queue(),
        unfinished,
    };
    let actions = ActionRunner {
        inputs: inputs.clone(),
        ends: Ends::new(inputs.clone(), private.clone(), journal.clone()),
        input_watch: InputWatch::default(),
        name_service: NameService::new(),
        hooks: Hooks::default(),
        agents: agents.clone(),
        last_sessions: last_sessions.clone(),
        prober: prober.clone(),
        terminal_tasks,
        journal: journal.clone(),
        language,
    };
    let replies = PendingReplies::new(last_sessions.clone(), pool, language);
    let parts = Parts {
        actions,
        agents: agents.clone(),
        journal: journal.clone(),
        replies,
        unregistered: Unregistered::new(inputs.clone(), private.clone(), journal.clone()),
        wanted,
        watchdog,
    };
    let driver = Driver::new(args, parts)?;
    let context = Context {
        inputs: inputs.clone(),
        status: driver.status.subscribe(),
        private,
        agents,
        last_sessions,
        prober,
        journal,
    };
    let mut vital = JoinSet::new();
    vital.spawn(control::emit_changes(driver.changed.clone(), public));
    vital.spawn(control::serve(connection, context));
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

/// The parts that the driver works with.
struct Parts {
    actions: ActionRunner,
    agents: Agents,
    journal: Journal,
    replies: PendingReplies,
    unregistered: Unregistered,
    wanted: mpsc::Sender<SessionId>,
    watchdog: Watchdog,
}

impl Driver {
    fn new(args: Args, parts: Parts) -> io::Result<Self> {
        let Parts {
            actions,
            agents,
            journal,
            replies,
            unregistered,
            wanted,
            watchdog,
        } = parts;
        let minima = args.minima();
        let file = PolicyFile::new(args.policy, minima);
        if minima == Minima::Lifted {
            journal.short_limits();
        }
        let (found, policy_error) = match file.read() {
            Ok(found) => (found, None),
            Err(error) => {
                journal.policy_rejected(&error);
                (file.fall_back(), Some(error))
            }
        };
        journal.policy(&file.path, &found);

        let store = Store::new(PathBuf::from(STATE_PATH));
        let now = boot_now();
        let engine = match store.load() {
            Ok(records) => Engine::restore(now, found.policy, records),
            Err(error) => {
                log::warn!("cannot use {STATE_PATH}, asking logind for everything: {error}");
                Engine::new(now, found.policy)
            }
        };
        let saved = Saved {
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
            actions,
            deferred: Deferred::load(Path::new(AT_WORK_PATH)),
            inhibitors,
            agents,
            journal,
            file,
            origin: found.origin,
            settings: found.settings,
            policy_error,
            store,
            saved,
            logind: LogindState::Starting,
            rejected_frames: 0,
            replies,
            unregistered,
            wanted,
            changes,
            changed: ChangedSessions::default(),
            status: watch::Sender::default(),
            watchdog,
        })
    }
}
