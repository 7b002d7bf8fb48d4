//! Keeps logins that logind has no session for, in scopes of the daemon's own.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::PidfdFlags;
use session_timeout_policy::{Keeper, NoSession, SessionFacts};
use tokio::io::unix::AsyncFd;

use super::units::{NewScope, StopMode};
use super::{Ends, targets};
use crate::process::Process;
use crate::process::cgroup;
use crate::sys::async_fd::OwnsFd;

/// Number of passes: children may be forked while others are moved; children of moved processes are
/// in the scope already.
const PASSES_MAX: u32 = 5;

/// Maximum number of leaders that are watched by a pidfd each; the others are polled.
const PIDFDS_MAX: usize = 256;

/// Longest interval of polling.
const POLL_MAX: Duration = Duration::from_secs(60);

/// Whether the processes of a login are in its scope, as far as they were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adopted {
    All,
    NotAll,
}

impl Ends {
    /// Moves the leader and its descendants into a scope.
    pub(super) async fn adopted(&self, session: &SessionFacts) -> Adopted {
        match self.gather(session).await {
            Ok(()) => Adopted::All,
            Err(error) => {
                let id = &session.key.id;
                log::warn!("cannot put session {id} into a scope, which is tried again: {error}");
                Adopted::NotAll
            }
        }
    }

    /// Moves the remaining processes of a login into the scope that keeps it.
    pub(super) async fn gather(&self, session: &SessionFacts) -> zbus::Result<()> {
        let Some(unit) = cgroup::unit_of(session) else {
            return Ok(());
        };
        let scope = NewScope {
            name: &unit,
            description: &format!("Login of {}, which logind has no session for", session.user),
            user: session.uid,
            stop: StopMode::DefaultTimeout,
        };
        for _ in 0..PASSES_MAX {
            let mut all = self.of_kept(session).await?;
            let (unit, user) = (unit.clone(), session.uid);
            let outside = move || {
                all.retain(|process| !cgroup::is_in_unit(&unit, user, process.pid));
                all
            };
            let outside = self.threads.soon_of(user, outside).await;
            let outside = outside.ok_or_else(unreadable)?;
            if outside.is_empty() {
                return Ok(());
            }
            self.mover.move_into(&scope, &outside).await?;
        }
        Ok(())
    }

    /// The processes of the login: the leader's descendants, or if the leader was killed, the
    /// processes in its audit session.
    async fn of_kept(&self, session: &SessionFacts) -> zbus::Result<BTreeSet<Process>> {
        match targets::leader(session) {
            Some(leader) => match self.snapshots.take().await {
                Some(snapshot) => Ok(snapshot.tree(leader)),
                None => Err(unreadable()),
            },
            None if session.keeper == Keeper::Daemon(NoSession::Dropped) => {
                self.in_audit_session(session).await.ok_or_else(unreadable)
            }
            None => Ok(BTreeSet::new()),
        }
    }

    /// Waits until the login's leader and scope are gone, and moves processes that have left the
    /// scope back until then. Returns `false` if another task waits for the same session.
    pub(super) async fn gone(&self, session: &SessionFacts) -> bool {
        if !self.awaits(&session.key) {
            return false;
        }
        if let Some(leader) = targets::leader(session) {
            self.ended(leader).await;
        }
        let mut pause = Duration::from_millis(100);
        loop {
            // It may have left the scope, and where that cannot be seen it is not gone.
            if self.is_gone(session)
                && self.adopted(session).await == Adopted::All
                && self.is_gone(session)
            {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_MAX);
        }
        self.awaits_no_more(&session.key);
        true
    }

    /// Waits for the process to exit.
    async fn ended(&self, process: Process) {
        if !self.is_crowded()
            && let Some(watch) = watch(process)
            && watch.readable().await.is_ok()
        {
            return;
        }
        let mut pause = Duration::from_secs(1);
        while process.lives() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    fn is_crowded(&self) -> bool {
        let awaited = self.awaited.lock();
        awaited.is_ok_and(|awaited| awaited.len() > PIDFDS_MAX)
    }
}

fn unreadable() -> zbus::Error {
    zbus::Error::Failure("processes cannot be read".to_owned())
}

/// A descriptor that becomes readable when the process exits (pidfd_open(2)).
fn watch(process: Process) -> Option<AsyncFd<OwnsFd<OwnedFd>>> {
    let pid = i32::try_from(process.pid.as_raw()).ok()?;
    let pid = rustix::process::Pid::from_raw(pid)?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let watch = OwnsFd::register(pidfd).ok()?;
    process.lives().then_some(watch)
}
