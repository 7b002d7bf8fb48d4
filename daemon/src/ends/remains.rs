//! Finds and ends the processes of a session that remain after logind and its scope report the end.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use session_timeout_policy::{Remains, SessionFacts};

use super::kill::{INLINE_MAX, SearchRange};
use super::request::has_empty_scope;
use super::units::{NewScope, StopMode};
use super::{Ends, Extent, Request, desktop, targets};
use crate::logind::EndMethod;
use crate::process::cgroup;
use crate::process::{self, Process};
use crate::sys::clock::boot_now;

/// Delays between the checks whether the remaining processes are gone: the monitor process of sshd
/// runs for some milliseconds after it has closed the PAM session, a login manager's worker for
/// longer.
const CHECK_DELAYS: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(300),
    Duration::from_millis(500),
    Duration::from_millis(800),
];

/// Timeout of the search for processes in the audit session of a login, which reads all of `/proc`.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Time between SIGTERM and SIGKILL for the remaining processes.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

impl Ends {
    /// The remaining processes of the session, after four seconds at most, and two where processes
    /// can be read in time.
    pub(super) async fn remains(&self, session: &SessionFacts) -> Remains {
        let hidden = tokio::time::timeout(SEARCH_TIMEOUT, self.hidden(session));
        // Where it is not known that there is nothing, there is something.
        let Ok(Some(hidden)) = hidden.await else {
            return Remains::Something;
        };
        for pause in CHECK_DELAYS {
            tokio::time::sleep(pause).await;
            if self.is_over(session).await && !hidden.iter().any(|process| process.lives()) {
                return Remains::Nothing;
            }
        }
        Remains::Something
    }

    /// The remaining processes of a login that the daemon did not end, whose leader is gone and
    /// that PAM has not closed: a user who killed the leader may still be connected.
    async fn hidden(&self, session: &SessionFacts) -> Option<BTreeSet<Process>> {
        if self.targets.are_any(&session.key) || targets::leader(session).is_some() {
            return Some(BTreeSet::new());
        }
        self.in_audit_session(session).await
    }

    /// The processes in the audit session of the login; `None` if they cannot be read.
    pub(super) async fn in_audit_session(
        &self,
        session: &SessionFacts,
    ) -> Option<BTreeSet<Process>> {
        let Some(audit) = session.audit else {
            return Some(BTreeSet::new());
        };
        let find = move || process::in_audit_session(audit);
        self.threads.of(session.uid, find).await
    }

    /// Whether none of the processes that this end covers is left. While the user's manager does
    /// not reply, the session's desktop may still run.
    async fn is_over(&self, session: &SessionFacts) -> bool {
        let all = self.targets.are_noted(&session.key, Extent::All);
        let none_left = self
            .left_of(session)
            .await
            .is_some_and(|left| left.is_empty());
        none_left
            && !self.targets.misses_desktop(&session.key)
            && (!all || has_empty_scope(session))
    }

    /// Ends the remaining processes, and returns the state afterwards.
    pub(super) async fn ended_remains(&self, session: &SessionFacts) -> Remains {
        if desktop::has_another(session) {
            // Its user has logged in again since: the units have the same names, and are not this
            // session's.
            self.targets.leave_desktop(&session.key);
        }
        let how = match self.targets.next_try(&session.key) {
            1 => EndMethod::Terminate,
            _ => EndMethod::Kill,
        };
        if how == EndMethod::Kill {
            self.kill(session, SearchRange::All).await;
        }
        if !self.is_hung_up(session) {
            // logind may have dropped a session whose scope still runs, as when logind was stopped.
            if let Err(error) = self.end_by_pid1(session, how).await {
                self.failed(session, Request::End(how), &error);
            }
            self.note_again(session).await;
            let (ends, noted) = (self.clone(), session.clone());
            tokio::spawn(async move { ends.note_desktop(&noted).await });
        }
        let left = self.left_of(session).await.unwrap_or_default();
        if let Err(error) = self.end_processes(session, how, left).await {
            self.failed(session, Request::End(how), &error);
        }
        self.await_desktop(session).await;
        self.remains(session).await
    }

    /// Ends the processes of the login that are outside its scope.
    pub(super) async fn end_outside(
        &self,
        session: &SessionFacts,
        how: EndMethod,
    ) -> zbus::Result<()> {
        let unit = cgroup::unit_of(session).unwrap_or_default();
        let (targets, facts) = (self.targets.clone(), session.clone());
        let find = move || {
            let mut outside = targets.alive(&facts);
            outside.retain(|process| !cgroup::is_in_unit(&unit, facts.uid, process.pid));
            outside
        };
        let outside = if self.targets.are_at_most(INLINE_MAX, &session.key) {
            Some(find())
        } else {
            self.threads.of(session.uid, find).await
        };
        self.end_processes(session, how, outside.unwrap_or_default())
            .await
    }

    /// Whether processes that were detached from the session are left alone.
    pub(super) fn is_hung_up(&self, session: &SessionFacts) -> bool {
        let noted = |extent| self.targets.are_noted(&session.key, extent);
        noted(Extent::Leader) && !noted(Extent::All)
    }

    /// The processes of the session that still run; `None` if that is not known within two seconds.
    async fn left_of(&self, session: &SessionFacts) -> Option<BTreeSet<Process>> {
        let (targets, facts) = (self.targets.clone(), session.clone());
        let find = move || targets.alive(&facts);
        if self.targets.are_at_most(INLINE_MAX, &session.key) {
            return Some(find());
        }
        self.threads.soon_of(session.uid, find).await
    }

    /// Stops these processes through PID 1; a desktop is first stopped by its own manager.
    async fn end_processes(
        &self,
        session: &SessionFacts,
        how: EndMethod,
        mut processes: BTreeSet<Process>,
    ) -> zbus::Result<()> {
        let (id, stamp) = (&session.key.id, boot_now().as_micros());
        for unit in self.targets.scopes(&session.key) {
            match how {
                EndMethod::Terminate => self.units.stop(unit).await?,
                EndMethod::Kill => self.units.kill(unit, Signal::SIGKILL).await?,
            };
        }
        let of_desktop = self.targets.desktop(&session.key);
        if !of_desktop.is_empty() || self.targets.misses_desktop(&session.key) {
            let (ends, session) = (self.clone(), session.clone());
            let stopping = tokio::spawn(async move { ends.stop_desktop(&session).await });
            // A kill does not wait for this, nor for a manager that does not reply. But a service
            // that is killed without a stop request is restarted (Restart= of systemd.service(5)).
            if how == EndMethod::Terminate && !of_desktop.is_empty() {
                let _ = stopping.await;
            }
        }
        // The user's manager was just asked to stop the desktop's processes.
        if how == EndMethod::Terminate {
            processes.retain(|process| !of_desktop.contains(process));
        }
        let prefix = format!("session-timeout-end-{id}-");
        let name = format!("{prefix}{stamp}.scope");
        let (user, are_few) = (session.uid, processes.len() <= INLINE_MAX);
        let unasked = move || {
            processes.retain(|process| !cgroup::is_in_unit_like(&prefix, user, process.pid));
            processes
        };
        let processes = if are_few {
            unasked()
        } else {
            self.threads.of(user, unasked).await.unwrap_or_default()
        };
        if processes.is_empty() {
            return Ok(());
        }
        let scope = NewScope {
            name: &name,
            description: &format!("What is left of session {id}"),
            user: session.uid,
            stop: StopMode::Within(STOP_TIMEOUT),
        };
        let Some(unit) = self.mover.move_into(&scope, &processes).await? else {
            return Ok(());
        };
        self.targets.moved(&session.key, unit);
        match how {
            EndMethod::Terminate => self.units.stop(unit).await,
            EndMethod::Kill => self.units.kill(unit, Signal::SIGKILL).await,
        }
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::{AuditSession, BootTime, Pid};
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::journal::Journal;

    #[tokio::test]
    async fn a_login_is_not_gone_while_its_processes_cannot_be_read() {
        let (journal, _writer) = Journal::start().unwrap();
        let (inputs, _queue) = mpsc::channel(1);
        let (_link, bus) = watch::channel(None);
        let ends = Ends::new(inputs, bus, journal);
        // Its leader does not run.
        let mut session = crate::fixtures::own_session(Pid::new(u32::MAX), BootTime::default());
        session.audit = AuditSession::new(4711);
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let (threads, user) = (ends.threads.clone(), session.uid);
        tokio::spawn(async move { threads.of(user, move || gone.recv().is_ok()).await });
        tokio::task::yield_now().await;
        // The read succeeds only after its timeout, so its result is not used.
        tokio::spawn(async move {
            tokio::time::sleep(SEARCH_TIMEOUT * 3 / 2).await;
            go.send(())
        });
        assert_eq!(ends.remains(&session).await, Remains::Something);
    }
}
