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
pub(super) struct Targets(Arc<Mutex<BTreeMap<SessionKey, Record>>>);

#[derive(Clone, Debug, Default)]
struct Record {
    extent: Option<Extent>,
    processes: BTreeSet<Process>,
    desktop: Desktop,
    /// The scopes that these processes were moved into.
    scopes: Vec<InvocationId>,
    tries: u32,
}

/// What is known of the session's desktop in the user's manager.
#[derive(Clone, Debug, Default)]
enum Desktop {
    #[default]
    NotQueried,
    Queried,
    /// The user's manager did not answer.
    Unknown,
    /// Its control groups.
    Known(BTreeSet<String>),
}

impl Desktop {
    fn processes(&self) -> BTreeSet<Process> {
        match self {
            Self::NotQueried | Self::Queried | Self::Unknown => BTreeSet::new(),
            Self::Known(groups) => desktop::processes(groups),
        }
    }

    fn has_no_groups(&self) -> bool {
        match self {
            Self::NotQueried | Self::Queried | Self::Unknown => true,
            Self::Known(groups) => groups.is_empty(),
        }
    }
}

impl Record {
    /// The recorded processes, and those that have joined the desktop since.
    fn known(self) -> BTreeSet<Process> {
        let mut processes = self.processes;
        processes.extend(self.desktop.processes());
        processes
    }
}

impl Targets {
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

    /// Registers the caller as the one that queries the session's desktop; `false` if it is known,
    /// or being queried.
    pub(super) fn begins_query(&self, session: &SessionKey) -> bool {
        let mut noted = self.lock();
        let one = noted.entry(session.clone()).or_default();
        let begins = matches!(one.desktop, Desktop::NotQueried | Desktop::Unknown);
        if begins {
            one.desktop = Desktop::Queried;
        }
        begins
    }

    /// Records the result of the query: the control groups of the session's desktop, or `None` if
    /// the user's manager did not answer.
    pub(super) fn end_query(&self, session: &SessionKey, groups: Option<BTreeSet<String>>) {
        // A session that was forgotten meanwhile stays so, and a desktop that was left alone as
        // well.
        if let Some(one) = self.lock().get_mut(session)
            && matches!(one.desktop, Desktop::Queried)
        {
            one.desktop = groups.map_or(Desktop::Unknown, Desktop::Known);
        }
    }

    /// Leaves the desktop alone: it is another session's.
    pub(super) fn leave_desktop(&self, session: &SessionKey) {
        if let Some(one) = self.lock().get_mut(session) {
            one.desktop = Desktop::Known(BTreeSet::new());
        }
    }

    /// Whether the session's desktop is being queried.
    pub(super) fn is_queried(&self, session: &SessionKey) -> bool {
        matches!(self.desktop_of(session), Desktop::Queried)
    }

    /// Whether the session's desktop is to be known, and is not.
    pub(super) fn misses_desktop(&self, session: &SessionKey) -> bool {
        matches!(
            self.desktop_of(session),
            Desktop::Queried | Desktop::Unknown
        )
    }

    /// The processes of the session's desktop in the user's manager.
    pub(super) fn desktop(&self, session: &SessionKey) -> BTreeSet<Process> {
        self.desktop_of(session).processes()
    }

    fn desktop_of(&self, session: &SessionKey) -> Desktop {
        let noted = self.lock();
        noted
            .get(session)
            .map(|one| one.desktop.clone())
            .unwrap_or_default()
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
            .is_none_or(|one| one.processes.len() <= number && one.desktop.has_no_groups())
    }

    /// The recorded processes that still run; only the leader if none were recorded. Reads files of
    /// each, so it is for a thread of its own.
    pub(super) fn alive(&self, session: &SessionFacts) -> BTreeSet<Process> {
        let noted = self.lock().get(&session.key).cloned();
        let mut processes = noted.map(Record::known).unwrap_or_default();
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The leader of the session, while it runs; a process that has reused its id is not returned.
pub(super) fn leader(session: &SessionFacts) -> Option<Process> {
    Process::before(session.leader?, session.started)
}
#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SessionKey {
        SessionKey {
            id: "c1".into(),
            stamp: 1,
        }
    }

    #[test]
    fn a_desktop_is_queried_until_it_is_known_and_by_one_at_a_time() {
        let (targets, key) = (Targets::default(), key());
        assert!(!targets.misses_desktop(&key));
        for answer in [None, None, Some(BTreeSet::new())] {
            assert!(targets.begins_query(&key));
            assert!(!targets.begins_query(&key) && targets.is_queried(&key));
            let known = answer.is_some();
            targets.end_query(&key, answer);
            assert_eq!(targets.misses_desktop(&key), !known);
        }
        assert!(!targets.begins_query(&key));
    }

    #[test]
    fn a_late_answer_is_nothing_for_a_session_that_is_gone_or_left_its_desktop_to_another() {
        let (targets, key) = (Targets::default(), key());
        assert!(targets.begins_query(&key));
        targets.leave_desktop(&key);
        targets.end_query(&key, None);
        assert!(!targets.misses_desktop(&key));

        targets.forget(&key);
        assert!(targets.begins_query(&key));
        targets.forget(&key);
        targets.end_query(&key, None);
        assert!(targets.lock().is_empty());
    }
}
