//! The keys of a session: in the replies to [`LIST_SESSIONS`](super::manager::LIST_SESSIONS),
//! [`LEFT`](super::manager::LEFT) and [`EXPLAIN`](super::manager::EXPLAIN).

// In each reply.

/// `s`: the id that logind, or for a login without a logind session the daemon, has given it.
pub const ID: &str = "Id";

/// `s`: the name of the user.
pub const USER: &str = "User";

/// `s`: `running`, `warned`, `ending`, `survived` (processes of the session still run after its
/// end), `held` (locked for a limit; both limits restart at the unlock), `reported` (it is past a
/// limit that only reports), `undecided` (the groups of the user are not known yet) or `exempt`.
pub const PHASE: &str = "Phase";

/// `s`: the rule that applies; absent for `[default]`.
pub const RULE: &str = "Rule";

/// `s`: `asked` while the groups of the user are being resolved, `unavailable` if they cannot be.
pub const GROUPS_STATE: &str = "GroupsState";

/// `s`: why no limit applies.
pub const EXEMPTION: &str = "Exemption";

/// `s`: what happens at the end: `terminate`, `hang-up`, `lock` or `report`.
pub const END_ACTION: &str = "EndAction";

// In the reply to `ListSessions` and in part to the other two.

/// `u`: the id of the user.
pub const UID: &str = "Uid";

/// `s`: the type, as in org.freedesktop.login1(5).
pub const TYPE: &str = "Type";

/// `s`: the class, as in org.freedesktop.login1(5).
pub const CLASS: &str = "Class";

/// `s`: the PAM service.
pub const SERVICE: &str = "Service";

/// `s`: the remote host.
pub const FROM: &str = "From";

/// `s`: the terminal.
pub const TERMINAL: &str = "Terminal";

/// `s`: the seat.
pub const SEAT: &str = "Seat";

/// `u`: the process id of the leader.
pub const LEADER: &str = "Leader";

/// `s`: `logind`, or `daemon` for a login that logind has no session for.
pub const KEEPER: &str = "Keeper";

/// `s`: why logind has no session for the login.
pub const NO_SESSION: &str = "NoSession";

/// `t`: the idle time.
pub const IDLE_USEC: &str = "IdleUSec";

/// `t`: the time since the idle time was probed.
pub const IDLE_AGE_USEC: &str = "IdleAgeUSec";

/// `s`: where the idle time comes from: `agent`, `terminals`, `output`, `logind` or `unknown`.
pub const IDLE_SOURCE: &str = "IdleSource";

/// `as`: the other sources that are used if that one fails.
pub const IDLE_FALLBACKS: &str = "IdleFallbacks";

/// `s`: the source of the agent, one of [`agent::source`](super::agent::source).
pub const AGENT_SOURCE: &str = "AgentSource";

/// `s`: the unique name of the agent on the bus.
pub const AGENT: &str = "Agent";

/// `s`: the program whose idle inhibitor applies.
pub const INHIBITED_BY: &str = "InhibitedBy";

/// `s`: the limit that ends the session first, `absolute` or `inactivity`.
pub const ENDS_BY: &str = "EndsBy";

/// `t`: the time until then.
pub const LEFT_USEC: &str = "LeftUSec";

/// `t`: the length of the limit that ends the session first.
pub const LIMIT_USEC: &str = "LimitUSec";

/// `t`: the absolute limit, including extensions.
pub const ABSOLUTE_USEC: &str = "AbsoluteUSec";

/// `s`: the rule of the absolute limit, empty for `[default]`, if it is another than [`RULE`]: an
/// earlier limit still applies because the session had other properties before.
pub const ABSOLUTE_RULE: &str = "AbsoluteRule";

/// `t`: the inactivity limit.
pub const INACTIVITY_USEC: &str = "InactivityUSec";

/// `t`: the idle time after which the screen is locked.
pub const LOCK_AFTER_USEC: &str = "LockAfterUSec";

/// `b`: whether the screen is locked.
pub const LOCKED: &str = "Locked";

/// `b`: whether the last lock that `lock-after` requested was not confirmed in time.
pub const LOCK_MISSED: &str = "LockMissed";

/// `b`: whether neither a terminal nor an agent accepted the last warning.
pub const UNWARNED: &str = "Unwarned";

/// `u`: how many extensions the policy grants.
pub const EXTENSIONS_ALLOWED: &str = "ExtensionsAllowed";

/// `u`: how many of them are used.
pub const EXTENSIONS_USED: &str = "ExtensionsUsed";

/// `t`: the length of one extension.
pub const EXTEND_BY_USEC: &str = "ExtendByUSec";

// In the reply to `Explain` only.

/// `as`: the groups of the user.
pub const GROUPS: &str = "Groups";

/// `a(sss)`: each setting: its key in the policy, its value, and the file and line that sets it.
pub const SETTINGS: &str = "Settings";

/// `a(sst)`: what comes next: `warning`, `lock` or `end`, the limit that it is for, and the time
/// until then in microseconds.
pub const SCHEDULE: &str = "Schedule";
