//! The errors of the command, with texts that say what to do.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use session_timeout_config::CheckStatus;

use crate::text;

/// Why the command failed.
#[derive(Debug)]
pub(crate) enum Error {
    /// There is no system bus.
    NoBus(String),
    /// Nobody owns the daemon's name on the bus.
    NotRunning,
    /// The daemon or the bus took too long.
    NoAnswer(Duration),
    /// The bus refuses the call.
    AccessDenied(String),
    /// A reply that cannot be parsed.
    BadAnswer(String),
    /// The daemon refused: there is no such session that the caller may see.
    Refused(String),
    /// A signal ended the command before there was a reply.
    Interrupted,
    /// The session of the caller is unknown.
    NoOwnSession,
    /// The daemon does not have this method.
    OldDaemon,
    /// There is no account of this name.
    NoSuchUser(String),
    /// The name services could not look up this user or its groups.
    Accounts {
        /// The user's name.
        user: String,
        /// Why.
        why: String,
    },
    /// The policy is not valid; its errors have been printed.
    Policy(CheckStatus),
    /// `doctor` itself failed. It has an exit status of its own, since the others describe the
    /// machine.
    Doctor(Box<Error>),
    /// `left` failed. It has exit statuses of its own, for prompts and status bars.
    Left(Box<Error>),
    /// The output could not be written.
    Output(std::io::Error),
    /// The event loop could not be created.
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
