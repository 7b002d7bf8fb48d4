//! The plan of a scenario: all random choices are made before it starts, so that it can be
//! replayed, written as text and shortened.

use std::time::Duration;

use session_timeout_policy::{BootTime, Policy, SessionClass, SessionType, Uid};

/// One scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The time of its end.
    pub(super) until: BootTime,
    /// The delay of the daemon's timers and of the replies to its requests.
    pub(super) lag: Duration,
    /// The policies of the scenario; the first one is in force from the start.
    pub(super) policies: Vec<Policy>,
    /// The events, in order of time.
    pub(super) ops: Vec<Op>,
}

/// One event and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) at: BootTime,
    pub(super) kind: OpKind,
}

/// The number of a login in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LoginId(pub(super) u16);

/// The kinds of events. The effect of a fault is in `world/`; every fault ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OpKind {
    /// The agent in the session's desktop stops or starts.
    Agent(LoginId, Presence),
    /// The user requests an extension.
    RequestsExtension(LoginId),
    /// The daemon gets no processor time for this duration; the rest of the machine does.
    Busy(Duration),
    /// The user changes a property of the session in logind.
    Changes(LoginId, PropertyChange),
    /// A terminal of the session is closed.
    Closes(LoginId, TerminalIndex),
    /// The daemon crashes, and is started again after this time.
    Crashes(Duration, SavedState),
    /// logind drops the session, and its leader continues to run.
    Drops(LoginId),
    /// Requests to logind to end, hang up or lock a session fail for this time.
    EndsFail(Duration),
    /// The leader leaves the scope: when the scope is ended, logind drops the session.
    Escapes(LoginId),
    /// The request for the groups of a user has no reply, or an error, for this time.
    Groups(CallFault, Duration),
    /// The user takes or releases an inhibitor lock on `idle`.
    Inhibits(LoginId, Inhibitor),
    /// From now on the state file is not updated; see [`SavedState::Kept`].
    Keeps,
    /// The daemon lists all sessions of logind.
    Lists,
    /// The user locks the screen.
    Locks(LoginId),
    /// logind restarts and is unavailable for this time. It loses its hints.
    Logind(Duration),
    /// A user logs in.
    LogsIn(Box<Person>),
    /// The user logs out.
    LogsOut(LoginId, Leftovers),
    /// The daemon receives a reading that it did not request.
    ExtraProbe(LoginId),
    /// Another terminal is opened in the session.
    Opens(LoginId),
    /// A program writes to a terminal.
    Prints(LoginId, TerminalIndex, Pattern),
    /// Probes fail, or are late, for this time.
    Probes(CallFault, Duration),
    /// The home directory is available: the class changes from `user-incomplete` to `user`.
    Ready(LoginId),
    /// The administrator loads the policy with this number.
    Reloads(usize),
    /// logind signals that somebody has come back to the session.
    Returns(LoginId),
    /// Signals of logind and PAM are lost, late or doubled for this time.
    Signals(SignalFault, Duration),
    /// The wall clock is stepped.
    Steps(Step),
    /// The daemon receives an event about another session with the same id.
    Strays(LoginId, StaleEvent),
    /// The machine is suspended.
    Suspends(Duration),
    /// The user types, on a terminal or on the desktop.
    Types(LoginId, TerminalIndex, Pattern),
    /// The user unlocks the screen, if it is locked.
    Unlocks(LoginId),
    /// The verification of a dropped session has no reply, or an error, for this time.
    Verifies(CallFault, Duration),
    /// Input is not noticed for this time, even if a warning is in force.
    Unwatched(Duration),
}

/// A property that a user can change in logind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PropertyChange {
    Terminal(String),
    Type(SessionType),
}

/// A terminal of a session, in the order in which they were opened. A desktop is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TerminalIndex(pub(super) usize);

/// Periodic activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) every: Duration,
    pub(super) lasts: Duration,
}

/// The content of the state file after a restart of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SavedState {
    /// The current state.
    Fresh,
    /// The state at the last [`OpKind::Keeps`].
    Kept,
    /// None.
    Lost,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallFault {
    /// An error at once.
    Fails,
    /// No reply.
    Hangs,
    /// A reply after this time.
    Late(Duration),
}

/// How signals are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignalFault {
    /// Each signal arrives twice.
    Doubled,
    /// Every second signal is late by this time, and so arrives after later ones.
    Late(Duration),
    /// No signal arrives. After that, the daemon lists all sessions of logind.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inhibitor {
    Released,
    Taken,
}

/// The processes that remain after a logout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftovers {
    Nothing,
    /// A process that continues to run, so that logind keeps the session.
    Tmux,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Back(Duration),
    Forward(Duration),
}

/// Outdated events, which the engine has to ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StaleEvent {
    ActivitySeen,
    EndFailed,
    ExtensionAsked,
    GroupsUnavailable,
    HungUp,
    Locked,
    ProbeFailed,
    Unlocked,
}

/// A login: the user, the kind of session, and how it reacts to requests to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) who: LoginId,
    /// The id in logind. A session that had the same id is gone.
    pub(super) id: String,
    pub(super) user: String,
    pub(super) uid: Uid,
    pub(super) groups: Vec<String>,
    pub(super) class: SessionClass,
    pub(super) session_type: SessionType,
    pub(super) service: Option<String>,
    pub(super) host: Option<String>,
    pub(super) tty: Option<String>,
    pub(super) seat: Option<String>,
    pub(super) pam: Pam,
    pub(super) known: LogindSession,
    pub(super) idle: InputSource,
    pub(super) screen: Screen,
    pub(super) end: End,
    pub(super) habits: Habits,
}

/// Whether logind has a session for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogindSession {
    Always,
    /// logind creates the session this long after the login; the daemon keeps the login until then.
    Late(Duration),
    Never,
}

/// Whether and when PAM reports a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pam {
    /// Never: the module is not installed.
    Silent,
    /// Before logind.
    First,
    /// This long after logind; only PAM knows the service and the host.
    Second(Duration),
}

/// The source of the idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputSource {
    /// This many terminals, opened with the session.
    Terminals(usize),
    /// One terminal, whose idle time logind reports too.
    Console,
    /// The desktop sets the hint after this time without input.
    Hint(Duration),
    /// There is an agent in the desktop; the desktop may set the hint after this time, too.
    Agent(Agent, Option<Duration>),
    /// None: a connection without a terminal, or a desktop that does not report.
    Nobody,
}

/// The idle time that an agent can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    /// The time without input, on request.
    Asked,
    /// Only that there was no input for the requested watch time.
    Called,
}

/// Whether an agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Gone,
    There,
}

/// The result of a request to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    /// The session has no screen.
    Missing,
    /// The session does not lock.
    Stubborn,
    /// The session locks after this time, and the desktop reports that.
    Locks(Duration),
    /// The same, but no probe shows whether it is locked.
    LocksMutely(Duration),
}

/// The result of a request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The time from the request to the end of the session; `None` if it does not end.
    pub(super) exits: Option<Duration>,
    /// The time from the kill to the end of the session.
    pub(super) dies: Duration,
    /// The time from the hang-up to the logout; `None` if there is none.
    pub(super) hangs_up: Option<Duration>,
    /// The processes that remain after a hang-up.
    pub(super) leftovers: Leftovers,
    /// The number of times that processes outside of the scope survive an end.
    pub(super) survives: u32,
}

/// How the user reacts to warnings and locks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habits {
    /// The time from a warning of the inactivity limit to input, and the maximal number of
    /// reactions.
    pub(super) responds: Option<(Duration, u32)>,
    /// The time from a warning of the absolute limit to a request for an extension, and the number
    /// of requests.
    pub(super) asks: Option<(Duration, u32)>,
    /// The time from a lock to the unlock.
    pub(super) unlocks: Option<Duration>,
}

impl Plan {
    /// Whether the scenario has no faults: every invariant about time then has to hold to the
    /// second.
    pub(super) fn is_calm(&self) -> bool {
        self.ops.iter().all(|op| op.kind.fault().is_none())
    }
}

impl OpKind {
    /// The name of this kind of fault, if it is one.
    pub(super) const fn fault(&self) -> Option<&'static str> {
        Some(match self {
            Self::Agent(_, Presence::Gone) => "agent-gone",
            Self::Busy(_) => "daemon-busy",
            Self::Crashes(_, SavedState::Fresh) => "crash",
            Self::Crashes(_, SavedState::Kept) => "crash-old-state",
            Self::Crashes(_, SavedState::Lost) => "crash-state-lost",
            Self::EndsFail(_) => "ends-fail",
            Self::Groups(CallFault::Fails, _) => "groups-fail",
            Self::Groups(CallFault::Hangs, _) => "groups-hang",
            Self::Groups(CallFault::Late(_), _) => "groups-late",
            Self::Logind(_) => "logind-restart",
            Self::Probes(CallFault::Fails, _) => "probes-fail",
            Self::Probes(CallFault::Hangs, _) => "probes-hang",
            Self::Probes(CallFault::Late(_), _) => "probes-late",
            Self::Signals(SignalFault::Doubled, _) => "signals-doubled",
            Self::Signals(SignalFault::Late(_), _) => "signals-late",
            Self::Signals(SignalFault::Lost, _) => "signals-lost",
            Self::Steps(_) => "clock-step",
            Self::Strays(..) => "stray",
            Self::Suspends(_) => "suspend",
            Self::Verifies(CallFault::Fails, _) => "verify-fails",
            Self::Verifies(CallFault::Hangs, _) => "verify-hangs",
            Self::Verifies(CallFault::Late(_), _) => "verify-late",
            Self::Unwatched(_) => "input-unwatched",
            Self::Agent(_, Presence::There)
            | Self::RequestsExtension(_)
            | Self::Changes(..)
            | Self::Closes(..)
            | Self::Drops(_)
            | Self::Escapes(_)
            | Self::Inhibits(..)
            | Self::Keeps
            | Self::Lists
            | Self::Locks(_)
            | Self::LogsIn(_)
            | Self::LogsOut(..)
            | Self::ExtraProbe(_)
            | Self::Opens(_)
            | Self::Prints(..)
            | Self::Ready(_)
            | Self::Reloads(_)
            | Self::Returns(_)
            | Self::Types(..)
            | Self::Unlocks(_) => return None,
        })
    }

    /// The name of this kind of event.
    pub(super) const fn word(&self) -> &'static str {
        if let Some(fault) = self.fault() {
            return fault;
        }
        match self {
            Self::Agent(..) => "agent-there",
            Self::RequestsExtension(_) => "asks-more",
            Self::Changes(..) => "changes",
            Self::Closes(..) => "closes",
            Self::Drops(_) => "drops",
            Self::Escapes(_) => "escapes",
            Self::Inhibits(..) => "inhibits",
            Self::Keeps => "keeps",
            Self::Lists => "lists",
            Self::Locks(_) => "locks",
            Self::LogsIn(_) => "logs-in",
            Self::LogsOut(..) => "logs-out",
            Self::ExtraProbe(_) => "extra-probes",
            Self::Opens(_) => "opens",
            Self::Prints(..) => "prints",
            Self::Ready(_) => "ready",
            Self::Reloads(_) => "reloads",
            Self::Returns(_) => "returns",
            Self::Types(..) => "types",
            _ => "unlocks",
        }
    }
}
