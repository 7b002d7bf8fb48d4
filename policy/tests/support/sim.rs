//! A simulated daemon: it drives the engine as the real one does, and jumps in time from one event
//! to the next.
//!
//! It has less information than the real one on purpose: after a restart it does not watch the
//! terminals of warned sessions, and a probe may have no reply.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use session_timeout_policy::{
    Action, BootTime, Engine, Event, Extended, Hint, Keeper, LimitKind, NoSession, Output, Policy,
    Reading, Refusal, Remains, SessionFacts, SessionId, SessionKey, SessionRecord, Transition,
};

use super::oracle::{Call, Oracle};
use super::world::{LoginKind, Probes, Service, Trace, World};

/// The time from a request to the end of a session.
const GOES_WHEN_ASKED: Duration = Duration::from_secs(2);
const GOES_WHEN_KILLED: Duration = Duration::from_secs(1);
/// The time that a connection takes to close, and a desktop to lock.
const OBEYS: Duration = Duration::from_secs(1);

/// The simulated machine, the daemon with its engine, and the oracle that checks it.
#[derive(Clone, Debug)]
pub(crate) struct Sim {
    pub(crate) world: World,
    pub(crate) policy: Policy,
    pub(crate) log: Vec<(BootTime, Entry)>,
    daemon: Daemon,
    oracle: Oracle,
    /// Pending events; the number keeps the order of those at the same time.
    queue: BTreeMap<(BootTime, u64), Pending>,
    queued: u64,
    watched: BTreeSet<SessionKey>,
    lengths: BTreeMap<(SessionKey, LimitKind), Duration>,
}

/// A result of the engine, for the script's expectations.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Extension(SessionKey, Result<Extended, Refusal>),
    Output(Output),
}

impl Entry {
    pub(crate) const fn key(&self) -> &SessionKey {
        match self {
            Self::Extension(key, _) => key,
            Self::Output(output) => output.key(),
        }
    }
}

#[derive(Clone, Debug)]
enum Daemon {
    Up(Box<Engine>),
    /// The content of the state file.
    Down(Vec<SessionRecord>),
}

#[derive(Clone, Debug)]
enum Pending {
    Answer(SessionKey, Option<Reading>),
    EndFailed(SessionKey),
    Groups(SessionKey, Option<BTreeSet<String>>),
    HungUp(SessionKey),
    /// The leader has exited, and the login has ended.
    LeaderEnds(SessionKey),
    Locks(SessionKey),
    Unreached(SessionKey),
    Vanish(SessionKey),
    Verified(SessionKey),
}

/// The order in which logind and PAM report a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    LogindFirst,
    PamFirst,
    WithoutPam,
    WithoutLogind,
}

/// Whether a process remains after the logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leftover {
    Nothing,
    /// Such as a tmux server: logind keeps the session.
    Something,
}

/// Whether the state file exists when the daemon starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Kept,
    Lost,
}

impl Sim {
    pub(crate) fn new(policy: Policy) -> Self {
        let world = World::new();
        Self {
            daemon: Daemon::Up(Box::new(Engine::new(world.now, policy.clone()))),
            oracle: Oracle::new(world.now),
            world,
            policy,
            log: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            watched: BTreeSet::new(),
            lengths: BTreeMap::new(),
        }
    }

    pub(crate) fn engine(&self) -> Option<&Engine> {
        match &self.daemon {
            Daemon::Up(engine) => Some(engine),
            Daemon::Down(_) => None,
        }
    }

    /// The length of this limit of a session, or its last one.
    pub(crate) fn length_of(&self, key: &SessionKey, kind: LimitKind) -> Option<Duration> {
        self.lengths.get(&(key.clone(), kind)).copied()
    }

    /// The time of the next pending event or deadline.
    pub(crate) fn next(&self) -> Option<BootTime> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let deadline = self
            .engine()
            .and_then(Engine::next_deadline)
            .map(|deadline| deadline.at);
        queued.into_iter().chain(deadline).min()
    }

    /// Processes all events and deadlines until then.
    pub(crate) fn run_until(&mut self, then: BootTime) {
        let mut same_moment = 0;
        while let Some(at) = self.next().filter(|at| *at <= then) {
            same_moment = if at > self.world.now {
                0
            } else {
                same_moment + 1
            };
            assert!(
                same_moment < 1000,
                "no progress at {at}: {:?}",
                self.engine()
            );
            self.world.now = self.world.now.max(at);
            self.happen();
        }
        self.world.now = self.world.now.max(then);
    }

    /// Suspends the machine until then.
    pub(crate) fn sleep_until(&mut self, then: BootTime) {
        self.world.now = self.world.now.max(then);
        self.run_until(then);
    }

    pub(crate) fn logs_in(&mut self, id: &str, user: &str, kind: LoginKind, order: Order) {
        let session = self.world.open(id, user, kind);
        session.recorded = order != Order::WithoutPam;
        let (login, facts) = (session.login(), session.facts.clone());
        if order == Order::PamFirst {
            self.handle(Event::LoginRecorded(login.clone()));
        }
        if self.world.logind == Service::Up {
            self.handle(Event::SessionSeen(facts));
        }
        if order == Order::LogindFirst {
            self.handle(Event::LoginRecorded(login));
        }
    }

    pub(crate) fn types(&mut self, id: &str) {
        if self.world.types(id) == Trace::Left {
            self.input_seen(id);
        }
    }

    pub(crate) fn opens_a_terminal(&mut self, id: &str) {
        self.world.opens_a_terminal(id);
        self.input_seen(id);
    }

    pub(crate) fn hints(&mut self, id: &str, hint: Hint) {
        self.world.hints(id, hint);
        if hint == Hint::Active {
            self.input_seen(id);
        }
    }

    pub(crate) fn logs_out(&mut self, id: &str, leftover: Leftover) {
        let Some(session) = self.world.sessions.get(id) else {
            return;
        };
        let key = session.facts.key.clone();
        if session.recorded {
            self.handle(Event::LoginClosed(SessionId::new(id)));
        }
        if leftover == Leftover::Nothing {
            self.queue(Duration::ZERO, Pending::Vanish(key));
        }
    }

    pub(crate) fn prints(&mut self, id: &str) {
        self.world.prints(id);
    }

    pub(crate) fn inhibits(&mut self, id: &str, inhibits: bool) {
        if let Some(session) = self.world.sessions.get_mut(id) {
            session.inhibits = inhibits;
            session.last_input = self.world.now;
            self.handle(Event::InhibitorsChanged);
        }
    }

    pub(crate) fn asks_for_more_time(&mut self, id: &str) {
        let Some(session) = self.world.sessions.get(id) else {
            return;
        };
        let (now, key) = (self.world.now, session.facts.key.clone());
        if let Daemon::Up(engine) = &mut self.daemon {
            let (result, outputs) = engine.extend(now, &key);
            let call = Call::Extend(&key, &result);
            self.oracle.check(now, call, &outputs, engine);
            self.log.push((now, Entry::Extension(key, result)));
            self.learn_lengths();
            self.perform(outputs);
        }
    }

    /// Probes the idle time without a request of the engine, as for `explain`.
    pub(crate) fn is_probed(&mut self, id: &str) {
        if let Some(session) = self.world.sessions.get(id) {
            let key = session.facts.key.clone();
            if let Some(reading) = self.world.read(&key) {
                self.handle(Event::Probed(key, reading));
            }
        }
    }

    pub(crate) fn locks(&mut self, id: &str) {
        if let Some(session) = self.world.sessions.get_mut(id) {
            session.locked = true;
            self.handle_for(id, Event::Locked);
        }
    }

    pub(crate) fn unlocks(&mut self, id: &str) {
        if let Some(session) = self.world.sessions.get_mut(id) {
            session.locked = false;
            session.last_input = self.world.now;
            self.handle_for(id, Event::Unlocked);
        }
    }

    /// logind signals `Unlock`, or that the seat shows the session. There is no input in it.
    pub(crate) fn is_returned_to(&mut self, id: &str) {
        self.handle_for(id, Event::ActivitySeen);
    }

    pub(crate) fn reload(&mut self, policy: Policy) {
        self.policy = policy.clone();
        self.handle(Event::PolicyReplaced(policy));
    }

    pub(crate) fn logind_goes_away(&mut self) {
        self.world.logind = Service::Away;
    }

    pub(crate) fn logind_comes_back(&mut self) {
        self.world.logind = Service::Up;
        let listed = self.world.listed();
        self.handle(Event::SessionsListed(listed));
    }

    /// logind and the bus are reachable again; the daemon has not called them yet.
    pub(crate) fn is_reachable(&mut self) {
        self.world.logind = Service::Up;
        self.handle(Event::Reachable);
    }

    /// A user changes a property of a session in logind.
    pub(crate) fn changes(&mut self, id: &str, change: impl FnOnce(&mut SessionFacts)) {
        if let Some(session) = self.world.sessions.get_mut(id) {
            change(&mut session.facts);
            let facts = session.facts.clone();
            self.handle(Event::SessionSeen(facts));
        }
    }

    /// A login without a logind session.
    pub(crate) fn logs_in_without_logind(&mut self, id: &str, user: &str, kind: LoginKind) {
        let session = self.world.open(id, user, kind);
        session.facts.keeper = Keeper::Daemon(NoSession::Full);
        let session = self.world.sessions.remove(id);
        if let Some(session) = session {
            let facts = session.facts.clone();
            self.world.at_large.insert(facts.key.clone(), session);
            self.handle(Event::SessionSeen(facts));
        }
    }

    /// logind creates a session for a login that the daemon kept.
    pub(crate) fn becomes_known(&mut self, kept: &str, id: &str) {
        let key = self
            .world
            .at_large
            .keys()
            .find(|key| key.id.as_str() == kept);
        let Some(mut session) = key
            .cloned()
            .and_then(|key| self.world.at_large.remove(&key))
        else {
            return;
        };
        session.facts.key = SessionKey {
            id: SessionId::new(id),
            stamp: self.world.now.as_micros(),
        };
        session.facts.keeper = Keeper::Logind;
        session.facts.started = self.world.now;
        let facts = session.facts.clone();
        self.world.sessions.insert(id.to_owned(), session);
        self.handle(Event::SessionSeen(facts));
    }

    /// logind drops a session whose leader is alive.
    pub(crate) fn is_dropped(&mut self, id: &str) {
        if let Some(session) = self.world.sessions.remove(id) {
            self.world
                .at_large
                .insert(session.facts.key.clone(), session);
            self.handle(Event::SessionGone(SessionId::new(id)));
        }
    }

    pub(crate) fn crash(&mut self) {
        if let Daemon::Up(engine) = &self.daemon {
            self.daemon = Daemon::Down(engine.records().collect());
            self.queue
                .retain(|_, pending| matches!(pending, Pending::Vanish(_)));
            self.watched.clear();
        }
    }

    pub(crate) fn start(&mut self, state: State) {
        let Daemon::Down(records) = &mut self.daemon else {
            return;
        };
        let records = match state {
            State::Kept => std::mem::take(records),
            State::Lost => Vec::new(),
        };
        let engine = Engine::restore(self.world.now, self.policy.clone(), records.clone());
        self.oracle.restored(self.world.now, &records, &engine);
        self.daemon = Daemon::Up(Box::new(engine));
        if self.world.logind == Service::Up {
            let listed = self.world.listed();
            self.handle(Event::SessionsListed(listed));
        }
    }

    /// The daemon watches the terminals of warned sessions.
    fn input_seen(&mut self, id: &str) {
        let Some(session) = self.world.sessions.get(id) else {
            return;
        };
        let key = session.facts.key.clone();
        if self.watched.contains(&key) {
            self.handle(Event::ActivitySeen(key));
        }
    }

    fn handle_for(&mut self, id: &str, event: impl FnOnce(SessionKey) -> Event) {
        if let Some(session) = self.world.sessions.get(id) {
            let key = session.facts.key.clone();
            self.handle(event(key));
        }
    }

    fn happen(&mut self) {
        let due = self
            .queue
            .first_entry()
            .filter(|entry| entry.key().0 <= self.world.now);
        let Some(due) = due else {
            self.timeout();
            return;
        };
        match due.remove() {
            Pending::Answer(key, Some(reading)) => self.handle(Event::Probed(key, reading)),
            Pending::Answer(key, None) => self.handle(Event::ProbeFailed(key)),
            Pending::EndFailed(key) => self.handle(Event::EndFailed(key)),
            Pending::Groups(key, Some(groups)) => self.handle(Event::GroupsResolved(key, groups)),
            Pending::Groups(key, None) => self.handle(Event::GroupsUnavailable(key)),
            Pending::HungUp(key) => self.handle(Event::HungUp(key)),
            Pending::LeaderEnds(key) => {
                if self.world.has(&key) && !self.world.sessions[key.id.as_str()].detached {
                    self.vanish(&key);
                } else if self.world.has(&key) {
                    self.handle(Event::HungUp(key));
                }
            }
            Pending::Unreached(key) => self.handle(Event::Unreached(key)),
            Pending::Verified(key) => {
                let remains = if self.world.has(&key) || self.world.at_large.contains_key(&key) {
                    Remains::Something
                } else {
                    Remains::Nothing
                };
                self.handle(Event::Verified(key, remains));
            }
            Pending::Locks(key) => {
                if self.world.has(&key) {
                    self.locks(key.id.as_str());
                }
            }
            Pending::Vanish(key) => self.vanish(&key),
        }
    }

    fn vanish(&mut self, key: &SessionKey) {
        if self.world.at_large.remove(key).is_some() {
            self.handle(Event::SessionGone(key.id.clone()));
            return;
        }
        if self.world.has(key)
            && let Some(session) = self.world.sessions.remove(key.id.as_str())
        {
            if session.escaped {
                self.world.at_large.insert(key.clone(), session);
            }
            if self.world.logind == Service::Up {
                self.handle(Event::SessionGone(key.id.clone()));
            }
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "an event is handled once; its callers have no more use for it"
    )]
    fn handle(&mut self, event: Event) {
        let now = self.world.now;
        if let Daemon::Up(engine) = &mut self.daemon {
            let outputs = engine.handle(now, event.clone());
            self.oracle
                .check(now, Call::Event(&event), &outputs, engine);
            self.learn_lengths();
            self.perform(outputs);
        }
    }

    fn timeout(&mut self) {
        let now = self.world.now;
        if let Daemon::Up(engine) = &mut self.daemon {
            let outputs = engine.handle_timeout(now);
            self.oracle.check(now, Call::Timeout, &outputs, engine);
            self.learn_lengths();
            self.perform(outputs);
        }
    }

    fn learn_lengths(&mut self) {
        let Daemon::Up(engine) = &self.daemon else {
            return;
        };
        for session in engine.sessions() {
            for kind in [LimitKind::Absolute, LimitKind::Inactivity] {
                if let Some(length) = session.length(kind) {
                    self.lengths
                        .insert((session.facts.key.clone(), kind), length);
                }
            }
        }
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            self.log
                .push((self.world.now, Entry::Output(output.clone())));
            match output {
                Output::Action(action) => self.execute(action),
                Output::Transition(Transition::Left(facts, _)) => {
                    self.watched.remove(&facts.key);
                }
                Output::Transition(Transition::Locked(key, _)) => {
                    self.watched.remove(&key);
                }
                Output::Transition(_) => {}
            }
        }
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::Warn(key, warning) if warning.limit == LimitKind::Inactivity => {
                self.watched.insert(key);
            }
            Action::Adopt(_) | Action::Warn(..) | Action::Withdraw(_, LimitKind::Absolute) => {}
            Action::AskLeader(key, _) => self.ask_leader(key),
            Action::EndRemains(key, _) => self.end_remains(key),
            Action::Verify(key) => self.verify(key),
            Action::HangUp(key, _) => self.hang_up(key),
            Action::Lock(key, _) => self.lock(key),
            Action::ResolveGroups(key) => self.ask_for_groups(key),
            Action::Withdraw(key, LimitKind::Inactivity) => {
                self.watched.remove(&key);
            }
            Action::Probe(key) => self.probe(key),
            Action::Terminate(key, _) => self.end(key, GOES_WHEN_ASKED),
            Action::Kill(key, _) => {
                if let Some(session) = self.world.sessions.get_mut(key.id.as_str()) {
                    session.stubborn = false;
                }
                self.end(key, GOES_WHEN_KILLED);
            }
        }
    }

    fn probe(&mut self, key: SessionKey) {
        let answer = match self.world.probes {
            Probes::Work => self.world.read(&key),
            Probes::Fail => None,
            Probes::Hang => return,
        };
        self.queue(Duration::ZERO, Pending::Answer(key, answer));
    }

    fn end(&mut self, key: SessionKey, after: Duration) {
        if let Some(session) = self.world.at_large.get(&key) {
            if !session.stubborn {
                self.queue(after, Pending::Vanish(key));
            }
        } else if !self.fails(&key) && !self.world.sessions[key.id.as_str()].stubborn {
            self.queue(after, Pending::Vanish(key));
        }
    }

    fn hang_up(&mut self, key: SessionKey) {
        if self.fails(&key) {
            return;
        }
        let session = &self.world.sessions[key.id.as_str()];
        if session.stubborn {
            return;
        }
        if session.detached {
            self.queue(OBEYS, Pending::HungUp(key));
        } else {
            self.queue(OBEYS, Pending::Vanish(key));
        }
    }

    /// Whether a request to logind fails; reports the failure to the engine.
    fn fails(&mut self, key: &SessionKey) -> bool {
        let silent = self.world.logind == Service::Silent;
        if silent {
            self.queue(Duration::ZERO, Pending::Unreached(key.clone()));
            return true;
        }
        let fails = self.world.logind == Service::Away || !self.world.has(key);
        if fails {
            self.queue(Duration::ZERO, Pending::EndFailed(key.clone()));
        }
        fails
    }

    fn ask_leader(&mut self, key: SessionKey) {
        if self.world.at_large.contains_key(&key) {
            self.queue(OBEYS, Pending::Vanish(key));
        } else if !self.fails(&key) && !self.world.sessions[key.id.as_str()].stubborn {
            self.queue(OBEYS, Pending::LeaderEnds(key));
        }
    }

    fn verify(&mut self, key: SessionKey) {
        if self.world.remains == Probes::Work {
            self.queue(Duration::ZERO, Pending::Verified(key));
        }
    }

    /// A stubborn session survives the first attempt.
    fn end_remains(&mut self, key: SessionKey) {
        let session = self.world.at_large.get_mut(&key);
        if session.is_some_and(|session| !std::mem::take(&mut session.stubborn)) {
            self.world.at_large.remove(&key);
        }
        self.verify(key);
    }

    fn lock(&mut self, key: SessionKey) {
        if self.fails(&key) {
            return;
        }
        if self.world.sessions[key.id.as_str()].locks {
            self.queue(OBEYS, Pending::Locks(key));
        }
    }

    fn ask_for_groups(&mut self, key: SessionKey) {
        let user = self.world.sessions.get(key.id.as_str());
        let groups = user.map(|session| self.world.groups_of(&session.facts.user));
        let answer = match self.world.name_service {
            Probes::Work => groups,
            Probes::Fail => None,
            Probes::Hang => return,
        };
        self.queue(Duration::ZERO, Pending::Groups(key, answer));
    }

    fn queue(&mut self, after: Duration, pending: Pending) {
        self.queued += 1;
        self.queue
            .insert((self.world.now.saturating_add(after), self.queued), pending);
    }
}
