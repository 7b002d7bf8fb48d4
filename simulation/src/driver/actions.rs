//! Executes the actions of the engine on the simulated machine.

use std::collections::BTreeSet;
use std::time::Duration;

use session_timeout_policy::{
    Action, Event, LimitKind, LockCause, Output, Remains, SessionKey, Transition,
};

use super::{Driver, Due};
use crate::invariant::Violation;
use crate::plan::{CallFault, Habits, Screen};
use crate::world::{GroundTruth, KeptBy, State, still};

impl Driver<'_> {
    pub(super) fn carry_out(&mut self, output: &Output) {
        match output {
            Output::Action(action) => self.execute(action),
            Output::Transition(Transition::Left(facts, _)) => {
                if let Some(session) = self.world.find(&facts.key) {
                    session.watched = false;
                }
            }
            Output::Transition(_) => {}
        }
    }

    fn execute(&mut self, action: &Action) {
        match action {
            Action::AskLeader(key, kind) | Action::HangUp(key, kind) => {
                self.ends.push((key.clone(), *kind, self.now));
                self.hang_up(key);
            }
            Action::EndRemains(key, _) => {
                let dies = self.world.find(key).map(|session| session.person.end.dies);
                let after = dies.unwrap_or(self.plan.lag);
                self.queue
                    .push(self.later(after), Due::Reaps(key.clone(), self.run));
            }
            Action::Verify(key) => self.verify(key),
            Action::Kill(key, _) => self.end(key, Signal::Kill),
            Action::Lock(key, cause) => {
                if let LockCause::Limit(kind) = cause {
                    self.ends.push((key.clone(), *kind, self.now));
                }
                self.lock(key);
            }
            Action::Probe(key) => self.probe(key),
            Action::ResolveGroups(key) => self.ask_groups(key),
            Action::Terminate(key, kind) => {
                self.ends.push((key.clone(), *kind, self.now));
                self.end(key, Signal::Ask);
            }
            Action::Warn(key, warning) => self.warn(key, warning.limit),
            Action::Withdraw(key, LimitKind::Inactivity) => {
                if let Some(session) = self.world.find(key) {
                    session.watched = false;
                }
            }
            Action::Adopt(_) | Action::Withdraw(_, LimitKind::Absolute) => {}
        }
    }

    fn replies(&mut self, after: Duration, event: Event) {
        let reply = Due::Replies(Box::new(event), self.run);
        self.queue.push(self.later(after), reply);
    }

    fn probe(&mut self, key: &SessionKey) {
        let lag = self.plan.lag;
        match still(self.world.troubles.probes, self.now) {
            Some(CallFault::Fails) => self.replies(lag, Event::ProbeFailed(key.clone())),
            Some(CallFault::Hangs) => {}
            Some(CallFault::Late(by)) => {
                let reads = Due::Reads(key.clone(), self.run);
                self.queue.push(self.later(by), reads);
            }
            None => {
                let reads = Due::Reads(key.clone(), self.run);
                self.queue.push(self.later(lag), reads);
            }
        }
    }

    pub(super) fn read(&mut self, key: &SessionKey) -> Result<(), Violation> {
        if self.now < self.awake {
            let reads = Due::Reads(key.clone(), self.run);
            self.queue.push(self.awake, reads);
            return Ok(());
        }
        let (now, clock) = (self.now, self.world.clock.clone());
        let known = self
            .engine
            .as_ref()
            .and_then(|engine| engine.session(&key.id));
        let known = known.filter(|session| session.facts.key == *key);
        let watch = known.and_then(|session| session.watch);
        match self.world.find(key) {
            Some(session) => {
                let (reading, truth) = session.probe(now, &clock, watch);
                let who = session.person.who;
                let call = session.next_call(now, &clock).filter(|call| call.at > now);
                if let Some(call) = call {
                    self.queue.push(call.at, Due::Calls(who, call));
                }
                self.run(Event::Probed(key.clone(), reading), &truth)
            }
            None => self.run(Event::ProbeFailed(key.clone()), &GroundTruth::new()),
        }
    }

    /// Verifies whether any process of a session remains.
    fn verify(&mut self, key: &SessionKey) {
        let lag = self.plan.lag;
        let after = match still(self.world.troubles.verifies, self.now) {
            Some(CallFault::Fails | CallFault::Hangs) => return,
            Some(CallFault::Late(by)) => by,
            None => lag,
        };
        let verifies = Due::Verifies(key.clone(), self.run);
        self.queue.push(self.later(after), verifies);
    }

    pub(super) fn verified(&mut self, key: &SessionKey) -> Result<(), Violation> {
        let remains = match self.world.find(key) {
            Some(_) => Remains::Something,
            None => Remains::Nothing,
        };
        self.run(Event::Verified(key.clone(), remains), &GroundTruth::new())
    }

    /// Ends the remaining processes of a session, which may survive.
    pub(super) fn reap(&mut self, key: &SessionKey) -> Result<(), Violation> {
        if let Some(session) = self.world.find(key) {
            let who = session.person.who;
            match session.survives.checked_sub(1) {
                Some(left) => session.survives = left,
                None => drop(self.world.remove(who)),
            }
        }
        self.verified(key)
    }

    fn ask_groups(&mut self, key: &SessionKey) {
        let lag = self.plan.lag;
        let groups = Due::Groups(key.clone(), self.run);
        match still(self.world.troubles.groups, self.now) {
            Some(CallFault::Fails) => self.replies(lag, Event::GroupsUnavailable(key.clone())),
            Some(CallFault::Hangs) => {}
            Some(CallFault::Late(by)) => self.queue.push(self.later(by), groups),
            None => self.queue.push(self.later(lag), groups),
        }
    }

    pub(super) fn resolve_groups(&mut self, key: &SessionKey) -> Result<(), Violation> {
        let groups = self.world.find(key).map(|session| {
            let names = session.person.groups.iter().cloned();
            names.collect::<BTreeSet<String>>()
        });
        let event = match groups {
            Some(groups) => Event::GroupsResolved(key.clone(), groups),
            None => Event::GroupsUnavailable(key.clone()),
        };
        self.run(event, &GroundTruth::new())
    }

    /// Whether logind accepts a request; a failure is delivered to the engine.
    fn takes(&mut self, key: &SessionKey) -> bool {
        let keeper = self.world.find(key).map(|session| session.keeper);
        if matches!(keeper, Some(KeptBy::Daemon | KeptBy::Nobody)) {
            // Requests about sessions that the daemon keeps do not need logind.
            return true;
        }
        if self.now < self.world.troubles.away {
            self.replies(self.plan.lag, Event::Unreached(key.clone()));
            return false;
        }
        let fails = self.now < self.world.troubles.ends || self.world.find(key).is_none();
        if fails {
            self.replies(self.plan.lag, Event::EndFailed(key.clone()));
        }
        !fails
    }

    fn end(&mut self, key: &SessionKey, force: Signal) {
        if !self.takes(key) {
            return;
        }
        let Some(session) = self.world.find(key) else {
            return;
        };
        let end = session.person.end;
        let who = session.person.who;
        let after = match force {
            Signal::Ask => end.exits,
            Signal::Kill => Some(end.dies),
        };
        if let Some(after) = after {
            self.queue.push(self.later(after), Due::Exits(who));
        }
    }

    fn hang_up(&mut self, key: &SessionKey) {
        if !self.takes(key) {
            return;
        }
        let Some(session) = self.world.find(key) else {
            return;
        };
        let (who, after) = (session.person.who, session.person.end.hangs_up);
        if let Some(after) = after {
            let hangs_up = Due::HangsUp(who, self.run);
            self.queue.push(self.later(after), hangs_up);
        }
    }

    fn lock(&mut self, key: &SessionKey) {
        if !self.takes(key) {
            return;
        }
        let Some(session) = self.world.find(key) else {
            return;
        };
        let who = session.person.who;
        if session.screen.locked && session.screen.hint {
            self.replies(self.plan.lag, Event::Locked(key.clone()));
            return;
        }
        match session.person.screen {
            Screen::Locks(after) | Screen::LocksMutely(after) => {
                self.queue.push(self.later(after), Due::Locks(who));
            }
            Screen::Missing | Screen::Stubborn => {}
        }
    }

    fn warn(&mut self, key: &SessionKey, kind: LimitKind) {
        if kind == LimitKind::Inactivity {
            self.watch(key);
        }
        let Some(session) = self.world.find(key).filter(|s| s.state == State::Open) else {
            return;
        };
        let who = session.person.who;
        let Habits { responds, asks, .. } = session.person.habits;
        let (habit, done) = match kind {
            LimitKind::Absolute => (asks, &mut session.asked),
            LimitKind::Inactivity => (responds, &mut session.responded),
        };
        let reacts = habit.filter(|(_, times)| *done < *times);
        *done += u32::from(reacts.is_some());
        if let Some((after, _)) = reacts {
            let due = match kind {
                LimitKind::Absolute => Due::Asks(who),
                LimitKind::Inactivity => Due::Responds(who),
            };
            self.queue.push(self.later(after), due);
        }
    }

    /// Starts to watch a session for input.
    pub(super) fn watch(&mut self, key: &SessionKey) {
        let now = self.now;
        let Some(session) = self.world.find(key).filter(|s| s.state == State::Open) else {
            return;
        };
        session.watched = true;
        let who = session.person.who;
        if let Some(next) = session.next_input(now) {
            self.queue.push(next, Due::Watches(who));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Ask,
    Kill,
}
