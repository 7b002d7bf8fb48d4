//! The polkit actions, which `packaging/polkit-1/actions/org.sessiontimeout1.policy` defines.

/// Extend a session of the caller.
pub const EXTEND_OWN: &str = "org.sessiontimeout1.extend-own";

/// Extend a session of another user.
pub const EXTEND_ANY: &str = "org.sessiontimeout1.extend-any";
