//! What can go wrong, in sentences that say what to do next.

use std::fmt;
use std::time::Duration;

use crate::text;

/// Why the command failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// There is no system bus to ask on.
    NoBus(String),
    /// Nobody owns the daemon's name on the bus.
    NotRunning,
    /// The daemon or the bus took too long.
    NoAnswer(Duration),
    /// The bus does not let us ask.
    AccessDenied(String),
    /// An answer that we do not understand.
    BadAnswer(String),
    /// Our own output could not be written.
    Output(std::io::Error),
    /// The operating system gave us no event loop.
    Runtime(std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBus(why) => write!(
                f,
                "cannot connect to the system bus ({}); is it running? systemctl status dbus",
                text::one_line(why)
            ),
            Self::NotRunning => f.write_str(
                "session-timeoutd does not answer on the system bus; is it running? \
                 systemctl status session-timeoutd",
            ),
            Self::NoAnswer(limit) => write!(
                f,
                "session-timeoutd did not answer within {} s; systemctl status session-timeoutd",
                limit.as_secs()
            ),
            Self::AccessDenied(why) => write!(
                f,
                "the system bus refused the question ({}); \
                 its rules are in /usr/share/dbus-1/system.d/org.sessiontimeout1.conf",
                text::one_line(why)
            ),
            Self::BadAnswer(why) => write!(
                f,
                "session-timeoutd gave an answer that this version does not understand ({})",
                text::one_line(why)
            ),
            Self::Output(why) => write!(f, "cannot write the output: {why}"),
            Self::Runtime(why) => write!(f, "cannot start: {why}"),
        }
    }
}

impl std::error::Error for Error {}
