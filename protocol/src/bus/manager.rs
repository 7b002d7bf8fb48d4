//! The daemon's interface: the object, its methods, its signal and its properties.
//!
//! `packaging/dbus-1/org.sessiontimeout1.conf` allows every user to call each method; the daemon
//! decides what the caller may know and do.

/// The daemon's object.
pub const PATH: &str = "/org/sessiontimeout1";

/// The interface of [`PATH`].
pub const INTERFACE: &str = "org.sessiontimeout1.Manager";

/// `() -> aa{sv}`: the caller's sessions, or for root all sessions that a person logged in to.
/// The keys are those of [`session`](super::session).
pub const LIST_SESSIONS: &str = "ListSessions";

/// `(s session) -> a{sv}`: which rule applies to a session, each of its settings and where it is
/// set, and the next warnings and ends. The keys are those of [`session`](super::session).
pub const EXPLAIN: &str = "Explain";

/// `(s session) -> a{sv}`: the remaining time of a session, without a probe of its idle time. The
/// keys are those of [`session`](super::session).
pub const LEFT: &str = "Left";

/// `(s session) -> (t by, t ends_in, u left)`: extends the absolute limit of a session once. The
/// reply is the extension and the time until the end, both in microseconds, and the number of
/// extensions that are left. The errors are those of [`ExtendError`](super::ExtendError).
pub const EXTEND_SESSION: &str = "ExtendSession";

/// `(s session, s source) -> b`: registers the caller as the agent of a session whose user it
/// runs as; `source` is one of [`agent::source`](super::agent::source). The reply is `false` if
/// the session has another agent.
pub const ATTACH_AGENT: &str = "AttachAgent";

/// `(s session)`, from the agent: there was no input for the idle time that the daemon asked to be
/// notified of.
pub const BECAME_IDLE: &str = "BecameIdle";

/// `(s session)`, from the agent: there was input after [`BECAME_IDLE`].
pub const BECAME_ACTIVE: &str = "BecameActive";

/// `(s session)`, from the agent: the user pressed the button to stay signed in, which counts as
/// input.
pub const STAY: &str = "Stay";

/// `(s session) -> a{sv}`, from the agent: how the last session of the agent's user ended, if
/// session-timeout ended it and that was not shown yet; empty otherwise. The keys are those of
/// [`last_ending`](super::last_ending).
pub const LAST_ENDING: &str = "LastEnding";

/// `(s session)`, from the agent: the user was shown the reply to [`LAST_ENDING`].
pub const ENDING_TOLD: &str = "EndingTold";

/// `(s session)`, a signal: the reply to [`LEFT`] has changed, other than by passing time. At most
/// one a second for each session.
pub const SESSION_CHANGED: &str = "SessionChanged";

/// `s`, a property: the version of the daemon.
pub const VERSION: &str = "Version";

/// `s`, a property: the path of the policy file.
pub const POLICY_PATH: &str = "PolicyPath";

/// `s`, a property: `in-force`, `built-in`, `last-good` or `none`.
pub const POLICY_STATE: &str = "PolicyState";

/// `s`, a property: why the policy file was rejected; empty if it was not. For root only, since it
/// quotes the file.
pub const POLICY_ERROR: &str = "PolicyError";

/// `b`, a property: whether the daemon was started with `--allow-short-limits`.
pub const SHORT_LIMITS: &str = "ShortLimits";

/// `s`, a property: `connected` or `waiting`.
pub const LOGIND_STATE: &str = "LogindState";

/// `t`, a property: connections to the login socket that sent something other than a valid frame.
pub const REJECTED_FRAMES: &str = "RejectedFrames";

/// Each method of the interface.
pub const METHODS: [&str; 10] = [
    LIST_SESSIONS,
    EXPLAIN,
    LEFT,
    EXTEND_SESSION,
    ATTACH_AGENT,
    BECAME_IDLE,
    BECAME_ACTIVE,
    STAY,
    LAST_ENDING,
    ENDING_TOLD,
];

/// Each signal of the interface.
pub const SIGNALS: [&str; 1] = [SESSION_CHANGED];

/// Each property of the interface.
pub const PROPERTIES: [&str; 7] = [
    VERSION,
    POLICY_PATH,
    POLICY_STATE,
    POLICY_ERROR,
    SHORT_LIMITS,
    LOGIND_STATE,
    REJECTED_FRAMES,
];
