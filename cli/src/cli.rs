//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _, ValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};
use session_timeout_config::Minima;
use session_timeout_policy::{SessionClass, SessionType};

use crate::left::format::Format;

/// Show sessions and their limits, check the policy and the machine.
#[derive(Debug, Parser)]
#[command(
    name = "session-timeout",
    version,
    after_help = "See session-timeout(1) for more.",
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the sessions, their idle times and when they end
    ///
    /// root sees all sessions, other users see their own.
    Status(StatusOptions),
    /// Explain the limits of a session, or of a hypothetical login
    ///
    /// With SESSION, queries the daemon. With --user, reads the policy files; the daemon need not
    /// run.
    Explain(ExplainOptions),
    /// Extend the absolute limit of a session, as far as its policy allows
    ///
    /// The key `extend` of the policy sets how many times a session may be extended, and by how
    /// much. You authenticate again for your own session. A session of another user requires the
    /// password of an administrator; root needs no password.
    Extend {
        /// The session, as `session-timeout status` names it [default: the current one]
        session: Option<String>,
    },
    /// Print the remaining time of a session, for prompts and status bars
    ///
    /// The exit status is 0 if it was printed (or, with --watch, the session is over), 1 if there
    /// is no such session, and 3 if the daemon is not running or does not answer.
    Left(LeftOptions),
    /// Check a policy, and show its errors and warnings
    ///
    /// The exit status is 0 if the policy can be put in force, 1 if it has errors, and 2 if it
    /// cannot be read.
    Check(CheckOptions),
    /// Check what works on this machine and what does not, and show fixes
    ///
    /// Checks the login services (PAM, sshd), the daemon and its policy, the sessions and the
    /// sources of their idle times, other programs that end sessions, and the system. root sees
    /// everything, other users what they have access to.
    ///
    /// The exit status is 0 if there is no problem (there may be notes), 1 if there are warnings,
    /// 2 if there are errors, and 3 if the checks could not be run.
    Doctor(DoctorOptions),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// Print JSON, one document on one line
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Debug, Args)]
pub(crate) struct LeftOptions {
    /// The session, as `session-timeout status` names it [default: the current one]
    pub(crate) session: Option<String>,
    /// Print this text, in which {left}, {short}, {seconds}, {minutes}, {percent}, {limit},
    /// {phase}, {session} and {extensions} are replaced
    #[arg(short, long, default_value = "{left}", hide_default_value = true)]
    pub(crate) format: Format,
    /// Print JSON for a custom module of Waybar
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Print a line whenever it changes, until the session is over
    #[arg(short, long)]
    watch: bool,
}

impl LeftOptions {
    /// How often the remaining time is printed.
    pub(crate) const fn print_mode(&self) -> PrintMode {
        if self.watch {
            PrintMode::Watch
        } else {
            PrintMode::Once
        }
    }
}

/// How often the remaining time is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrintMode {
    Once,
    /// Whenever it changes.
    Watch,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// Also show each check that is ok
    #[arg(short, long, conflicts_with = "json")]
    verbose: bool,
    /// Print JSON, one document on one line, with all checks
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

impl DoctorOptions {
    /// How much is shown.
    pub(crate) const fn detail(&self) -> Detail {
        if self.verbose {
            Detail::Everything
        } else {
            Detail::Problems
        }
    }
}

/// How much of a diagnosis is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only problems and notes; the other findings are counted.
    Problems,
    Everything,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true))]
pub(crate) struct ExplainOptions {
    /// The session, as `session-timeout status` names it
    #[arg(
        value_name = "SESSION",
        group = "whom",
        conflicts_with = "LoginOptions"
    )]
    pub(crate) session: Option<String>,
    /// Print JSON, one document on one line
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    #[command(flatten)]
    pub(crate) login: LoginOptions,
}

/// A hypothetical login.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options for a hypothetical login")]
pub(crate) struct LoginOptions {
    /// The user
    #[arg(long, value_name = "USER", group = "whom", value_hint = ValueHint::Username)]
    pub(crate) user: Option<String>,
    /// The PAM service [default: sshd with --from, else login]
    #[arg(long, value_name = "SERVICE", requires = "user")]
    service: Option<String>,
    /// logind's type of the session
    #[arg(long = "type", value_name = "TYPE", requires = "user",
        default_value = "tty", value_parser = types())]
    pub(crate) session_type: SessionType,
    /// logind's class of the session
    #[arg(long, value_name = "CLASS", requires = "user",
        default_value = "user", value_parser = classes())]
    pub(crate) class: SessionClass,
    /// The remote host or address
    #[arg(long, value_name = "HOST", requires = "user", value_hint = ValueHint::Hostname)]
    pub(crate) from: Option<String>,
    /// The terminal or display
    #[arg(long, value_name = "TTY", requires = "user")]
    pub(crate) tty: Option<String>,
    /// The seat
    #[arg(long, value_name = "SEAT", requires = "user")]
    pub(crate) seat: Option<String>,
    /// The groups, instead of those of the user
    #[arg(long, value_name = "GROUP", requires = "user", num_args = 1.., value_delimiter = ',')]
    pub(crate) group: Vec<String>,
    /// The uid, for a user that this machine does not know
    #[arg(long, value_name = "UID", requires = "user")]
    pub(crate) uid: Option<u32>,
    /// The policy, a file or a directory, instead of that of the machine
    #[arg(long, value_name = "FILE|DIR", requires = "user", value_hint = ValueHint::AnyPath)]
    pub(crate) policy: Option<PathBuf>,
    /// Allow limits below the minima in the policy
    #[arg(long, requires = "user")]
    allow_short_limits: bool,
}

impl LoginOptions {
    /// The PAM service of the login.
    pub(crate) fn service(&self) -> &str {
        let usual = if self.from.is_some() { "sshd" } else { "login" };
        self.service.as_deref().unwrap_or(usual)
    }

    /// Whether limits may be below the minima.
    pub(crate) const fn minima(&self) -> Minima {
        minima(self.allow_short_limits)
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// The policy: a file, or a directory that contains policy.toml, policy.d or other *.toml
    /// [default: the policy of the machine]
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) path: Option<PathBuf>,
    /// Print the whole policy as one file, with every value
    #[arg(long)]
    pub(crate) print: bool,
    /// Print JSON, one document on one line
    #[arg(long, conflicts_with = "print")]
    pub(crate) json: bool,
    /// Allow limits below the minima
    #[arg(long)]
    allow_short_limits: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

impl CheckOptions {
    /// Whether limits may be below the minima.
    pub(crate) const fn minima(&self) -> Minima {
        minima(self.allow_short_limits)
    }
}

/// Whether limits may be below the minima, by `--allow-short-limits`.
const fn minima(lifted: bool) -> Minima {
    if lifted {
        Minima::Lifted
    } else {
        Minima::Enforced
    }
}

fn types() -> ValueParser {
    let names = ["tty", "x11", "wayland", "mir", "web", "unspecified"];
    let parser = PossibleValuesParser::new(names);
    parser.map(|name| SessionType::parse(&name)).into()
}

fn classes() -> ValueParser {
    let parser = PossibleValuesParser::new(CLASSES);
    parser.map(|name| SessionClass::parse(&name)).into()
}

/// The classes that logind has had (systemd 252 to 259).
const CLASSES: [&str; 11] = [
    "user",
    "user-early",
    "user-light",
    "user-early-light",
    "user-incomplete",
    "greeter",
    "lock-screen",
    "background",
    "background-light",
    "manager",
    "manager-early",
];

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// The shells for whose completions Debian has a directory.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl From<Shell> for clap_complete::Shell {
    fn from(shell: Shell) -> Self {
        match shell {
            Shell::Bash => Self::Bash,
            Shell::Zsh => Self::Zsh,
            Shell::Fish => Self::Fish,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_has_no_contradictions() {
        Cli::command().debug_assert();
    }

    fn explain(arguments: &[&str]) -> Result<ExplainOptions, clap::error::ErrorKind> {
        let line = [&["session-timeout", "explain"], arguments].concat();
        match Cli::try_parse_from(line)
            .map_err(|error| error.kind())?
            .command
        {
            Command::Explain(options) => Ok(options),
            other => panic!("not explain: {other:?}"),
        }
    }

    #[test]
    fn status_without_options_prints_a_table_with_colours_where_they_fit() {
        let cli = Cli::try_parse_from(["session-timeout", "status"]).unwrap();
        let Command::Status(options) = cli.command else {
            panic!("not status: {cli:?}");
        };
        assert!(!options.json);
        assert!(matches!(options.color, Color::Auto));
    }

    #[test]
    fn either_a_session_or_a_login_is_explained() {
        use clap::error::ErrorKind;

        assert_eq!(explain(&["c1"]).unwrap().session.as_deref(), Some("c1"));
        let login = explain(&["--user", "alice"]).unwrap().login;
        assert_eq!(login.user.as_deref(), Some("alice"));
        let refused = |arguments: &[&str]| explain(arguments).unwrap_err();
        assert_eq!(refused(&[]), ErrorKind::MissingRequiredArgument);
        assert_eq!(
            refused(&["c1", "--user", "alice"]),
            ErrorKind::ArgumentConflict
        );
        assert_eq!(
            refused(&["c1", "--service", "sshd"]),
            ErrorKind::ArgumentConflict
        );
        assert_eq!(
            refused(&["--user", "alice", "--class", "usr"]),
            ErrorKind::InvalidValue
        );
    }

    #[test]
    fn a_login_is_at_the_console_unless_it_comes_from_somewhere() {
        let login = |more: &[&str]| explain(&[&["--user", "a"], more].concat()).unwrap().login;
        let console = login(&[]);
        assert_eq!(console.service(), "login");
        assert_eq!(console.session_type, SessionType::Tty);
        assert_eq!(console.class, SessionClass::User);
        assert_eq!(login(&["--from", "192.0.2.7"]).service(), "sshd");
        let other = login(&["--from", "192.0.2.7", "--service", "xrdp"]);
        assert_eq!(other.service(), "xrdp");
        assert_eq!(login(&["--group", "a", "b", "--group", "c"]).group.len(), 3);
    }

    #[test]
    fn every_class_and_type_that_is_offered_is_known() {
        for name in CLASSES {
            let class = SessionClass::parse(name);
            assert!(!matches!(class, SessionClass::Unknown(_)), "{name}");
        }
        for name in ["x11", "wayland", "mir", "web"] {
            let login = explain(&["--user", "a", "--type", name]).unwrap().login;
            assert_eq!(login.session_type.as_str(), name);
        }
    }
}
