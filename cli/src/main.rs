//! The `session-timeout` command: what the daemon knows, for people and for scripts.
//!
//! It has no authority and no state: it asks the daemon once, prints the answer and ends. Who may
//! see which session is decided by the daemon.

#![forbid(unsafe_code)]

mod bus;
mod cli;
mod duration;
mod error;
mod json;
mod run;
mod status;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match run::run(cli::Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("session-timeout: {error}");
            ExitCode::FAILURE
        }
    }
}
