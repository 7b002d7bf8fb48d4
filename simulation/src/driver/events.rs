//! Executes the events of the scenario, and delivers queued replies and signals.

use std::time::Duration;

use session_timeout_policy::{Event, Keeper, SessionKey};

use super::{Driver, Due};
use crate::input::Input;
use crate::invariant::Violation;
use crate::plan::{
    Inhibitor, Leftovers, LoginId, LogindSession, OpKind, Pam, Pattern, Person, SavedState,
    SignalFault, StaleEvent, TerminalIndex,
};
use crate::world::{Call, GroundTruth, KeptBy, Lock, State, still};

pub(super) type Checked = Result<(), Violation>;

impl Driver<'_> {
    pub(super) fn happen(&mut self, kind: &OpKind) -> Checked {
        let now = self.now;
        match kind {
            OpKind::Agent(who, presence) => {
                if let Some(session) = self.world.who(*who) {
                    session.agent_becomes(now, *presence);
                }
            }
            OpKind::RequestsExtension(who) => self.asks(*who)?,
            OpKind::Busy(lasts) => self.awake = self.awake.max(self.later(*lasts)),
            OpKind::Changes(who, change) => self.changes(*who, change)?,
            OpKind::Drops(who) => self.drops(*who)?,
            OpKind::Escapes(who) => {
                if let Some(session) = self.world.who(*who) {
                    session.escaped = true;
                }
            }
            OpKind::Verifies(trouble, lasts) => {
                self.world.troubles.verifies = Some((*trouble, self.later(*lasts)));
            }
            OpKind::Closes(who, nth) => self.world.close_terminal(*who, *nth),
            OpKind::Crashes(down, memory) => self.crash(*down, *memory),
            OpKind::EndsFail(lasts) => self.world.troubles.ends = self.later(*lasts),
            OpKind::Groups(trouble, lasts) => {
                self.world.troubles.groups = Some((*trouble, self.later(*lasts)));
            }
            OpKind::Inhibits(who, inhibitor) => self.inhibits(*who, *inhibitor)?,
            OpKind::Keeps => self.keep(),
            OpKind::Lists => self.list()?,
            OpKind::Locks(who) => self.comes(Due::Locks(*who))?,
            OpKind::Logind(down) => {
                self.world.troubles.away = self.later(*down);
                self.world.forget_hints(now);
                self.world.troubles.signals = Some((SignalFault::Lost, self.later(*down)));
                self.queue.push(self.later(*down), Due::Back);
            }
            OpKind::LogsIn(person) => self.logs_in(person)?,
            OpKind::LogsOut(who, leftovers) => self.logs_out(*who, *leftovers)?,
            OpKind::ExtraProbe(who) => {
                if let Some(key) = self.key(*who) {
                    self.read(&key)?;
                }
            }
            OpKind::Opens(who) => self.world.open_terminal(now, *who),
            OpKind::Prints(who, nth, pattern) => {
                let clock = self.world.clock.clone();
                if let Some(session) = self.world.who(*who) {
                    session.prints(now, *nth, *pattern, &clock);
                }
            }
            OpKind::Probes(trouble, lasts) => {
                self.world.troubles.probes = Some((*trouble, self.later(*lasts)));
            }
            OpKind::Ready(who) => self.becomes_ready(*who)?,
            OpKind::Reloads(number) => self.reload(*number)?,
            OpKind::Returns(who) => {
                if let Some(key) = self.key(*who) {
                    self.signal(Event::ActivitySeen(key))?;
                }
            }
            OpKind::Signals(signals, lasts) => {
                self.world.troubles.signals = Some((*signals, self.later(*lasts)));
                if *signals == SignalFault::Lost {
                    self.queue.push(self.later(*lasts), Due::Back);
                }
            }
            OpKind::Steps(step) => {
                self.world.step(now, *step);
                self.steps.push(now);
            }
            OpKind::Strays(who, stray) => self.strays(*who, *stray)?,
            OpKind::Suspends(lasts) => self.sleep(*lasts),
            OpKind::Types(who, nth, pattern) => self.types(*who, *nth, *pattern),
            OpKind::Unlocks(who) => self.comes(Due::Unlocks(*who))?,
            OpKind::Unwatched(lasts) => self.world.troubles.watch = self.later(*lasts),
        }
        Ok(())
    }

    pub(super) fn comes(&mut self, due: Due) -> Checked {
        let now = self.now;
        match due {
            Due::Asks(who) => self.asks(who),
            Due::Back => {
                self.list()?;
                self.run(Event::Reachable, &GroundTruth::new())
            }
            Due::Calls(who, call) => self.calls(who, call),
            Due::Deliver(event) => self.run(*event, &GroundTruth::new()),
            Due::Exits(who) => self.exits(who),
            Due::Groups(key, run) if run == self.run => self.resolve_groups(&key),
            Due::HangsUp(who, run) => {
                let Some(key) = self.key(who) else {
                    return Ok(());
                };
                let said = Event::HungUp(key);
                // The reports by PAM and by the daemon itself can come in either order.
                if self.now.as_micros().is_multiple_of(2) && run == self.run {
                    self.run(said.clone(), &GroundTruth::new())?;
                }
                let leftovers = self.leftovers(who);
                self.logs_out(who, leftovers)?;
                if run == self.run {
                    self.run(said, &GroundTruth::new())?;
                }
                Ok(())
            }
            Due::Responds(who) => {
                let clock = self.world.clock.clone();
                if let Some(session) = self.world.who(who) {
                    session.presses_a_key(now, &clock);
                    self.queue.push(now, Due::Watches(who));
                }
                Ok(())
            }
            Due::LogindSession(who) => self.becomes_known(who),
            Due::Locks(who) => self.locks(who),
            Due::Pam(who) => {
                let login = self.world.who(who).and_then(|session| session.login());
                login.map_or(Ok(()), |login| self.signal(Event::LoginRecorded(login)))
            }
            Due::Reads(key, run) if run == self.run => self.read(&key),
            Due::Reaps(key, run) if run == self.run => self.reap(&key),
            Due::Verifies(key, run) if run == self.run => self.verified(&key),
            Due::Replies(event, run) if run == self.run => self.run(*event, &GroundTruth::new()),
            Due::Restarts(memory) => self.restart(memory),
            Due::Unlocks(who) => self.unlocks(who),
            Due::Watches(who) => self.watches(who),
            Due::Groups(..)
            | Due::Reads(..)
            | Due::Reaps(..)
            | Due::Replies(..)
            | Due::Verifies(..) => Ok(()),
        }
    }

    pub(super) fn key(&mut self, who: LoginId) -> Option<SessionKey> {
        self.world.who(who).map(|session| session.key().clone())
    }

    fn asks(&mut self, who: LoginId) -> Checked {
        match self.key(who) {
            Some(key) => self.run(Input::Extend(key), &GroundTruth::new()),
            None => Ok(()),
        }
    }

    /// The agent reports that there was no input for the requested watch time.
    fn calls(&mut self, who: LoginId, call: Call) -> Checked {
        let (now, clock) = (self.now, self.world.clock.clone());
        let Some(session) = self.world.who(who) else {
            return Ok(());
        };
        let key = session.key().clone();
        match session.next_call(now, &clock) {
            Some(next) if next.request == call.request && next.at > now => {
                self.queue.push(next.at, Due::Calls(who, next));
                Ok(())
            }
            Some(next) if next.request == call.request => self.signal(Event::BecameIdle(key)),
            Some(_) | None => Ok(()),
        }
    }

    fn crash(&mut self, down: Duration, memory: SavedState) {
        let Some(engine) = self.engine.take() else {
            return;
        };
        if memory == SavedState::Fresh {
            self.kept = Some((engine.records().collect(), self.oracle.histories()));
        }
        self.run.0 += 1;
        self.deadline = None;
        self.queue.drop_deliveries();
        self.world.unwatch();
        self.queue.push(self.later(down), Due::Restarts(memory));
    }

    fn keep(&mut self) {
        if let Some(engine) = &self.engine {
            self.kept = Some((engine.records().collect(), self.oracle.histories()));
        }
    }

    fn inhibits(&mut self, who: LoginId, inhibitor: Inhibitor) -> Checked {
        let Some(session) = self.world.who(who) else {
            return Ok(());
        };
        session.inhibited = inhibitor == Inhibitor::Taken;
        self.run(Event::InhibitorsChanged, &GroundTruth::new())
    }

    fn logs_in(&mut self, person: &Person) -> Checked {
        self.world.begin(self.now, person);
        let Some(session) = self.world.who(person.who) else {
            return Ok(());
        };
        let (facts, login) = (session.facts.clone(), session.login());
        let seen = Event::SessionSeen(facts);
        if let LogindSession::Late(after) = person.known {
            self.queue
                .push(self.later(after), Due::LogindSession(person.who));
        }
        if person.known != LogindSession::Always {
            return self.run(seen, &GroundTruth::new());
        }
        match (person.pam, login) {
            (Pam::First, Some(login)) => {
                self.signal(Event::LoginRecorded(login))?;
                self.signal(seen)
            }
            (Pam::Second(after), _) => {
                self.queue.push(self.later(after), Due::Pam(person.who));
                self.signal(seen)
            }
            _ => self.signal(seen),
        }
    }

    fn leftovers(&mut self, who: LoginId) -> Leftovers {
        let session = self.world.who(who);
        session.map_or(Leftovers::Nothing, |session| session.person.end.leftovers)
    }

    fn logs_out(&mut self, who: LoginId, leftovers: Leftovers) -> Checked {
        let Some(session) = self.world.who(who).filter(|s| s.state == State::Open) else {
            return Ok(());
        };
        session.state = State::LoggedOut;
        let id = session.key().id.clone();
        let reports = session.person.pam != Pam::Silent;
        if reports {
            self.signal(Event::LoginClosed(id))?;
        }
        match leftovers {
            Leftovers::Nothing => self.exits(who),
            Leftovers::Tmux => Ok(()),
        }
    }

    fn exits(&mut self, who: LoginId) -> Checked {
        let Some(session) = self.world.who(who) else {
            return Ok(());
        };
        let (keeper, id) = (session.keeper, session.key().id.clone());
        if session.escaped && session.state == State::Open && keeper == KeptBy::Logind {
            return self.drops(who);
        }
        let key = session.key().clone();
        self.world.remove(who);
        match keeper {
            KeptBy::Logind => self.signal(Event::SessionGone(id)),
            KeptBy::Daemon => self.run(Event::SessionGone(id), &GroundTruth::new()),
            KeptBy::Nobody if self.is_adopted(&key) => {
                self.run(Event::SessionGone(id), &GroundTruth::new())
            }
            KeptBy::Nobody => Ok(()),
        }
    }

    /// Whether the daemon keeps a session that logind has dropped.
    fn is_adopted(&self, key: &SessionKey) -> bool {
        let engine = self.engine.as_ref();
        let known = engine.and_then(|engine| engine.session(&key.id));
        known.is_some_and(|view| {
            view.facts.key == *key && matches!(view.facts.keeper, Keeper::Daemon(_))
        })
    }

    /// logind drops the session while its leader continues to run.
    fn drops(&mut self, who: LoginId) -> Checked {
        let Some(session) = self.world.who(who) else {
            return Ok(());
        };
        if session.keeper != KeptBy::Logind || session.state != State::Open {
            return Ok(());
        }
        session.keeper = KeptBy::Nobody;
        let id = session.key().id.clone();
        self.signal(Event::SessionGone(id))
    }

    fn reload(&mut self, number: usize) -> Checked {
        let Some(policy) = self.plan.policies.get(number).cloned() else {
            return Ok(());
        };
        self.policy = number;
        self.run(Event::PolicyReplaced(policy), &GroundTruth::new())
    }

    fn sleep(&mut self, lasts: Duration) {
        self.world.sleep(self.now, lasts);
        self.queue.put_off(lasts);
        self.awake = self.awake.saturating_add(lasts).max(self.later(lasts));
        self.now = self.later(lasts);
    }

    fn types(&mut self, who: LoginId, nth: TerminalIndex, pattern: Pattern) {
        let clock = self.world.clock.clone();
        if let Some(session) = self.world.who(who) {
            session.types(self.now, nth, pattern, &clock);
            if session.watched {
                self.queue.push(self.now, Due::Watches(who));
            }
        }
    }

    fn locks(&mut self, who: LoginId) -> Checked {
        let Some(session) = self.world.who(who) else {
            return Ok(());
        };
        session.screen = Lock {
            locked: true,
            hint: true,
        };
        let (key, unlocks) = (session.key().clone(), session.person.habits.unlocks);
        if let Some(after) = unlocks {
            self.queue.push(self.later(after), Due::Unlocks(who));
        }
        self.signal(Event::Locked(key))
    }

    fn unlocks(&mut self, who: LoginId) -> Checked {
        let (now, clock) = (self.now, self.world.clock.clone());
        let Some(session) = self.world.who(who).filter(|session| session.screen.locked) else {
            return Ok(());
        };
        let had_hint = session.screen.hint;
        session.screen = Lock::default();
        session.presses_a_key(now, &clock);
        let key = session.key().clone();
        // If logind has lost the locked hint, it may send no signal.
        if had_hint || now.as_micros().is_multiple_of(2) {
            self.signal(Event::Unlocked(key))?;
        }
        self.queue.push(now, Due::Watches(who));
        Ok(())
    }

    fn watches(&mut self, who: LoginId) -> Checked {
        let (now, clock) = (self.now, self.world.clock.clone());
        let blind = now < self.world.troubles.watch;
        let Some(session) = self.world.who(who).filter(|session| session.watched) else {
            return Ok(());
        };
        if session.last_input(now, &clock) != Some(now) {
            return Ok(());
        }
        let key = session.key().clone();
        if blind {
            if let Some(next) = session.next_input(now) {
                self.queue.push(next, Due::Watches(who));
            }
            return Ok(());
        }
        session.watched = false;
        self.run(Event::ActivitySeen(key), &GroundTruth::new())
    }

    fn strays(&mut self, who: LoginId, stray: StaleEvent) -> Checked {
        let Some(key) = self.key(who) else {
            return Ok(());
        };
        let key = SessionKey {
            stamp: key.stamp + 1,
            ..key
        };
        let input = match stray {
            StaleEvent::ActivitySeen => Event::ActivitySeen(key).into(),
            StaleEvent::EndFailed => Event::EndFailed(key).into(),
            StaleEvent::ExtensionAsked => Input::Extend(key),
            StaleEvent::GroupsUnavailable => Event::GroupsUnavailable(key).into(),
            StaleEvent::HungUp => Event::HungUp(key).into(),
            StaleEvent::Locked => Event::Locked(key).into(),
            StaleEvent::ProbeFailed => Event::ProbeFailed(key).into(),
            StaleEvent::Unlocked => Event::Unlocked(key).into(),
        };
        self.run(input, &GroundTruth::new())
    }

    /// Delivers a signal of logind or PAM, unless a fault prevents it.
    pub(super) fn signal(&mut self, event: Event) -> Checked {
        self.signals += 1;
        match still(self.world.troubles.signals, self.now) {
            Some(SignalFault::Lost) => Ok(()),
            Some(SignalFault::Doubled) => {
                let again = Due::Deliver(Box::new(event.clone().into()));
                self.queue
                    .push(self.later(Duration::from_millis(700)), again);
                self.run(event, &GroundTruth::new())
            }
            Some(SignalFault::Late(by)) if self.signals.is_multiple_of(2) => {
                let late = Due::Deliver(Box::new(event.into()));
                self.queue.push(self.later(by), late);
                Ok(())
            }
            None | Some(SignalFault::Late(_)) => self.run(event, &GroundTruth::new()),
        }
    }
}
