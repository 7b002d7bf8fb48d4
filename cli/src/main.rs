//! The `session-timeout` command: shows what the daemon knows and what the policy says, as text and
//! as JSON.
//!
//! It has no privileges and no state. The daemon decides which sessions the caller may see.
//! Policies are read with the same code as in the daemon.

#![forbid(unsafe_code)]

mod accounts;
mod bus;
mod check;
mod cli;
mod clock;
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
mod watch;

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
