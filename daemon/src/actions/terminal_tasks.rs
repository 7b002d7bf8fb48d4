//! Tasks at the terminals of sessions: find them, watch them for input, and write to them.
//!
//! A task may take long. It delays only tasks of the same user, not the driver and no end.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use session_timeout_policy::{SessionFacts, WallTime};
use session_timeout_terminals::{Mesg, Outcome, Terminal, WriteResult};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::agents::Agents;
use crate::input::Input;
use crate::journal::{Delivery, WarningEntry};
use crate::pam::last_session::{self, LastSessions};
use crate::sys::blocking_pool::BlockingPool;
use crate::sys::job_queue::{JobQueue, Permit};
use crate::terminal::helper::Helper;
use crate::terminal::own_writes::OwnWrites;
use crate::terminal::{self, Terminals};
use crate::unwarned::Unwarned;

/// Maximum number of concurrent tasks; one for each user.
const MAX_CONCURRENT: usize = 64;
/// Deadline of a last line, after which the session is gone.
const LAST_LINE_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for unfinished tasks when the daemon stops. A terminal that blocks takes two seconds.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// One task at the terminals of one session.
pub(crate) struct TerminalTask {
    pub(crate) session: SessionFacts,
    pub(crate) task: TaskKind,
}

/// The kinds of tasks.
pub(crate) enum TaskKind {
    /// Watch for input, while a warning is in force.
    Watch(Arc<OwnedFd>),
    /// Write a warning, and watch the terminals whose input withdraws it.
    Warn(Box<WarningTask>),
    /// Write the last line.
    LastLine(LastLineTask),
}

/// A warning to write.
pub(crate) struct WarningTask {
    pub(crate) text: String,
    pub(crate) mesg: Mesg,
    pub(crate) recipients: Recipients,
    pub(crate) watch: Option<Arc<OwnedFd>>,
    pub(crate) entry: WarningEntry,
    /// After this time the warning is no longer true.
    pub(crate) until: Instant,
}

/// A last line to write, and the record of the session that is kept for the next login.
pub(crate) struct LastLineTask {
    pub(crate) text: String,
    pub(crate) recipients: Recipients,
    /// The time of the record, which identifies it.
    pub(crate) at: WallTime,
    pub(crate) until: Instant,
}

impl LastLineTask {
    /// The deadline of a last line that is queued now.
    pub(crate) fn until() -> Instant {
        Instant::now() + LAST_LINE_TIMEOUT
    }
}

/// Which terminals are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// Terminals whose input counts; the warning is about input, which has no effect elsewhere.
    Counted,
    /// Also terminals of what the login left in its scope, which ends with the session.
    All,
}

/// Runs tasks. Clones share the queue.
#[derive(Clone)]
pub(crate) struct TerminalTasks {
    pub(crate) helper: Helper,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) pool: BlockingPool,
    pub(crate) writes: OwnWrites,
    pub(crate) agents: Agents,
    pub(crate) last_sessions: LastSessions,
    pub(crate) unwarned: Unwarned,
    pub(crate) queue: JobQueue<TerminalTask>,
    #[expect(dead_code, reason = "each task holds a clone, and nothing is sent")]
    pub(crate) unfinished: Unfinished,
}

/// Held by each task until it has finished.
pub(crate) type Unfinished = mpsc::Sender<Infallible>;

/// Completes when all tasks have finished.
pub(crate) struct Finished(mpsc::Receiver<Infallible>);

/// The queue for the concurrency limit.
pub(crate) fn queue() -> JobQueue<TerminalTask> {
    JobQueue::new(MAX_CONCURRENT, 1)
}

/// The guard that tasks hold, and the wait until no guard is left.
pub(crate) fn finished() -> (Unfinished, Finished) {
    let (unfinished, finished) = mpsc::channel(1);
    (unfinished, Finished(finished))
}

impl Finished {
    /// Waits for the tasks of a daemon that stops, at most three seconds. The next daemon does not
    /// repeat a warning, so its journal entry is written now or never.
    pub(crate) async fn wait(mut self) {
        // Nothing is ever sent: the channel closes with the last sender.
        let _ = timeout(STOP_TIMEOUT, self.0.recv()).await;
    }
}

impl TerminalTasks {
    /// Runs this task after earlier ones of the same user.
    pub(crate) fn run(&self, task: TerminalTask) {
        if let Some((permit, task)) = self.queue.submit(task.session.uid, task) {
            tokio::spawn(self.clone().work(permit, task));
        }
    }

    async fn work(self, mut permit: Permit<TerminalTask>, task: TerminalTask) {
        let mut next = Some(task);
        while let Some(task) = next {
            self.run_one(task).await;
            next = permit.next();
        }
    }

    async fn run_one(&self, task: TerminalTask) {
        let TerminalTask { session, task } = task;
        let facts = session.clone();
        let find = move || terminal::of_session(&facts);
        let found = self.pool.of(session.uid, find).await.unwrap_or_default();
        match task {
            TaskKind::Watch(instance) => self.watch(&session, &found, instance).await,
            TaskKind::Warn(warn) => self.warn(&session, &found, *warn).await,
            TaskKind::LastLine(task) => self.write_last_line(&session, &found, &task).await,
        }
    }

    async fn warn(&self, session: &SessionFacts, found: &Terminals, warn: WarningTask) {
        // Input from now on withdraws the warning, so the watches come before the text.
        if let Some(instance) = warn.watch {
            self.watch(session, found, instance).await;
        }
        let terminals = warn.recipients.among(found);
        let results = self
            .write(session, &terminals, &warn.text, warn.mesg, warn.until)
            .await;
        let count = |outcome| results.iter().filter(|result| **result == outcome).count();
        let (written, spared) = (count(Outcome::Written), count(Outcome::Spared));
        let reached = Delivery {
            written,
            spared,
            missed: terminals.len() - written - spared,
            agent: self.agents.reachability(&session.key),
        };
        warn.entry.write(reached, &self.unwarned);
    }

    async fn write_last_line(
        &self,
        session: &SessionFacts,
        found: &Terminals,
        task: &LastLineTask,
    ) {
        let place = found.counted().first().map(terminal::name);
        let place = place.filter(|_| last_session::is_known_by_its_terminals(session));
        if let Some(place) = place {
            self.last_sessions.set_place(session.uid, task.at, place);
        }
        let terminals = task.recipients.among(found);
        // `mesg n` is ignored: the session ends right after this line.
        self.write(session, &terminals, &task.text, Mesg::Ignored, task.until)
            .await;
    }

    /// Has the driver register these watches, and waits until it has.
    async fn watch(&self, session: &SessionFacts, found: &Terminals, instance: Arc<OwnedFd>) {
        let terminals = found.counted();
        let watches = self.helper.watch(session.uid, terminals, &instance).await;
        let (watched, done) = oneshot::channel();
        let input = Input::Watched(session.key.clone(), watches, watched);
        if self.inputs.send(input).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Writes to each of these terminals, until the deadline.
    async fn write(
        &self,
        session: &SessionFacts,
        terminals: &BTreeSet<Terminal>,
        text: &str,
        mesg: Mesg,
        until: Instant,
    ) -> Vec<Outcome> {
        if Instant::now() > until {
            return Vec::new();
        }
        let results = self.helper.write(session.uid, terminals, text, mesg).await;
        let noted = |(terminal, result): &(&Terminal, WriteResult)| {
            terminal::record_write(terminal, result, &self.writes);
            result.outcome
        };
        results.iter().map(noted).collect()
    }
}

impl Recipients {
    fn among(self, found: &Terminals) -> BTreeSet<Terminal> {
        match self {
            Self::Counted => found.counted().clone(),
            Self::All => found.all(),
        }
    }
}
