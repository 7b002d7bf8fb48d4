//! Records which processes must be gone when a session has ended.
//!
//! PID 1 empties the session's scope. But a login's processes need not be in it: a PAM module may
//! move them into the control group of a batch system, and `systemd-run --user --scope` moves a
//! shell out. So the leader's descendants are recorded when the end begins, while the leader still
//! runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_timeout_policy::{InvocationId, SessionFacts, SessionKey};

use super::desktop;
use crate::process::Process;

/// Which processes of a session must be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    /// Only the leader: what survives a hang-up was detached from the login.
    Leader,
    /// All processes of the login.
    All,
}

/// The processes of the sessions that are being ended. Clones share one table.
#[derive(Clone, Default)]
pub(super) struct Leftovers(Arc<Mutex<BTreeMap<SessionKey, Noted>>>);

#[derive(Clone, Debug, Default)]
struct Noted {
    extent: Option<Extent>,
    processes: BTreeSet<Process>,
    /// The control groups of the session's desktop in the user's manager.
    groups: BTreeSet<String>,
    /// The scopes that these processes were moved into.
    scopes: Vec<InvocationId>,
    tries: u32,
}

impl Noted {
    /// The recorded processes, and those that have joined the desktop since.
    fn known(self) -> BTreeSet<Process> {
        let mut processes = self.processes;
        processes.extend(desktop::processes(&self.groups));
        processes
    }
}

impl Leftovers {
    /// Whether processes of the session have been recorded.
    pub(super) fn are_any(&self, session: &SessionKey) -> bool {
        let noted = self.lock();
        noted.get(session).is_some_and(|one| one.extent.is_some())
    }

    /// Whether processes have been recorded to at least this extent.
    pub(super) fn are_noted(&self, session: &SessionKey, extent: Extent) -> bool {
        let noted = self.lock();
        noted
            .get(session)
            .is_some_and(|one| one.extent >= Some(extent))
    }

    /// Records these processes of the session.
    pub(super) fn note(
        &self,
        session: &SessionKey,
        extent: Extent,
        processes: impl IntoIterator<Item = Process>,
    ) {
        let mut noted = self.lock();
        let one = noted.entry(session.clone()).or_default();
        one.extent = one.extent.max(Some(extent));
        one.processes.extend(processes);
    }

    /// Records the control groups of the session's desktop.
    pub(super) fn note_desktop(&self, session: &SessionKey, groups: BTreeSet<String>) {
        let mut noted = self.lock();
        noted
            .entry(session.clone())
            .or_default()
            .groups
            .extend(groups);
    }

    /// The processes of the session's desktop in the user's manager.
    pub(super) fn desktop(&self, session: &SessionKey) -> BTreeSet<Process> {
        let noted = self.lock().get(session).cloned().unwrap_or_default();
        desktop::processes(&noted.groups)
    }

    /// The recorded processes, which may have exited, without those of a desktop. Reads nothing.
    pub(super) fn noted(&self, session: &SessionKey) -> BTreeSet<Process> {
        let noted = self.lock();
        noted
            .get(session)
            .map(|one| one.processes.clone())
            .unwrap_or_default()
    }

    /// Whether at most this number of processes have been recorded, and no desktop.
    pub(super) fn are_at_most(&self, number: usize, session: &SessionKey) -> bool {
        let noted = self.lock();
        noted
            .get(session)
            .is_none_or(|one| one.processes.len() <= number && one.groups.is_empty())
    }

    /// The recorded processes that still run; only the leader if none were recorded. Reads files of
    /// each, so it is for a thread of its own.
    pub(super) fn alive(&self, session: &SessionFacts) -> BTreeSet<Process> {
        let noted = self.lock().get(&session.key).cloned();
        let mut processes = noted.map(Noted::known).unwrap_or_default();
        processes.extend(leader(session));
        processes.retain(|process| process.lives());
        processes
    }

    /// Records that processes of the session were moved into this scope.
    pub(super) fn moved(&self, session: &SessionKey, scope: InvocationId) {
        self.lock()
            .entry(session.clone())
            .or_default()
            .scopes
            .push(scope);
    }

    pub(super) fn scopes(&self, session: &SessionKey) -> Vec<InvocationId> {
        let noted = self.lock();
        noted
            .get(session)
            .map(|one| one.scopes.clone())
            .unwrap_or_default()
    }

    /// The number of the next attempt to end what is left, beginning with 1.
    pub(super) fn next_try(&self, session: &SessionKey) -> u32 {
        let mut noted = self.lock();
        let one = noted.entry(session.clone()).or_default();
        one.tries = one.tries.saturating_add(1);
        one.tries
    }

    pub(super) fn forget(&self, session: &SessionKey) {
        self.lock().remove(session);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The leader of the session, while it runs; a process that has reused its id is not returned.
pub(super) fn leader(session: &SessionFacts) -> Option<Process> {
    Process::before(session.leader?, session.started)
}
