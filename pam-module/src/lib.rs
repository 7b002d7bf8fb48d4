//! `pam_session_timeout.so`: tells session-timeoutd that a login began, and that it ended.
//!
//! The module is a guest in sshd, login and every other program that opens a PAM session. It
//! starts no thread, opens no file, changes no PAM item, no environment and no signal, prints
//! nothing, and leaves nothing open behind it. One deadline bounds all that it does with the
//! daemon, and no fault of the daemon's or its own stops a login, unless the administrator asked
//! for that with `require`. It decides nothing: the daemon does.
//!
//! On a separate line with `backstop=TIME` it sets a time after which PID 1 ends the session, even
//! if the daemon does not run ([`backstop`]).
//!
//! A lost record costs little, since the daemon learns of every session from logind as well.

#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]
mod backstop;
mod client;
mod entry;
mod ffi;
mod options;
mod pam;
mod session;
mod text;
