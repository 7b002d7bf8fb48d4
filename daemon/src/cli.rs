//! The command line of the daemon.

use std::path::PathBuf;

use clap::Parser;
use session_timeout_config::{Minima, Sources};

/// Where the administrator writes the policy.
pub(crate) const POLICY_PATH: &str = "/etc/session-timeout/policy.toml";

/// Enforces absolute and inactivity limits on login sessions.
#[derive(Debug, Parser)]
#[command(name = "session-timeoutd", version, max_term_width = 100)]
pub(crate) struct Args {
    /// The policy to enforce, together with the drop-ins in policy.d
    #[arg(long, value_name = "FILE", default_value = POLICY_PATH)]
    pub(crate) policy: PathBuf,

    /// Check the policy in FILE (or a directory), or the policy in use, and exit with status 0 if
    /// it has no errors, 1 if it has, and 2 if it cannot be read
    #[arg(long, value_name = "FILE")]
    check: Option<Option<PathBuf>>,

    /// Allow limits of seconds, to try out a policy; not for daily use
    #[arg(long)]
    allow_short_limits: bool,
}

impl Args {
    /// The policy to check, if `--check` is given.
    pub(crate) fn to_check(&self) -> Option<Sources> {
        Some(match self.check.as_ref()? {
            Some(path) => Sources::at(path),
            None => Sources::with_main(&self.policy),
        })
    }

    /// Whether limits may be below the minima.
    pub(crate) const fn minima(&self) -> Minima {
        if self.allow_short_limits {
            Minima::Lifted
        } else {
            Minima::Enforced
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
    fn check_without_a_file_checks_the_policy_in_use() {
        let main = |args: &[&str]| {
            let args = Args::try_parse_from([&["session-timeoutd"], args].concat()).unwrap();
            args.to_check()?.main_path().map(PathBuf::from)
        };
        assert_eq!(main(&["--check"]), Some(PathBuf::from(POLICY_PATH)));
        assert_eq!(main(&["--check", "x.toml"]), Some(PathBuf::from("x.toml")));
        assert_eq!(main(&[]), None);
    }
}
