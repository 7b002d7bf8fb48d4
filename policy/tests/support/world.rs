//! The simulated machine: its clocks, its logind, its users, and the kernel's time stamps of their
//! input.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use session_timeout_policy::{
    BootTime, Hint, Login, Pid, Reading, SessionClass, SessionFacts, SessionId, SessionKey,
    SessionType, StampSource, Uid, WallTime,
};

const SECOND: u64 = 1_000_000;
/// The initial time of both clocks: the start of a kernel window of eight seconds, so that the
/// result of a scenario is always the same.
const BOOT: u64 = 100_000 * SECOND;
const WALL: u64 = 1_800_000_000 * SECOND;

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) now: BootTime,
    /// The difference between the wall clock and the time since boot, in microseconds.
    wall_offset: u64,
    /// logind's sessions, by id.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Processes of logins without a logind session.
    pub(crate) at_large: BTreeMap<SessionKey, Session>,
    pub(crate) logind: Service,
    pub(crate) probes: Probes,
    /// The state of the verification of sessions.
    pub(crate) remains: Probes,
    /// The groups of each user with groups other than `users`.
    pub(crate) groups: BTreeMap<String, BTreeSet<String>>,
    pub(crate) name_service: Probes,
    /// The number of all logins so far.
    logins: u32,
}

/// The state of logind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Up,
    /// Calls fail at once: logind has no bus name.
    Away,
    /// Calls have no reply.
    Silent,
}

/// The state of a query, such as a probe of a session or the groups of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probes {
    Work,
    Fail,
    Hang,
}

/// The kind of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginKind {
    Console,
    Desktop,
    Greeter,
    Ssh,
    SshWithoutTerminal,
    WebConsole,
}

/// The real state of a session, of which the daemon sees a part.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are independent of each other"
)]
pub(crate) struct Session {
    pub(crate) facts: SessionFacts,
    /// The time stamp of the last input of each terminal, in whole seconds of the wall clock, as in
    /// stat(2).
    terminals: BTreeMap<u64, u64>,
    /// The time stamp of the last output of each terminal.
    outputs: BTreeMap<u64, u64>,
    /// Whether logind knows the terminal, as it does for a console.
    logind_knows: bool,
    hint: Option<Hint>,
    /// The last input that any source could report.
    pub(crate) last_input: BootTime,
    /// Ignores requests to end.
    pub(crate) stubborn: bool,
    /// The leader has left the scope, so logind drops the session at its end while the leader
    /// lives.
    pub(crate) escaped: bool,
    /// Detached processes survive a hang-up.
    pub(crate) detached: bool,
    /// Whether the desktop locks on request.
    pub(crate) locks: bool,
    /// logind's `LockedHint`.
    pub(crate) locked: bool,
    /// The user holds an inhibitor lock on `idle`.
    pub(crate) inhibits: bool,
    /// PAM has reported the login, or would have if the daemon had been running.
    pub(crate) recorded: bool,
}

/// Whether any source can report an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Left,
    None,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: BootTime::from_micros(BOOT),
            wall_offset: WALL - BOOT,
            sessions: BTreeMap::new(),
            at_large: BTreeMap::new(),
            logind: Service::Up,
            probes: Probes::Work,
            remains: Probes::Work,
            groups: BTreeMap::new(),
            name_service: Probes::Work,
            logins: 0,
        }
    }

    /// Opens a session, which replaces one with the same id.
    pub(crate) fn open(&mut self, id: &str, user: &str, kind: LoginKind) -> &mut Session {
        self.logins += 1;
        let graphical = matches!(kind, LoginKind::Desktop | LoginKind::Greeter);
        let facts = SessionFacts {
            key: SessionKey {
                id: SessionId::new(id),
                stamp: self.now.as_micros(),
            },
            user: user.to_owned(),
            uid: uid_of(user),
            class: if kind == LoginKind::Greeter {
                SessionClass::Greeter
            } else {
                SessionClass::User
            },
            session_type: match kind {
                LoginKind::Desktop | LoginKind::Greeter => SessionType::Wayland,
                LoginKind::WebConsole => SessionType::Web,
                LoginKind::Console | LoginKind::Ssh | LoginKind::SshWithoutTerminal => {
                    SessionType::Tty
                }
            },
            leader: Some(Pid::new(1000 + self.logins)),
            service: match kind {
                LoginKind::Console => Some("login".to_owned()),
                LoginKind::Desktop => Some("gdm-password".to_owned()),
                LoginKind::Greeter => Some("gdm-launch-environment".to_owned()),
                LoginKind::Ssh | LoginKind::SshWithoutTerminal => Some("sshd".to_owned()),
                LoginKind::WebConsole => Some("cockpit".to_owned()),
            },
            remote_host: matches!(kind, LoginKind::Ssh | LoginKind::SshWithoutTerminal)
                .then(|| "192.0.2.7".to_owned()),
            terminal: (kind == LoginKind::Console).then(|| "tty1".to_owned()),
            seat: (graphical || kind == LoginKind::Console).then(|| "seat0".to_owned()),
            started: self.now,
            keeper: session_timeout_policy::Keeper::Logind,
            invocation: None,
            audit: None,
        };
        let on_terminal = matches!(kind, LoginKind::Console | LoginKind::Ssh);
        let session = Session {
            facts,
            terminals: on_terminal
                .then(|| (1, self.wall_secs()))
                .into_iter()
                .collect(),
            outputs: BTreeMap::new(),
            logind_knows: kind == LoginKind::Console,
            hint: None,
            last_input: self.now,
            stubborn: false,
            escaped: false,
            detached: false,
            locks: graphical,
            locked: false,
            inhibits: false,
            recorded: true,
        };
        self.sessions.insert(id.to_owned(), session);
        self.sessions.get_mut(id).expect("it was just inserted")
    }

    /// Input in the newest terminal or in the desktop.
    pub(crate) fn types(&mut self, id: &str) -> Trace {
        let (now, secs) = (self.now, self.wall_secs());
        let Some(session) = self.sessions.get_mut(id) else {
            return Trace::None;
        };
        if !session.has_a_source() {
            return Trace::None;
        }
        session.last_input = now;
        session.hint = session.hint.map(|_| Hint::Active);
        if let Some(stamp) = session.terminals.values_mut().last() {
            // `tty_update_time()`, drivers/tty/tty_io.c: once in each aligned window of 8 s.
            if (secs ^ *stamp) & !7 != 0 {
                *stamp = secs;
            }
        }
        Trace::Left
    }

    /// A program writes to the newest terminal.
    pub(crate) fn prints(&mut self, id: &str) {
        let secs = self.wall_secs();
        if let Some(session) = self.sessions.get_mut(id)
            && let Some(number) = session.terminals.keys().last()
        {
            let stamp = session.outputs.entry(*number).or_insert(0);
            if (secs ^ *stamp) & !7 != 0 {
                *stamp = secs;
            }
        }
    }

    pub(crate) fn opens_a_terminal(&mut self, id: &str) {
        let secs = self.wall_secs();
        if let Some(session) = self.sessions.get_mut(id) {
            let number = session.terminals.keys().last().map_or(1, |last| last + 1);
            session.terminals.insert(number, secs);
            session.last_input = self.now;
        }
    }

    /// The desktop sets logind's idle hint, for the first time or after a change.
    pub(crate) fn hints(&mut self, id: &str, hint: Hint) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.hint = Some(hint);
            session.last_input = self.now;
        }
    }

    pub(crate) fn closes_its_terminals(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.terminals.clear();
            session.logind_knows = false;
        }
    }

    /// Steps the wall clock forward.
    pub(crate) fn step_forward(&mut self, by: Duration) {
        self.wall_offset += micros(by);
    }

    /// Steps the wall clock back.
    pub(crate) fn step_back(&mut self, by: Duration) {
        self.wall_offset -= micros(by);
    }

    /// The result of logind's `ListSessions`.
    pub(crate) fn listed(&self) -> Vec<SessionFacts> {
        self.sessions
            .values()
            .map(|session| session.facts.clone())
            .collect()
    }

    /// Whether logind has exactly this session.
    pub(crate) fn has(&self, key: &SessionKey) -> bool {
        self.sessions
            .get(key.id.as_str())
            .is_some_and(|session| session.facts.key == *key)
    }

    /// The reading of a probe, if there is one: without logind, the terminals can still be read.
    pub(crate) fn read(&self, key: &SessionKey) -> Option<Reading> {
        let session = self
            .sessions
            .get(key.id.as_str())
            .filter(|session| session.facts.key == *key)
            .or_else(|| self.at_large.get(key))?;
        let wall = |secs: u64| WallTime::from_micros(secs * SECOND);
        let mut reading = Reading {
            wall: WallTime::from_micros(self.now.as_micros() + self.wall_offset),
            stamps: session
                .terminals
                .iter()
                .map(|(number, secs)| (StampSource::Terminal(0x8800 + number), wall(*secs)))
                .collect(),
            ..Reading::default()
        };
        let outputs = session.outputs.iter();
        reading.stamps.extend(
            outputs.map(|(number, secs)| (StampSource::Output(0x8800 + number), wall(*secs))),
        );
        if self.logind == Service::Up {
            let graphical = session.facts.session_type.is_graphical();
            reading.locked = graphical.then_some(session.locked);
            reading.inhibitor = session.inhibits.then(|| "mpv".to_owned());
            reading.hint = session.hint;
            let first = session
                .terminals
                .values()
                .next()
                .filter(|_| session.logind_knows);
            reading
                .stamps
                .extend(first.map(|secs| (StampSource::Logind, wall(*secs))));
        } else if reading.stamps.is_empty() {
            return None;
        }
        Some(reading)
    }

    /// The groups of a user.
    pub(crate) fn groups_of(&self, user: &str) -> BTreeSet<String> {
        let users = BTreeSet::from(["users".to_owned()]);
        self.groups.get(user).cloned().unwrap_or(users)
    }

    fn wall_secs(&self) -> u64 {
        (self.now.as_micros() + self.wall_offset) / SECOND
    }
}

impl Session {
    /// Whether the desktop's hint is "active": such a session never counts as idle.
    pub(crate) fn is_held_active(&self) -> bool {
        self.hint == Some(Hint::Active)
    }

    /// Whether any source reports the idle time of the session.
    pub(crate) fn has_a_source(&self) -> bool {
        !self.terminals.is_empty() || self.hint.is_some()
    }

    /// PAM's report of the login.
    pub(crate) fn login(&self) -> Login {
        Login {
            id: self.facts.key.id.clone(),
            leader: self.facts.leader.unwrap_or(Pid::new(1)),
            service: self.facts.service.clone().unwrap_or_default(),
            remote_host: self.facts.remote_host.clone(),
            terminal: None,
        }
    }
}

fn uid_of(user: &str) -> Uid {
    Uid::new(match user {
        "root" => 0,
        "gdm" => 110,
        "kiosk" => 900,
        "alice" => 1000,
        "bob" => 1001,
        other => panic!("unknown user {other}: the users are root, gdm, kiosk, alice and bob"),
    })
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).expect("a span of a test is short")
}
