//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// See how long the logins of this machine may last.
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
    /// List the sessions, their idle time and when they end
    ///
    /// root sees every session, everybody else their own.
    Status(StatusOptions),
    /// Print a completion script for a shell
    Completions {
        /// The shell that is to read it
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

/// The shells whose completions Debian has a place for.
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

    #[test]
    fn status_without_options_prints_a_table_with_colours_where_they_fit() {
        let cli = Cli::try_parse_from(["session-timeout", "status"]).unwrap();
        let Command::Status(options) = cli.command else {
            panic!("not status: {cli:?}");
        };
        assert!(!options.json);
        assert!(matches!(options.color, Color::Auto));
    }
}
