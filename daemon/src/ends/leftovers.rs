//! What of a session must be gone when it has ended.
//!
//! Its scope is PID 1's to empty. But a login need not be in its scope: a module of PAM moves it
//! into the control group of a batch system, `systemd-run --user --scope` takes a shell out. So who
//! belongs to the login is noted when its end begins, while it hangs together: what descends from
//! its leader, and who has one of its terminals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::libc;
use session_timeout_policy::{InvocationId, SessionFacts, SessionKey};

use super::desktop;
use crate::process::{Census, Process};

/// The major number of virtual terminals (Documentation/admin-guide/devices.txt).
const VIRTUAL_TERMINAL: u64 = 4;

/// What is to be gone with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    /// The leader: what a hang-up leaves behind was detached from the login.
    Leader,
    /// Everybody in the login.
    All,
}

/// Whom the sessions that are being ended consist of. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Leftovers(Arc<Mutex<BTreeMap<SessionKey, Noted>>>);

#[derive(Clone, Debug, Default)]
struct Noted {
    extent: Option<Extent>,
    processes: BTreeSet<Process>,
    /// The control groups of its desktop in the user's manager.
    groups: BTreeSet<String>,
    /// The scopes that they were put into.
    scopes: Vec<InvocationId>,
    tries: u32,
}

impl Noted {
    /// Those that were noted, and whoever has come to the desktop since.
    fn known(self) -> BTreeSet<Process> {
        let mut processes = self.processes;
        processes.extend(desktop::processes(&self.groups));
        processes
    }
}

impl Leftovers {
    /// Whether this much was noted of the session already.
    pub(super) fn are_noted(&self, session: &SessionKey, extent: Extent) -> bool {
        let noted = self.lock();
        noted
            .get(session)
            .is_some_and(|one| one.extent >= Some(extent))
    }

    /// Adds who belongs to the session now.
    pub(super) fn note(&self, session: &SessionFacts, extent: Extent, census: &Census) {
        let processes = match extent {
            Extent::Leader => leader(session).into_iter().collect(),
            Extent::All => of_login(session, census),
        };
        let mut noted = self.lock();
        let one = noted.entry(session.key.clone()).or_default();
        one.extent = one.extent.max(Some(extent));
        one.processes.extend(processes);
    }

    /// Adds the control groups of the session's desktop.
    pub(super) fn note_desktop(&self, session: &SessionKey, groups: BTreeSet<String>) {
        let mut noted = self.lock();
        noted
            .entry(session.clone())
            .or_default()
            .groups
            .extend(groups);
    }

    /// What runs of the session's desktop in the user's manager.
    pub(super) fn desktop(&self, session: &SessionKey) -> BTreeSet<Process> {
        let noted = self.lock().get(session).cloned().unwrap_or_default();
        desktop::processes(&noted.groups)
    }

    /// Those that are still there; the leader, where nothing was noted.
    pub(super) fn alive(&self, session: &SessionFacts) -> BTreeSet<Process> {
        let noted = self.lock().get(&session.key).cloned();
        let mut processes = noted.map(Noted::known).unwrap_or_default();
        processes.extend(leader(session));
        processes.retain(|process| process.lives());
        processes
    }

    /// These processes, which belong to the session, were put into this scope.
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

    /// Which try it is to end what is left, from one.
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

/// The leader of the session, while it lives. The number of one that is gone may be somebody else's.
pub(super) fn leader(session: &SessionFacts) -> Option<Process> {
    Process::before(session.leader?, session.started)
}

/// What descends from the leader, and who has a terminal of the session as the controlling one.
fn of_login(session: &SessionFacts, census: &Census) -> BTreeSet<Process> {
    let Some(leader) = leader(session) else {
        return BTreeSet::new();
    };
    let mut found = census.below(leader);
    let mut terminals = census.terminals(&found);
    // Of su(1) in a terminal of somebody's, that is where it was typed.
    for outer in census.terminals(&leader.ancestors().into_iter().collect()) {
        terminals.remove(&outer);
    }
    let (consoles, own) = terminals
        .into_iter()
        .partition(|&device| libc::major(device) as u64 == VIRTUAL_TERMINAL);
    found.extend(census.on(&own));
    // A virtual terminal is passed on from one login to the next, and has the display server of
    // root's on it.
    let of_user = |process: &Process| uid_of(*process) == Some(session.uid.as_raw());
    found.extend(census.on(&consoles).into_iter().filter(of_user));
    found
}

fn uid_of(process: Process) -> Option<u32> {
    let about = fs::metadata(format!("/proc/{}", process.pid.as_raw())).ok()?;
    process.lives().then(|| about.uid())
}
