//! The interface of an agent: the object, its methods and the strings in their replies.
//!
//! An agent has no name of its own on the bus: the daemon calls it by its unique name, and it
//! replies to root only.

/// The agent's object.
pub const PATH: &str = "/org/sessiontimeout1/Agent";

/// The interface of [`PATH`].
pub const INTERFACE: &str = "org.sessiontimeout1.Agent";

/// `(t watch) -> (s kind, t idle)`: the idle time of the session in microseconds, if `kind` is
/// [`EXACT`]; [`ACTIVE`] means that it is less than `watch`. With a `watch` other than zero, in
/// microseconds, the agent calls [`BECAME_IDLE`](super::manager::BECAME_IDLE) when the idle time
/// reaches it, and [`BECAME_ACTIVE`](super::manager::BECAME_ACTIVE) at the first input after
/// that.
pub const IDLE: &str = "Idle";

/// `(a{sv})`: show a warning. The keys are those of [`warning`](super::warning).
pub const WARN: &str = "Warn";

/// `(s limit)`: the warning for `absolute` or `inactivity` does not apply any more.
pub const WITHDRAW: &str = "Withdraw";

/// `(a{sv})`: the session ends now, or its screen is locked. The keys are
/// [`LIMIT`](super::warning::LIMIT), [`LENGTH_USEC`](super::warning::LENGTH_USEC) and
/// [`ACTION`](super::warning::ACTION) of a warning.
pub const ENDING: &str = "Ending";

/// `() -> s`: how warnings are shown to the user: [`DELIVERED`], [`WITHOUT_ACTIONS`] or
/// [`NOT_DELIVERED`].
pub const NOTIFICATIONS: &str = "Notifications";

/// `() -> as`: the programs whose locks of the screen the agent reports to logind, of those that
/// run.
pub const LOCKERS: &str = "Lockers";

/// Each method of the interface.
pub const METHODS: [&str; 6] = [IDLE, WARN, WITHDRAW, ENDING, NOTIFICATIONS, LOCKERS];

/// In the reply to [`IDLE`]: the idle time is known.
pub const EXACT: &str = "exact";

/// In the reply to [`IDLE`]: the idle time is less than the watch, and not known.
pub const ACTIVE: &str = "active";

/// In the reply to [`NOTIFICATIONS`]: warnings are shown, with buttons.
pub const DELIVERED: &str = "ok";

/// In the reply to [`NOTIFICATIONS`]: warnings are shown, without buttons.
pub const WITHOUT_ACTIONS: &str = "no-actions";

/// In the reply to [`NOTIFICATIONS`]: warnings are not shown.
pub const NOT_DELIVERED: &str = "none";

/// Where an agent gets the idle time from.
pub mod source {
    /// The Wayland protocol `ext-idle-notify-v1`.
    pub const EXT_IDLE_NOTIFY: &str = "ext-idle-notify";

    /// The Wayland protocol `org_kde_kwin_idle`.
    pub const KDE_IDLE: &str = "kde-idle";

    /// `org.gnome.Mutter.IdleMonitor` on the user's bus.
    pub const MUTTER: &str = "mutter";

    /// The counter `IDLETIME` of the X server.
    pub const X11: &str = "x11";

    /// The agent does not know the idle time.
    pub const NONE: &str = "none";
}
