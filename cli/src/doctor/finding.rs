//! Findings: the results of checks.

use serde::Serialize;

use crate::doctor::checks::Check;
use crate::text::one_line;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It works.
    Ok,
    /// For information; nothing has to be done.
    Note,
    /// It works, but perhaps not as intended.
    Warning,
    /// It does not work.
    Error,
}

impl Level {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The exit status of `doctor` if this is the most severe level.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Ok | Self::Note => 0,
            Self::Warning => 1,
            Self::Error => 2,
        }
    }
}

/// How to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fix {
    /// A command that root can run as it is.
    Run(String),
    /// Instructions, if it takes more than one command or another person.
    Do(String),
}

impl Fix {
    pub(crate) fn text(&self) -> &str {
        let (Self::Run(text) | Self::Do(text)) = self;
        text
    }

    pub(crate) fn command(&self) -> Option<&str> {
        match self {
            Self::Run(command) => Some(command),
            Self::Do(_) => None,
        }
    }
}

/// One result, safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) level: Level,
    pub(crate) what: String,
    pub(crate) fix: Option<Fix>,
    /// The session that it is about; absent if it is about the machine.
    pub(crate) session: Option<String>,
}

impl Finding {
    pub(crate) fn new(check: Check, level: Level, what: &str) -> Self {
        Self {
            check,
            level,
            what: one_line(what),
            fix: None,
            session: None,
        }
    }

    pub(crate) fn ok(check: Check, what: &str) -> Self {
        Self::new(check, Level::Ok, what)
    }

    pub(crate) fn note(check: Check, what: &str) -> Self {
        Self::new(check, Level::Note, what)
    }

    pub(crate) fn warning(check: Check, what: &str) -> Self {
        Self::new(check, Level::Warning, what)
    }

    pub(crate) fn error(check: Check, what: &str) -> Self {
        Self::new(check, Level::Error, what)
    }

    /// A note that the caller may not read this file.
    pub(crate) fn unseen(check: Check, what: &str) -> Self {
        let seen = Self::note(check, &format!("{what} cannot be seen by this user"));
        seen.do_this("run `session-timeout doctor` as root")
    }

    /// With a command that fixes it.
    pub(crate) fn run_this(mut self, command: &str) -> Self {
        self.fix = Some(Fix::Run(one_line(command)));
        self
    }

    /// With what to do about it.
    pub(crate) fn do_this(mut self, fix: &str) -> Self {
        self.fix = Some(Fix::Do(one_line(fix)));
        self
    }

    /// About this session.
    pub(crate) fn of_session(mut self, id: &str) -> Self {
        self.session = Some(one_line(id));
        self
    }
}

/// The most severe level.
pub(crate) fn worst(findings: &[Finding]) -> Level {
    let levels = findings.iter().map(|finding| finding.level);
    levels.max().unwrap_or(Level::Ok)
}
