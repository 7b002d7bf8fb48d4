//! The oracle: an independent model of the engine that checks its outputs. It records the whole
//! history of each session. Before each call it records the input, after it the outputs, and each
//! time it computes which outputs are allowed (`allowed.rs`) and which are due (`required.rs`). It
//! does not use the engine's code.

mod allowed;
mod completed;
mod earlier;
mod ends;
mod events;
mod extensions;
mod groups;
mod locks;
mod probes;
mod removal;
mod reports;
mod required;
mod sessions;
mod tolerance;

use std::fmt;
use std::time::Duration;

use earlier::Continuity;

use session_timeout_policy::{BootTime, Deadline, LimitKind, Login, Output, Policy, SessionKey};

use super::history::{History, Moment};
use super::input::Reply;
use super::invariant::{Invariant, Violation};
use super::limits::{EffectiveLimits, LimitsChange, PolicyTables, RuleLimits};
use super::report::Report;
use super::world::GroundTruth;

/// The maximal delay of an action that is due.
const LATE: Duration = Duration::from_secs(1);

/// The facts behind an event that the engine cannot see.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventContext<'a> {
    /// The actual input and output behind the stamps of a reading.
    pub(super) truth: &'a GroundTruth,
    /// The times at which the wall clock was stepped.
    pub(super) steps: &'a [BootTime],
}

/// The oracle of one engine.
#[derive(Clone, Debug)]
pub(super) struct Oracle<'p> {
    policies: &'p [Policy],
    tables: PolicyTables,
    /// The maximal delay of timers.
    lag: Duration,
    /// The number of the policy in force.
    policy: usize,
    sessions: Vec<CheckedSession>,
    logins: Vec<(BootTime, Login)>,
    now: BootTime,
    seq: u32,
    /// The number of the call that is being checked.
    call: u32,
    cause: Cause,
    /// The number of sessions that the call reports.
    reported: usize,
    /// The earliest deadline of all requirements.
    next: BootTime,
    /// The next call is the first one after a restart, and is checked together with it.
    first_after_restart: bool,
}

/// A session and its next requirement.
#[derive(Clone, Debug)]
struct CheckedSession {
    history: History,
    required: Option<Requirement>,
    /// The engine received the removal of the session, and has to announce its end.
    gone: bool,
    /// The current call concerns the session.
    touched: bool,
    /// Another session has its id now.
    displaced: bool,
}

/// An action that has to be taken by a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Requirement {
    by: BootTime,
    invariant: Invariant,
    what: &'static str,
}

/// The reason for the call that is being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// An event about the session with this stamp, or about any session.
    Event(EventKind),
    Timeout,
}

/// The kinds of events that the checks distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EventKind {
    BecameIdle(u64),
    ExtensionAsked(u64),
    Inhibitors,
    Policy,
    Other,
}

/// A violated invariant, before its time is known.
struct Broken(Invariant, String);

type Verdict = Result<(), Broken>;

fn broken<T>(invariant: Invariant, seen: impl Into<String>) -> Result<T, Broken> {
    Err(Broken(invariant, seen.into()))
}

impl<'p> Oracle<'p> {
    pub(super) fn new(policies: &'p [Policy], lag: Duration) -> Self {
        let tables = PolicyTables::of(policies);
        Self {
            policies,
            tables,
            lag,
            policy: 0,
            sessions: Vec::new(),
            logins: Vec::new(),
            now: BootTime::default(),
            seq: 1,
            call: 1,
            cause: Cause::Timeout,
            reported: 0,
            next: FAR,
            first_after_restart: false,
        }
    }

    /// The histories, as far as a snapshot of the engine contains them.
    pub(super) fn histories(&self) -> Vec<History> {
        let known = self.sessions.iter().filter(|session| !session.gone);
        known.map(|session| session.history.clone()).collect()
    }

    /// Starts the oracle for an engine that was restored from records with these histories, under
    /// this policy.
    pub(super) fn restored(&mut self, now: BootTime, policy: usize, histories: Vec<History>) {
        self.open_call(now, Cause::Event(EventKind::Other));
        self.policy = policy;
        self.logins.clear();
        self.sessions.clear();
        for mut history in histories {
            let moment = self.moment();
            for kind in KINDS {
                // During an end, a change of limits withdraws no warning.
                let changed = history.end().is_some_and(|end| {
                    self.changed_since(&history, kind, end.began) != LimitsChange::None
                });
                if changed {
                    history.forgets_warnings(moment, kind);
                }
            }
            history.restore(moment);
            self.sessions.push(CheckedSession {
                history,
                required: None,
                gone: false,
                touched: true,
                displaced: false,
            });
        }
        self.find_displaced();
        self.forgets_what_held();
        self.judge_all_by(Continuity::Record);
        self.first_after_restart = true;
        // For an undecided session, no warning is in force.
        let moment = self.moment();
        for session in &mut self.sessions {
            let history = &mut session.history;
            if history.effective() == EffectiveLimits::Undecided {
                for kind in KINDS {
                    history.forgets_warnings(moment, kind);
                }
            }
        }
    }

    /// Checks that no requirement is overdue when time passes until `to`; the engine runs since
    /// `awake`.
    pub(super) fn passes(&self, to: BootTime, awake: BootTime) -> Result<(), Violation> {
        if self.next.max(awake.saturating_add(LATE)) >= to {
            return Ok(());
        }
        let overdue = self.sessions.iter().find_map(|session| {
            let required = session.required.filter(|required| required.by < to)?;
            Some((required, session.history.facts.key.id.clone()))
        });
        let Some((required, id)) = overdue else {
            return Ok(());
        };
        Err(Violation {
            invariant: required.invariant,
            at: required.by,
            seen: format!("{id}: {} did not come", required.what),
        })
    }

    /// The number of sessions that the engine knows, and the number of those with a limit.
    pub(super) fn count(&self) -> (u32, u32) {
        let limited = self.sessions.iter().filter(|session| {
            session.history.is_open()
                && matches!(session.history.effective(), EffectiveLimits::Limited(_))
        });
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (count(self.sessions.len()), count(limited.count()))
    }

    /// Records a call of the engine by its timer.
    pub(super) fn timeout(&mut self, now: BootTime) {
        self.open_call(now, Cause::Timeout);
        for session in &mut self.sessions {
            session.touched = session.history.gives_up(self.now);
        }
        self.time_passed();
    }

    /// Checks what the engine returned in this call.
    pub(super) fn check_reply(
        &mut self,
        reply: &Reply,
        report: &mut Report,
    ) -> Result<(), Violation> {
        let outputs = &reply.outputs;
        report.reply(reply);
        self.bounded(outputs).map_err(|why| self.violation(why))?;
        if let Some((key, result)) = &reply.extension {
            self.check_extension(key, result)
                .map_err(|why| self.violation(named(key, result, why)))?;
        }
        for output in outputs {
            self.check_output(output)
                .map_err(|why| self.violation(named(output.key(), output, why)))?;
        }
        report.checks += 1 + outputs.len() as u64;
        self.settle(report).map_err(|why| self.violation(why))
    }

    /// Checks the deadline that the engine returned after this call.
    pub(super) fn armed(&self, deadline: Option<&Deadline>) -> Result<(), Violation> {
        let Some(deadline) = deadline else {
            return Ok(());
        };
        let known = self.index(&deadline.session);
        let reason = known
            .and_then(|at| self.sessions.get(at))
            .is_some_and(|session| self.has_reason(&session.history));
        if !reason {
            let seen = format!("{} is armed for {:?}", deadline.session.id, deadline.why);
            return Err(self.violation(Broken(Invariant::Armed, seen)));
        }
        if self.cause == Cause::Timeout && deadline.at <= self.now {
            let seen = format!("{} is due {:?} again", deadline.session.id, deadline.why);
            return Err(self.violation(Broken(Invariant::Armed, seen)));
        }
        Ok(())
    }

    fn has_reason(&self, history: &History) -> bool {
        if history.removal.is_some() {
            return true;
        }
        match history.effective() {
            EffectiveLimits::Undecided => true,
            EffectiveLimits::Exempt => history.end().is_some() || self.needs_groups(history),
            EffectiveLimits::Limited(_) => history.is_open() || history.end().is_some(),
        }
    }

    /// Checks the number of outputs: at most seven for each session, and one more for each session
    /// that the call reports.
    fn bounded(&self, outputs: &[Output]) -> Verdict {
        const EACH: usize = 7;
        if outputs.len() > EACH * (self.sessions.len() + self.reported) {
            return broken(Invariant::Bounded, format!("{} outputs", outputs.len()));
        }
        Ok(())
    }

    fn open_call(&mut self, now: BootTime, cause: Cause) {
        self.now = self.now.max(now);
        self.cause = cause;
        self.reported = 0;
        self.seq += 1;
        if std::mem::take(&mut self.first_after_restart) {
            return;
        }
        self.call = self.seq;
        for session in &mut self.sessions {
            session.touched = false;
        }
    }

    fn moment(&mut self) -> Moment {
        self.seq += 1;
        Moment {
            at: self.now,
            seq: self.seq,
        }
    }

    /// Whether this moment is in the call that is being checked.
    fn is_new(&self, moment: Moment) -> bool {
        moment.seq >= self.call
    }

    fn index(&self, key: &SessionKey) -> Option<usize> {
        self.sessions
            .iter()
            .position(|s| s.history.stamp() == key.stamp && s.history.facts.key.id == key.id)
    }

    fn limits(&self, history: &History) -> Option<&RuleLimits> {
        match history.effective() {
            EffectiveLimits::Limited(id) => self.tables.get(id),
            EffectiveLimits::Undecided | EffectiveLimits::Exempt => None,
        }
    }

    /// The limits in force at the beginning of the call that is being checked.
    fn limits_before(&self, history: &History) -> Option<&RuleLimits> {
        let mut effective_limits = history.effective_limits.iter().rev();
        match effective_limits.find(|(moment, _)| !self.is_new(*moment))? {
            (_, EffectiveLimits::Limited(id)) => self.tables.get(*id),
            (_, EffectiveLimits::Undecided | EffectiveLimits::Exempt) => None,
        }
    }

    fn violation(&self, Broken(invariant, seen): Broken) -> Violation {
        Violation {
            invariant,
            at: self.now,
            seen,
        }
    }
}

/// The latest representable time, for requirements without a deadline.
const FAR: BootTime = BootTime::from_micros(u64::MAX);

/// The reason with the result that it is about.
fn named(key: &SessionKey, result: &impl fmt::Debug, Broken(invariant, why): Broken) -> Broken {
    Broken(invariant, format!("{}: {result:?}: {why}", key.id))
}

const KINDS: [LimitKind; 2] = [LimitKind::Absolute, LimitKind::Inactivity];
