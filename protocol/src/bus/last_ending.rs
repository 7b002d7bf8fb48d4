//! The keys of the end of a user's last session, in the reply to
//! [`LAST_ENDING`](super::manager::LAST_ENDING).

/// `s`: the terminal or the seat of the session.
pub const PLACE: &str = "Place";

/// `t`: the time since the end.
pub const AGO_USEC: &str = "AgoUSec";

/// `s`: what the limit was counted from: `login` or `unlock` (the absolute limit; `unlock` of a
/// screen that was locked for a limit), or `input` (the inactivity limit).
pub const CAUSE: &str = "Cause";

/// `t`: the length of the limit.
pub const LENGTH_USEC: &str = "LengthUSec";
