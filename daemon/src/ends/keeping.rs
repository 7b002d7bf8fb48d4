//! Logins that logind has no session for: they are kept in scopes of the daemon's.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::PidfdFlags;
use session_timeout_policy::SessionFacts;
use tokio::io::unix::AsyncFd;

use super::{Ends, leftovers};
use crate::pollable::Pollable;
use crate::process::Process;
use crate::scope;
use crate::units::{Scope, Stop};

/// Children are forked while others are moved; those of children that were moved are in the scope.
const ROUNDS: u32 = 5;

/// So many leaders are watched by a descriptor each; the others are looked at now and then.
const WATCHED: usize = 256;

/// The longest pause between two looks at what cannot be watched.
const PAUSE_MAX: Duration = Duration::from_secs(60);

impl Ends {
    /// Puts the leader and all that descends from it into a scope.
    pub(super) async fn adopted(&self, session: &SessionFacts) {
        if let Err(error) = self.gather(session).await {
            let id = &session.key.id;
            log::warn!("cannot put session {id} into a scope, which is tried again: {error}");
        }
    }

    /// Puts whoever is not there yet into the scope of a login that the daemon keeps.
    pub(super) async fn gather(&self, session: &SessionFacts) -> zbus::Result<()> {
        let Some(leader) = leftovers::leader(session) else {
            return Ok(());
        };
        let id = scope::kept(leader.pid);
        let Some(unit) = scope::unit(&id) else {
            return Ok(());
        };
        let scope = Scope {
            name: &unit,
            description: &format!("Login of {}, which logind has no session for", session.user),
            user: session.uid,
            stop: Stop::Leisurely,
        };
        for _ in 0..ROUNDS {
            let Some(census) = self.censuses.take().await else {
                return Err(zbus::Error::Failure("processes cannot be read".to_owned()));
            };
            let mut outside: BTreeSet<Process> = census.below(leader);
            outside.retain(|process| !scope::holds(&id, session.uid, process.pid));
            if outside.is_empty() {
                return Ok(());
            }
            self.holding.hold(&scope, &outside).await?;
        }
        Ok(())
    }

    /// Waits until the login's leader and its scope are gone. Says `false` where somebody else waits
    /// for that.
    pub(super) async fn gone(&self, session: &SessionFacts) -> bool {
        if !self.awaits(&session.key) {
            return false;
        }
        if let Some(leader) = leftovers::leader(session) {
            self.ended(leader).await;
        }
        let mut pause = Duration::from_millis(100);
        while !self.is_gone(session) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.awaits_no_more(&session.key);
        true
    }

    /// Waits until the process has ended.
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
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn is_crowded(&self) -> bool {
        let awaited = self.awaited.lock();
        awaited.is_ok_and(|awaited| awaited.len() > WATCHED)
    }
}

/// Becomes readable when the process has ended (pidfd_open(2)).
fn watch(process: Process) -> Option<AsyncFd<Pollable<OwnedFd>>> {
    let pid = i32::try_from(process.pid.as_raw()).ok()?;
    let pid = rustix::process::Pid::from_raw(pid)?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let watch = Pollable::register(pidfd).ok()?;
    process.lives().then_some(watch)
}
