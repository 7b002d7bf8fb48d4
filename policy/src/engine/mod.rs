//! The engine: all sessions, and what is due next. Their arrival and departure is in `sessions.rs`.

mod sessions;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::policy::compiled::CompiledPolicy;
use crate::session::Session;
use crate::session::outputs::Outputs;
use crate::session::removal::Gone;
use crate::session::snapshot::SessionRecord;
use crate::session::view::View;
use crate::{
    BootTime, Event, Extended, LimitKind, Login, Milestone, Output, Policy, Refusal, SessionId,
    SessionKey, Warning,
};

/// A login without a logind session is forgotten after this time: PAM's report alone is not
/// sufficient to end anything.
const LOGIN_KEPT: Duration = Duration::from_secs(60);

/// Decides when logins are warned and ended. The documentation of the crate says how to drive it.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) policy: CompiledPolicy,
    /// By logind's id: at most one session has it at any time. In boxes, because a node of the map
    /// has room for eleven, most of which is empty.
    pub(crate) sessions: BTreeMap<SessionId, Box<Session>>,
    /// Sessions that logind has dropped and whose id is in use by another one.
    pub(crate) displaced: BTreeMap<SessionKey, Box<Session>>,
    /// Logins reported by PAM for sessions that logind has not announced yet.
    pub(crate) logins: BTreeMap<SessionId, (BootTime, Login)>,
    /// The latest time of any call; it never goes back.
    pub(crate) now: BootTime,
    pub(crate) revision: u64,
}

/// When the engine wants to be called, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The time.
    pub at: BootTime,
    /// The session that needs it.
    pub session: SessionKey,
    /// What is due then.
    pub why: Wake,
}

/// What is due at a [`Deadline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The next stage of an end.
    Escalate,
    /// The groups of the user, which are overdue or to be resolved again.
    Groups,
    /// A warning or an end, or the probe before it.
    Limit(LimitKind),
    /// A probe without a reply, or one to be repeated.
    Probe,
    /// A lock that is not confirmed.
    LockConfirmation,
    /// What remains of a session that logind has dropped is ended again.
    Remains,
    /// The lock of `lock-after`, or the probe before it.
    LockAfter,
    /// A `Verify` without a reply, or one to be repeated.
    Verify,
    /// A repeated lock that is not confirmed.
    VerifyLock,
}

impl Engine {
    /// An engine without sessions.
    #[must_use]
    pub fn new(now: BootTime, policy: Policy) -> Self {
        Self {
            policy: CompiledPolicy::new(policy),
            sessions: BTreeMap::new(),
            displaced: BTreeMap::new(),
            logins: BTreeMap::new(),
            now,
            revision: 0,
        }
    }

    /// An engine that continues from the records of an earlier one. logind's next list decides
    /// which of the sessions still exist.
    #[must_use]
    pub fn restore(now: BootTime, policy: Policy, records: Vec<SessionRecord>) -> Self {
        let mut engine = Self::new(now, policy);
        for record in records {
            let session = Box::new(record.restore(now, &engine.policy));
            engine.insert(session);
        }
        for session in engine.displaced.values_mut() {
            session.verify_soon(now);
        }
        engine
    }

    /// Handles an event. Unknown sessions, outdated events and times that go back are ignored.
    #[must_use]
    pub fn handle(&mut self, now: BootTime, event: Event) -> Vec<Output> {
        let mut out = Outputs::default();
        self.begin_input(now);
        match event {
            Event::ActivitySeen(key) => self.update(&key, &mut out, Session::activity_seen),
            Event::BecameIdle(key) => self.update(&key, &mut out, Session::became_idle),
            Event::EndFailed(key) => {
                self.update(&key, &mut out, |session, now, _| session.end_failed(now));
            }
            Event::GroupsResolved(key, groups) => {
                self.update_or_remove(&key, &mut out, |session, _, _| {
                    session.groups_resolved(groups);
                });
            }
            Event::GroupsUnavailable(key) => {
                self.update_or_remove(&key, &mut out, Session::groups_unavailable);
            }
            Event::HungUp(key) => self.update(&key, &mut out, |session, now, out| {
                session.hung_up(now, out);
            }),
            Event::InhibitorsChanged => self.inhibitors_changed(&mut out),
            Event::Locked(key) => self.restart_limits(&key, &mut out, Session::locked),
            Event::LoginClosed(id) => self.login_closed(&id, &mut out),
            Event::LoginRecorded(login) => self.login_recorded(login, &mut out),
            Event::PolicyReplaced(policy) => self.replace_policy(policy, &mut out),
            Event::Probed(key, reading) => {
                // It may show that the screen is locked.
                self.restart_limits(&key, &mut out, |session, now, out| {
                    session.probed(now, reading, out);
                });
            }
            Event::ProbeFailed(key) => self.update(&key, &mut out, Session::probe_failed),
            Event::Reachable => self.retry_requests(&mut out),
            Event::SessionGone(id) => self.session_gone(&id, &mut out),
            Event::SessionSeen(facts) => self.session_seen(facts, &mut out),
            Event::SessionsListed(listed) => self.reconcile(listed, &mut out),
            Event::Unreached(key) => {
                self.update(&key, &mut out, |session, now, _| session.unreached(now));
            }
            Event::Unlocked(key) => self.restart_limits(&key, &mut out, Session::unlocked),
            Event::Verified(key, remains) => {
                self.update_or_remove(&key, &mut out, |session, now, out| {
                    session.verified(now, remains, out)
                });
            }
        }
        out.into_vec()
    }

    /// Handles a request for an extension of the absolute limit, by the user or by an administrator.
    ///
    /// # Errors
    /// The reason why the limit was not extended. Something else may have been due, so the outputs
    /// are to be executed in any case.
    pub fn extend(
        &mut self,
        now: BootTime,
        key: &SessionKey,
    ) -> (Result<Extended, Refusal>, Vec<Output>) {
        let mut out = Outputs::default();
        self.begin_input(now);
        let result = match find_mut(&mut self.sessions, &mut self.displaced, key) {
            Some(session) => {
                let result = session.extend(self.now, &self.policy, &mut out);
                session.tick(self.now, &self.policy, &mut out);
                result
            }
            None => Err(Refusal::NoSession),
        };
        (result, out.into_vec())
    }

    /// Performs what is due. To be called at [`Self::next_deadline`]; calls before that do nothing.
    #[must_use]
    pub fn handle_timeout(&mut self, now: BootTime) -> Vec<Output> {
        let mut out = Outputs::default();
        self.advance(now);
        for session in all_mut(&mut self.sessions, &mut self.displaced) {
            if session.next_wake().is_some_and(|(due, _)| due <= self.now) {
                self.revision += 1;
                session.tick(self.now, &self.policy, &mut out);
            }
        }
        out.into_vec()
    }

    /// When [`Self::handle_timeout`] is to be called next; `None` if nothing is due before the next
    /// event. The answer changes only with calls of `handle` and `handle_timeout`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.all_sessions()
            .filter_map(|session| session.next_wake().map(|(at, why)| (at, why, session)))
            .min_by_key(|(at, _, _)| *at)
            .map(|(at, why, session)| Deadline {
                at,
                session: session.facts.key.clone(),
                why,
            })
    }

    /// A number that changes whenever [`Self::records`] may have changed.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The state that must survive a restart; see [`Self::restore`].
    pub fn records(&self) -> impl Iterator<Item = SessionRecord> + '_ {
        self.all_sessions().map(SessionRecord::of)
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        self.policy.source()
    }

    /// Every session, by its id. Those that logind has dropped and whose id is in use again come
    /// last.
    pub fn sessions(&self) -> impl Iterator<Item = View<'_>> {
        self.all_sessions().map(View::of)
    }

    /// The session with this logind id; if the id was reused, the newest one.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<View<'_>> {
        self.sessions.get(id).map(|session| View::of(session))
    }

    /// The session with exactly this key.
    #[must_use]
    pub fn session_of(&self, key: &SessionKey) -> Option<View<'_>> {
        let holder = self.sessions.get(&key.id);
        let holder = holder.filter(|session| session.facts.key == *key);
        holder
            .or_else(|| self.displaced.get(key))
            .map(|session| View::of(session))
    }

    /// The next events of the session with this logind id, in order, if nothing changes.
    #[must_use]
    pub fn schedule(&self, id: &SessionId) -> Vec<Milestone> {
        self.sessions
            .get(id)
            .map(|session| session.schedule())
            .unwrap_or_default()
    }

    /// The warnings in force for the session with this logind id: the last one for each limit.
    #[must_use]
    pub fn warnings(&self, id: &SessionId) -> Vec<Warning> {
        self.sessions
            .get(id)
            .map(|session| session.warnings())
            .unwrap_or_default()
    }

    /// An input may change any session.
    fn begin_input(&mut self, now: BootTime) {
        self.advance(now);
        self.revision += 1;
    }

    fn advance(&mut self, now: BootTime) {
        self.now = self.now.max(now);
        let oldest = self.now.saturating_sub(LOGIN_KEPT);
        self.logins.retain(|_, (since, _)| *since >= oldest);
    }

    /// Every known session.
    fn all_sessions(&self) -> impl Iterator<Item = &Session> {
        let sessions = self.sessions.values().chain(self.displaced.values());
        sessions.map(|session| &**session)
    }

    fn update(
        &mut self,
        key: &SessionKey,
        out: &mut Outputs,
        act: impl FnOnce(&mut Session, BootTime, &mut Outputs),
    ) {
        if let Some(session) = find_mut(&mut self.sessions, &mut self.displaced, key) {
            act(session, self.now, out);
            session.tick(self.now, &self.policy, out);
        }
    }

    /// Performs what may restart the limits of a session, so that another one than before may end or
    /// lock it first.
    fn restart_limits(
        &mut self,
        key: &SessionKey,
        out: &mut Outputs,
        act: impl FnOnce(&mut Session, BootTime, &mut Outputs),
    ) {
        if let Some(session) = find_mut(&mut self.sessions, &mut self.displaced, key) {
            act(session, self.now, out);
            if session.earlier.is_some() {
                session.update_limits(self.now, &self.policy, out);
            }
            session.tick(self.now, &self.policy, out);
        }
    }

    /// Performs what may change the limits of a session, or remove it.
    pub(crate) fn update_or_remove<T: Into<Gone>>(
        &mut self,
        key: &SessionKey,
        out: &mut Outputs,
        act: impl FnOnce(&mut Session, BootTime, &mut Outputs) -> T,
    ) {
        let Some(session) = find_mut(&mut self.sessions, &mut self.displaced, key) else {
            return;
        };
        match act(session, self.now, out).into() {
            Gone::No => session.reevaluate(self.now, &self.policy, out),
            Gone::Yes => self.remove(key, out),
        }
    }

    fn login_recorded(&mut self, login: Login, out: &mut Outputs) {
        let holder = self.sessions.get_mut(&login.id);
        let holder = holder.filter(|session| {
            let leader = session.facts.leader;
            leader.is_none_or(|leader| leader == login.leader)
        });
        // The report may be late: logind reuses ids.
        let mut displaced = self.displaced.iter_mut().rev();
        let session = holder.or_else(|| {
            let had = displaced.find(|(key, session)| {
                key.id == login.id && session.facts.leader == Some(login.leader)
            });
            had.map(|(_, session)| session)
        });
        match session {
            Some(session) => {
                session.record(login);
                session.reevaluate(self.now, &self.policy, out);
            }
            // The session of this login is not announced yet.
            None => {
                self.logins.insert(login.id.clone(), (self.now, login));
            }
        }
    }

    fn login_closed(&mut self, id: &SessionId, out: &mut Outputs) {
        self.logins.remove(id);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.logged_out(self.now, out);
        if session.is_logged_out_and_dropped() {
            let key = session.facts.key.clone();
            self.remove(&key, out);
        }
    }

    fn replace_policy(&mut self, policy: Policy, out: &mut Outputs) {
        self.policy = CompiledPolicy::new(policy);
        for session in all_mut(&mut self.sessions, &mut self.displaced) {
            session.reevaluate(self.now, &self.policy, out);
        }
    }

    fn inhibitors_changed(&mut self, out: &mut Outputs) {
        for session in all_mut(&mut self.sessions, &mut self.displaced) {
            session.inhibitors_changed(self.now, out);
        }
    }

    fn retry_requests(&mut self, out: &mut Outputs) {
        for session in all_mut(&mut self.sessions, &mut self.displaced) {
            session.reachable(self.now);
            session.tick(self.now, &self.policy, out);
        }
    }
}

type ById = BTreeMap<SessionId, Box<Session>>;
type ByKey = BTreeMap<SessionKey, Box<Session>>;

/// The session with exactly this key.
fn find_mut<'a>(
    sessions: &'a mut ById,
    displaced: &'a mut ByKey,
    key: &SessionKey,
) -> Option<&'a mut Session> {
    let holder = sessions.get_mut(&key.id);
    let holder = holder.filter(|session| session.facts.key == *key);
    let session = holder.or_else(|| displaced.get_mut(key))?;
    Some(session)
}

fn all_mut<'a>(
    sessions: &'a mut ById,
    displaced: &'a mut ByKey,
) -> impl Iterator<Item = &'a mut Session> {
    let sessions = sessions.values_mut().chain(displaced.values_mut());
    sessions.map(|session| &mut **session)
}
