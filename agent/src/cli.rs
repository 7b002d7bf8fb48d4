//! The command line of the agent.

use clap::Parser;

use crate::session::SessionSelector;

/// Reports the idle time of a desktop session to session-timeoutd, and shows its warnings.
#[derive(Debug, Parser)]
#[command(name = "session-timeout-agent", version, max_term_width = 100)]
pub(crate) struct Args {
    /// The session, by its id in logind; by default the one that the agent is started in,
    /// otherwise the user's graphical one
    #[arg(long, value_name = "ID")]
    session: Option<String>,

    /// Print the session and the source of idle time that would be used, the idle time if the
    /// source can be queried, and whether notifications are shown, and exit
    #[arg(long)]
    pub(crate) print_source: bool,
}

impl Args {
    /// Which session the agent is for.
    pub(crate) fn selector(&self) -> SessionSelector {
        match &self.session {
            Some(id) => SessionSelector::Id(id.clone()),
            None => SessionSelector::Auto {
                environment: std::env::var("XDG_SESSION_ID").ok(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let args = Args::try_parse_from(["session-timeout-agent", "--session", "c1"]).unwrap();
        assert_eq!(args.selector(), SessionSelector::Id("c1".to_owned()));
    }
}
