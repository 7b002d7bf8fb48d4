//! What the engine's actions mean in the world.

pub(crate) mod terminal_tasks;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use session_timeout_policy::{
    Action, Bell, EndAction, Engine, Event, Keeper, LimitKind, LockCause, Mesg, SessionFacts,
    SessionKey, View, Warning,
};
use session_timeout_terminals as terminals;
use session_timeout_texts::Language;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::terminal_tasks::{Errand, Errands, Part, Task, Unfinished, Warn, Whom};
use crate::agents::{Agents, Outlook};
use crate::bus::PrivateBus;
use crate::ends::{self, Ends, Request};
use crate::groups::Groups;
use crate::hooks::{Facts, Hooks, Occasion};
use crate::idle::probe::{Prober, Question};
use crate::input::Input;
use crate::journal::Teller;
use crate::logind::End;
use crate::pam::last_session::{Ending, Endings};
use crate::sys::blocking_pool::Walks;
use crate::sys::clock::{Clocks, boot_now};
use crate::terminal::helper::Helper;
use crate::terminal::input_watch::Watcher;
use crate::terminal::own_writes::Writes;
use crate::text;
use crate::unwarned::Unwarned;

/// Does what the engine says.
pub(crate) struct Hands {
    inputs: mpsc::Sender<Input>,
    ends: Ends,
    watcher: Watcher,
    groups: Groups,
    hooks: Hooks,
    agents: Agents,
    endings: Endings,
    prober: Prober,
    errands: Errands,
    teller: Teller,
    unwarned: Unwarned,
    language: Language,
}

/// What it needs for that.
pub(crate) struct Means {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) bus: PrivateBus,
    pub(crate) writes: Writes,
    pub(crate) walks: Walks,
    pub(crate) agents: Agents,
    pub(crate) endings: Endings,
    pub(crate) prober: Prober,
    pub(crate) teller: Teller,
    /// What users are told in.
    pub(crate) language: Language,
    pub(crate) unfinished: Unfinished,
}

impl Hands {
    pub(crate) fn new(means: Means) -> Self {
        let unwarned = Unwarned::default();
        let errands = Errands {
            helper: Helper::new(),
            inputs: means.inputs.clone(),
            walks: means.walks,
            writes: means.writes,
            agents: means.agents.clone(),
            endings: means.endings.clone(),
            unwarned: unwarned.clone(),
            line: terminal_tasks::line(),
            unfinished: means.unfinished,
        };
        Self {
            hooks: Hooks::default(),
            ends: Ends::new(ends::Means {
                inputs: means.inputs.clone(),
                bus: means.bus,
                teller: means.teller.clone(),
            }),
            inputs: means.inputs,
            watcher: Watcher::default(),
            groups: Groups::new(),
            agents: means.agents,
            endings: means.endings,
            prober: means.prober,
            errands,
            teller: means.teller,
            unwarned,
            language: means.language,
        }
    }

    /// The sessions whose last warning nobody received.
    pub(crate) const fn unwarned(&self) -> &Unwarned {
        &self.unwarned
    }

    /// Waits for input in a session whose user was warned. Cancel safe.
    pub(crate) async fn activity(&mut self) -> io::Result<BTreeSet<SessionKey>> {
        self.watcher.next().await
    }

    /// Writes down which users have yet to be told of an end.
    pub(crate) fn save_endings(&self) {
        self.endings.save();
    }

    /// Watches again for input where a warning stood before the daemon was restarted.
    pub(crate) fn watch_again(&mut self, engine: &Engine) {
        for session in engine.sessions() {
            let key = &session.facts.key;
            if is_watched(&engine.warnings(&key.id))
                && let Some(instance) = self.watcher.lend()
            {
                self.errands.run(Errand {
                    session: session.facts.clone(),
                    task: Task::Watch(instance),
                });
            }
        }
    }

    /// Registers these watches for this session, unless its warning has been withdrawn meanwhile.
    pub(crate) fn watched(&mut self, engine: &Engine, key: &SessionKey, watches: &[i32]) {
        let warned = engine.session_of(key).is_some() && is_watched(&engine.warnings(&key.id));
        if warned {
            self.watcher.add(key, watches);
        } else {
            self.watcher.give_up(watches);
        }
    }

    /// Resumes waiting for the ends of the logins that logind has no session for.
    pub(crate) fn adopt_again(&self, engine: &Engine) {
        let sessions = engine.sessions().map(|session| session.facts);
        let kept = sessions.filter(|facts| facts.keeper != Keeper::Logind);
        kept.for_each(|facts| self.ends.adopt(facts));
    }

    /// Executes this action, or starts its execution.
    pub(crate) fn perform(&mut self, engine: &Engine, action: &Action) {
        let key = action.key();
        if let Action::Left(facts, departure) = action {
            self.watcher.remove(key);
            self.agents.forget(key);
            self.unwarned.forget(key);
            self.teller.left(facts, *departure);
            self.ends.left(key);
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
            // The engine's caller has handled these already.
            Action::ExtensionRefused(..) | Action::Left(..) => {}
            Action::Adopt(_) => self.ends.adopt(facts),
            Action::AskLeader(..) => self.ends.request(facts, Request::AskLeader),
            Action::EndRemains(..) => self.ends.end_remains(facts),
            Action::Verify(_) => self.ends.verify(facts),
            Action::EndBegins(_, limit, how) => self.end_begins(&session, *how, *limit),
            Action::HangUp(..) => self.ends.request(facts, Request::HangUp),
            Action::HungUp(_, limit) => {
                self.teller.hung_up(facts, *limit);
                self.ends.show_greeter(key);
            }
            Action::Kill(_, limit) => {
                self.teller.killing(facts, *limit);
                self.ends.request(facts, Request::End(End::Kill));
            }
            Action::Lock(_, LockCause::Again(_) | LockCause::Limit(_)) => {
                self.ends.request(facts, Request::Lock);
            }
            Action::Lock(_, LockCause::Stage) => {
                self.teller.locking(&session);
                self.ends.request(facts, Request::Lock);
            }
            Action::Locked(_, cause) => {
                self.watcher.remove(key);
                self.teller.locked(&session, *cause);
            }
            Action::Probe(_) => self.probe(&session),
            Action::Report(_, finding) => self.teller.found(&session, *finding),
            Action::ResolveGroups(_) => self.resolve_groups(facts),
            Action::Terminate(..) => self.ends.request(facts, Request::End(End::Terminate)),
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

    /// Reports to the journal, the hooks and the user; the last line on the terminals comes last.
    fn end_begins(&mut self, session: &View<'_>, how: EndAction, limit: LimitKind) {
        let (facts, length) = (session.facts, length_of(session, limit));
        self.teller.ending(session, how, limit, length);
        self.show_end(&facts.key, how, limit, length);
        match how {
            EndAction::HangUp | EndAction::Terminate => {
                self.watcher.remove(&facts.key);
                self.part(session, limit, how, length);
            }
            EndAction::Lock | EndAction::Report => {}
        }
        self.ending_hooks(session, how, limit);
    }

    /// Writes the last line to the session's terminals, and keeps the ending for the next login.
    /// Neither is waited for: the request to end the session follows at once.
    fn part(&self, session: &View<'_>, limit: LimitKind, how: EndAction, length: Duration) {
        let facts = session.facts;
        let at = Clocks::now().wall;
        // The terminal that was used last is known only later.
        let terminal = facts.terminal.clone();
        let terminal = terminal.filter(|_| !facts.session_type.is_graphical());
        let place = terminal.or_else(|| facts.seat.clone());
        let ending = Ending::new(place, at, text::cause(session, limit), length);
        self.endings.add(facts.uid, ending, at);
        self.errands.run(Errand {
            session: facts.clone(),
            task: Task::Part(Part {
                text: text::end(self.language, session, limit),
                whom: whom(limit, how),
                at,
                until: Part::until(),
            }),
        });
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
        self.agents
            .look_out(key, Outlook::of(self.language, session, &warnings));
    }

    fn show_end(&self, key: &SessionKey, how: EndAction, limit: LimitKind, length: Duration) {
        self.agents
            .change_outlook(key, |outlook| outlook.end(limit, length, how));
    }

    fn warn(&mut self, session: &View<'_>, warning: &Warning) {
        let Some(limits) = session.limits else { return };
        let left = warning.ends_at.since(boot_now());
        let language = self.language;
        self.agents.change_outlook(&session.facts.key, |outlook| {
            outlook.warn(language, session, warning);
        });
        let mesg = match limits.mesg {
            Mesg::Ignored => terminals::Mesg::Ignored,
            Mesg::Respected => terminals::Mesg::Respected,
        };
        let warn = Warn {
            text: with_bell(limits.bell, text::warning(language, session, warning, left)),
            mesg,
            whom: whom(warning.limit, limits.end_action),
            watch: self.watch_for(warning.limit),
            telling: self.teller.warning(session, warning, left),
            until: Instant::now() + left,
        };
        self.errands.run(Errand {
            session: session.facts.clone(),
            task: Task::Warn(Box::new(warn)),
        });
        let told = Facts::of(session.facts, warning.limit).left(left);
        let told = told.with("LIMIT_SEC", &warning.length.as_secs());
        self.hooks.run(Occasion::Warn, told);
    }

    /// The inotify instance for the session's terminals, if input withdraws the warning.
    fn watch_for(&mut self, limit: LimitKind) -> Option<Arc<OwnedFd>> {
        match limit {
            LimitKind::Absolute => None,
            LimitKind::Inactivity => self.watcher.lend(),
        }
    }
}

/// Whether input withdraws one of these warnings.
fn is_watched(warnings: &[Warning]) -> bool {
    let mut limits = warnings.iter().map(|warning| warning.limit);
    limits.any(|limit| limit == LimitKind::Inactivity)
}

/// The terminals that receive messages about this limit. What a login has left in its scope ends
/// with it, and is told; but input there does not keep the login while it has terminals of its own,
/// and after a hang-up it goes on.
const fn whom(limit: LimitKind, how: EndAction) -> Whom {
    match (limit, how) {
        (LimitKind::Absolute, EndAction::Terminate) => Whom::All,
        (LimitKind::Absolute, EndAction::HangUp | EndAction::Lock | EndAction::Report)
        | (LimitKind::Inactivity, _) => Whom::Counted,
    }
}

/// The text, and before it the terminal's bell where it is to ring. It stands beside what is kept
/// from commanding a terminal, so that no text of others brings one along.
fn with_bell(bell: Bell, text: String) -> String {
    /// BEL of ASCII.
    const BEL: char = '\u{7}';
    match bell {
        Bell::Rings => format!("{BEL}{text}"),
        Bell::Silent => text,
    }
}

fn length_of(session: &View<'_>, limit: LimitKind) -> Duration {
    session.length(limit).unwrap_or_default()
}
