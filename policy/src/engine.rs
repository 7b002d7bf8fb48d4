//! The engine: every session, and what to do next.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ending::Stage;
use crate::snapshot::SessionRecord;
use crate::standing::{Standing, Terms};
use crate::tracked::{LoginState, Tracked};
use crate::{
    Action, Activity, BootTime, Departure, Event, Exemption, Granted, Groups, LimitKind, Limits,
    Locking, Login, Milestone, Policy, SessionFacts, SessionKey, Warning,
};

/// A login that logind has not told of within this time is forgotten: what PAM says of a session
/// that logind does not know cannot be enforced.
const LOGIN_KEPT: Duration = Duration::from_secs(60);

/// Decides when logins are warned and ended. See the crate's own text for how it is driven.
#[derive(Clone, Debug)]
pub struct Engine {
    terms: Terms,
    /// By logind's id: at most one session has it at any time. In boxes, because a node of the map
    /// has room for eleven, most of which is empty.
    sessions: BTreeMap<String, Box<Tracked>>,
    /// What PAM said of sessions that logind has not told of yet.
    logins: BTreeMap<String, (BootTime, Login)>,
    /// The latest time that was told; time never goes back here.
    now: BootTime,
    revision: u64,
}

/// When the engine wants to be called, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: BootTime,
    /// For which session.
    pub session: SessionKey,
    /// What is due then.
    pub why: Wake,
}

/// What is due at a [`Deadline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The next stage of an end.
    Escalate,
    /// The groups of the user, which have not come or are to be asked for again.
    Groups,
    /// A warning or an end, or the look that comes before.
    Limit(LimitKind),
    /// A probe that is not answered, or failed.
    Probe,
    /// A lock that has not come.
    Proof,
    /// The lock that is the first stage, or the look that comes before.
    Stage,
}

/// Where a session stands, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// What logind and PAM say of it.
    pub facts: &'a SessionFacts,
    /// Whether PAM told of the login.
    pub recorded: bool,
    /// How far it has got.
    pub phase: Phase,
    /// The limits that hold, if any.
    pub limits: Option<&'a Limits>,
    /// The rule that they are from, unless they are everybody's.
    pub rule: Option<&'a str>,
    /// The user's groups, as far as they were asked for.
    pub groups: &'a Groups,
    /// What was granted beyond the absolute limit.
    pub granted: Granted,
    /// What is known of the screen's lock.
    pub locking: Locking,
    /// What is known of its activity.
    pub activity: &'a Activity,
    /// For how long without input whoever can is to watch; `None` where nothing counts from input.
    pub watch: Option<Duration>,
    /// Which limit comes first as things stand, and when.
    pub next_end: Option<(LimitKind, BootTime)>,
}

/// How far a session has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No limit is near.
    Running,
    /// A warning stands.
    Warned,
    /// It was asked to end for this limit, or to lock.
    Ending(LimitKind),
    /// It was locked for this limit, and both begin anew when it is unlocked.
    Held(LimitKind),
    /// A limit was passed, and that was reported.
    Reported,
    /// Nothing is known yet of the user's groups, on which it depends what holds.
    Undecided,
    /// No limit holds.
    Exempt(Exemption),
}

impl View<'_> {
    /// How long this limit is, with what was granted beyond it; `None` where it does not hold.
    #[must_use]
    pub fn length(&self, kind: LimitKind) -> Option<Duration> {
        let length = self.limits?.get(kind)?.length;
        Some(match kind {
            LimitKind::Absolute => self.granted.stretched(length),
            LimitKind::Inactivity => length,
        })
    }
}

impl Engine {
    /// An engine that knows no session.
    #[must_use]
    pub fn new(now: BootTime, policy: Policy) -> Self {
        Self {
            terms: Terms::new(policy),
            sessions: BTreeMap::new(),
            logins: BTreeMap::new(),
            now,
            revision: 0,
        }
    }

    /// An engine that goes on where the one went down that made these records. What logind lists
    /// next decides which of the sessions are still there.
    #[must_use]
    pub fn restore(now: BootTime, policy: Policy, records: Vec<SessionRecord>) -> Self {
        let mut engine = Self::new(now, policy);
        for record in records {
            let tracked = record.restore(now, &engine.terms);
            engine
                .sessions
                .insert(tracked.facts.key.id.clone(), Box::new(tracked));
        }
        engine
    }

    /// Takes an event. Unknown sessions, old news and time that goes back are ignored.
    #[must_use]
    pub fn handle(&mut self, now: BootTime, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.advance(now);
        self.revision += 1;
        match event {
            Event::ActivitySeen(key) => self.with(&key, &mut out, Tracked::saw_activity),
            Event::BecameIdle(key) => self.with(&key, &mut out, Tracked::became_idle),
            Event::EndFailed(key) => {
                self.with(&key, &mut out, |session, now, _| session.end_failed(now));
            }
            Event::ExtensionAsked(key) => self.with(&key, &mut out, Tracked::extend),
            Event::GroupsResolved(key, groups) => {
                self.decide(&key, &mut out, |session, _, _| session.told(groups));
            }
            Event::GroupsUnavailable(key) => {
                self.decide(&key, &mut out, Tracked::untold);
            }
            Event::HungUp(key) => self.with(&key, &mut out, |session, _, out| {
                session.hung_up(out);
            }),
            Event::InhibitorsChanged => self.look_for_inhibitors(&mut out),
            Event::Locked(key) => self.with(&key, &mut out, Tracked::locked),
            Event::LoginClosed(id) => self.close(&id, &mut out),
            Event::LoginRecorded(login) => self.record(login, &mut out),
            Event::PolicyReplaced(policy) => self.replace_policy(policy, &mut out),
            Event::Probed(key, reading) => self.with(&key, &mut out, |session, now, out| {
                session.probed(now, reading, out);
            }),
            Event::ProbeFailed(key) => self.with(&key, &mut out, Tracked::probe_failed),
            // The engine does not ask for these yet.
            Event::Reachable | Event::Verified(..) => {}
            Event::SessionGone(id) => self.remove(&id, &mut out),
            Event::SessionSeen(facts) => self.see(facts, &mut out),
            Event::SessionsListed(listed) => self.reconcile(listed, &mut out),
            Event::Unreached(key) => {
                self.with(&key, &mut out, |session, now, _| session.unreached(now));
            }
            Event::Unlocked(key) => self.with(&key, &mut out, Tracked::unlocked),
        }
        out
    }

    /// Does what is due. To be called when [`Self::next_deadline`] comes; calls at other times do
    /// nothing.
    #[must_use]
    pub fn handle_timeout(&mut self, now: BootTime) -> Vec<Action> {
        let mut out = Vec::new();
        self.advance(now);
        for session in self.sessions.values_mut() {
            if session.next_wake().is_some_and(|(due, _)| due <= self.now) {
                self.revision += 1;
                session.tick(self.now, &self.terms, &mut out);
            }
        }
        out
    }

    /// When [`Self::handle_timeout`] wants to be called next; `None`: not before something
    /// happens. The answer may change with every call of a `handle` method, and only then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.sessions
            .values()
            .filter_map(|session| session.next_wake().map(|(at, why)| (at, why, session)))
            .min_by_key(|(at, _, _)| *at)
            .map(|(at, why, session)| Deadline {
                at,
                session: session.facts.key.clone(),
                why,
            })
    }

    /// A number that changes whenever [`Self::records`] may give something new.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// What must survive this engine so that another can go on; see [`Self::restore`].
    pub fn records(&self) -> impl Iterator<Item = SessionRecord> + '_ {
        self.sessions
            .values()
            .map(|session| SessionRecord::of(session))
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        self.terms.policy()
    }

    /// Every session, by its id.
    pub fn sessions(&self) -> impl Iterator<Item = View<'_>> {
        self.sessions.values().map(|session| view(session))
    }

    /// The session with this logind id.
    #[must_use]
    pub fn session(&self, id: &str) -> Option<View<'_>> {
        self.sessions.get(id).map(|session| view(session))
    }

    /// This very session.
    #[must_use]
    pub fn session_of(&self, key: &SessionKey) -> Option<View<'_>> {
        self.session(&key.id)
            .filter(|session| session.facts.key == *key)
    }

    /// What is to come for the session with this logind id as things stand, in order.
    #[must_use]
    pub fn schedule(&self, id: &str) -> Vec<Milestone> {
        self.sessions
            .get(id)
            .map(|session| session.schedule())
            .unwrap_or_default()
    }

    /// What the user of the session with this logind id is warned of as things stand: the last
    /// warning for each limit.
    #[must_use]
    pub fn warnings(&self, id: &str) -> Vec<Warning> {
        self.sessions
            .get(id)
            .map(|session| session.warnings())
            .unwrap_or_default()
    }

    fn advance(&mut self, now: BootTime) {
        self.now = self.now.max(now);
        let oldest = self.now.saturating_sub(LOGIN_KEPT);
        self.logins.retain(|_, (since, _)| *since >= oldest);
    }

    fn with(
        &mut self,
        key: &SessionKey,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Tracked, BootTime, &mut Vec<Action>),
    ) {
        if let Some(session) = known(&mut self.sessions, key) {
            act(session, self.now, out);
            session.tick(self.now, &self.terms, out);
        }
    }

    /// Something that the policy may say something else of.
    fn decide(
        &mut self,
        key: &SessionKey,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Tracked, BootTime, &mut Vec<Action>),
    ) {
        if let Some(session) = known(&mut self.sessions, key) {
            act(session, self.now, out);
            session.settle(self.now, &self.terms, out);
        }
    }

    fn see(&mut self, facts: SessionFacts, out: &mut Vec<Action>) {
        let id = facts.key.id.clone();
        if self
            .sessions
            .get(&id)
            .is_some_and(|known| known.facts.key != facts.key)
        {
            self.remove(&id, out);
        }
        if let Some(known) = self.sessions.get_mut(&id) {
            known.update(facts);
            known.settle(self.now, &self.terms, out);
            return;
        }
        let mut session = Tracked::new(self.now, facts);
        if let Some((_, login)) = self.logins.remove(&id)
            && session
                .facts
                .leader
                .is_none_or(|leader| leader == login.leader)
        {
            session.record(login);
        }
        session.settle(self.now, &self.terms, out);
        self.sessions.insert(id, Box::new(session));
    }

    fn reconcile(&mut self, listed: Vec<SessionFacts>, out: &mut Vec<Action>) {
        let gone: Vec<String> = self
            .sessions
            .keys()
            .filter(|id| listed.iter().all(|facts| facts.key.id != **id))
            .cloned()
            .collect();
        for id in gone {
            self.remove(&id, out);
        }
        for facts in listed {
            self.see(facts, out);
        }
    }

    fn remove(&mut self, id: &str, out: &mut Vec<Action>) {
        if let Some(session) = self.sessions.remove(id) {
            let departure = match (&session.ending, session.login) {
                (Some(ending), _) if ending.stage() == Stage::LockAgain => Departure::Own,
                (Some(ending), _) => Departure::Ended(ending.limit),
                (None, LoginState::HungUp(limit)) => Departure::Ended(limit),
                (None, LoginState::Open | LoginState::LoggedOut) => Departure::Own,
            };
            out.push(Action::Left(session.facts, departure));
        }
    }

    fn record(&mut self, login: Login, out: &mut Vec<Action>) {
        match self.sessions.get_mut(&login.id) {
            Some(session)
                if session
                    .facts
                    .leader
                    .is_none_or(|leader| leader == login.leader) =>
            {
                session.record(login);
                session.settle(self.now, &self.terms, out);
            }
            // Nobody has it, or a session that is to go: logind hands out ids again.
            Some(_) | None => {
                self.logins.insert(login.id.clone(), (self.now, login));
            }
        }
    }

    fn close(&mut self, id: &str, out: &mut Vec<Action>) {
        self.logins.remove(id);
        if let Some(session) = self.sessions.get_mut(id) {
            session.close(out);
        }
    }

    fn replace_policy(&mut self, policy: Policy, out: &mut Vec<Action>) {
        self.terms = Terms::new(policy);
        for session in self.sessions.values_mut() {
            session.settle(self.now, &self.terms, out);
        }
    }

    fn look_for_inhibitors(&mut self, out: &mut Vec<Action>) {
        for session in self.sessions.values_mut() {
            session.inhibitors_changed(self.now, out);
        }
    }
}

/// The very session that is meant.
fn known<'a>(
    sessions: &'a mut BTreeMap<String, Box<Tracked>>,
    key: &SessionKey,
) -> Option<&'a mut Tracked> {
    let session = sessions.get_mut(&key.id)?;
    (session.facts.key == *key).then_some(session)
}

fn view(session: &Tracked) -> View<'_> {
    let (limits, rule) = match &session.standing {
        Standing::Limited { rule, .. } => (session.limits(), rule.as_deref()),
        Standing::Exempt(_) | Standing::Undecided => (None, None),
    };
    let ending = session.ending.as_ref();
    let phase = if let Some(ending) = ending.filter(|ending| ending.stage() != Stage::LockAgain) {
        Phase::Ending(ending.limit)
    } else if let Some(why) = session.exemption() {
        Phase::Exempt(why)
    } else if limits.is_none() {
        Phase::Undecided
    } else if let Some(hold) = session.locking.held().filter(|_| session.is_held()) {
        Phase::Held(hold.limit)
    } else if session.absolute.is_warned() || session.inactivity.is_warned() {
        Phase::Warned
    } else if session.absolute.reported || session.inactivity.reported {
        Phase::Reported
    } else {
        Phase::Running
    };
    View {
        facts: &session.facts,
        recorded: session.recorded,
        phase,
        limits,
        rule,
        groups: &session.groups,
        granted: session.granted,
        locking: session.locking,
        activity: &session.activity,
        watch: session.watch(),
        next_end: session.next_end(),
    }
}
