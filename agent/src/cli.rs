//! The command line of the agent.

use clap::Parser;

use crate::session::Wanted;

/// Tells session-timeoutd how long nobody has touched keyboard and pointer of this desktop
/// session.
#[derive(Debug, Parser)]
#[command(name = "session-timeout-agent", version, max_term_width = 100)]
pub(crate) struct Args {
    /// The session, by logind's id; by default the one it is started in, or else the user's
    /// graphical one
    #[arg(long, value_name = "ID")]
    session: Option<String>,

    /// Print which session and which source of idle time would be used here, the idle time if it
    /// can be asked for, and how notifications reach the user, and exit
    #[arg(long)]
    pub(crate) print_source: bool,
}

impl Args {
    /// Which session it is to be the agent of.
    pub(crate) fn wanted(&self) -> Wanted {
        match &self.session {
            Some(id) => Wanted::This(id.clone()),
            None => Wanted::Any {
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
        assert_eq!(args.wanted(), Wanted::This("c1".to_owned()));
    }
}
