//! The loop: what comes in goes to the engine, and what the engine says is done.
//!
//! Nothing in here waits for anything but the next input. What may take time is done by a task of
//! its own, and its outcome is another input.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sd_notify::NotifyState;
use session_timeout_config::{Minima, Settings};
use session_timeout_policy::{
    ActivityKind, BootTime, Engine, Event, Login, Pid, Policy, SessionKey, View,
};
use session_timeout_protocol::Opened;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::agents::{self, Agents};
use crate::cli::Args;
use crate::clock::{Alarm, boot_now};
use crate::control::Questions;
use crate::hands::Hands;
use crate::inhibitors::{Inhibitors, Wanted};
use crate::input::{Input, LockHint};
use crate::journal::Journal;
use crate::logins::{Answer, Logins};
use crate::policy_file::{Found, Origin, PolicyFile};
use crate::probe::Prober;
use crate::report::{Extension, Report, SessionReport, explain};
use crate::store::Store;
use crate::tell::Teller;
use crate::watch::Watcher;
use crate::writes::Writes;
use crate::{intake, logind, scope};

/// Inputs that may wait for the driver; whoever brings more waits.
const QUEUE: usize = 256;
/// Sessions that logind may be asked for out of turn.
const WANTED: usize = 64;
/// Two writings of the state are at least so far apart, so that a storm of logins does not become
/// a storm of writing.
const SAVE_PAUSE: Duration = Duration::from_millis(100);
/// Where the state is kept, below systemd's `RuntimeDirectory=`.
const STATE: &str = "/run/session-timeout/state.json";

/// Runs the daemon until it is told to stop.
pub(crate) async fn run(args: Args, journal: Journal) -> io::Result<()> {
    let signals = Signals::new()?;
    let listener = intake::listener()?;
    let (inputs, queue) = mpsc::channel(QUEUE);
    let (bus, connection) = watch::channel(None);
    let (wanted, asked_for) = mpsc::channel(WANTED);

    let teller = Teller::new(journal);
    let (watcher, writes, agents) = (Watcher::new()?, Writes::default(), Agents::default());
    let prober = Prober::new(inputs.clone(), agents.clone(), writes.clone());
    let hands = Hands::new(
        inputs.clone(),
        connection,
        watcher,
        writes,
        agents.clone(),
        teller.clone(),
    );
    let driver = Driver::new(args, hands, agents.clone(), teller, wanted)?;
    let questions = Questions::new(inputs.clone(), agents, prober);
    tokio::spawn(intake::serve(listener, inputs.clone()));
    tokio::spawn(logind::follow(inputs, bus, asked_for, questions));
    notify(&[NotifyState::Ready]);
    driver.drive(queue, signals).await
}

struct Driver {
    engine: Engine,
    alarm: Alarm,
    hands: Hands,
    inhibitors: Inhibitors,
    agents: Agents,
    teller: Teller,
    file: PolicyFile,
    origin: Origin,
    /// Where each value of the policy was set.
    settings: Option<Settings>,
    policy_error: Option<String>,
    store: Store,
    saved: Saved,
    logind: Logind,
    rejected_frames: u64,
    logins: Logins,
    wanted: mpsc::Sender<String>,
}

/// How much of the engine's state is in the file.
struct Saved {
    revision: u64,
    at: BootTime,
    /// A failure is told once, until the next success.
    failing: bool,
}

/// Whether logind answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logind {
    Starting,
    Connected,
    Lost,
}

struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// What the driver was woken by.
enum Woken {
    Alarm,
    Inhibitors,
    Input(Input),
    Reload,
    Save,
    Seen(Vec<Event>),
    Stop,
}

impl Driver {
    fn new(
        args: Args,
        hands: Hands,
        agents: Agents,
        teller: Teller,
        wanted: mpsc::Sender<String>,
    ) -> io::Result<Self> {
        let minima = args.minima();
        let file = PolicyFile::new(args.policy, minima);
        if minima == Minima::Lifted {
            teller.short_limits();
        }
        let (found, policy_error) = match file.read() {
            Ok(found) => (found, None),
            Err(error) => {
                teller.policy_rejected(&error);
                (file.fall_back(), Some(error))
            }
        };
        teller.policy(&file.path, &found);

        let store = Store::new(PathBuf::from(STATE));
        let now = boot_now();
        let engine = match store.load() {
            Ok(records) => Engine::restore(now, found.policy, records),
            Err(error) => {
                log::warn!("cannot use {STATE}, asking logind for everything: {error}");
                Engine::new(now, found.policy)
            }
        };
        let saved = Saved {
            revision: engine.revision(),
            at: BootTime::default(),
            failing: false,
        };
        let mut inhibitors = Inhibitors::new()?;
        inhibitors.watch(counts_inhibitors(engine.policy()));
        Ok(Self {
            engine,
            alarm: Alarm::new()?,
            hands,
            inhibitors,
            agents,
            teller,
            file,
            origin: found.origin,
            settings: found.settings,
            policy_error,
            store,
            saved,
            logind: Logind::Starting,
            rejected_frames: 0,
            logins: Logins::default(),
            wanted,
        })
    }

    async fn drive(
        mut self,
        mut queue: mpsc::Receiver<Input>,
        mut signals: Signals,
    ) -> io::Result<()> {
        loop {
            self.alarm
                .set(self.engine.next_deadline().map(|deadline| deadline.at))?;
            match self.woken(&mut queue, &mut signals).await? {
                Woken::Alarm => {
                    let actions = self.engine.handle_timeout(boot_now());
                    self.hands.perform(&self.engine, actions);
                }
                Woken::Inhibitors => self.tell(Event::InhibitorsChanged),
                Woken::Input(input) => self.take(input),
                Woken::Reload => self.reload(),
                Woken::Save => {}
                Woken::Seen(events) => events.into_iter().for_each(|event| self.tell(event)),
                Woken::Stop => {
                    notify(&[NotifyState::Stopping]);
                    self.save_now();
                    return Ok(());
                }
            }
            self.save();
        }
    }

    /// Waits for the next thing to deal with.
    async fn woken(
        &mut self,
        queue: &mut mpsc::Receiver<Input>,
        signals: &mut Signals,
    ) -> io::Result<Woken> {
        let to_save = self.saved.revision != self.engine.revision();
        Ok(tokio::select! {
            _ = signals.terminate.recv() => Woken::Stop,
            _ = signals.interrupt.recv() => Woken::Stop,
            _ = signals.reload.recv() => Woken::Reload,
            fired = self.alarm.fired() => {
                fired?;
                Woken::Alarm
            }
            active = self.hands.activity() => {
                Woken::Seen(active?.into_iter().map(Event::ActivitySeen).collect())
            }
            changed = self.inhibitors.changed() => {
                changed?;
                Woken::Inhibitors
            }
            input = queue.recv() => input.map_or(Woken::Stop, Woken::Input),
            () = tokio::time::sleep(SAVE_PAUSE), if to_save => Woken::Save,
        })
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::AgentAttached(key, source) => self.agent_attached(&key, source),
            Input::AgentGone(key) => self.agent_gone(&key),
            Input::AgentSilent(key) => {
                if let Some(session) = self.engine.session_of(&key) {
                    self.teller.agent_silent(&session);
                }
            }
            Input::Event(event) => self.tell(event),
            Input::Explain(id, answer) => {
                let settings = self.settings.as_ref();
                let explained = explain(&self.engine, settings, &id, boot_now(), &self.agents);
                // Whoever asked may have gone away again.
                drop(answer.send(explained));
            }
            Input::Extend(id, answer) => drop(answer.send(self.extend(&id))),
            Input::FrameRejected(error) => {
                self.rejected_frames = self.rejected_frames.saturating_add(1);
                self.teller.frame_rejected(error, self.rejected_frames);
            }
            Input::LockHint(id, hint) => self.lock_hint(&id, hint),
            Input::LogindConnected => {
                if self.logind == Logind::Lost {
                    self.teller.logind_connected();
                }
                self.logind = Logind::Connected;
            }
            Input::LogindLost(why) => {
                // Once, and not at every attempt.
                if self.logind != Logind::Lost {
                    self.teller.logind_lost(&why);
                }
                self.logind = Logind::Lost;
            }
            Input::Opened(opened, leader, answer) => self.opened(opened, leader, answer),
            Input::Closed(closed, process) => self.closed(closed.session_id, process),
            Input::Query(answer) => drop(answer.send(self.report())),
        }
    }

    /// Tells the engine, and does what it says.
    fn tell(&mut self, event: Event) {
        let listed = matches!(event, Event::SessionsListed(_));
        let actions = self.engine.handle(boot_now(), event);
        self.hands.perform(&self.engine, actions);
        self.logins.answer(&self.engine);
        if listed {
            self.look_at_locks();
        }
    }

    /// Whether a session that is locked instead of ended still is: who unlocked it while nobody
    /// listened is not unlimited for that.
    fn look_at_locks(&self) {
        let sessions = self.engine.sessions();
        for session in sessions.filter(|session| session.locking.hold.is_some()) {
            self.hands.probe(&session);
        }
    }

    /// It is asked at once, so that it watches from now on.
    fn agent_attached(&self, key: &SessionKey, source: agents::Source) {
        if let Some(session) = self.engine.session_of(key) {
            self.teller.agent_attached(session.facts, source);
            self.look(&session);
        }
    }

    fn agent_gone(&self, key: &SessionKey) {
        if let Some(session) = self.engine.session_of(key) {
            self.teller.agent_gone(&session);
            self.look(&session);
        }
    }

    /// Looks at a session out of turn, where anything counts from its input.
    fn look(&self, session: &View<'_>) {
        if session.watch.is_some() {
            self.hands.probe(session);
        }
    }

    fn extend(&mut self, id: &str) -> Extension {
        let Some(session) = self.engine.session(id) else {
            return Extension::NoSession;
        };
        let event = Event::ExtensionAsked(session.facts.key.clone());
        let now = boot_now();
        let actions = self.engine.handle(now, event);
        let said = Extension::told_by(&actions, now);
        self.hands.perform(&self.engine, actions);
        said
    }

    /// PAM closed a session. Without an id it was one inside another one, such as `su -`.
    ///
    /// The id is from the PAM environment, into which users may write on some machines (pam_env
    /// with `user_readenv=1`, as in Debian 12's sshd): only the process that opened a session can
    /// close it.
    fn closed(&mut self, id: Option<String>, process: Pid) {
        let session = id.as_deref().and_then(|id| self.engine.session(id));
        let own = session.is_some_and(|session| session.facts.leader == Some(process));
        if let Some(id) = id.filter(|_| own) {
            self.tell(Event::LoginClosed(id));
        }
    }

    fn lock_hint(&mut self, id: &str, hint: LockHint) {
        let Some(session) = self.engine.session(id) else {
            return;
        };
        let key = session.facts.key.clone();
        self.tell(match hint {
            LockHint::Locked => Event::Locked(key),
            LockHint::Unlocked => Event::Unlocked(key),
        });
    }

    /// PAM opened a session.
    fn opened(&mut self, opened: Opened, leader: Pid, answer: Answer) {
        let Some(id) = opened.session_id else {
            let outer = scope::session_of(leader);
            self.teller.login_without_session(&opened, outer.as_deref());
            let _ = answer.send(None);
            return;
        };
        self.tell(Event::LoginRecorded(Login {
            id: id.clone(),
            leader,
            service: opened.service,
            remote_host: opened.remote_host.filter(|host| !host.is_empty()),
            terminal: opened.tty.filter(|tty| !tty.is_empty()),
        }));
        let known = self.engine.session(&id).is_some();
        self.logins.wait(id.clone(), leader, answer);
        self.logins.answer(&self.engine);
        // logind's signal is on its way, or was missed: ask, and keep the login waiting a little.
        // Where too many are asked for already, the login goes on without its line.
        if !known && self.wanted.try_send(id.clone()).is_err() {
            self.logins.give_up(&id);
        }
    }

    fn reload(&mut self) {
        notify_reloading();
        match self.file.read() {
            Ok(found) => {
                self.teller.policy(&self.file.path, &found);
                let Found {
                    policy,
                    settings,
                    origin,
                    ..
                } = found;
                self.inhibitors.watch(counts_inhibitors(&policy));
                (self.origin, self.settings) = (origin, settings);
                self.policy_error = None;
                self.tell(Event::PolicyReplaced(policy));
                // Agents may have to watch for another time now.
                let watched = |session: &View<'_>| {
                    let key = &session.facts.key;
                    self.agents.source_of(key).is_some()
                };
                let sessions = self.engine.sessions();
                sessions
                    .filter(watched)
                    .for_each(|session| self.look(&session));
            }
            Err(error) => {
                self.teller.policy_rejected(&error);
                self.policy_error = Some(error);
            }
        }
        notify(&[NotifyState::Ready]);
    }

    fn report(&self) -> Report {
        let now = boot_now();
        let sessions = self.engine.sessions();
        let sessions = sessions.map(|session| SessionReport::of(&session, now, &self.agents));
        Report {
            policy_path: self.file.path.display().to_string(),
            policy_state: self.origin.as_str(),
            policy_error: self.policy_error.clone(),
            short_limits: self.file.minima == Minima::Lifted,
            logind_connected: self.logind == Logind::Connected,
            rejected_frames: self.rejected_frames,
            sessions: sessions.collect(),
        }
    }

    fn save(&mut self) {
        let due = boot_now() >= self.saved.at.saturating_add(SAVE_PAUSE);
        if due && self.saved.revision != self.engine.revision() {
            self.save_now();
        }
    }

    fn save_now(&mut self) {
        self.saved.revision = self.engine.revision();
        self.saved.at = boot_now();
        match self.store.save(self.engine.records()) {
            Ok(()) => self.saved.failing = false,
            Err(error) if !self.saved.failing => {
                self.saved.failing = true;
                log::error!("cannot keep the state in {STATE}, going on without: {error}");
            }
            Err(_) => {}
        }
    }
}

/// Whether anybody's policy counts inhibitor locks as activity.
fn counts_inhibitors(policy: &Policy) -> Wanted {
    let rules = policy.rules.iter().map(|rule| &rule.limits);
    let counted = rules
        .chain(&policy.default)
        .any(|limits| limits.activity.contains(&ActivityKind::Inhibitor));
    if counted { Wanted::Yes } else { Wanted::No }
}

fn notify_reloading() {
    // Both are wanted together since systemd 253.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// systemd may not be listening, when the daemon is tried out by hand.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::debug!("cannot notify systemd: {error}");
    }
}
