//! The `session-timeout` command: what the daemon knows and what the policy says, for people and
//! for scripts.
//!
//! It has no authority and no state. Of sessions it asks the daemon, once, and the daemon decides
//! who may see which; a policy it reads with the daemon's own code.

#![forbid(unsafe_code)]

mod accounts;
mod bus;
mod check;
mod cli;
mod columns;
mod current_session;
mod dict;
mod doctor;
mod error;
mod explain;
mod extend;
mod left;
mod no_session;
mod run;
mod status;
mod text;
mod tty_agent;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match run::run(cli::Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("session-timeout: {error}");
            error.exit_code()
        }
    }
}
