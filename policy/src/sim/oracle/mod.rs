//! The oracle. It records the whole history of each session and does not use the engine's code:
//! before each call it records the event, after it the actions, and each time it computes which
//! actions are allowed (`may.rs`) and which are due (`must.rs`).

mod ends;
mod extensions;
mod groups;
mod locks;
mod looks;
mod may;
mod must;
mod past;
mod presence;
mod remains;
mod reports;
mod settle;
mod terms;
mod told;

use std::time::Duration;

pub(super) use past::AbsoluteFrom;
use past::Continuity;
use terms::Change;
pub(super) use terms::{Standing, Tables, Terms};

use super::history::{History, Moment};
use super::promise::{Promise, Violation};
use super::report::Report;
use super::world::Truth;
use crate::{Action, BootTime, Deadline, LimitKind, Login, Policy, SessionKey};

/// How late anything may come that is due.
const LATE: Duration = Duration::from_secs(1);

/// The world's word on an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    /// What stands behind the stamps of a reading.
    pub(super) truth: &'a Truth,
    /// When the wall clock was set.
    pub(super) steps: &'a [BootTime],
}

/// Judges one engine.
#[derive(Clone, Debug)]
pub(super) struct Oracle<'p> {
    policies: &'p [Policy],
    tables: Tables,
    /// How late timers are.
    lag: Duration,
    /// The policy in force, by its number.
    policy: usize,
    sessions: Vec<Judged>,
    logins: Vec<(BootTime, Login)>,
    now: BootTime,
    seq: u32,
    /// Where the call begins that is judged.
    call: u32,
    cause: Cause,
    /// How many sessions the call tells of.
    told: usize,
    /// The earliest that something must have come.
    next: BootTime,
    /// The next call is the first one after a restart, and both are judged as one.
    comes_up: bool,
}

/// A session, and what has to come next.
#[derive(Clone, Debug)]
struct Judged {
    history: History,
    must: Option<Must>,
    /// The engine was told that it is gone; it has to say so.
    gone: bool,
    /// This call is about it.
    touched: bool,
    /// Another session has its id by now.
    displaced: bool,
}

/// Something that has to come by a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Must {
    by: BootTime,
    promise: Promise,
    what: &'static str,
}

/// Which call is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// An event about the session with this stamp, or about any.
    Event(What),
    Timeout,
}

/// What kind of event, where that makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    BecameIdle(u64),
    ExtensionAsked(u64),
    Inhibitors,
    Policy,
    Other,
}

/// A broken promise, before it is known when.
struct Broken(Promise, String);

type Verdict = Result<(), Broken>;

fn broken<T>(promise: Promise, seen: impl Into<String>) -> Result<T, Broken> {
    Err(Broken(promise, seen.into()))
}

impl<'p> Oracle<'p> {
    pub(super) fn new(policies: &'p [Policy], lag: Duration) -> Self {
        let tables = Tables::of(policies);
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
            told: 0,
            next: FAR,
            comes_up: false,
        }
    }

    /// What of this judge's knowledge is in a snapshot of the engine.
    pub(super) fn histories(&self) -> Vec<History> {
        let known = self.sessions.iter().filter(|session| !session.gone);
        known.map(|session| session.history.clone()).collect()
    }

    /// Another engine has come up with these histories in its records, under this policy.
    pub(super) fn restored(&mut self, now: BootTime, policy: usize, histories: Vec<History>) {
        self.open_call(now, Cause::Event(What::Other));
        self.policy = policy;
        self.logins.clear();
        self.sessions.clear();
        for mut history in histories {
            let moment = self.moment();
            for kind in KINDS {
                // An end under way took nothing back when other terms came.
                let changed = history.end().is_some_and(|end| {
                    self.changed_since(&history, kind, end.began) != Change::None
                });
                if changed {
                    history.forgets_warnings(moment, kind);
                }
            }
            history.restore(moment);
            self.sessions.push(Judged {
                history,
                must: None,
                gone: false,
                touched: true,
                displaced: false,
            });
        }
        self.find_displaced();
        self.forgets_what_held();
        self.judge_all_by(Continuity::Record);
        self.comes_up = true;
        // Where nothing is decided, no warning stands.
        let moment = self.moment();
        for session in &mut self.sessions {
            let history = &mut session.history;
            if history.standing() == Standing::Undecided {
                for kind in KINDS {
                    history.forgets_warnings(moment, kind);
                }
            }
        }
    }

    /// Time passes from now on; the engine has been awake since then.
    pub(super) fn passes(&self, to: BootTime, awake: BootTime) -> Result<(), Violation> {
        if self.next.max(awake.saturating_add(LATE)) >= to {
            return Ok(());
        }
        let overdue = self.sessions.iter().find_map(|session| {
            let must = session.must.filter(|must| must.by < to)?;
            Some((must, session.history.facts.key.id.clone()))
        });
        let Some((must, id)) = overdue else {
            return Ok(());
        };
        Err(Violation {
            promise: must.promise,
            at: must.by,
            seen: format!("{id}: {} did not come", must.what),
        })
    }

    /// How many sessions the engine knows, and how many of them a limit holds for.
    pub(super) fn count(&self) -> (u32, u32) {
        let limited = self.sessions.iter().filter(|session| {
            session.history.is_open() && matches!(session.history.standing(), Standing::Under(_))
        });
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (count(self.sessions.len()), count(limited.count()))
    }

    /// The engine's timer is called.
    pub(super) fn timeout(&mut self, now: BootTime) {
        self.open_call(now, Cause::Timeout);
        for session in &mut self.sessions {
            session.touched = session.history.gives_up(self.now);
        }
        self.time_passed();
    }

    /// What the engine has said in this call.
    pub(super) fn said(
        &mut self,
        actions: &[Action],
        report: &mut Report,
    ) -> Result<(), Violation> {
        self.bounded(actions).map_err(|why| self.violation(why))?;
        for action in actions {
            report.action(action);
            self.act(action)
                .map_err(|why| self.violation(Broken(why.0, said(action, &why.1))))?;
        }
        report.checks += 1 + actions.len() as u64;
        self.settle(report).map_err(|why| self.violation(why))
    }

    /// When the engine wants to be called, after this call.
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
            return Err(self.violation(Broken(Promise::Armed, seen)));
        }
        if self.cause == Cause::Timeout && deadline.at <= self.now {
            let seen = format!("{} is due {:?} again", deadline.session.id, deadline.why);
            return Err(self.violation(Broken(Promise::Armed, seen)));
        }
        Ok(())
    }

    fn has_reason(&self, history: &History) -> bool {
        if history.removal.is_some() {
            return true;
        }
        match history.standing() {
            Standing::Undecided => true,
            Standing::Exempt => history.end().is_some() || self.needs_groups(history),
            Standing::Under(_) => history.is_open() || history.end().is_some(),
        }
    }

    /// At most seven actions for each session, and one more for those that the call tells of.
    fn bounded(&self, actions: &[Action]) -> Verdict {
        const EACH: usize = 7;
        if actions.len() > EACH * (self.sessions.len() + self.told) {
            return broken(Promise::Bounded, format!("{} actions", actions.len()));
        }
        Ok(())
    }

    fn open_call(&mut self, now: BootTime, cause: Cause) {
        self.now = self.now.max(now);
        self.cause = cause;
        self.told = 0;
        self.seq += 1;
        if std::mem::take(&mut self.comes_up) {
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

    /// Whether this was in the call that is judged.
    fn is_new(&self, moment: Moment) -> bool {
        moment.seq >= self.call
    }

    fn index(&self, key: &SessionKey) -> Option<usize> {
        self.sessions
            .iter()
            .position(|s| s.history.stamp() == key.stamp && s.history.facts.key.id == key.id)
    }

    fn terms(&self, history: &History) -> Option<&Terms> {
        match history.standing() {
            Standing::Under(id) => self.tables.get(id),
            Standing::Undecided | Standing::Exempt => None,
        }
    }

    /// What held when the call that is judged began.
    fn terms_before(&self, history: &History) -> Option<&Terms> {
        let mut standings = history.standings.iter().rev();
        match standings.find(|(moment, _)| !self.is_new(*moment))? {
            (_, Standing::Under(id)) => self.tables.get(*id),
            (_, Standing::Undecided | Standing::Exempt) => None,
        }
    }

    fn violation(&self, Broken(promise, seen): Broken) -> Violation {
        Violation {
            promise,
            at: self.now,
            seen,
        }
    }
}

/// Never.
const FAR: BootTime = BootTime::from_micros(u64::MAX);

fn said(action: &Action, why: &str) -> String {
    format!("{}: {action:?}: {why}", action.key().id)
}

const KINDS: [LimitKind; 2] = [LimitKind::Absolute, LimitKind::Inactivity];
