//! Moves processes into scopes of the daemon's own, so that PID 1 can end them.
//!
//! PID 1 takes process ids, which may be reused. So each process is pinned by a pidfd: while the
//! pidfd does not report its exit, its id is not reused. A process that reused an id before that is
//! found in the scope afterwards, and then nothing in the scope is ended.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::PidfdFlags;
use session_timeout_policy::{InvocationId, Pid, Uid};
use tokio::sync::Semaphore;

use super::units::{self, NewScope, Units};
use crate::process::Process;
use crate::process::cgroup;

/// Maximum number of processes that one call moves, and that are pinned meanwhile.
const PROCESSES_PER_CALL: usize = 128;

/// Maximum number of concurrent calls, which bounds the file descriptors in use.
const MAX_CONCURRENT: usize = 2;

/// Maximum number of calls to move [`PROCESSES_PER_CALL`] processes. One process that PID 1 cannot
/// move fails the call for all; then each half is moved by itself. That takes 14 calls for one such
/// process.
const CALLS_MAX: u32 = 48;

/// Delays while PID 1 starts a scope, which it does in its next event loop iteration.
const START_DELAYS: [Duration; 7] = [
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
];

/// Moves processes into scopes. Clones share the concurrency limit.
#[derive(Clone, Debug)]
pub(super) struct ScopeMover {
    units: Units,
    turns: Arc<Semaphore>,
}

impl ScopeMover {
    pub(super) fn new(units: Units) -> Self {
        Self {
            units,
            turns: Arc::new(Semaphore::new(MAX_CONCURRENT)),
        }
    }

    /// Moves processes into this scope, which is created if it does not exist; `None` if none of
    /// them runs.
    ///
    /// # Errors
    /// PID 1 refuses or does not reply, or a process id was reused meanwhile.
    pub(super) async fn move_into(
        &self,
        scope: &NewScope<'_>,
        processes: &BTreeSet<Process>,
    ) -> zbus::Result<Option<InvocationId>> {
        let mut there = self.units.invocation(scope.name).await?;
        let all: Vec<Process> = processes.iter().copied().collect();
        for some in all.chunks(PROCESSES_PER_CALL) {
            there = self.move_batch(scope, some, there).await?;
        }
        if there.is_some() {
            no_strangers(scope.name, scope.user, processes)?;
        }
        Ok(there)
    }

    async fn move_batch(
        &self,
        scope: &NewScope<'_>,
        processes: &[Process],
        mut there: Option<InvocationId>,
    ) -> zbus::Result<Option<InvocationId>> {
        let mut parts = Batch::new(processes);
        let mut failure = None;
        while let Some(part) = parts.next() {
            match self.move_part(scope, part, there).await {
                Ok(held) => there = held,
                Err(MoveError::Process(error)) => {
                    parts.halve(part);
                    failure = Some(error);
                    there = self.units.invocation(scope.name).await?;
                }
                Err(MoveError::NoReply(error)) => return Err(error),
            }
        }
        match (failure, parts.refused) {
            // The refused processes have exited, or were moved by another call.
            (_, 0) | (None, _) => Ok(there),
            (Some(error), refused) if there.is_some() => {
                let name = scope.name;
                log::warn!("{refused} processes cannot be put into {name}: {error}");
                Ok(there)
            }
            (Some(error), _) => Err(error),
        }
    }

    /// Moves these processes in one call.
    async fn move_part(
        &self,
        scope: &NewScope<'_>,
        processes: &[Process],
        there: Option<InvocationId>,
    ) -> Result<Option<InvocationId>, MoveError> {
        let _turn = self.turns.acquire().await;
        let pins: Vec<PinnedProcess> = processes
            .iter()
            .filter_map(|&one| PinnedProcess::of(one))
            .collect();
        let pids: Vec<Pid> = pins.iter().map(|pin| pin.process.pid).collect();
        if pids.is_empty() {
            return Ok(there);
        }
        let asked = match there {
            Some(_) => self.units.attach(scope.name, &pids).await,
            None => self.units.hold(scope, &pids).await,
        };
        match asked {
            Ok(()) if there.is_some() => Ok(there),
            // PID 1 has taken the call, and may find out later that it cannot move one of them.
            Ok(()) => self.started(scope).await.map(Some),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until PID 1 has started the scope: a stop request before that would leave the
    /// processes running.
    async fn started(&self, scope: &NewScope<'_>) -> Result<InvocationId, MoveError> {
        for pause in START_DELAYS {
            if !cgroup::processes_in(scope.name, scope.user).is_empty()
                && let Some(invocation) = self.units.invocation(scope.name).await?
            {
                return Ok(invocation);
            }
            // A scope that cannot be started is unloaded. While its job waits, it is not.
            if !self.units.is_loaded(scope.name).await? {
                let failed = format!("PID 1 cannot start {}", scope.name);
                return Err(MoveError::Process(zbus::Error::Failure(failed)));
            }
            tokio::time::sleep(pause).await;
        }
        let late = format!("PID 1 does not start {}", scope.name);
        Err(MoveError::NoReply(zbus::Error::Failure(late)))
    }
}

/// Why processes were not moved.
enum MoveError {
    /// PID 1 cannot move one of them at least.
    Process(zbus::Error),
    /// PID 1 does not reply.
    NoReply(zbus::Error),
}

impl From<zbus::Error> for MoveError {
    fn from(error: zbus::Error) -> Self {
        if units::answered(&error) {
            Self::Process(error)
        } else {
            Self::NoReply(error)
        }
    }
}

/// Processes that are moved in as few calls as possible.
struct Batch<'a> {
    waiting: Vec<&'a [Process]>,
    tries: u32,
    /// The number of processes that were not moved.
    refused: usize,
}

impl<'a> Batch<'a> {
    fn new(all: &'a [Process]) -> Self {
        Self {
            waiting: vec![all],
            tries: 0,
            refused: 0,
        }
    }

    /// The processes of the next call.
    fn next(&mut self) -> Option<&'a [Process]> {
        let part = self.waiting.pop()?;
        if self.tries == CALLS_MAX {
            let rest = self.waiting.drain(..).map(<[Process]>::len);
            self.refused += part.len() + rest.sum::<usize>();
            return None;
        }
        self.tries += 1;
        Some(part)
    }

    /// The call for this part failed.
    fn halve(&mut self, part: &'a [Process]) {
        match part {
            [] => {}
            // One that has ended meanwhile is no failure.
            [one] => self.refused += usize::from(one.lives()),
            more => {
                let (first, second) = more.split_at(more.len() / 2);
                self.waiting.extend([second, first]);
            }
        }
    }
}

/// A process whose id cannot be reused.
#[derive(Debug)]
pub(super) struct PinnedProcess {
    process: Process,
    pub(super) pidfd: OwnedFd,
}

impl PinnedProcess {
    /// Linux 5.3 and later.
    pub(super) fn of(process: Process) -> Option<Self> {
        let pid = i32::try_from(process.pid.as_raw()).ok()?;
        let pid = rustix::process::Pid::from_raw(pid)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // The id may have been reused before the process was pinned, but not afterwards.
        process.lives().then_some(Self { process, pidfd })
    }
}

/// # Errors
/// The scope contains a process that has the id of one of these and is a different one.
fn no_strangers(scope: &str, user: Uid, processes: &BTreeSet<Process>) -> zbus::Result<()> {
    let expected: BTreeMap<Pid, Process> = processes.iter().map(|one| (one.pid, *one)).collect();
    let stranger = cgroup::processes_in(scope, user).into_iter().find(|pid| {
        let (expected, found) = (expected.get(pid), Process::of(*pid));
        expected
            .zip(found.as_ref())
            .is_some_and(|(one, other)| one != other)
    });
    match stranger {
        None => Ok(()),
        Some(pid) => {
            let pid = pid.as_raw();
            Err(zbus::Error::Failure(format!(
                "process {pid} is another one by now, so {scope} is left alone"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleep() -> std::process::Child {
        let mut sleep = std::process::Command::new("sleep");
        sleep.arg("60").spawn().unwrap()
    }

    fn process(child: &std::process::Child) -> Process {
        Process::of(Pid::new(child.id())).unwrap()
    }

    #[test]
    fn a_process_is_pinned_while_it_lives() {
        let mut child = sleep();
        let process = process(&child);
        assert!(PinnedProcess::of(process).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(PinnedProcess::of(process).is_none());
    }

    /// Moves all but those that are refused; returns the moved ones.
    fn moved(parts: &mut Batch<'_>, refused: &BTreeSet<Process>) -> BTreeSet<Process> {
        let mut moved = BTreeSet::new();
        while let Some(part) = parts.next() {
            if part.iter().any(|one| refused.contains(one)) {
                parts.halve(part);
            } else {
                moved.extend(part);
            }
        }
        moved
    }

    #[test]
    fn one_that_cannot_be_moved_keeps_no_other_out() {
        let mut children: Vec<_> = (0..20).map(|_| sleep()).collect();
        let all: Vec<Process> = children.iter().map(process).collect();
        let refused = BTreeSet::from([all[7]]);
        let mut parts = Batch::new(&all);
        let found = moved(&mut parts, &refused);
        assert_eq!(found.len(), 19);
        assert!(!found.contains(&all[7]));
        assert_eq!(parts.refused, 1);
        assert!(parts.tries <= 11, "{}", parts.tries);
        // If all are refused, the loop still ends.
        let mut parts = Batch::new(&all);
        assert_eq!(moved(&mut parts, &all.iter().copied().collect()).len(), 0);
        assert_eq!(parts.refused, 20);
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        // None of them is left out any more.
        let mut parts = Batch::new(&all);
        assert_eq!(moved(&mut parts, &refused).len(), 19);
        assert_eq!(parts.refused, 0);
    }
}
