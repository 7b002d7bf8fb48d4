//! Moves processes into scopes of the daemon's own, so that PID 1 can end them.
//!
//! PID 1 takes process ids, which may be reused. So each process is pinned by a pidfd: while the pidfd does not report its
//! exit, its id is not reused. A process that reused an id in spite of that is found in the scope
//! afterwards, and then nothing in the scope is ended.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::PidfdFlags;
use session_timeout_policy::{InvocationId, Pid, Uid};
use tokio::sync::Semaphore;

use crate::process::Process;
use crate::scope;
use crate::units::{self, Scope, Units};

/// Maximum number of processes that one call moves, and that are pinned meanwhile.
const AT_ONCE: usize = 128;

/// Maximum number of concurrent calls, which bounds the file descriptors in use.
const CALLS: usize = 2;

/// Retries of a call: one process that exits while it is moved fails the call for all.
const TRIES: u32 = 3;

/// Pauses while PID 1 starts a scope, which it does in its next event loop iteration.
const STARTED: [Duration; 7] = [
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
pub(super) struct Holding {
    units: Units,
    turns: Arc<Semaphore>,
}

impl Holding {
    pub(super) fn new(units: Units) -> Self {
        Self {
            units,
            turns: Arc::new(Semaphore::new(CALLS)),
        }
    }

    /// Moves processes into this scope, which is created if it does not exist; `None` if none of
    /// them runs.
    ///
    /// # Errors
    /// PID 1 refuses or does not reply, or a process id was reused meanwhile.
    pub(super) async fn hold(
        &self,
        scope: &Scope<'_>,
        processes: &BTreeSet<Process>,
    ) -> zbus::Result<Option<InvocationId>> {
        let mut there = self.units.invocation(scope.name).await?;
        let all: Vec<Process> = processes.iter().copied().collect();
        for some in all.chunks(AT_ONCE) {
            there = self.hold_some(scope, some, there).await?;
        }
        if there.is_some() {
            no_strangers(scope.name, scope.user, processes)?;
        }
        Ok(there)
    }

    async fn hold_some(
        &self,
        scope: &Scope<'_>,
        processes: &[Process],
        mut there: Option<InvocationId>,
    ) -> zbus::Result<Option<InvocationId>> {
        let _turn = self.turns.acquire().await;
        let mut failure = None;
        for _ in 0..TRIES {
            let pins: Vec<Pin> = processes.iter().filter_map(|&one| Pin::of(one)).collect();
            let pids: Vec<Pid> = pins.iter().map(|pin| pin.process.pid).collect();
            if pids.is_empty() {
                return Ok(there);
            }
            let asked = match there {
                Some(_) => self.units.attach(scope.name, &pids).await,
                None => self.units.hold(scope, &pids).await,
            };
            match asked {
                Ok(()) if there.is_some() => return Ok(there),
                Ok(()) => return self.started(scope).await.map(Some),
                Err(error) if units::answered(&error) && pins.iter().any(Pin::has_ended) => {}
                Err(error) => return Err(error),
            }
            failure = Some(zbus::Error::Failure(
                "the processes come and go too fast".to_owned(),
            ));
            there = self.units.invocation(scope.name).await?;
        }
        failure.map_or(Ok(there), Err)
    }

    /// Waits until PID 1 has started the scope: a stop request before that would leave the
    /// processes running.
    async fn started(&self, scope: &Scope<'_>) -> zbus::Result<InvocationId> {
        for pause in STARTED {
            if !scope::members(scope.name, scope.user).is_empty()
                && let Some(invocation) = self.units.invocation(scope.name).await?
            {
                return Ok(invocation);
            }
            tokio::time::sleep(pause).await;
        }
        let late = format!("PID 1 does not start {}", scope.name);
        Err(zbus::Error::Failure(late))
    }
}

/// A process whose id cannot be reused.
#[derive(Debug)]
pub(super) struct Pin {
    process: Process,
    pub(super) pidfd: OwnedFd,
}

impl Pin {
    /// Linux 5.3 and later.
    pub(super) fn of(process: Process) -> Option<Self> {
        let pid = i32::try_from(process.pid.as_raw()).ok()?;
        let pid = rustix::process::Pid::from_raw(pid)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // The id may have been reused before the process was pinned, but not afterwards.
        process.lives().then_some(Self { process, pidfd })
    }

    fn has_ended(&self) -> bool {
        let mut ended = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut ended, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

/// # Errors
/// The scope contains a process that has the id of one of these and is a different one.
fn no_strangers(scope: &str, user: Uid, processes: &BTreeSet<Process>) -> zbus::Result<()> {
    let expected: BTreeMap<Pid, Process> = processes.iter().map(|one| (one.pid, *one)).collect();
    let stranger = scope::members(scope, user).into_iter().find(|pid| {
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

    #[test]
    fn a_process_is_pinned_while_it_lives() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::of(Pid::new(child.id())).unwrap();
        let pin = Pin::of(process).unwrap();
        assert!(!pin.has_ended());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(pin.has_ended());
        assert!(Pin::of(process).is_none());
    }
}
