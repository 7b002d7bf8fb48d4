//! The plan of a scenario: everything random is drawn before the scenario starts, so that it can be
//! replayed, written as text and shortened.

use std::time::Duration;

use session_timeout_policy::{BootTime, Policy, SessionClass, SessionType, Uid};

/// One scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// When it is over.
    pub(super) until: BootTime,
    /// How late the timers of the daemon and the answers to its questions always are.
    pub(super) lag: Duration,
    /// The policies that are in force one after another; the first one from the start.
    pub(super) policies: Vec<Policy>,
    /// What happens, in its order.
    pub(super) ops: Vec<Op>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) at: BootTime,
    pub(super) kind: OpKind,
}

/// Which login of a scenario it is about, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LoginId(pub(super) u16);

/// The events of a scenario. The effect of a fault is in `world/`; all faults end by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OpKind {
    /// The agent in the session's desktop ends, or is started again.
    Agent(LoginId, Presence),
    /// The user asks for more time.
    RequestsExtension(LoginId),
    /// The daemon gets no processor for this time; the rest of the machine does.
    Busy(Duration),
    /// The user changes a property of the session in logind.
    Changes(LoginId, PropertyChange),
    /// A terminal of the session is closed.
    Closes(LoginId, TerminalIndex),
    /// The daemon crashes, and is started again after this time.
    Crashes(Duration, SavedState),
    /// logind drops the session, and its leader lives on.
    Drops(LoginId),
    /// Requests to logind to end, hang up or lock a session fail for this time.
    EndsFail(Duration),
    /// The leader leaves the scope: when that is ended, logind drops the session.
    Escapes(LoginId),
    /// The question for the groups of a user has no reply, or a faulty one, for this time.
    Groups(CallFault, Duration),
    /// The user takes or releases an inhibitor lock on `idle`.
    Inhibits(LoginId, Inhibitor),
    /// From here on nothing reaches the state file that [`SavedState::Kept`] speaks of.
    Keeps,
    /// The daemon looks at everything that logind has.
    Lists,
    /// The user locks the screen.
    Locks(LoginId),
    /// logind is restarted and is away for this time. It forgets hints.
    Logind(Duration),
    /// Somebody logs in.
    LogsIn(Box<Person>),
    /// The user logs out.
    LogsOut(LoginId, Leftovers),
    /// The daemon is given a reading that it did not ask for.
    Looks(LoginId),
    /// One more terminal is opened in the session.
    Opens(LoginId),
    /// A program writes to a terminal.
    Prints(LoginId, TerminalIndex, Pattern),
    /// Probes fail, or are late, for this time.
    Probes(CallFault, Duration),
    /// The home directory is there: a session of class `user-incomplete` becomes one of a user.
    Ready(LoginId),
    /// The administrator puts the policy with this number in force.
    Reloads(usize),
    /// Signals of logind and PAM are lost, late or doubled for this time.
    Signals(SignalFault, Duration),
    /// The wall clock is set.
    Steps(Step),
    /// The daemon is told something about a session of this id that is not the one there is.
    Strays(LoginId, StaleEvent),
    /// The machine sleeps.
    Suspends(Duration),
    /// The user types, on a terminal or on the desktop.
    Types(LoginId, TerminalIndex, Pattern),
    /// The user unlocks the screen, if it is locked.
    Unlocks(LoginId),
    /// The question what remains of a session has no reply, or a faulty one, for this time.
    Verifies(CallFault, Duration),
    /// Input is not noticed, though a warning stands.
    Unwatched(Duration),
}

/// A property that a user can change in logind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PropertyChange {
    Terminal(String),
    Type(SessionType),
}

/// Which terminal of a session, in the order they were opened. A desktop is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TerminalIndex(pub(super) usize);

/// Something periodic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) every: Duration,
    pub(super) lasts: Duration,
}

/// What a restarted daemon finds of its state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SavedState {
    /// All of it.
    Fresh,
    /// What there was at the last [`OpKind::Keeps`].
    Kept,
    /// Nothing.
    Lost,
}

/// How a question fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallFault {
    /// There is an error at once.
    Fails,
    /// There is never an answer.
    Hangs,
    /// The answer takes so long.
    Late(Duration),
}

/// How signals are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignalFault {
    /// Everything comes twice.
    Doubled,
    /// Every second signal is late by this time, and so arrives after later ones.
    Late(Duration),
    /// Nothing comes. When that is over, the daemon looks at everything that logind has.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inhibitor {
    Released,
    Taken,
}

/// What a logout leaves running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftovers {
    Nothing,
    /// Something that runs on, so that logind keeps the session.
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

/// Who logs in, in what kind of session, and what that session does when it is told to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) who: LoginId,
    /// logind's id. If another session has it, that one is gone.
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
    /// Not before this time after the login; the daemon keeps it until then.
    Late(Duration),
    Never,
}

/// What PAM says of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pam {
    /// Nothing: the module is not there.
    Silent,
    /// It is told before logind tells.
    First,
    /// It is told this long after logind, and only PAM knows the service and the host.
    Second(Duration),
}

/// The source of the idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputSource {
    /// This many terminals, opened with the session.
    Terminals(usize),
    /// One terminal, which logind looks at, too.
    Console,
    /// The desktop reports when there was no input for this time.
    Hint(Duration),
    /// There is an agent in the desktop; the desktop may report after this time, too.
    Agent(Agent, Option<Duration>),
    /// None: a connection without a terminal, or a desktop that does not report.
    Nobody,
}

/// What an agent can find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    /// How long there was no input, at any time.
    Asked,
    /// Only that there was none for as long as it was to watch for.
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
    /// There is none.
    Missing,
    /// Nothing comes of it.
    Stubborn,
    /// It is locked after so long, and the desktop says so.
    Locks(Duration),
    /// The same, and no reading tells whether it is locked.
    LocksMutely(Duration),
}

/// The result of a request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// How long after being asked the session is gone; `None`: it stays.
    pub(super) exits: Option<Duration>,
    /// How long after being killed it is gone.
    pub(super) dies: Duration,
    /// How long after being hung up its user is logged out; `None`: never.
    pub(super) hangs_up: Option<Duration>,
    /// What is left after a hang-up.
    pub(super) leftovers: Leftovers,
    /// How often what has left the scope outlives being ended.
    pub(super) survives: u32,
}

/// What the user does about what the daemon says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habits {
    /// How long after a warning for lack of input there is some, and how often at most.
    pub(super) heeds: Option<(Duration, u32)>,
    /// How long after a warning of the absolute limit more time is asked for, and how often.
    pub(super) asks: Option<(Duration, u32)>,
    /// How long after the screen was locked it is unlocked.
    pub(super) unlocks: Option<Duration>,
}

impl Plan {
    /// Whether nothing goes wrong in it: every invariant about time is then kept to the second.
    pub(super) fn is_calm(&self) -> bool {
        self.ops.iter().all(|op| op.kind.fault().is_none())
    }
}

impl OpKind {
    /// The word for this kind of fault, if it is one.
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
            | Self::Looks(_)
            | Self::Opens(_)
            | Self::Prints(..)
            | Self::Ready(_)
            | Self::Reloads(_)
            | Self::Types(..)
            | Self::Unlocks(_) => return None,
        })
    }

    /// The word for this kind of event.
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
            Self::Looks(_) => "looks",
            Self::Opens(_) => "opens",
            Self::Prints(..) => "prints",
            Self::Ready(_) => "ready",
            Self::Reloads(_) => "reloads",
            Self::Types(..) => "types",
            _ => "unlocks",
        }
    }
}
