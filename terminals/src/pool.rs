//! The pool of workers, with deadlines and limits for each user.
//!
//! A worker that a terminal blocks is killed and replaced. One that does not die from SIGKILL,
//! because it waits in the kernel, counts against the terminal's user: beyond a limit, that
//! user's terminals are not written to any more, and those of other users are.

use std::collections::HashMap;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use session_timeout_terminals::{Outcome, WriteResult};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::job::Job;

/// Maximum number of concurrent workers.
const MAX_WORKERS: usize = 64;
/// Maximum number of concurrent workers of one user.
const MAX_WORKERS_PER_USER: usize = 4;
/// Maximum length of one user's queue; further texts fail as `Late` at once.
const MAX_QUEUED_PER_USER: usize = 256;
/// Maximum number of stuck workers of one user; from there on the user's terminals are skipped.
const MAX_STUCK_PER_USER: usize = 4;
/// Maximum number of stuck workers of all users.
const MAX_STUCK: usize = 64;
/// Maximum number of idle workers.
const MAX_IDLE_WORKERS: usize = 8;
/// Timeout of one write to a terminal.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time after SIGKILL after which a worker counts as stuck.
const KILL_TIMEOUT: Duration = Duration::from_millis(200);

/// The pool.
pub(crate) struct Pool {
    program: &'static str,
    arguments: &'static [&'static str],
    deadline: Duration,
    at_once: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spare: Vec<Worker>,
    users: HashMap<u32, Weak<Semaphore>>,
    waiting: HashMap<u32, usize>,
    stuck: HashMap<u32, usize>,
}

struct Worker {
    child: Child,
    jobs: ChildStdin,
    responses: BufReader<ChildStdout>,
}

impl Pool {
    /// Workers run this program with these arguments.
    pub(crate) fn new(program: &'static str, arguments: &'static [&'static str]) -> Self {
        Self {
            program,
            arguments,
            deadline: WRITE_TIMEOUT,
            at_once: Semaphore::new(MAX_WORKERS),
            state: Mutex::default(),
        }
    }

    /// Has a worker do this job; the result is `Late` after the timeout, to which the time in the
    /// queue is added.
    pub(crate) async fn write(self: &Arc<Self>, job: &Job) -> WriteResult {
        let late = WriteResult::only(Outcome::Late);
        let Some(of_user) = self.enter(job.user) else {
            return late;
        };
        let turn = of_user.acquire().await;
        self.leave(job.user);
        let Ok(_turn) = turn else { return late };
        if !self.may_risk(job.user) {
            return late;
        }
        let Ok(_permit) = self.at_once.acquire().await else {
            return late;
        };
        let Ok(mut worker) = self.worker() else {
            return WriteResult::only(Outcome::Refused);
        };
        match timeout(self.deadline, worker.write(job)).await {
            Ok(Ok(result)) => {
                self.spare(worker);
                result
            }
            Ok(Err(_)) => {
                self.end(worker, job.user).await;
                WriteResult::only(Outcome::Refused)
            }
            Err(_) => {
                self.end(worker, job.user).await;
                late
            }
        }
    }

    /// Whether there are workers without a job.
    pub(crate) fn has_spare(&self) -> bool {
        !self.state().spare.is_empty()
    }

    /// Ends the workers without a job.
    pub(crate) async fn end_spare(&self) {
        let spare = std::mem::take(&mut self.state().spare);
        for mut worker in spare {
            let _ = worker.child.kill().await;
        }
    }

    /// The semaphore for a user's texts; `None` if the queue is full.
    fn enter(&self, user: u32) -> Option<Arc<Semaphore>> {
        let mut state = self.state();
        let waiting = state.waiting.entry(user).or_default();
        if *waiting >= MAX_QUEUED_PER_USER {
            return None;
        }
        *waiting += 1;
        state.users.retain(|_, of_user| of_user.strong_count() > 0);
        if let Some(of_user) = state.users.get(&user).and_then(Weak::upgrade) {
            return Some(of_user);
        }
        let of_user = Arc::new(Semaphore::new(MAX_WORKERS_PER_USER));
        state.users.insert(user, Arc::downgrade(&of_user));
        Some(of_user)
    }

    fn leave(&self, user: u32) {
        lower(&mut self.state().waiting, user);
    }

    fn may_risk(&self, user: u32) -> bool {
        let state = self.state();
        let of_user = state.stuck.get(&user).copied().unwrap_or_default();
        of_user < MAX_STUCK_PER_USER && state.stuck.values().sum::<usize>() < MAX_STUCK
    }

    fn worker(&self) -> io::Result<Worker> {
        if let Some(worker) = self.state().spare.pop() {
            return Ok(worker);
        }
        Worker::start(self.program, self.arguments)
    }

    fn spare(&self, worker: Worker) {
        let mut state = self.state();
        // Otherwise the worker exits by itself: the other ends of its pipes are closed.
        if state.spare.len() < MAX_IDLE_WORKERS {
            state.spare.push(worker);
        }
    }

    /// Kills a worker, and waits for its exit up to a timeout.
    async fn end(self: &Arc<Self>, worker: Worker, user: u32) {
        let mut child = worker.child;
        let _ = child.start_kill();
        if timeout(KILL_TIMEOUT, child.wait()).await.is_ok() {
            return;
        }
        eprintln!(
            "session-timeout-terminals: a terminal of a session of uid {user} holds a process that \
             cannot be killed"
        );
        *self.state().stuck.entry(user).or_default() += 1;
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let _ = child.wait().await;
            lower(&mut pool.state().stuck, user);
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn start(program: &str, arguments: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(false)
            .spawn()?;
        let ends = child.stdin.take().zip(child.stdout.take());
        let (jobs, responses) = ends.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            child,
            jobs,
            responses: BufReader::new(responses),
        })
    }

    async fn write(&mut self, job: &Job) -> io::Result<WriteResult> {
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        self.jobs.write_all(&line).await?;
        let mut response = String::new();
        self.responses.read_line(&mut response).await?;
        Ok(serde_json::from_str(&response)?)
    }
}

fn lower(counts: &mut HashMap<u32, usize>, user: u32) {
    if let Some(count) = counts.get_mut(&user) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&user);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Instant;

    use session_timeout_terminals::{Mesg, Terminal};

    use super::*;

    /// Accepts every text but "hang", which blocks it, and "die", which makes it exit.
    pub(crate) const FAKE: &[&str] = &[
        "-c",
        r#"while read -r line; do case $line in
            *hang*) exec tail -f /dev/null;;
            *die*) exit 1;;
            *) echo '{"outcome":"written","stamps":null}';;
        esac; done"#,
    ];

    fn pool() -> Arc<Pool> {
        let mut pool = Pool::new("/bin/sh", FAKE);
        pool.deadline = Duration::from_millis(600);
        Arc::new(pool)
    }

    fn job(user: u32, text: &str) -> Job {
        Job {
            user,
            terminal: Terminal {
                path: "/dev/pts/0".into(),
                device: 1,
                owner: user,
                witness: None,
            },
            text: text.to_owned(),
            mesg: Mesg::Ignored,
        }
    }

    fn write(pool: &Arc<Pool>, user: u32, text: &str) -> tokio::task::JoinHandle<Outcome> {
        let (pool, job) = (Arc::clone(pool), job(user, text));
        tokio::spawn(async move { pool.write(&job).await.outcome })
    }

    #[tokio::test]
    async fn a_worker_is_used_again_and_one_that_is_gone_is_replaced() {
        let pool = pool();
        for (text, outcome) in [
            ("one", Outcome::Written),
            ("two", Outcome::Written),
            ("die", Outcome::Refused),
            ("three", Outcome::Written),
        ] {
            assert_eq!(pool.write(&job(1, text)).await.outcome, outcome);
            assert!(pool.state().spare.len() <= 1);
        }
        let state = pool.state();
        assert!(state.waiting.is_empty() && state.stuck.is_empty());
    }

    #[tokio::test]
    async fn a_terminal_that_blocks_is_late_and_holds_up_neither_others_nor_the_same_users() {
        let pool = pool();
        let blocked = write(&pool, 1, "hang");
        let began = Instant::now();
        assert_eq!(write(&pool, 1, "own").await.unwrap(), Outcome::Written);
        assert_eq!(write(&pool, 2, "other").await.unwrap(), Outcome::Written);
        assert!(!blocked.is_finished(), "{:?}", began.elapsed());
        assert_eq!(blocked.await.unwrap(), Outcome::Late);
        assert_eq!(write(&pool, 1, "again").await.unwrap(), Outcome::Written);
    }

    #[tokio::test]
    async fn many_terminals_that_block_take_workers_of_their_user_alone() {
        let pool = pool();
        let blocked: Vec<_> = (0..2 * MAX_WORKERS)
            .map(|_| write(&pool, 1, "hang"))
            .collect();
        tokio::task::yield_now().await;
        let began = Instant::now();
        assert_eq!(write(&pool, 2, "other").await.unwrap(), Outcome::Written);
        assert!(began.elapsed() < pool.deadline, "{:?}", began.elapsed());
        for one in blocked.into_iter().take(MAX_WORKERS_PER_USER) {
            assert_eq!(one.await.unwrap(), Outcome::Late);
        }
    }

    #[tokio::test]
    async fn a_user_whose_terminals_hold_workers_is_written_to_no_more() {
        let pool = pool();
        pool.state().stuck.insert(1, MAX_STUCK_PER_USER);
        assert_eq!(write(&pool, 1, "own").await.unwrap(), Outcome::Late);
        assert_eq!(write(&pool, 2, "other").await.unwrap(), Outcome::Written);
        lower(&mut pool.state().stuck, 1);
        assert_eq!(write(&pool, 1, "own").await.unwrap(), Outcome::Written);
    }

    #[tokio::test]
    async fn what_waits_is_bounded() {
        let pool = pool();
        for _ in 0..MAX_QUEUED_PER_USER {
            assert!(pool.enter(1).is_some());
        }
        assert_eq!(write(&pool, 1, "own").await.unwrap(), Outcome::Late);
        assert_eq!(write(&pool, 2, "other").await.unwrap(), Outcome::Written);
    }
}
