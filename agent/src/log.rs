//! Log messages on standard error, which systemd sends to the journal for a user unit.

use std::fmt;

/// Writes one line.
pub(crate) fn log(message: &dyn fmt::Display) {
    eprintln!("session-timeout-agent: {message}");
}
