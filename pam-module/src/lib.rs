//! `pam_session_timeout.so`: the PAM module, which reports each login and logout to
//! session-timeoutd.
//!
//! The module runs in sshd, login and every other program that opens a PAM session. It starts no
//! thread, opens no file, changes no PAM item, environment variable or signal handler, prints
//! nothing, and closes every descriptor. One deadline bounds the whole exchange with the daemon,
//! and no failure of the daemon or of the module denies a login, unless the administrator has set
//! `require`. The module decides nothing: the daemon does.
//!
//! On a separate line with `backstop=TIME` it sets a time after which PID 1 ends the session, even
//! if the daemon does not run (module `backstop`).
//!
//! A lost report has little effect, since logind also reports every session to the daemon.

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
