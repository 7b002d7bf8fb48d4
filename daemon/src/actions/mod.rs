//! Executes the engine's outputs: requests of ends and locks, probes, warnings, hooks, journal entries.

pub(crate) mod terminal_tasks;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use session_timeout_policy::{
    Action, Bell, EndAction, EndReason, Engine, Event, Extended, Keeper, LimitKind, LockCause,
    Mesg, Output, SessionFacts, SessionKey, Transition, View, Warning,
};
use session_timeout_terminals as terminals;
use session_timeout_texts::Language;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::terminal_tasks::{
    LastLineTask, Recipients, TaskKind, TerminalTask, TerminalTasks, WarningTask,
};
use crate::agents::{Agents, Notices};
use crate::ends::{Ends, Request};
use crate::groups::NameService;
use crate::hooks::{HookEnvironment, HookEvent, Hooks};
use crate::idle::ProbeRequest;
use crate::idle::probe::Prober;
use crate::input::Input;
use crate::journal::Journal;
use crate::logind::EndMethod;
use crate::pam::last_session::{self, LastSession, LastSessions};
use crate::sys::clock::{Clocks, boot_now};
use crate::terminal::input_watch::InputWatch;
use crate::text;
use crate::unwarned::Unwarned;

/// Executes the engine's outputs. What takes time runs in tasks, whose results are inputs.
pub(crate) struct ActionRunner {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) ends: Ends,
    pub(crate) input_watch: InputWatch,
    pub(crate) name_service: NameService,
    pub(crate) hooks: Hooks,
    pub(crate) agents: Agents,
    pub(crate) last_sessions: LastSessions,
    pub(crate) prober: Prober,
    pub(crate) terminal_tasks: TerminalTasks,
    pub(crate) journal: Journal,
    /// The language of messages for users.
    pub(crate) language: Language,
}

impl ActionRunner {
    /// The sessions whose last warning nobody received.
    pub(crate) const fn unwarned(&self) -> &Unwarned {
        &self.terminal_tasks.unwarned
    }

    /// Whether the daemon itself has just had this session shown by its seat.
    pub(crate) fn has_shown_again(&self, session: &SessionKey) -> bool {
        self.ends.has_shown_again(session)
    }

    /// Waits for input in a session whose user was warned. Cancel safe.
    pub(crate) async fn activity(&mut self) -> io::Result<BTreeSet<SessionKey>> {
        self.input_watch.next().await
    }

    /// Saves the last sessions that users have not been shown.
    pub(crate) fn save_last_sessions(&self) {
        self.last_sessions.save();
    }

    /// Watches again for input where a warning stood before the daemon was restarted.
    pub(crate) fn watch_again(&mut self, engine: &Engine) {
        for session in engine.sessions() {
            let key = &session.facts.key;
            if is_watched(&engine.warnings(&key.id))
                && let Some(instance) = self.input_watch.lend()
            {
                self.terminal_tasks.run(TerminalTask {
                    session: session.facts.clone(),
                    task: TaskKind::Watch(instance),
                });
            }
        }
    }

    /// Registers these watches for this session, unless its warning has been withdrawn meanwhile.
    pub(crate) fn watched(&mut self, engine: &Engine, key: &SessionKey, watches: &[i32]) {
        let warned = engine.session_of(key).is_some() && is_watched(&engine.warnings(&key.id));
        if warned {
            self.input_watch.add(key, watches);
        } else {
            self.input_watch.give_up(watches);
        }
    }

    /// Resumes waiting for the ends of the logins that logind has no session for.
    pub(crate) fn adopt_again(&self, engine: &Engine) {
        let sessions = engine.sessions().map(|session| session.facts);
        let kept = sessions.filter(|facts| facts.keeper != Keeper::Logind);
        kept.for_each(|facts| self.ends.adopt(facts));
    }

    /// Executes this output of the engine, or starts its execution.
    pub(crate) fn perform(&mut self, engine: &Engine, output: &Output) {
        let key = output.key();
        if let Output::Transition(Transition::Left(facts, reason)) = output {
            self.left(facts, *reason);
        }
        // A later output of the same batch may have been the session's end.
        let Some(session) = engine
            .session(&key.id)
            .filter(|session| session.facts.key == *key)
        else {
            return;
        };
        match output {
            Output::Action(action) => self.execute(&session, action),
            Output::Transition(transition) => self.report(&session, transition),
        }
    }

    fn execute(&mut self, session: &View<'_>, action: &Action) {
        let (facts, key) = (session.facts, &session.facts.key);
        match action {
            Action::Adopt(_) => self.ends.adopt(facts),
            Action::AskLeader(..) => self.ends.request(facts, Request::AskLeader),
            Action::EndRemains(..) => self.ends.end_remains(facts),
            Action::HangUp(..) => self.ends.request(facts, Request::HangUp),
            Action::Kill(_, limit) => {
                self.journal.killing(facts, *limit);
                self.ends.request(facts, Request::End(EndMethod::Kill));
            }
            Action::Lock(_, LockCause::Verify(_) | LockCause::Limit(_)) => {
                self.ends.request(facts, Request::Lock);
            }
            Action::Lock(_, LockCause::LockAfter) => {
                self.journal.locking(session);
                self.ends.request(facts, Request::Lock);
            }
            Action::Probe(_) => self.probe(session),
            Action::ResolveGroups(_) => self.resolve_groups(facts),
            Action::Terminate(..) => self.ends.request(facts, Request::End(EndMethod::Terminate)),
            Action::Verify(_) => self.ends.verify(facts),
            Action::Warn(_, warning) => self.warn(session, warning),
            Action::Withdraw(_, limit) => {
                if *limit == LimitKind::Inactivity {
                    self.input_watch.remove(key);
                }
                self.agents
                    .change_notices(key, |notices| notices.withdraw(*limit));
                self.journal.withdrawn(facts, *limit);
            }
        }
    }

    fn report(&mut self, session: &View<'_>, transition: &Transition) {
        let (facts, key) = (session.facts, &session.facts.key);
        match transition {
            Transition::Began(_) => self.journal.began(session),
            Transition::EndBegins(_, limit, how) => self.end_begins(session, *how, *limit),
            Transition::Found(_, finding) => self.journal.found(session, *finding),
            Transition::HungUp(_, limit) => {
                self.journal.hung_up(facts, *limit);
                self.ends.show_greeter(key);
            }
            // Another session has the id of the one that is gone.
            Transition::Left(..) => {}
            Transition::Locked(_, cause) => {
                self.input_watch.remove(key);
                self.journal.locked(session, *cause);
            }
        }
    }

    /// A session is gone.
    fn left(&mut self, facts: &SessionFacts, reason: EndReason) {
        let key = &facts.key;
        self.input_watch.remove(key);
        self.agents.forget(key);
        self.terminal_tasks.unwarned.forget(key);
        self.journal.left(facts, reason);
        self.ends.left(key);
    }

    /// The absolute limit of a session was extended. The journal entry names who asked, so that the
    /// driver writes it.
    pub(crate) fn extended(&self, facts: &SessionFacts, extended: &Extended) {
        let left = extended.until.since(boot_now());
        let environment = HookEnvironment::of(facts, LimitKind::Absolute).left(left);
        self.hooks.run(HookEvent::Extend, environment);
    }

    /// Starts a probe of a session; its result is an input.
    pub(crate) fn probe(&self, session: &View<'_>) {
        drop(self.prober.start(ProbeRequest::about(session)));
    }

    /// Queries the groups of a user; the result is an input.
    fn resolve_groups(&self, session: &SessionFacts) {
        let (groups, inputs) = (self.name_service.clone(), self.inputs.clone());
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
        self.journal.ending(session, how, limit, length);
        self.show_end(&facts.key, how, limit, length);
        match how {
            EndAction::HangUp | EndAction::Terminate => {
                self.input_watch.remove(&facts.key);
                self.announce_end(session, limit, how, length);
            }
            EndAction::Lock | EndAction::Report => {}
        }
        self.ending_hooks(session, how, limit);
    }

    /// Writes the last line to the session's terminals, and keeps the ending for the next login.
    /// Neither is waited for: the request to end the session follows at once.
    fn announce_end(&self, session: &View<'_>, limit: LimitKind, how: EndAction, length: Duration) {
        let facts = session.facts;
        let at = Clocks::now().wall;
        // Where logind knows no terminal, the place is found later.
        let place = last_session::place(facts);
        let ending = LastSession::new(place, at, text::cause(session, limit), length);
        self.last_sessions.add(facts.uid, ending, at);
        self.terminal_tasks.run(TerminalTask {
            session: facts.clone(),
            task: TaskKind::LastLine(LastLineTask {
                text: text::end(self.language, session, limit),
                recipients: recipients(limit, how),
                at,
                until: LastLineTask::until(),
            }),
        });
    }

    fn ending_hooks(&self, session: &View<'_>, how: EndAction, limit: LimitKind) {
        let length = length_of(session, limit).as_secs();
        let environment = HookEnvironment::of(session.facts, limit).with("ACTION", &how.as_str());
        self.hooks
            .run(HookEvent::End, environment.with("LIMIT_SEC", &length));
    }

    /// Sends a new agent the warnings that its user has received.
    pub(crate) fn brief(&self, engine: &Engine, session: &View<'_>) {
        let key = &session.facts.key;
        let warnings = engine.warnings(&key.id);
        self.agents
            .set_notices(key, Notices::of(self.language, session, &warnings));
    }

    fn show_end(&self, key: &SessionKey, how: EndAction, limit: LimitKind, length: Duration) {
        self.agents
            .change_notices(key, |notices| notices.end(limit, length, how));
    }

    fn warn(&mut self, session: &View<'_>, warning: &Warning) {
        let Some(limits) = session.limits else { return };
        let left = warning.ends_at.since(boot_now());
        let language = self.language;
        self.agents.change_notices(&session.facts.key, |notices| {
            notices.warn(language, session, warning);
        });
        let mesg = match limits.mesg {
            Mesg::Ignored => terminals::Mesg::Ignored,
            Mesg::Respected => terminals::Mesg::Respected,
        };
        let warn = WarningTask {
            text: with_bell(limits.bell, text::warning(language, session, warning, left)),
            mesg,
            recipients: recipients(warning.limit, limits.end_action),
            watch: self.watch_for(warning.limit),
            entry: self.journal.warning(session, warning, left),
            until: Instant::now() + left,
        };
        self.terminal_tasks.run(TerminalTask {
            session: session.facts.clone(),
            task: TaskKind::Warn(Box::new(warn)),
        });
        let environment = HookEnvironment::of(session.facts, warning.limit).left(left);
        let environment = environment.with("LIMIT_SEC", &warning.length.as_secs());
        self.hooks.run(HookEvent::Warn, environment);
    }

    /// The inotify instance for the session's terminals, if input withdraws the warning.
    fn watch_for(&mut self, limit: LimitKind) -> Option<Arc<OwnedFd>> {
        match limit {
            LimitKind::Absolute => None,
            LimitKind::Inactivity => self.input_watch.lend(),
        }
    }
}

/// Whether input withdraws one of these warnings.
fn is_watched(warnings: &[Warning]) -> bool {
    let mut limits = warnings.iter().map(|warning| warning.limit);
    limits.any(|limit| limit == LimitKind::Inactivity)
}

/// The terminals that receive messages about this limit. Processes that a login has left in its scope
/// end with it, so their terminals receive them, too; but input there does not count while the login
/// has terminals of its own, and a hang-up does not end these processes.
const fn recipients(limit: LimitKind, how: EndAction) -> Recipients {
    match (limit, how) {
        (LimitKind::Absolute, EndAction::Terminate) => Recipients::All,
        (LimitKind::Absolute, EndAction::HangUp | EndAction::Lock | EndAction::Report)
        | (LimitKind::Inactivity, _) => Recipients::Counted,
    }
}

/// The text, after a BEL if the bell is to ring. It is added after control characters have been
/// removed from the text, so that only the policy can ring the bell.
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
