//! The checks of `doctor`, their groups and their names in JSON.

use serde::Serialize;

/// A group of checks, which are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// PAM and sshd.
    Login,
    /// The daemon and its policy.
    Daemon,
    /// The existing sessions.
    Sessions,
    /// Other programs and settings that end or lock sessions.
    Others,
    /// The kernel, the clock and installed programs.
    System,
}

impl Group {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 5] = [
        Self::Login,
        Self::Daemon,
        Self::Sessions,
        Self::Others,
        Self::System,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Login => "Login",
            Self::Daemon => "Daemon and policy",
            Self::Sessions => "Sessions",
            Self::Others => "Others that end sessions",
            Self::System => "System",
        }
    }
}

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    PamModule,
    PamSystemd,
    PamStack,
    PamOrder,
    PamAlone,
    PamControl,
    PamNoninteractive,
    PamBackstop,
    SshdPam,
    DaemonRunning,
    DaemonEnabled,
    DaemonVersion,
    DaemonSocket,
    DaemonTerminals,
    DaemonLogind,
    DaemonRejectedFrames,
    PolicyState,
    PolicyFiles,
    PolicyShortLimits,
    PolicyByType,
    SessionIdleSource,
    SessionAgent,
    SessionInactivity,
    SessionLock,
    SessionNotifications,
    SessionGroups,
    SessionKeeper,
    SessionSurvived,
    SessionUnwarned,
    SessionUntracked,
    LogindStopIdleSession,
    LogindIdleAction,
    LogindKillUserProcesses,
    ShellTmout,
    SshdKeepalive,
    SshdChannelTimeout,
    SshdUnusedConnection,
    OtherPrograms,
    SystemKernel,
    SystemCgroups,
    SystemClock,
    SystemMosh,
    SystemPolkit,
    SystemVnc,
    LogindSessionsMax,
    LogindClosing,
}

impl Check {
    /// Its name in JSON. A name is never reused for another check.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::PamModule => "pam.module",
            Self::PamSystemd => "pam.systemd",
            Self::PamStack => "pam.stack",
            Self::PamOrder => "pam.order",
            Self::PamAlone => "pam.alone",
            Self::PamControl => "pam.control",
            Self::PamNoninteractive => "pam.noninteractive",
            Self::PamBackstop => "pam.backstop",
            Self::SshdPam => "sshd.pam",
            Self::DaemonRunning => "daemon.running",
            Self::DaemonEnabled => "daemon.enabled",
            Self::DaemonVersion => "daemon.version",
            Self::DaemonSocket => "daemon.socket",
            Self::DaemonTerminals => "daemon.terminals",
            Self::DaemonLogind => "daemon.logind",
            Self::DaemonRejectedFrames => "daemon.rejected-frames",
            Self::PolicyState => "policy.state",
            Self::PolicyFiles => "policy.files",
            Self::PolicyShortLimits => "policy.short-limits",
            Self::PolicyByType => "policy.by-type",
            Self::SessionIdleSource => "session.idle-source",
            Self::SessionAgent => "session.agent",
            Self::SessionInactivity => "session.inactivity",
            Self::SessionLock => "session.lock",
            Self::SessionNotifications => "session.notifications",
            Self::SessionGroups => "session.groups",
            Self::SessionKeeper => "session.keeper",
            Self::SessionSurvived => "session.survived",
            Self::SessionUnwarned => "session.unwarned",
            Self::SessionUntracked => "session.untracked",
            Self::LogindStopIdleSession => "logind.stop-idle-session",
            Self::LogindIdleAction => "logind.idle-action",
            Self::LogindKillUserProcesses => "logind.kill-user-processes",
            Self::ShellTmout => "shell.tmout",
            Self::SshdKeepalive => "sshd.keepalive",
            Self::SshdChannelTimeout => "sshd.channel-timeout",
            Self::SshdUnusedConnection => "sshd.unused-connection",
            Self::OtherPrograms => "other.programs",
            Self::SystemKernel => "system.kernel",
            Self::SystemCgroups => "system.cgroups",
            Self::SystemClock => "system.clock",
            Self::SystemMosh => "system.mosh",
            Self::SystemPolkit => "system.polkit",
            Self::SystemVnc => "system.vnc",
            Self::LogindSessionsMax => "logind.sessions-max",
            Self::LogindClosing => "logind.closing",
        }
    }

    pub(crate) const fn group(self) -> Group {
        match self {
            Self::PamModule
            | Self::PamSystemd
            | Self::PamStack
            | Self::PamOrder
            | Self::PamAlone
            | Self::PamControl
            | Self::PamNoninteractive
            | Self::PamBackstop
            | Self::SshdPam => Group::Login,
            Self::DaemonRunning
            | Self::DaemonEnabled
            | Self::DaemonVersion
            | Self::DaemonSocket
            | Self::DaemonTerminals
            | Self::DaemonLogind
            | Self::DaemonRejectedFrames
            | Self::PolicyState
            | Self::PolicyFiles
            | Self::PolicyShortLimits
            | Self::PolicyByType => Group::Daemon,
            Self::SessionIdleSource
            | Self::SessionAgent
            | Self::SessionInactivity
            | Self::SessionLock
            | Self::SessionNotifications
            | Self::SessionGroups
            | Self::SessionKeeper
            | Self::SessionSurvived
            | Self::SessionUnwarned
            | Self::SessionUntracked => Group::Sessions,
            Self::LogindStopIdleSession
            | Self::LogindIdleAction
            | Self::LogindKillUserProcesses
            | Self::ShellTmout
            | Self::SshdKeepalive
            | Self::SshdChannelTimeout
            | Self::SshdUnusedConnection
            | Self::OtherPrograms => Group::Others,
            Self::SystemKernel
            | Self::SystemCgroups
            | Self::SystemClock
            | Self::SystemMosh
            | Self::SystemPolkit
            | Self::SystemVnc
            | Self::LogindSessionsMax
            | Self::LogindClosing => Group::System,
        }
    }
}
