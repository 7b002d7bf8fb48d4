//! The session-timeout daemon.
//!
//! The engine of `session-timeout-policy` decides; this crate gathers its inputs, executes its
//! actions and keeps its state. One driver receives the inputs of the adapters, calls the engine,
//! and executes the returned actions. The adapters depend on each other as little as possible:
//!
//! | module | its part |
//! |---|---|
//! | `pam` | the login socket of the PAM module, and the replies to logins |
//! | `bus` | the two connections to the system bus, and the one to PID 1 |
//! | `logind` | logind's sessions, requests to end them, and the greeter on the screen afterwards |
//! | `unregistered` | logins that logind has no session for |
//! | `idle` | probes of idle time, and inhibitor locks |
//! | `terminal` | the terminals of a session, input there, and the client of the program that opens them |
//! | `agents` | the agents in desktops, which report input and show notices |
//! | `process` | processes, and their control groups |
//! | `groups` | the uid and the groups of a user |
//! | `driver` | the loop: inputs to the engine, the engine's actions to `actions` |
//! | `actions` | executes the engine's actions |
//! | `ends` | ends of sessions through logind and PID 1, and the processes that remain |
//! | `hooks` | runs the administrator's programs at events |
//! | `control` | the D-Bus interface of the daemon, and polkit, which authorizes callers |
//! | `report` | the state of the daemon and of its sessions, for `control` |
//! | `policy_file` | the policy file, and its last good copy |
//! | `store` | the state file, which survives a restart |
//! | `journal` | the journal and the authentication log |
//! | `text` | the messages for users |
//! | `unwarned` | sessions whose last warning no terminal and no agent has accepted |
//! | `sys` | clocks, files, threads, queues, and systemd's watchdog |

#![forbid(unsafe_code)]

mod actions;
mod agents;
mod bus;
mod cli;
mod control;
mod driver;
mod ends;
mod groups;
mod hooks;
mod idle;
mod input;
mod journal;
mod logind;
mod pam;
mod policy_file;
mod process;
mod report;
mod store;
mod sys;
mod terminal;
mod text;
mod unregistered;
mod unwarned;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use session_timeout_config::{Sources, Style};

use crate::cli::Args;
use crate::journal::Journal;
use crate::sys::watchdog::Watchdog;

/// Maximum number of threads for probes, each of another user.
const PROBE_THREADS_MAX: usize = 4;
/// Timeout of running probes when the daemon stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the daemon, or checks a policy if the command line has `--check`.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(sources) = args.to_check() {
        return check(&sources, &args);
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("session-timeoutd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the errors of the policy.
fn check(sources: &Sources, args: &Args) -> ExitCode {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    match session_timeout_config::check(sources, args.minima(), style(), &mut out, &mut err) {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("session-timeoutd: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> io::Result<()> {
    journal::install_log();
    let (journal, writer) = Journal::start()?;
    let watchdog = Watchdog::of_unit();
    let unparked = watchdog.clone();
    // One thread for all tasks, which are short and yield when they wait, and some threads for
    // probes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Threads for probes; they exit when they have no work.
        .max_blocking_threads(PROBE_THREADS_MAX)
        .thread_keep_alive(Duration::from_secs(1))
        .on_thread_unpark(move || unparked.notify_awake())
        .build()?;
    let result = runtime.block_on(driver::run(args, journal, watchdog));
    // Tasks may still have queued journal entries while they wait for logind; they end with the
    // runtime. A probe that hangs is not waited for.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    writer.finish();
    result
}

/// Colours for a terminal, unless the user has disabled them with `NO_COLOR` (no-color.org).
fn style() -> Style {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stderr().is_terminal() && !unwanted {
        Style::Coloured
    } else {
        Style::Plain
    }
}

#[cfg(test)]
mod fixtures;
