//! Random events for the property tests: in an order that no machine produces, at times that jump,
//! with restarts between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use session_timeout_policy::{
    BootTime, Engine, Event, Hint, Keeper, Login, NoSession, Output, Pid, Policy, Reading, Remains,
    SessionClass, SessionFacts, SessionId, SessionKey, SessionType, StampSource, Uid, WallTime,
};

use crate::policies::policies;
use crate::support::oracle::{Call, Oracle};

const BEGIN: u64 = 10_000;
const WALL: u64 = 1_800_000_000;

/// A step of a random run.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// The driver calls at the deadline.
    Deadline,
    /// The driver calls this many microseconds before the deadline.
    Early(u64),
    /// The reply to a probe; its reading is made at the time of the step.
    Probed(SessionKey, ProbeData),
    /// The daemon restarts, perhaps with another policy.
    Restart(Option<Policy>),
    /// A request for an extension.
    Extend(SessionKey),
    Handle(Event),
    Timeout,
    /// Time passes without a call.
    Wait(Duration),
    /// A call with an earlier time, which no real clock gives.
    WaitBack(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct ProbeData {
    /// How far the wall clock is ahead, in seconds.
    ahead: u64,
    /// The time since the last input of each terminal, in seconds.
    ages: BTreeMap<StampSource, u64>,
    /// Idle for this many seconds, or active.
    hint: Option<Option<u64>>,
    inhibited: bool,
    locked: Option<bool>,
}

/// When the logins of random sessions began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starts {
    Past,
    /// Some are in the future, as with a wrong clock.
    Future,
}

/// Sequences of steps.
pub(crate) fn ops(starts: Starts, length: usize) -> impl Strategy<Value = Vec<Op>> {
    let wait = prop_oneof![
        0_u64..20_000_000,
        (0_u64..4000).prop_map(|secs| secs * 1_000_000)
    ];
    let op = prop_oneof![
        12 => Just(Op::Deadline),
        2 => (1_u64..5_000_000).prop_map(Op::Early),
        8 => (keys(), probes()).prop_map(|(key, probe)| Op::Probed(key, probe)),
        2 => prop::option::weighted(0.5, any_policy()).prop_map(Op::Restart),
        1 => keys().prop_map(Op::Extend),
        20 => events(starts).prop_map(Op::Handle),
        2 => Just(Op::Timeout),
        4 => wait.prop_map(|micros| Op::Wait(Duration::from_micros(micros))),
        1 => (0_u64..100).prop_map(|secs| Op::WaitBack(Duration::from_secs(secs))),
    ];
    prop::collection::vec(op, 1..length)
}

pub(crate) fn any_policy() -> impl Strategy<Value = Policy> {
    policies(&[1, 10, 60, 3600, 86_400], &[1, 10, 60, 3600])
}

/// Keys of sessions: logind's, and those of logins that the daemon keeps, whose ids logind never
/// uses.
fn keys() -> impl Strategy<Value = SessionKey> {
    prop_oneof![
        9 => keys_of_logind(),
        1 => keys_of_logind().prop_map(|key| kept(&key)),
    ]
}

/// The key of a login that the daemon keeps.
fn kept(key: &SessionKey) -> SessionKey {
    SessionKey {
        id: SessionId::new(format!("login-{}", key.id)),
        stamp: key.stamp,
    }
}

fn keys_of_logind() -> impl Strategy<Value = SessionKey> {
    (
        prop::sample::select(&["c1", "c2", "c3"][..]),
        prop_oneof![5 => Just(1), 1 => Just(2)],
    )
        .prop_map(|(id, stamp)| SessionKey {
            id: SessionId::new(id),
            stamp,
        })
}

fn probes() -> impl Strategy<Value = ProbeData> {
    let source = prop_oneof![
        Just(StampSource::Logind),
        (1_u64..3).prop_map(StampSource::Terminal),
        (1_u64..3).prop_map(StampSource::Output)
    ];
    let age = prop_oneof![0_u64..20, 0_u64..4000];
    let ahead = prop_oneof![6 => Just(10_000), 1 => 0_u64..20_000];
    (
        ahead,
        prop::collection::btree_map(source, age.clone(), 0..3),
        prop::option::weighted(0.3, prop::option::weighted(0.7, age)),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, prop::bool::ANY),
    )
        .prop_map(|(ahead, ages, hint, inhibited, locked)| ProbeData {
            ahead,
            ages,
            hint,
            inhibited,
            locked,
        })
}

const TYPES: &[SessionType] = &[SessionType::Tty, SessionType::Wayland, SessionType::Web];

fn facts(starts: Starts) -> impl Strategy<Value = SessionFacts> {
    let uid = prop_oneof![6 => Just(1000), 2 => Just(1001), 1 => Just(0), 1 => Just(500)];
    let class = prop_oneof![
        8 => Just(SessionClass::User),
        1 => Just(SessionClass::UserIncomplete),
        1 => Just(SessionClass::Greeter),
    ];
    let started = match starts {
        Starts::Past => prop_oneof![0..BEGIN, Just(BEGIN)].boxed(),
        Starts::Future => prop_oneof![0..BEGIN, Just(BEGIN), BEGIN..2 * BEGIN].boxed(),
    };
    let session_type = prop::sample::select(TYPES);
    let terminal = prop::sample::select(&[None, Some("pts/1"), Some("pts/2")][..]);
    let keeper = prop_oneof![
        12 => Just(Keeper::Logind),
        1 => Just(Keeper::Daemon(NoSession::Full)),
        1 => Just(Keeper::Daemon(NoSession::Dropped)),
    ];
    let changes = (session_type, terminal, prop::bool::weighted(0.2));
    (
        keys_of_logind(),
        uid,
        class,
        changes,
        leaders(),
        started,
        keeper,
    )
        .prop_map(
            |(key, uid, class, (session_type, terminal, on_seat), leader, started, keeper)| {
                let is_kept = keeper == Keeper::Daemon(NoSession::Full);
                SessionFacts {
                    key: if is_kept { kept(&key) } else { key },
                    user: "somebody".to_owned(),
                    uid: Uid::new(uid),
                    class,
                    session_type,
                    leader,
                    service: None,
                    remote_host: None,
                    terminal: terminal.map(str::to_owned),
                    seat: on_seat.then(|| "seat0".to_owned()),
                    started: secs(started),
                    keeper,
                    invocation: None,
                    audit: None,
                }
            },
        )
}

fn remains() -> impl Strategy<Value = Remains> {
    prop_oneof![Just(Remains::Nothing), Just(Remains::Something)]
}

fn leaders() -> impl Strategy<Value = Option<Pid>> {
    prop::option::of((1_u32..4).prop_map(Pid::new))
}

fn events(starts: Starts) -> impl Strategy<Value = Event> {
    let login = (keys(), 1_u32..4).prop_map(|(key, leader)| Login {
        id: key.id,
        leader: Pid::new(leader),
        service: "sshd".to_owned(),
        remote_host: None,
        terminal: None,
    });
    let groups = prop::sample::subsequence(vec!["pci".to_owned(), "users".to_owned()], 0..=2);
    let groups = groups.prop_map(BTreeSet::from_iter);
    prop_oneof![
        3 => keys().prop_map(Event::ActivitySeen),
        3 => keys().prop_map(Event::EndFailed),
        2 => (keys(), groups).prop_map(|(key, groups)| Event::GroupsResolved(key, groups)),
        1 => keys().prop_map(Event::GroupsUnavailable),
        1 => keys().prop_map(Event::HungUp),
        1 => Just(Event::InhibitorsChanged),
        3 => keys().prop_map(Event::Locked),
        2 => keys().prop_map(Event::Unlocked),
        2 => keys().prop_map(Event::Unreached),
        1 => keys().prop_map(|key| Event::LoginClosed(key.id)),
        1 => login.prop_map(Event::LoginRecorded),
        2 => any_policy().prop_map(Event::PolicyReplaced),
        3 => keys().prop_map(Event::ProbeFailed),
        1 => keys().prop_map(|key| Event::SessionGone(key.id)),
        1 => Just(Event::Reachable),
        2 => (keys(), remains()).prop_map(|(key, remains)| Event::Verified(key, remains)),
        6 => facts(starts).prop_map(Event::SessionSeen),
        1 => prop::collection::vec(facts(starts), 0..4).prop_map(|mut listed| {
            // logind lists an id only once.
            let mut ids = BTreeSet::new();
            listed.retain(|facts| ids.insert(facts.key.id.clone()));
            listed.retain(|facts| facts.keeper != Keeper::Daemon(NoSession::Full));
            for facts in &mut listed {
                facts.keeper = Keeper::Logind;
            }
            Event::SessionsListed(listed)
        }),
    ]
}

/// A run of an engine with its oracle.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) engine: Engine,
    pub(crate) now: BootTime,
    oracle: Oracle,
}

impl Run {
    pub(crate) fn new(policy: Policy) -> Self {
        let now = secs(BEGIN);
        Self {
            engine: Engine::new(now, policy),
            now,
            oracle: Oracle::new(now),
        }
    }

    /// Executes one step; returns the outputs of the engine.
    pub(crate) fn take(&mut self, op: &Op) -> Vec<Output> {
        let deadline = self.engine.next_deadline().map(|deadline| deadline.at);
        match op {
            Op::Deadline => {
                self.now = self.now.max(deadline.unwrap_or_default());
                self.timeout()
            }
            Op::Early(by) => {
                let early = deadline.map(|at| at.saturating_sub(Duration::from_micros(*by)));
                self.now = self.now.max(early.unwrap_or_default());
                self.timeout()
            }
            Op::Probed(key, probe) => {
                self.handle(&Event::Probed(key.clone(), probe.reading(self.now)))
            }
            Op::Restart(policy) => {
                self.restart(policy.clone());
                Vec::new()
            }
            Op::Extend(key) => self.extend(key),
            Op::Handle(event) => self.handle(event),
            Op::Timeout => self.timeout(),
            Op::Wait(span) => {
                self.now = self.now.saturating_add(*span);
                Vec::new()
            }
            Op::WaitBack(span) => {
                let before = self.now;
                self.now = before.saturating_sub(*span);
                let outputs = self.timeout();
                self.now = before;
                outputs
            }
        }
    }

    pub(crate) fn handle(&mut self, event: &Event) -> Vec<Output> {
        let outputs = self.engine.handle(self.now, event.clone());
        self.oracle
            .check(self.now, Call::Event(event), &outputs, &self.engine);
        outputs
    }

    fn extend(&mut self, key: &SessionKey) -> Vec<Output> {
        let (result, outputs) = self.engine.extend(self.now, key);
        let call = Call::Extend(key, &result);
        self.oracle.check(self.now, call, &outputs, &self.engine);
        outputs
    }

    /// Calls the engine until nothing is due, which must take few calls.
    pub(crate) fn timeout(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..4 {
            let done = self.engine.handle_timeout(self.now);
            self.oracle
                .check(self.now, Call::Timeout, &done, &self.engine);
            outputs.extend(done);
            if self
                .engine
                .next_deadline()
                .is_none_or(|deadline| deadline.at > self.now)
            {
                return outputs;
            }
        }
        panic!(
            "at {} there is always something due: {:?}",
            self.now, self.engine
        );
    }

    pub(crate) fn restart(&mut self, policy: Option<Policy>) {
        let records: Vec<_> = self.engine.records().collect();
        let policy = policy.unwrap_or_else(|| self.engine.policy().clone());
        self.engine = Engine::restore(self.now, policy, records.clone());
        self.oracle.restored(self.now, &records, &self.engine);
    }

    /// Replies to every probe and completes every end, since records contain neither.
    pub(crate) fn settle(&mut self) {
        // The engine forgets what PAM said of an unknown session after a minute.
        self.now = self.now.saturating_add(Duration::from_secs(61));
        let _ = self.timeout();
        let sessions: Vec<_> = self
            .engine
            .sessions()
            .map(|view| view.facts.key.clone())
            .collect();
        for key in sessions.clone() {
            let _ = self.handle(&Event::GroupsResolved(key.clone(), BTreeSet::new()));
            let _ = self.handle(&Event::Locked(key.clone()));
            let probe = ProbeData {
                ahead: 0,
                ages: BTreeMap::new(),
                hint: None,
                inhibited: false,
                locked: None,
            };
            // Twice, since a second probe may have been requested before the first reply.
            for _ in 0..2 {
                let _ = self.handle(&Event::Probed(key.clone(), probe.reading(self.now)));
            }
            if self.oracle.is_ending(&key) {
                let _ = self.handle(&Event::SessionGone(key.id.clone()));
                // One that had its id before may be taken for the one that is gone.
                let others = sessions.iter().filter(|other| other.id == key.id);
                for other in others.filter(|other| **other != key) {
                    if self.oracle.is_dropped(other) {
                        let _ = self.handle(&Event::Verified(other.clone(), Remains::Nothing));
                    }
                }
                if self.oracle.is_ending(&key) && !self.oracle.is_dropped(&key) {
                    let _ = self.handle(&Event::SessionGone(key.id.clone()));
                }
            }
            if self.oracle.is_dropped(&key) {
                let _ = self.handle(&Event::Verified(key, Remains::Nothing));
            }
        }
    }

    /// Replies that processes remain of each session whose id a later one has. A restarted daemon
    /// verifies these sessions again.
    pub(crate) fn find_displaced(&mut self) {
        let _ = self.timeout();
        let records = self.engine.records();
        let keys: Vec<_> = records.map(|record| record.facts.key.clone()).collect();
        for key in &keys {
            let later = |other: &SessionKey| other.id == key.id && other.stamp > key.stamp;
            if keys.iter().any(later) {
                let _ = self.handle(&Event::Verified(key.clone(), Remains::Something));
            }
        }
    }
}

impl ProbeData {
    fn reading(&self, now: BootTime) -> Reading {
        let wall = now.as_micros() + (WALL + self.ahead) * 1_000_000;
        let age = |secs: u64| WallTime::from_micros((wall / 1_000_000 - secs) * 1_000_000);
        Reading {
            wall: WallTime::from_micros(wall),
            stamps: self
                .ages
                .iter()
                .map(|(source, secs)| (*source, age(*secs)))
                .collect(),
            hint: self.hint.map(|idle| match idle {
                Some(secs) => Hint::IdleSince(now.saturating_sub(Duration::from_secs(secs))),
                None => Hint::Active,
            }),
            agent: None,
            cpu_time: None,
            inhibitor: self.inhibited.then(|| "mpv".to_owned()),
            locked: self.locked,
        }
    }
}

fn secs(secs: u64) -> BootTime {
    BootTime::from_micros(secs * 1_000_000)
}
