//! Days on a machine: users log in, type and go, the administrator changes the policy, the machine
//! sleeps and things break. The world knows the truth that the engine has to find out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use session_timeout_policy::{
    Action, BootTime, EndAction, Hint, Limit, LimitKind, Limits, Policy, SessionKey, Subject,
    UnknownIdle, Verdict,
};

use crate::policies::policies;
use crate::support::sim::{Leftover, Order, Sim, State};
use crate::support::world::{Place, Probes};

/// Where the truth lies for the kernel: input leaves its trace for a window of eight seconds.
const WINDOW: Duration = Duration::from_secs(8);
/// A desktop's word is taken to the second.
const SECOND: Duration = Duration::from_secs(1);

/// What can go wrong in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Reloads, restarts and sleep.
    Calm,
    /// Looks fail or hang, logind goes away, and the state file gets lost, too.
    Faults,
    /// The wall clock is stepped, too, by more than a day: between two looks that are less than
    /// that apart there is no mistaking it.
    Steps,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    ClosesTerminals(Slot),
    Crash(Duration, State),
    Hint(Slot, Presence),
    Logind(Presence),
    LogsIn(Slot, &'static str, Place, Order),
    LogsOut(Slot, Leftover),
    Looks(Probes),
    OpensTerminal(Slot),
    Reload(Policy),
    Sleep(Duration),
    StepBack(Duration),
    StepForward(Duration),
    Stubborn(Slot),
    Types(Slot),
    Wait(Duration),
}

/// Whether a user, or logind, is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    There,
    Away,
}

/// logind's id of a session.
type Slot = &'static str;

/// Sequences of them.
pub(crate) fn ops(weather: Weather, length: usize) -> impl Strategy<Value = Vec<Op>> {
    let presence = || prop_oneof![Just(Presence::There), Just(Presence::Away)];
    let (faults, steps) = (
        u32::from(weather == Weather::Faults),
        u32::from(weather == Weather::Steps),
    );
    let state = if faults == 1 {
        prop_oneof![Just(State::Kept), Just(State::Lost)].boxed()
    } else {
        Just(State::Kept).boxed()
    };
    let place = prop_oneof![
        1 => Just(Place::Console),
        2 => Just(Place::Desktop),
        1 => Just(Place::Greeter),
        4 => Just(Place::Ssh),
        1 => Just(Place::SshWithoutTerminal),
    ];
    let user = prop_oneof![4 => Just("alice"), 2 => Just("bob"), 1 => Just("root")];
    let order = prop_oneof![
        Just(Order::LogindFirst),
        Just(Order::PamFirst),
        Just(Order::WithoutPam)
    ];
    let leftover = prop_oneof![Just(Leftover::Nothing), Just(Leftover::Something)];
    let probes = prop_oneof![Just(Probes::Work), Just(Probes::Fail), Just(Probes::Hang)];
    let step = || (25_u64..50).prop_map(|hours| Duration::from_secs(hours * 3600));
    let calm = prop_oneof![
        1 => slots().prop_map(Op::ClosesTerminals),
        2 => (short(), state).prop_map(|(span, state)| Op::Crash(span, state)),
        3 => (slots(), presence()).prop_map(|(slot, presence)| Op::Hint(slot, presence)),
        5 => (slots(), user, place, order)
            .prop_map(|(slot, user, place, order)| Op::LogsIn(slot, user, place, order)),
        1 => (slots(), leftover).prop_map(|(slot, leftover)| Op::LogsOut(slot, leftover)),
        1 => slots().prop_map(Op::OpensTerminal),
        2 => day_policy().prop_map(Op::Reload),
        1 => long().prop_map(Op::Sleep),
        1 => slots().prop_map(Op::Stubborn),
        8 => slots().prop_map(Op::Types),
        10 => short().prop_map(Op::Wait),
        6 => long().prop_map(Op::Wait),
    ];
    let faulty = prop_oneof![presence().prop_map(Op::Logind), probes.prop_map(Op::Looks)];
    let stepping = prop_oneof![
        step().prop_map(Op::StepBack),
        step().prop_map(Op::StepForward)
    ];
    let op = match faults + steps {
        0 => calm.boxed(),
        _ => prop_oneof![9 => calm, faults => faulty, steps => stepping].boxed(),
    };
    prop::collection::vec(op, 1..length)
}

pub(crate) fn day_policy() -> impl Strategy<Value = Policy> {
    policies(&[600, 3600, 8 * 3600, 24 * 3600], &[300, 900, 3600])
}

fn slots() -> impl Strategy<Value = Slot> {
    prop::sample::select(&["c1", "c2", "c3"][..])
}

fn short() -> impl Strategy<Value = Duration> {
    (0_u64..90).prop_map(Duration::from_secs)
}

fn long() -> impl Strategy<Value = Duration> {
    prop_oneof![60_u64..1200, 1200_u64..12_000].prop_map(Duration::from_secs)
}

/// The machine, and what is true about it.
pub(crate) struct Days {
    sim: Sim,
    weather: Weather,
    truth: BTreeMap<SessionKey, Truth>,
    /// Sessions that go on after the logout.
    left: BTreeSet<SessionKey>,
    /// Sessions that nobody could tell the idle time of at some time.
    unknown: BTreeSet<SessionKey>,
    looked_at: BTreeSet<SessionKey>,
    /// Sessions that had never been looked at when the clock was stepped: nothing can tell.
    stepped_over: BTreeSet<SessionKey>,
    /// When each session was asked to end for the first time.
    ended: BTreeMap<SessionKey, BootTime>,
}

#[derive(Clone, Copy, Debug)]
struct Truth {
    last_input: BootTime,
    /// A desktop whose user is there.
    held: bool,
    tolerance: Duration,
}

impl Days {
    pub(crate) fn new(policy: Policy, weather: Weather) -> Self {
        Self {
            sim: Sim::new(policy),
            weather,
            truth: BTreeMap::new(),
            left: BTreeSet::new(),
            unknown: BTreeSet::new(),
            looked_at: BTreeSet::new(),
            stepped_over: BTreeSet::new(),
            ended: BTreeMap::new(),
        }
    }

    pub(crate) fn take(&mut self, op: &Op) {
        let sim = &mut self.sim;
        let now = sim.world.now;
        match op {
            Op::ClosesTerminals(slot) => sim.world.closes_its_terminals(slot),
            Op::Crash(span, state) => {
                sim.crash();
                sim.run_until(now.saturating_add(*span));
                sim.start(*state);
            }
            Op::Hint(slot, presence) => {
                let graphical = |facts: &session_timeout_policy::SessionFacts| {
                    facts.session_type.is_graphical()
                };
                if sim
                    .world
                    .sessions
                    .get(*slot)
                    .is_some_and(|session| graphical(&session.facts))
                {
                    sim.hints(
                        slot,
                        match presence {
                            Presence::There => Hint::Active,
                            Presence::Away => Hint::IdleSince(now),
                        },
                    );
                }
            }
            Op::Logind(Presence::There) => sim.logind_comes_back(),
            Op::Logind(Presence::Away) => sim.logind_goes_away(),
            Op::LogsIn(slot, user, place, order) => sim.logs_in(slot, user, *place, *order),
            Op::LogsOut(slot, leftover) => {
                let session = sim.world.sessions.get(*slot);
                self.left
                    .extend(session.map(|session| session.facts.key.clone()));
                sim.logs_out(slot, *leftover);
            }
            Op::Looks(probes) => sim.world.probes = *probes,
            Op::OpensTerminal(slot) => sim.opens_a_terminal(slot),
            Op::Reload(policy) => sim.reload(policy.clone()),
            Op::Sleep(span) => sim.sleep_until(now.saturating_add(*span)),
            Op::StepBack(span) => {
                sim.world.step_back(*span);
                self.steps_over();
            }
            Op::StepForward(span) => {
                sim.world.step_forward(*span);
                self.steps_over();
            }
            Op::Stubborn(slot) => {
                if let Some(session) = sim.world.sessions.get_mut(*slot) {
                    session.stubborn = true;
                }
            }
            Op::Types(slot) => sim.types(slot),
            Op::Wait(span) => sim.run_until(now.saturating_add(*span)),
        }
        self.learns();
        self.sim.run_until(self.sim.world.now);
        self.checks();
    }

    /// Nobody does anything any more and nothing is broken: every session that is judged ends,
    /// and in time.
    pub(crate) fn ends(mut self) {
        self.sim.world.probes = Probes::Work;
        self.sim.logind_comes_back();
        self.learns();
        self.checks();
        let quiet = self.sim.world.now;
        let sessions = self.sim.world.sessions.clone();
        self.sim
            .run_until(quiet.saturating_add(Duration::from_secs(26 * 3600)));
        self.checks();
        for session in sessions
            .values()
            .filter(|session| !self.left.contains(&session.facts.key))
        {
            let facts = &session.facts;
            let subject = Subject {
                uid: facts.uid,
                class: facts.class.clone(),
                session_type: facts.session_type,
            };
            let Verdict::Limited(limits) = self.sim.policy.judge(&subject) else {
                continue;
            };
            if limits.end_action == EndAction::Report {
                continue;
            }
            let ended = self.ended.get(&facts.key);
            let ended = *ended.unwrap_or_else(|| panic!("never ended: {session:#?}"));
            let absolute = latest(limits, LimitKind::Absolute, facts.started, quiet);
            assert!(
                ended <= absolute,
                "ended at {ended}, not by {absolute}: {session:#?}"
            );
            if limits.inactivity.is_some() && session.has_a_source() && !session.is_held_active() {
                let input = session.last_input.saturating_add(WINDOW);
                let by = latest(limits, LimitKind::Inactivity, input, quiet)
                    .saturating_add(self.slack(&facts.key, limits));
                assert!(
                    ended <= by,
                    "idle and ended at {ended}, not by {by}: {session:#?}"
                );
            }
        }
    }

    /// How much later than on a calm day the idle time may be found out.
    fn slack(&self, key: &SessionKey, limits: &Limits) -> Duration {
        let limit = limits.get(LimitKind::Inactivity);
        let length = limit.map_or(Duration::ZERO, |limit| limit.length);
        match self.weather {
            Weather::Calm if !self.unknown.contains(key) => Duration::ZERO,
            // Nobody could tell just before; then the next look comes after the limit once more.
            Weather::Calm => length + limit.map_or(Duration::ZERO, shortest),
            Weather::Faults => length + 2 * WINDOW + Duration::from_secs(60),
            // Input around a step counts as if it had come at the look.
            Weather::Steps => 2 * length,
        }
    }

    fn learns(&mut self) {
        for session in self.sim.world.sessions.values() {
            let desktop = session.facts.session_type.is_graphical();
            let tolerance = match self.weather {
                Weather::Steps => WINDOW,
                Weather::Calm | Weather::Faults if desktop => SECOND,
                Weather::Calm | Weather::Faults => Duration::ZERO,
            };
            let truth = Truth {
                last_input: session.last_input,
                held: session.is_held_active(),
                tolerance,
            };
            self.truth.insert(session.facts.key.clone(), truth);
            if !session.has_a_source() {
                self.unknown.insert(session.facts.key.clone());
            }
        }
    }

    fn steps_over(&mut self) {
        let keys = self
            .sim
            .world
            .sessions
            .values()
            .map(|session| &session.facts.key);
        self.stepped_over
            .extend(keys.filter(|key| !self.looked_at.contains(*key)).cloned());
    }

    /// Nobody who was there is ended for not being there.
    fn checks(&mut self) {
        for (at, action) in std::mem::take(&mut self.sim.log) {
            if let Action::Probe(key) = &action {
                self.looked_at.insert(key.clone());
            }
            let Action::Terminate(key, kind) = action else {
                continue;
            };
            let first = !self.ended.contains_key(&key) && !self.stepped_over.contains(&key);
            self.ended.entry(key.clone()).or_insert(at);
            let limits = self.sim.policy.default.as_ref();
            let told = limits.filter(|limits| {
                kind == LimitKind::Inactivity && limits.unknown_idle == UnknownIdle::Report
            });
            if let Some(limit) = told.filter(|_| first).and_then(|limits| limits.get(kind)) {
                let truth = self.truth[&key];
                let earliest = truth.last_input.saturating_add(limit.length);
                assert!(!truth.held, "{key:?} was in use at {at}");
                let late_enough = at.saturating_add(truth.tolerance) >= earliest;
                assert!(
                    late_enough,
                    "{key:?} ended at {at}, too soon: {truth:?}, {limit:?}"
                );
            }
        }
    }
}

/// The latest end by a limit that counts from `anchor` when everything is quiet from then on.
fn latest(limits: &Limits, kind: LimitKind, anchor: BootTime, quiet: BootTime) -> BootTime {
    let Some(limit) = limits.get(kind) else {
        return anchor;
    };
    anchor
        .saturating_add(limit.length)
        .max(quiet.saturating_add(shortest(limit)))
}

/// The shortest lead, of those that fit.
fn shortest(limit: &Limit) -> Duration {
    let shortest = limit.leads.shortest().unwrap_or_default();
    if shortest < limit.length {
        shortest
    } else {
        limit.length / 2
    }
}
