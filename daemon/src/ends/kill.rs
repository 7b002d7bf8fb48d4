//! Kills processes with the daemon's own `CAP_KILL`, without PID 1 and logind.
//!
//! PID 1 ends control groups, and a user can have own processes moved out of a group between two
//! calls (`AttachProcessesToUnit`, as fast as the bus accepts it). PID 1 also starts no scope while
//! calls of users are queued: its jobs have a lower priority than messages
//! (`EVENT_PRIORITY_RUN_QUEUE` of systemd). So processes that still run after their grace are
//! killed by the daemon itself.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use session_timeout_policy::{Keeper, NoSession, SessionFacts, Uid};

use super::Ends;
use super::scopes::PinnedProcess;
use super::targets::{self, Extent, Targets};
use crate::process::{self, Process, Snapshot};
use crate::sys::threads::Threads;

/// Maximum number of searches: a process that is killed may have forked meanwhile.
const SEARCHES_MAX: u32 = 16;

/// Number of consecutive searches without a result after which the search ends: one search may miss
/// a process while others exit.
const EMPTY_SEARCHES: u32 = 2;

/// Number of searches through the kernel's lists of children. If processes remain after them, they
/// are forking, and the next searches read all processes, which misses none.
const LIST_SEARCHES: u32 = 4;

/// Interval between two searches, in which a killed process exits.
const SEARCH_INTERVAL: Duration = Duration::from_millis(10);

/// Maximum number of processes that are killed or read without a thread of their own, at some 20
/// microseconds each.
pub(super) const INLINE_MAX: usize = 32;

/// Timeout of the searches, after which the leader is killed.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The processes that are searched for, besides those that were recorded when the end began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SearchRange {
    /// The descendants of the leader while it runs. If it exited within the grace, processes in its
    /// audit session may have been detached, and are not killed.
    Descendants,
    /// The descendants of the leader, or after its exit, all processes in its audit session.
    All,
}

impl SearchRange {
    /// The range for a session whose grace is over. The user may have killed the leader long
    /// before.
    pub(super) fn after_grace(session: &SessionFacts) -> Self {
        match session.keeper {
            Keeper::Daemon(NoSession::Dropped) => Self::All,
            Keeper::Daemon(_) | Keeper::Logind => Self::Descendants,
        }
    }
}

impl Ends {
    /// Kills the remaining processes of the session, in any control group. Those that were recorded
    /// when the end began are killed at once, and the leader last: its descendants can be found
    /// while it runs.
    pub(super) async fn kill(&self, session: &SessionFacts, range: SearchRange) {
        let leader = targets::leader(session);
        let mut noted = self.targets.noted(&session.key);
        noted.retain(|&process| Some(process) != leader);
        let others = async {
            kill_all(&self.threads, session.uid, noted).await;
            self.kill_latecomers(session, leader, range).await;
        };
        if tokio::time::timeout(SEARCH_TIMEOUT, others).await.is_err() {
            let id = &session.key.id;
            log::warn!("session {id} has more processes than can be killed in time");
        }
        leader.into_iter().for_each(kill);
    }

    async fn kill_latecomers(
        &self,
        session: &SessionFacts,
        leader: Option<Process>,
        range: SearchRange,
    ) {
        let mut quiet = 0;
        for round in 0..SEARCHES_MAX {
            tokio::time::sleep(SEARCH_INTERVAL).await;
            let search = Search {
                session: session.clone(),
                leader,
                range: (!self.is_hung_up(session)).then_some(range),
                round,
            };
            let targets = self.targets.clone();
            let kill = move || search.kill(&targets);
            match self.threads.of(session.uid, kill).await {
                Some(0) => quiet += 1,
                Some(_) => quiet = 0,
                None => return,
            }
            if quiet == EMPTY_SEARCHES {
                return;
            }
        }
    }
}

/// A search for processes that others have forked before they were killed.
struct Search {
    session: SessionFacts,
    leader: Option<Process>,
    /// `None` for a session that was hung up: only its leader is killed.
    range: Option<SearchRange>,
    round: u32,
}

impl Search {
    /// Records and kills the processes that it finds; returns their number.
    fn kill(self, targets: &Targets) -> usize {
        if let Some(found) = self.found() {
            targets.note(&self.session.key, Extent::All, found);
        }
        let mut left = targets.alive(&self.session);
        left.retain(|&process| Some(process) != self.leader);
        let count = left.len();
        left.into_iter().for_each(kill);
        count
    }

    fn found(&self) -> Option<BTreeSet<Process>> {
        let range = self.range?;
        match (self.leader.filter(|leader| leader.lives()), range) {
            (Some(leader), _) if self.round < LIST_SEARCHES => Some(process::tree(leader)),
            (Some(leader), _) => Some(Snapshot::take().tree(leader)),
            (None, SearchRange::All) => self.session.audit.map(process::in_audit_session),
            (None, SearchRange::Descendants) => None,
        }
    }
}

/// Kills processes: a few at once, also while all threads are busy; many on a thread, after earlier
/// work of the same user.
async fn kill_all(threads: &Threads, user: Uid, processes: BTreeSet<Process>) {
    let are_few = processes.len() <= INLINE_MAX;
    let kill_all = move || processes.into_iter().for_each(kill);
    if are_few {
        kill_all();
    } else {
        // Processes that were not killed are found by the next search.
        threads.of(user, kill_all).await;
    }
}

/// Kills this process, but not one that has reused its id.
fn kill(process: Process) {
    let Some(pin) = PinnedProcess::of(process) else {
        return;
    };
    if let Err(error) = pidfd_send_signal(&pin.pidfd, Signal::KILL) {
        log::debug!("cannot kill process {}: {error}", process.pid.as_raw());
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::Pid;

    use super::*;

    #[test]
    fn a_process_is_killed() {
        let mut child = child();
        kill(Process::of(Pid::new(child.id())).unwrap());
        assert_eq!(end_of(&mut child), Some(nix::libc::SIGKILL));
    }

    fn child() -> std::process::Child {
        let mut sleep = std::process::Command::new("sleep");
        sleep.arg("60").spawn().unwrap()
    }

    /// The signal that killed the child.
    fn end_of(child: &mut std::process::Child) -> Option<i32> {
        std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_known_are_killed_while_all_threads_are_busy() {
        let threads = Threads::default();
        let (_go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Arc::new(std::sync::Mutex::new(gone));
        // The threads of the machine, and that of the same user.
        for user in [None, None, Some(Uid::new(1))] {
            let (threads, gone) = (threads.clone(), std::sync::Arc::clone(&gone));
            let hangs = move || gone.lock().unwrap().recv().is_ok();
            tokio::spawn(async move {
                match user {
                    Some(user) => threads.of(user, hangs).await,
                    None => threads.run(hangs).await,
                }
            });
        }
        tokio::task::yield_now().await;
        let mut children: Vec<_> = (0..3).map(|_| child()).collect();
        let known = children
            .iter()
            .filter_map(|one| Process::of(Pid::new(one.id())));
        let killing = kill_all(&threads, Uid::new(1), known.collect());
        let _ = tokio::time::timeout(SEARCH_INTERVAL, killing).await;
        for one in &mut children {
            assert_eq!(end_of(one), Some(nix::libc::SIGKILL));
        }
    }
}
