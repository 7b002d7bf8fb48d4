//! `status`: the daemon's reply about itself and its sessions, as types.
//!
//! Words of the daemon (phases, sources, actions) are kept as text, so that the command can show
//! those of a newer daemon as well.

pub(crate) mod json;
pub(crate) mod notes;
pub(crate) mod render_text;

use std::time::Duration;

/// The status of the daemon.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Status {
    /// The version of the daemon.
    pub(crate) version: String,
    pub(crate) policy: Policy,
    /// Whether the daemon accepts limits below the minima.
    pub(crate) short_limits: bool,
    /// `connected` or `waiting`.
    pub(crate) logind: String,
    /// The number of rejected frames on the login socket.
    pub(crate) rejected_frames: u64,
    pub(crate) sessions: Vec<Session>,
}

/// The origin of the policy, and whether it is in force.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Policy {
    pub(crate) path: String,
    /// `in-force`, `built-in`, `last-good` or `none`.
    pub(crate) state: String,
    /// Why the newest files are not in force.
    pub(crate) error: Option<String>,
}

/// One session.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Session {
    /// Its id of logind, or of the daemon.
    pub(crate) id: String,
    pub(crate) user: String,
    /// `None` if unknown: zero would be root.
    pub(crate) uid: Option<u32>,
    pub(crate) session_type: String,
    pub(crate) class: String,
    /// The PAM service; unknown for logins before the daemon was started.
    pub(crate) service: Option<String>,
    /// The remote host; absent for local logins.
    pub(crate) from: Option<String>,
    pub(crate) terminal: Option<String>,
    /// The session's leader.
    pub(crate) leader: Option<u32>,
    /// `logind` or `daemon`; absent from an older daemon.
    pub(crate) keeper: Option<String>,
    /// Why logind has no session for the login: a word of [`crate::no_session`]; absent if it has
    /// one.
    pub(crate) no_session: Option<String>,
    /// `running`, `warned`, `ending`, `survived` (processes still run after its end), `reported`,
    /// `held` (locked for a limit), `undecided` (its groups are being resolved) or `exempt`.
    pub(crate) phase: String,
    /// Why no limit holds; absent for a session that is subject to limits.
    pub(crate) exemption: Option<String>,
    /// The rule that holds; absent if `[default]` holds, or nothing.
    pub(crate) rule: Option<String>,
    /// `asked` or `unavailable`; absent if groups are known or not needed.
    pub(crate) groups_state: Option<String>,
    /// Absent if it is unknown.
    pub(crate) idle: Option<Duration>,
    /// `agent`, `terminals`, `output`, `logind` or `unknown`.
    pub(crate) idle_source: String,
    /// How the agent of the session knows: `ext-idle-notify`, `kde-idle`, `mutter`, `x11` or
    /// `none`; absent without an agent.
    pub(crate) agent_source: Option<String>,
    /// The bus name of the agent.
    pub(crate) agent: Option<String>,
    /// The other sources, best first; absent from an older daemon.
    pub(crate) idle_fallbacks: Option<Vec<String>>,
    /// How long ago the session was last probed.
    pub(crate) idle_age: Option<Duration>,
    /// The program that holds the idle inhibitor that counts for it.
    pub(crate) inhibited_by: Option<String>,
    /// The limit that is reached first: `absolute` or `inactivity`.
    pub(crate) ends_by: Option<String>,
    /// The time until then.
    pub(crate) left: Option<Duration>,
    pub(crate) absolute: Option<Duration>,
    /// The rule of the absolute limit, empty for `[default]`, if it is from an earlier rule because
    /// the user changed the session's properties; absent if it is from `rule`.
    pub(crate) absolute_rule: Option<String>,
    /// Absent if it is off.
    pub(crate) inactivity: Option<Duration>,
    /// The inactivity after which the screen is locked; absent if it is off.
    pub(crate) lock_after: Option<Duration>,
    /// `terminate`, `hang-up`, `lock` or `report`; absent where no limit applies.
    pub(crate) end_action: Option<String>,
    /// The number of granted extensions.
    pub(crate) extensions_used: Option<u32>,
    /// The number of allowed extensions.
    pub(crate) extensions_allowed: Option<u32>,
    /// Whether its screen is locked.
    pub(crate) locked: Option<bool>,
    /// Whether a requested lock was not confirmed in time.
    pub(crate) lock_missed: Option<bool>,
    /// Whether a warning was received by neither a terminal nor an agent.
    pub(crate) unwarned: Option<bool>,
}

impl Session {
    /// Whether logind has no session for the login, and the daemon keeps it.
    pub(crate) fn is_kept_by_the_daemon(&self) -> bool {
        self.keeper.as_deref() == Some("daemon")
    }
}

/// A status with sessions of each kind, for the tests of the output.
#[cfg(test)]
pub(crate) fn sample() -> Status {
    const HOUR: u64 = 3600;
    let alice = Session {
        id: "c1".into(),
        user: "alice".into(),
        uid: Some(1000),
        session_type: "tty".into(),
        class: "user".into(),
        service: Some("sshd".into()),
        from: Some("192.0.2.7".into()),
        terminal: Some("pts/0".into()),
        phase: "running".into(),
        idle: Some(Duration::from_secs(12)),
        idle_source: "terminals".into(),
        idle_fallbacks: Some(vec!["logind".into()]),
        idle_age: Some(Duration::from_millis(4200)),
        ends_by: Some("absolute".into()),
        left: Some(Duration::from_secs(24 * HOUR - 60)),
        absolute: Some(Duration::from_secs(24 * HOUR)),
        end_action: Some("terminate".into()),
        extensions_used: Some(1),
        extensions_allowed: Some(2),
        locked: Some(false),
        leader: Some(4711),
        keeper: Some("logind".into()),
        unwarned: Some(false),
        ..Session::default()
    };
    let bob = Session {
        id: "c2".into(),
        user: "bob".into(),
        uid: Some(1001),
        session_type: "wayland".into(),
        class: "user".into(),
        phase: "warned".into(),
        idle: Some(Duration::from_secs(7)),
        idle_source: "agent".into(),
        agent_source: Some("mutter".into()),
        idle_fallbacks: Some(Vec::new()),
        idle_age: Some(Duration::ZERO),
        ends_by: Some("absolute".into()),
        left: Some(Duration::from_secs(250)),
        absolute: Some(Duration::from_secs(HOUR)),
        inactivity: Some(Duration::from_secs(900)),
        lock_after: Some(Duration::from_secs(300)),
        end_action: Some("report".into()),
        ..Session::default()
    };
    let root = Session {
        id: "3".into(),
        user: "root".into(),
        uid: Some(0),
        session_type: "tty".into(),
        class: "user".into(),
        service: Some("login".into()),
        terminal: Some("tty1".into()),
        phase: "exempt".into(),
        exemption: Some("root".into()),
        idle: Some(Duration::from_secs(2 * HOUR + 61)),
        idle_source: "logind".into(),
        end_action: None,
        ..Session::default()
    };
    Status {
        version: "0.1.0".into(),
        policy: Policy {
            path: "/etc/session-timeout/policy.toml".into(),
            state: "in-force".into(),
            error: None,
        },
        short_limits: false,
        logind: "connected".into(),
        rejected_frames: 0,
        sessions: vec![alice, bob, root],
    }
}
