//! The keys of a warning, in the call [`WARN`](super::agent::WARN); some of them also in
//! [`ENDING`](super::agent::ENDING).

/// `s`: the limit, `absolute` or `inactivity`.
pub const LIMIT: &str = "Limit";

/// `t`: the time until the end of the session.
pub const ENDS_IN_USEC: &str = "EndsInUSec";

/// `t`: the length of the limit.
pub const LENGTH_USEC: &str = "LengthUSec";

/// `t`: the lead: how long before the end the policy has this warning given.
pub const LEAD_USEC: &str = "LeadUSec";

/// `b`: whether no other warning of this limit follows.
pub const LAST: &str = "Last";

/// `s`: what happens at the end: `terminate`, `hang-up`, `lock` or `report`.
pub const ACTION: &str = "Action";

/// `s`: the rule that sets the limit; absent for `[default]`.
pub const RULE: &str = "Rule";

/// `s`: the administrator's own text.
pub const MESSAGE: &str = "Message";

/// `u`: how many extensions are left.
pub const EXTENSIONS_LEFT: &str = "ExtensionsLeft";

/// `t`: the length of one extension.
pub const EXTEND_BY_USEC: &str = "ExtendByUSec";
