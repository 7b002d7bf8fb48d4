//! What can go wrong, in sentences that say what to do next.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use session_timeout_config::CheckStatus;

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
    /// The daemon does not answer this, and says why: there is no such session to be seen.
    Refused(String),
    /// Somebody asked us to end, before there was an answer.
    Interrupted,
    /// Nobody can tell which session is the caller's own.
    NoOwnSession,
    /// The daemon does not know this question.
    OldDaemon,
    /// There is no account of this name.
    NoSuchUser(String),
    /// Nobody can tell who this user is, or which groups they are in.
    Accounts {
        /// The user's name.
        user: String,
        /// Why.
        why: String,
    },
    /// The policy came out so, and what is wrong with it has been drawn.
    Policy(CheckStatus),
    /// `doctor` itself failed, whose other statuses are about the machine.
    Doctor(Box<Error>),
    /// `left` failed, whose statuses tell prompts and bars why.
    Left(Box<Error>),
    /// Our own output could not be written.
    Output(std::io::Error),
    /// The operating system gave us no event loop.
    Runtime(std::io::Error),
}

impl Error {
    /// The same, as a failure of `doctor`.
    pub(crate) fn in_the_doctor(self) -> Self {
        Self::Doctor(Box::new(self))
    }

    /// The same, as a failure of `left`.
    pub(crate) fn in_left(self) -> Self {
        Self::Left(Box::new(self))
    }

    /// The exit status of the command.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Policy(status) => (*status).into(),
            Self::Doctor(_) => ExitCode::from(3),
            Self::Left(why) => match **why {
                Self::Refused(_) | Self::NoOwnSession => ExitCode::FAILURE,
                _ => ExitCode::from(3),
            },
            _ => ExitCode::FAILURE,
        }
    }
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
            Self::Refused(why) => f.write_str(&text::one_line(why)),
            Self::Interrupted => f.write_str("interrupted"),
            Self::NoOwnSession => f.write_str(
                "which session is your own cannot be told here; name one: session-timeout status \
                 lists yours",
            ),
            Self::OldDaemon => f.write_str(
                "session-timeoutd does not know this question; is it older than this command? \
                 systemctl restart session-timeoutd",
            ),
            Self::NoSuchUser(name) => write!(
                f,
                "there is no user \"{}\" on this machine; look for one with: getent passwd; or give \
                 --uid and --group for one of another machine",
                text::one_line(name)
            ),
            Self::Accounts { user, why } => write!(
                f,
                "cannot look up the user \"{}\" ({}); see /etc/nsswitch.conf",
                text::one_line(user),
                text::one_line(why)
            ),
            Self::Policy(_) => {
                f.write_str("this policy cannot be put in force, so it explains nothing")
            }
            Self::Doctor(why) | Self::Left(why) => why.fmt(f),
            Self::Output(why) => write!(f, "cannot write the output: {why}"),
            Self::Runtime(why) => write!(f, "cannot start: {why}"),
        }
    }
}

impl std::error::Error for Error {}
