//! What the engine's actions mean in the world.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use session_timeout_config::duration::for_people;
use session_timeout_policy::{
    Action, EndAction, Engine, Event, LimitKind, LockCause, SessionFacts, SessionKey, View, Warning,
};
use tokio::sync::mpsc;

use crate::agents::{Agents, Outlook};
use crate::bus::{Link, PrivateBus};
use crate::clock::{Clocks, boot_now};
use crate::endings::{Ending, Endings};
use crate::groups::Groups;
use crate::hooks::{Facts, Hooks, Occasion};
use crate::input::Input;
use crate::logind::{self, End, HungUp, Locked};
use crate::probe::{Prober, Question};
use crate::tell::Teller;
use crate::text::{self, Since};
use crate::ttys;
use crate::ttys::Terminal;
use crate::watch::Watcher;
use crate::writes::Writes;

/// How long a last line has to reach its reader. Whoever carries it, such as sshd, is ended
/// together with the session, and what it has not passed on by then nobody sees.
const PARTING: Duration = Duration::from_millis(250);

/// How long a request waits for the connection to the system bus before it has failed.
const CONNECTING: Duration = Duration::from_secs(1);

/// Does what the engine says.
pub(crate) struct Hands {
    inputs: mpsc::Sender<Input>,
    bus: PrivateBus,
    watcher: Watcher,
    groups: Groups,
    hooks: Hooks,
    agents: Agents,
    endings: Endings,
    prober: Prober,
    writes: Writes,
    teller: Teller,
}

impl Hands {
    pub(crate) fn new(
        inputs: mpsc::Sender<Input>,
        bus: PrivateBus,
        writes: Writes,
        agents: Agents,
        endings: Endings,
        prober: Prober,
        teller: Teller,
    ) -> io::Result<Self> {
        Ok(Self {
            inputs,
            hooks: Hooks::new(bus.clone()),
            bus,
            watcher: Watcher::new()?,
            groups: Groups::new(),
            agents,
            endings,
            prober,
            writes,
            teller,
        })
    }

    /// Does these actions, or sets them going.
    pub(crate) fn perform(&mut self, engine: &Engine, actions: Vec<Action>) {
        for action in actions {
            self.perform_one(engine, &action);
        }
    }

    /// Waits for input in a session whose user was warned. Cancel safe.
    pub(crate) async fn activity(&mut self) -> io::Result<BTreeSet<SessionKey>> {
        self.watcher.next().await
    }

    /// Watches again for input where a warning stood before the daemon was restarted.
    pub(crate) fn watch_again(&mut self, engine: &Engine) {
        for session in engine.sessions() {
            let key = &session.facts.key;
            let warnings = engine.warnings(&key.id);
            if warnings
                .iter()
                .any(|one| one.limit == LimitKind::Inactivity)
            {
                self.watcher.add(key, &ttys::of_session(session.facts));
            }
        }
    }

    fn perform_one(&mut self, engine: &Engine, action: &Action) {
        let key = action.key();
        if let Action::Left(facts, departure) = action {
            self.watcher.remove(key);
            self.agents.forget(key);
            self.teller.left(facts, *departure);
        }
        // A later action of the same batch may have been the session's end.
        let Some(session) = engine
            .session(&key.id)
            .filter(|session| session.facts.key == *key)
        else {
            return;
        };
        let facts = session.facts;
        match action {
            Action::Began(_) => self.teller.began(&session),
            // Of extensions the driver tells, which knows who asked.
            Action::Extended(_, extended) => {
                let left = extended.until.since(boot_now());
                let told = Facts::of(facts, LimitKind::Absolute).left(left);
                self.hooks.run(Occasion::Extend, told);
            }
            // The other is done above.
            Action::ExtensionRefused(..) | Action::Left(..) => {}
            Action::HangUp(_, limit) => {
                self.parting(&session, EndAction::HangUp, *limit);
                self.request(key.clone(), Request::HangUp);
            }
            Action::HungUp(_, limit) => self.teller.hung_up(facts, *limit),
            Action::Kill(_, limit) => {
                self.teller.killing(facts, *limit);
                self.request(key.clone(), Request::End(End::Kill));
            }
            Action::Lock(_, LockCause::Again(_)) => self.request(key.clone(), Request::Lock),
            Action::Lock(_, LockCause::Limit(limit)) => {
                let length = length_of(&session, *limit);
                let how = EndAction::Lock;
                self.teller.ending(&session, how, *limit, length);
                self.show_end(key, how, *limit, length);
                self.ending_hooks(&session, how, *limit);
                self.request(key.clone(), Request::Lock);
            }
            Action::Lock(_, LockCause::Stage) => {
                self.teller.locking(&session);
                self.request(key.clone(), Request::Lock);
            }
            Action::Locked(_, cause) => {
                self.watcher.remove(key);
                self.teller.locked(&session, *cause);
            }
            Action::Probe(_) => self.probe(&session),
            Action::Report(_, finding) => self.teller.found(&session, *finding),
            Action::ResolveGroups(_) => self.resolve_groups(facts),
            Action::Terminate(_, limit) => {
                self.parting(&session, EndAction::Terminate, *limit);
                self.request(key.clone(), Request::End(End::Terminate));
            }
            Action::Warn(_, warning) => self.warn(&session, warning),
            Action::Withdraw(_, limit) => {
                if *limit == LimitKind::Inactivity {
                    self.watcher.remove(key);
                }
                self.agents
                    .change_outlook(key, |outlook| outlook.withdraw(*limit));
                self.teller.withdrawn(facts, *limit);
            }
        }
    }

    /// Looks at a session; what is found is an input.
    pub(crate) fn probe(&self, session: &View<'_>) {
        drop(self.prober.look(Question::about(session)));
    }

    /// Asks for the groups of a user; what is told is an input.
    fn resolve_groups(&self, session: &SessionFacts) {
        let (groups, inputs) = (self.groups.clone(), self.inputs.clone());
        let (key, user) = (session.key.clone(), session.user.clone());
        tokio::spawn(async move {
            let event = match groups.of(&user).await {
                Ok(names) => Event::GroupsResolved(key, names),
                Err(error) => {
                    log::warn!("cannot ask for the groups of {user:?}: {error}");
                    Event::GroupsUnavailable(key)
                }
            };
            let _ = inputs.send(Input::Event(event)).await;
        });
    }

    /// Tells the journal and the user, whose terminals show it last.
    fn parting(&mut self, session: &View<'_>, how: EndAction, limit: LimitKind) {
        let facts = session.facts;
        let length = length_of(session, limit);
        self.watcher.remove(&facts.key);
        self.teller.ending(session, how, limit, length);
        self.show_end(&facts.key, how, limit, length);
        let (terminals, since) = (ttys::of_session(facts), Since::of(session));
        self.write(facts, &terminals, &text::end(limit, length, since));
        let place = terminals.first().map(Terminal::name);
        let reason = text::reason(limit, &for_people(length), since);
        let now = Clocks::now().wall;
        let ending = Ending::new(place.or_else(|| facts.seat.clone()), now, reason);
        self.endings.add(facts.uid, ending, now);
        self.ending_hooks(session, how, limit);
    }

    fn ending_hooks(&self, session: &View<'_>, how: EndAction, limit: LimitKind) {
        let length = length_of(session, limit).as_secs();
        let told = Facts::of(session.facts, limit).with("ACTION", &how.as_str());
        self.hooks
            .run(Occasion::End, told.with("LIMIT_SEC", &length));
    }

    /// Tells the agent that has just come what its user was warned of.
    pub(crate) fn brief(&self, engine: &Engine, session: &View<'_>) {
        let key = &session.facts.key;
        let warnings = engine.warnings(&key.id);
        self.agents.look_out(key, Outlook::of(session, &warnings));
    }

    fn show_end(&self, key: &SessionKey, how: EndAction, limit: LimitKind, length: Duration) {
        self.agents
            .change_outlook(key, |outlook| outlook.end(limit, length, how));
    }

    fn warn(&mut self, session: &View<'_>, warning: &Warning) {
        let Some(limits) = session.limits else { return };
        let left = warning.ends_at.since(boot_now());
        let terminals = ttys::of_session(session.facts);
        // Input from now on withdraws the warning, so watch before the user is told.
        if warning.limit == LimitKind::Inactivity {
            self.watcher.add(&session.facts.key, &terminals);
        }
        self.agents.change_outlook(&session.facts.key, |outlook| {
            outlook.warn(session, warning);
        });
        let text = text::warning(session.facts, limits, Since::of(session), warning, left);
        self.write(session.facts, &terminals, &text);
        self.teller.warned(session, warning, left);
        let told = Facts::of(session.facts, warning.limit).left(left);
        let told = told.with("LIMIT_SEC", &warning.length.as_secs());
        self.hooks.run(Occasion::Warn, told);
    }

    /// Writes to every one of these terminals that takes it.
    fn write(&self, session: &SessionFacts, terminals: &BTreeSet<Terminal>, text: &str) {
        for terminal in terminals {
            if let Err(error) = ttys::write(terminal, session.uid, text, &self.writes) {
                log::debug!("cannot write to {}: {error}", terminal.path.display());
            }
        }
    }

    /// Asks logind for something; what comes of it is an input.
    fn request(&self, key: SessionKey, request: Request) {
        let (bus, inputs) = (self.bus.clone(), self.inputs.clone());
        let teller = self.teller.clone();
        tokio::spawn(async move {
            let event = match asked(bus, &key, request).await {
                Ok(event) => event,
                Err(failure) => {
                    teller.request_failed(&key.id, request.verb(), &failure.to_string());
                    Some(if logind::answered(&failure) {
                        Event::EndFailed(key)
                    } else {
                        Event::Unreached(key)
                    })
                }
            };
            if let Some(event) = event {
                let _ = inputs.send(Input::Event(event)).await;
            }
        });
    }
}

/// What logind is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    End(End),
    HangUp,
    Lock,
}

impl Request {
    const fn verb(self) -> &'static str {
        match self {
            Self::End(_) => "end",
            Self::HangUp => "hang up",
            Self::Lock => "lock",
        }
    }
}

/// Asks, and says what is known to have come of it already.
async fn asked(
    mut bus: PrivateBus,
    key: &SessionKey,
    request: Request,
) -> zbus::Result<Option<Event>> {
    if matches!(request, Request::End(End::Terminate) | Request::HangUp) {
        tokio::time::sleep(PARTING).await;
    }
    let link = connected(&mut bus).await.ok_or_else(|| {
        zbus::Error::Failure("there is no connection to the system bus".to_owned())
    })?;
    match request {
        Request::End(how) => logind::end(&link, key, how).await.map(|()| None),
        Request::HangUp => {
            let hung_up = logind::hang_up(&link, key).await;
            hung_up.map(|how| (how == HungUp::Done).then(|| Event::HungUp(key.clone())))
        }
        Request::Lock => {
            let locked = logind::lock(&link, key).await;
            locked.map(|how| (how == Locked::Already).then(|| Event::Locked(key.clone())))
        }
    }
}

/// The connection to the system bus. An end that is due when the daemon starts comes before it, and
/// where the bus was restarted it is back in a moment.
async fn connected(bus: &mut PrivateBus) -> Option<Link> {
    let there = bus.wait_for(Option::is_some);
    let link = tokio::time::timeout(CONNECTING, there).await.ok()?.ok()?;
    link.clone()
}

fn length_of(session: &View<'_>, limit: LimitKind) -> Duration {
    session.length(limit).unwrap_or_default()
}
