//! The engine: every session, and what to do next.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::remains::Fate;
use crate::snapshot::SessionRecord;
use crate::standing::{Standing, Terms};
use crate::tracked::{LoginState, Tracked};
use crate::{
    Action, Activity, BootTime, EndAction, Event, Exemption, Extensions, Granted, Groups, Keeper,
    LimitKind, Limits, Locking, Login, Milestone, NoSession, Policy, SessionFacts, SessionKey,
    Warning,
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
    /// Sessions that logind has dropped and whose id another one has by now.
    displaced: BTreeMap<SessionKey, Box<Tracked>>,
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
    /// What is left of a session that logind has dropped is ended again.
    Remains,
    /// The lock that is the first stage, or the look that comes before.
    Stage,
    /// Nobody has said whether anything is left of a session that logind has dropped.
    Verify,
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
    /// The absolute limit that holds instead of the one in there, because the session was
    /// something else before.
    pub earlier: Option<Earlier<'a>>,
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

/// An absolute limit that a session fell under before a user changed its type, its class or its
/// terminal, and that ends it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier<'a> {
    /// The limits that it is from; of these the absolute limit, the grace and the texts hold for it.
    pub limits: &'a Limits,
    /// The rule that they are from, unless they are everybody's.
    pub rule: Option<&'a str>,
    /// What happens at it.
    pub end_action: EndAction,
    /// How often and by how much it may be put off.
    pub extensions: Extensions,
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
    /// It was ended for this limit, logind has dropped it, and something of it lives on.
    Survived(LimitKind),
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
        let length = self.limits_for(kind)?.get(kind)?.length;
        Some(match kind {
            LimitKind::Absolute => self.granted.stretched(length),
            LimitKind::Inactivity => length,
        })
    }

    /// The limits that the limit of this kind is from.
    #[must_use]
    pub fn limits_for(&self, kind: LimitKind) -> Option<&Limits> {
        let earlier = self.earlier.filter(|_| kind == LimitKind::Absolute);
        earlier.map(|earlier| earlier.limits).or(self.limits)
    }

    /// The rule that the limit of this kind is from, unless it is everybody's.
    #[must_use]
    pub fn rule_for(&self, kind: LimitKind) -> Option<&str> {
        match self.earlier.filter(|_| kind == LimitKind::Absolute) {
            Some(earlier) => earlier.rule,
            None => self.rule,
        }
    }

    /// How often and by how much the absolute limit may be put off.
    #[must_use]
    pub fn extensions(&self) -> Option<Extensions> {
        let earlier = self.earlier.map(|earlier| earlier.extensions);
        earlier.or(self.limits.map(|limits| limits.extensions))
    }

    /// What happens at the limit of this kind; `None` where it does not hold.
    #[must_use]
    pub fn end_action_for(&self, kind: LimitKind) -> Option<EndAction> {
        let earlier = self.earlier.filter(|_| kind == LimitKind::Absolute);
        let now = |limits: &Limits| limits.end_action.within(self.facts.session_type);
        let earlier = earlier.map(|earlier| earlier.end_action);
        earlier.or(self.limits.map(now))
    }
}

impl Engine {
    /// An engine that knows no session.
    #[must_use]
    pub fn new(now: BootTime, policy: Policy) -> Self {
        Self {
            terms: Terms::new(policy),
            sessions: BTreeMap::new(),
            displaced: BTreeMap::new(),
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
            let tracked = Box::new(record.restore(now, &engine.terms));
            engine.keep(tracked);
        }
        for session in engine.displaced.values_mut() {
            session.is_to_be_verified(now);
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
            Event::HungUp(key) => self.with(&key, &mut out, |session, now, out| {
                session.hung_up(now, out);
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
            Event::Reachable => self.ask_again(&mut out),
            Event::SessionGone(id) => self.lose(&id, &mut out),
            Event::SessionSeen(facts) => self.see(facts, &mut out),
            Event::SessionsListed(listed) => self.reconcile(listed, &mut out),
            Event::Unreached(key) => {
                self.with(&key, &mut out, |session, now, _| session.unreached(now));
            }
            Event::Unlocked(key) => self.with(&key, &mut out, Tracked::unlocked),
            Event::Verified(key, remains) => {
                self.decide(&key, &mut out, |session, now, out| {
                    session.verified(now, remains, out)
                });
            }
        }
        out
    }

    /// Does what is due. To be called when [`Self::next_deadline`] comes; calls at other times do
    /// nothing.
    #[must_use]
    pub fn handle_timeout(&mut self, now: BootTime) -> Vec<Action> {
        let mut out = Vec::new();
        self.advance(now);
        for session in all(&mut self.sessions, &mut self.displaced) {
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
        self.every()
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
        self.every().map(SessionRecord::of)
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        self.terms.policy()
    }

    /// Every session, by its id. Those that logind has dropped and whose id another one has by now
    /// come last.
    pub fn sessions(&self) -> impl Iterator<Item = View<'_>> {
        self.every().map(view)
    }

    /// The session with this logind id; where it was handed out again, the one that has it.
    #[must_use]
    pub fn session(&self, id: &str) -> Option<View<'_>> {
        self.sessions.get(id).map(|session| view(session))
    }

    /// This very session.
    #[must_use]
    pub fn session_of(&self, key: &SessionKey) -> Option<View<'_>> {
        let holder = self.sessions.get(&key.id);
        let holder = holder.filter(|session| session.facts.key == *key);
        holder
            .or_else(|| self.displaced.get(key))
            .map(|session| view(session))
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

    /// Every session that is known.
    fn every(&self) -> impl Iterator<Item = &Tracked> {
        let sessions = self.sessions.values().chain(self.displaced.values());
        sessions.map(|session| &**session)
    }

    fn with(
        &mut self,
        key: &SessionKey,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Tracked, BootTime, &mut Vec<Action>),
    ) {
        if let Some(session) = known(&mut self.sessions, &mut self.displaced, key) {
            act(session, self.now, out);
            session.tick(self.now, &self.terms, out);
        }
    }

    /// Something that the policy may say something else of, or that the session does not outlive.
    fn decide<T: Into<Fate>>(
        &mut self,
        key: &SessionKey,
        out: &mut Vec<Action>,
        act: impl FnOnce(&mut Tracked, BootTime, &mut Vec<Action>) -> T,
    ) {
        let Some(session) = known(&mut self.sessions, &mut self.displaced, key) else {
            return;
        };
        match act(session, self.now, out).into() {
            Fate::Stays => session.settle(self.now, &self.terms, out),
            Fate::Gone => self.remove(key, out),
        }
    }

    /// Keeps a session. Where another one has its id, the older one was dropped by logind.
    fn keep(&mut self, session: Box<Tracked>) {
        let key = session.facts.key.clone();
        let other = self
            .sessions
            .get(&key.id)
            .map(|other| other.facts.key.stamp);
        if other.is_some_and(|stamp| stamp > key.stamp) {
            self.displaced.insert(key, session);
        } else if let Some(other) = self.sessions.insert(key.id, session) {
            self.displaced.insert(other.facts.key.clone(), other);
        }
    }

    fn see(&mut self, facts: SessionFacts, out: &mut Vec<Action>) {
        let key = facts.key.clone();
        if !self.sessions.contains_key(&key.id)
            && let Some(session) = self.displaced.remove(&key)
        {
            self.sessions.insert(key.id.clone(), session);
        }
        if let Some(known) = self.sessions.get_mut(&key.id) {
            match key.stamp.cmp(&known.facts.key.stamp) {
                Ordering::Equal => {
                    known.reappeared();
                    known.update(facts, &self.terms);
                    known.settle(self.now, &self.terms, out);
                    return;
                }
                // It was dropped before the one that has its id now was made.
                Ordering::Less => return,
                Ordering::Greater => self.drop(&key.id, out),
            }
        } else if self.is_in_logind(&facts) {
            return;
        }
        let started = self.take_over(&facts, out);
        let mut session = Tracked::new(self.now, facts);
        session.counts_from(started);
        if let Some((_, login)) = self.logins.remove(&key.id)
            && session
                .facts
                .leader
                .is_none_or(|leader| leader == login.leader)
        {
            session.record(login);
        }
        session.settle(self.now, &self.terms, out);
        self.keep(Box::new(session));
    }

    /// Whether logind has a session for a login that the daemon is to keep.
    fn is_in_logind(&self, facts: &SessionFacts) -> bool {
        facts.keeper != Keeper::Logind
            && facts.leader.is_some()
            && self.sessions.values().any(|session| {
                session.facts.keeper == Keeper::Logind
                    && session.facts.leader == facts.leader
                    && session.login == LoginState::Open
            })
    }

    /// logind has a session for a login that the daemon has kept until now: from here on that is
    /// the login. Says when it began.
    fn take_over(&mut self, facts: &SessionFacts, out: &mut Vec<Action>) -> Option<BootTime> {
        if facts.keeper != Keeper::Logind {
            return None;
        }
        let kept = self.sessions.values().find(|session| {
            let keeper = session.facts.keeper;
            // One that logind has had before is not a login that it was slow about.
            !matches!(keeper, Keeper::Logind | Keeper::Daemon(NoSession::Dropped))
                && session.facts.leader.is_some()
                && session.facts.leader == facts.leader
        })?;
        let (key, started) = (kept.facts.key.clone(), kept.facts.started);
        self.remove(&key, out);
        Some(started)
    }

    fn reconcile(&mut self, listed: Vec<SessionFacts>, out: &mut Vec<Action>) {
        let is_listed = |id: &str| listed.iter().any(|facts| facts.key.id == id);
        let in_logind = |session: &Tracked| session.facts.keeper == Keeper::Logind;
        let gone: Vec<String> = self
            .sessions
            .iter()
            .filter(|(id, session)| in_logind(session) && !is_listed(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.drop(&id, out);
        }
        for facts in listed {
            self.see(facts, out);
        }
        self.look_after_the_rest(out);
    }

    /// Sessions that no list of logind's has: those whose id another one has, and the daemon's.
    fn look_after_the_rest(&mut self, out: &mut Vec<Action>) {
        let displaced = self.displaced.iter();
        let displaced = displaced.filter(|(_, session)| !session.is_kept_on());
        let displaced: Vec<SessionKey> = displaced.map(|(key, _)| key.clone()).collect();
        for key in displaced {
            self.decide(&key, out, Tracked::dropped);
        }
        for session in self.displaced.values_mut() {
            session.tick(self.now, &self.terms, out);
        }
        for session in self.sessions.values_mut() {
            if session.facts.keeper != Keeper::Logind {
                session.settle(self.now, &self.terms, out);
            }
        }
    }

    /// A session with this id is gone: the one that has it, or one that had it and that the daemon
    /// has kept since.
    fn lose(&mut self, id: &str, out: &mut Vec<Action>) {
        let displaced = self.displaced.iter();
        let kept = displaced.filter(|(key, session)| key.id == id && session.is_kept_on());
        let kept: Vec<SessionKey> = kept.map(|(key, _)| key.clone()).collect();
        if kept.is_empty() {
            self.drop(id, out);
            return;
        }
        for key in kept {
            self.decide(&key, out, Tracked::dropped);
        }
        if let Some(holder) = self.sessions.get_mut(id) {
            holder.doubted(self.now, out);
        }
    }

    /// Whoever keeps the session with this id has it no longer.
    fn drop(&mut self, id: &str, out: &mut Vec<Action>) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        match session.dropped(self.now, out) {
            Fate::Stays => session.settle(self.now, &self.terms, out),
            Fate::Gone => {
                let key = session.facts.key.clone();
                self.remove(&key, out);
            }
        }
    }

    fn remove(&mut self, key: &SessionKey, out: &mut Vec<Action>) {
        let holder = self.sessions.get(&key.id);
        let session = if holder.is_some_and(|holder| holder.facts.key == *key) {
            self.sessions.remove(&key.id)
        } else {
            self.displaced.remove(key)
        };
        if let Some(session) = session {
            let (facts, departure) = session.departs();
            out.push(Action::Left(facts, departure));
        }
        self.give_back(&key.id);
    }

    /// Where nobody has this id any more, the last one that had it has it again.
    fn give_back(&mut self, id: &str) {
        if self.sessions.contains_key(id) {
            return;
        }
        let mut had = self.displaced.keys().rev();
        let last = had.find(|key| key.id == id).cloned();
        if let Some(session) = last.and_then(|key| self.displaced.remove(&key)) {
            self.sessions.insert(id.to_owned(), session);
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
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.close(self.now, out);
        if session.is_left() {
            let key = session.facts.key.clone();
            self.remove(&key, out);
        }
    }

    fn replace_policy(&mut self, policy: Policy, out: &mut Vec<Action>) {
        self.terms = Terms::new(policy);
        for session in all(&mut self.sessions, &mut self.displaced) {
            session.settle(self.now, &self.terms, out);
        }
    }

    fn look_for_inhibitors(&mut self, out: &mut Vec<Action>) {
        for session in all(&mut self.sessions, &mut self.displaced) {
            session.inhibitors_changed(self.now, out);
        }
    }

    fn ask_again(&mut self, out: &mut Vec<Action>) {
        for session in all(&mut self.sessions, &mut self.displaced) {
            session.reachable(self.now);
            session.tick(self.now, &self.terms, out);
        }
    }
}

type ById = BTreeMap<String, Box<Tracked>>;
type ByKey = BTreeMap<SessionKey, Box<Tracked>>;

/// The very session that is meant.
fn known<'a>(
    sessions: &'a mut ById,
    displaced: &'a mut ByKey,
    key: &SessionKey,
) -> Option<&'a mut Tracked> {
    let holder = sessions.get_mut(&key.id);
    let holder = holder.filter(|session| session.facts.key == *key);
    let session = holder.or_else(|| displaced.get_mut(key))?;
    Some(session)
}

fn all<'a>(
    sessions: &'a mut ById,
    displaced: &'a mut ByKey,
) -> impl Iterator<Item = &'a mut Tracked> {
    let sessions = sessions.values_mut().chain(displaced.values_mut());
    sessions.map(|session| &mut **session)
}

fn view(session: &Tracked) -> View<'_> {
    let (limits, rule) = match &session.standing {
        Standing::Limited { rule, .. } => (session.limits(), rule.as_deref()),
        Standing::Exempt(_) | Standing::Undecided => (None, None),
    };
    let ending = session.ending.as_ref().filter(|_| session.is_ending());
    let warned = |kind| session.is_warned(kind);
    let phase = if let Some(limit) = session.survived() {
        Phase::Survived(limit)
    } else if let Some(ending) = ending {
        Phase::Ending(ending.limit)
    } else if let Some(why) = session.exemption() {
        Phase::Exempt(why)
    } else if limits.is_none() {
        Phase::Undecided
    } else if warned(LimitKind::Absolute) || warned(LimitKind::Inactivity) {
        Phase::Warned
    } else if let Some(hold) = session.locking.held().filter(|_| session.is_held()) {
        Phase::Held(hold.limit)
    } else if session.absolute.reported || session.inactivity.reported {
        Phase::Reported
    } else {
        Phase::Running
    };
    let barrier = session.barrier.as_deref().filter(|_| limits.is_some());
    View {
        facts: &session.facts,
        recorded: session.recorded,
        phase,
        limits,
        rule,
        earlier: barrier.map(|barrier| Earlier {
            limits: &barrier.limits,
            rule: barrier.rule.as_deref(),
            end_action: barrier.how.within(session.facts.session_type),
            extensions: barrier.extensions,
        }),
        groups: &session.groups,
        granted: session.granted,
        locking: session.locking,
        activity: &session.activity,
        watch: session.watch(),
        next_end: session.next_end(),
    }
}
