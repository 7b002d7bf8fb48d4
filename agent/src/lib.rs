//! The session-timeout agent of a desktop session.
//!
//! It runs as the user, learns from the desktop how long nobody has touched anything, and tells
//! the daemon. It has no authority and decides nothing: the daemon asks when it has to know, the
//! agent answers, and says unasked only what the daemon has asked to be told. What the daemon warns
//! of it shows on the screen, and what the user answers it passes on.
//!
//! Nothing is looked at at an interval, but for a GNOME Shell that is not there yet when the agent
//! starts. Either the desktop calls back, or it is asked because the daemon asks. Only while a
//! warning stands a timer is armed, for the next time that it reads otherwise.

#![forbid(unsafe_code)]

mod attachment;
mod bus;
mod cli;
mod clock;
mod daemon;
mod driver;
mod idle;
mod input;
mod interface;
mod log;
mod notice;
mod notifier;
mod session;
mod source;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::cli::Args;
use crate::driver::Failure;
use crate::log::log;
use crate::session::NoSession;

/// Starting it again will not help; the unit does not.
const IN_VAIN: u8 = 2;

/// Runs the agent, or what the command line asks for instead.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // To connect to a desktop, and to ask an X server; it ends when there is nothing to ask.
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::from_secs(1))
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            log(&error);
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        if args.print_source {
            let text = driver::describe(&args).await?;
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            return Ok(());
        }
        driver::run(&args).await
    });
    // A desktop that hangs may still be waited for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log(&failure);
            status(&failure, &args)
        }
    }
}

/// The exit status after a failure.
fn status(failure: &Failure, args: &Args) -> ExitCode {
    match failure {
        Failure::NoBus(_) | Failure::NoSignals(_) | Failure::NoSession(NoSession::Logind(_)) => {
            ExitCode::FAILURE
        }
        // Started where it is of no use, as in a login screen: nothing is wrong.
        Failure::NoSession(NoSession::NotAny) if !args.print_source => ExitCode::SUCCESS,
        Failure::NoSession(_) | Failure::Refused(_) => ExitCode::from(IN_VAIN),
    }
}
