//! Runs a scenario: a simulated daemon and its machine, in which time advances from one event to
//! the next.

mod actions;
mod events;
mod full_checks;
mod queue;
mod session_changes;

use std::fmt::Write as _;
use std::time::Duration;

pub(super) use full_checks::CheckLevel;
use full_checks::Recorded;
use queue::{Due, Queue, Run};

use session_timeout_policy::{
    BootTime, Deadline, Engine, Event, Keeper, LimitKind, Phase, SessionKey, SessionRecord,
};

use super::history::History;
use super::input::{Input, Reply};
use super::invariant::{Invariant, Violation};
use super::oracle::{EventContext, Oracle};
use super::plan::{Plan, SavedState};
use super::report::Report;
use super::world::{GroundTruth, KeptBy, World};

/// The requests to end sessions: the session, the limit and the time of each.
pub(super) type Ends = Vec<(SessionKey, LimitKind, BootTime)>;

/// Runs one scenario.
pub(super) struct Driver<'p> {
    plan: &'p Plan,
    next_op: usize,
    world: World,
    queue: Queue,
    engine: Option<Engine>,
    deadline: Option<Deadline>,
    oracle: Oracle<'p>,
    /// The number of the policy that is loaded.
    policy: usize,
    run: Run,
    kept: Option<(Vec<SessionRecord>, Vec<History>)>,
    now: BootTime,
    /// The daemon is suspended until this time.
    awake: BootTime,
    steps: Vec<BootTime>,
    /// The number of signals so far.
    signals: u64,
    /// The number of calls of the engine at the current time.
    calls: u32,
    report: &'p mut Report,
    trace: Option<String>,
    check_level: CheckLevel,
    recorded: Recorded,
    ends: Ends,
}

impl<'p> Driver<'p> {
    pub(super) fn new(plan: &'p Plan, report: &'p mut Report) -> Self {
        let now = BootTime::default();
        let policy = plan.policies.first().cloned().unwrap_or_default();
        Self {
            plan,
            next_op: 0,
            world: World::new(),
            queue: Queue::default(),
            engine: Some(Engine::new(now, policy)),
            deadline: None,
            oracle: Oracle::new(&plan.policies, plan.lag),
            policy: 0,
            run: Run::default(),
            kept: None,
            now,
            awake: now,
            steps: Vec::new(),
            signals: 0,
            calls: 0,
            report,
            trace: None,
            check_level: CheckLevel::Usual,
            recorded: None,
            ends: Ends::new(),
        }
    }

    /// Enables a trace of all events and actions.
    pub(super) fn tracing(mut self) -> Self {
        self.trace = Some(String::new());
        self
    }

    pub(super) fn with_checks(mut self, check_level: CheckLevel) -> Self {
        self.check_level = check_level;
        self
    }

    /// The trace of events and actions.
    pub(super) fn into_trace(self) -> String {
        self.trace.unwrap_or_default()
    }

    pub(super) fn into_ends(self) -> Ends {
        self.ends
    }

    /// Runs the scenario to its end, or to the first violation of an invariant.
    pub(super) fn play(&mut self) -> Result<(), Violation> {
        loop {
            let op = self.plan.ops.get(self.next_op);
            let op = op.map_or(FAR, |op| op.at.max(self.now));
            let due = self.queue.next().unwrap_or(FAR).max(self.now);
            let timer = self.timer();
            let next = op.min(due).min(timer);
            if next > self.plan.until {
                return self.passes(self.plan.until);
            }
            self.passes(next)?;
            // The order of a timer and an event at the same time is undefined.
            let timer_first = self.now.as_micros().is_multiple_of(2);
            if timer == next && (timer_first || (op > next && due > next)) {
                self.timeout()?;
            } else if op == next {
                self.happens()?;
            } else if let Some(due) = self.queue.pop() {
                self.comes(due)?;
            }
        }
    }

    fn timer(&self) -> BootTime {
        match (&self.engine, &self.deadline) {
            (Some(_), Some(deadline)) => deadline
                .at
                .saturating_add(self.plan.lag)
                .max(self.now)
                .max(self.awake),
            _ => FAR,
        }
    }

    /// Advances the time.
    fn passes(&mut self, to: BootTime) -> Result<(), Violation> {
        if to <= self.now {
            return Ok(());
        }
        if self.engine.is_some() && self.now >= self.awake {
            self.oracle.passes(to, self.awake)?;
        }
        let (known, limited) = self.oracle.count();
        let passed = to.since(self.now);
        self.report.session_time += passed * known;
        self.report.limited_time += passed * limited;
        self.now = to;
        self.calls = 0;
        Ok(())
    }

    fn happens(&mut self) -> Result<(), Violation> {
        let Some(op) = self.plan.ops.get(self.next_op) else {
            return Ok(());
        };
        self.next_op += 1;
        self.spurious()?;
        let kind = &op.kind;
        *self.report.events.entry(kind.word()).or_default() += 1;
        if let Some(fault) = kind.fault() {
            *self.report.faults.entry(fault).or_default() += 1;
        }
        self.write(|| format!("    {}", super::text::op(op)));
        self.happen(kind)
    }

    /// Calls the engine before its deadline, which must have no effect.
    fn spurious(&mut self) -> Result<(), Violation> {
        let due = self.deadline.as_ref().map_or(FAR, |deadline| deadline.at);
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        if due <= self.now || self.now < self.awake || !(self.now.as_micros() / 8).is_multiple_of(2)
        {
            return Ok(());
        }
        let said = engine.handle_timeout(self.now);
        if said.is_empty() && engine.next_deadline() == self.deadline {
            return Ok(());
        }
        Err(Violation {
            invariant: Invariant::Spurious,
            at: self.now,
            seen: format!("{said:?}, and {:?}", engine.next_deadline()),
        })
    }

    fn timeout(&mut self) -> Result<(), Violation> {
        self.report.timeout();
        self.oracle.timeout(self.now);
        let now = self.now;
        let said = self.call(|engine| engine.handle_timeout(now).into())?;
        let why = self.deadline.as_ref().map(|deadline| deadline.why);
        self.write(|| format!("  < timeout {why:?}"));
        self.follow(&said)
    }

    /// Calls the engine with the input, or queues it while the daemon is busy.
    fn run(&mut self, input: impl Into<Input>, truth: &GroundTruth) -> Result<(), Violation> {
        let input = input.into();
        if self.engine.is_none() {
            return Ok(());
        }
        if self.now < self.awake {
            self.queue.push(self.awake, Due::Deliver(Box::new(input)));
            return Ok(());
        }
        self.report.input(&input);
        let steps = &self.steps;
        self.oracle
            .record_input(self.now, &input, &EventContext { truth, steps });
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace, "# {}   < {}", self.now, super::text::input(&input));
        }
        let now = self.now;
        let reply = match (self.check_level, &mut self.engine) {
            (CheckLevel::Usual, Some(engine)) => handle(engine, now, input),
            _ => self.call(|engine| handle(engine, now, input.clone()))?,
        };
        self.follow(&reply)
    }

    /// Checks and executes what the engine returned.
    fn follow(&mut self, reply: &Reply) -> Result<(), Violation> {
        if self.trace.is_some() {
            for line in super::text::reply(reply) {
                self.write(|| format!("    > {line}"));
            }
        }
        let checked = self.oracle.check_reply(reply, self.report);
        self.deadline = self.engine.as_ref().and_then(Engine::next_deadline);
        checked?;
        self.oracle.armed(self.deadline.as_ref())?;
        self.calls += 1;
        if self.calls > 5000 {
            return Err(self.broken(Invariant::Bounded, "the engine is always due".to_owned()));
        }
        for output in &reply.outputs {
            self.carry_out(output);
        }
        Ok(())
    }

    /// Restarts the daemon.
    fn restart(&mut self, memory: SavedState) -> Result<(), Violation> {
        let (records, histories) = match memory {
            SavedState::Lost => (Vec::new(), Vec::new()),
            SavedState::Fresh | SavedState::Kept => self.kept.clone().unwrap_or_default(),
        };
        let policy = self.plan.policies.get(self.policy).cloned();
        let policy = policy.unwrap_or_default();
        self.engine = Some(Engine::restore(self.now, policy, records));
        self.recorded = None;
        self.awake = self.now;
        self.oracle.restored(self.now, self.policy, histories);
        self.list()?;
        self.announce_kept()?;
        self.watch_again();
        Ok(())
    }

    /// After a restart, watches the sessions that have a warning in force.
    fn watch_again(&mut self) {
        let engine = self.engine.iter();
        let warned: Vec<SessionKey> = engine
            .flat_map(Engine::sessions)
            .filter(|view| view.phase == Phase::Warned)
            .map(|view| view.facts.key.clone())
            .collect();
        for key in warned {
            self.watch(&key);
        }
    }

    /// After a restart, reports the kept sessions that still exist.
    fn announce_kept(&mut self) -> Result<(), Violation> {
        for facts in self.world.kept_by(KeptBy::Daemon) {
            self.run(Event::SessionSeen(facts), &GroundTruth::new())?;
        }
        let engine = self.engine.iter();
        let kept: Vec<SessionKey> = engine
            .flat_map(Engine::sessions)
            .filter(|view| matches!(view.facts.keeper, Keeper::Daemon(_)))
            .map(|view| view.facts.key.clone())
            .collect();
        for key in kept {
            if self.world.find(&key).is_none() {
                self.run(Event::SessionGone(key.id), &GroundTruth::new())?;
            }
        }
        Ok(())
    }

    fn list(&mut self) -> Result<(), Violation> {
        self.run(
            Event::SessionsListed(self.world.listed()),
            &GroundTruth::new(),
        )
    }

    fn write(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace, "# {} {}", self.now, line());
        }
    }

    fn later(&self, by: Duration) -> BootTime {
        self.now.saturating_add(by)
    }
}

fn handle(engine: &mut Engine, now: BootTime, input: Input) -> Reply {
    match input {
        Input::Event(event) => engine.handle(now, event).into(),
        Input::Extend(key) => {
            let (result, outputs) = engine.extend(now, &key);
            Reply {
                extension: Some((key, result)),
                outputs,
            }
        }
    }
}

const FAR: BootTime = BootTime::from_micros(u64::MAX);
