//! The session-timeout agent of a desktop session.
//!
//! It runs as the user, gets the idle time from the desktop, and reports it to the daemon. It has
//! no authority and decides nothing: the daemon probes the idle time, the agent replies, and it
//! reports on its own only what the daemon has requested. It shows the daemon's warnings on the
//! screen, and forwards the user's replies. It also reports to logind that the screen is locked, on
//! desktops that do not.
//!
//! It polls nothing, except for a GNOME Shell that does not run yet when the agent starts. The
//! desktop calls back, or the daemon's probe queries it. A timer runs only while a warning is
//! shown, for the next time that its text changes.

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
mod local_time;
mod locks;
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

/// Exit status of a permanent failure; the unit does not restart the agent
/// (`RestartPreventExitStatus=`).
const PERMANENT_FAILURE: u8 = 2;

/// Runs the agent, or what the command line asks for instead.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // To connect to a desktop and to query an X server; an idle thread ends.
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
    // A thread may be blocked on a desktop that hangs.
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
        // Started where no agent is needed, such as in a login screen: no failure.
        Failure::NoSession(NoSession::None) if !args.print_source => ExitCode::SUCCESS,
        Failure::NoSession(_) | Failure::Rejected(_) => ExitCode::from(PERMANENT_FAILURE),
    }
}
