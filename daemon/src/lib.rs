//! The session-timeout daemon.
//!
//! The engine of `session-timeout-policy` decides; this crate gathers its inputs, executes its
//! actions and keeps its state. One driver receives the inputs of the adapters, calls the engine,
//! and executes the returned actions. The adapters depend on each other as little as possible:
//!
//! | adapter | its part of the world |
//! |---|---|
//! | `intake` | the login socket of the PAM module |
//! | `bus` | the two connections to the system bus |
//! | `logind` | sessions, their end, and what is on the screen then |
//! | `probe`, `looks`, `line`, `walks`, `ttys`, `descent`, `scope`, `watch`, `writes` | idle time, and the terminals of a session |
//! | `errands`, `helper` | tasks at terminals, and the client of the program that opens them |
//! | `last` | the session that the daemon was killed over |
//! | `agents` | the agents in desktops, which know their input |
//! | `ends`, `units`, `process` | ends of sessions through logind and PID 1, and remaining processes |
//! | `unregistered` | logins that logind has no session for |
//! | `aside`, `user_turns` | threads for blocking work that reads many files, and their turns |
//! | `inhibitors` | inhibitor locks that are taken and released |
//! | `inotify` | what is watched in the file system |
//! | `hooks` | the administrator's own programs |
//! | `groups` | the groups of a user |
//! | `control`, `changes` | D-Bus, and what is news there |
//! | `polkit` | who may ask for more time |
//! | `policy_file` | the policy, and its last good copy |
//! | `store`, `replace` | what survives a restart |
//! | `endings`, `logins` | what a login is told |
//! | `journal`, `tell` | the journal and the authentication log |
//! | `unwarned` | sessions whose last warning nobody received |
//! | `clock` | time |
//! | `watchdog` | systemd, which restarts a daemon that hangs |

#![forbid(unsafe_code)]

mod agents;
mod aside;
mod bus;
mod changes;
mod cli;
mod clock;
mod control;
mod descent;
mod driver;
mod endings;
mod ends;
mod errands;
mod groups;
mod hands;
mod helper;
mod hooks;
mod inhibitors;
mod inotify;
mod input;
mod intake;
mod journal;
mod last;
mod line;
mod logind;
mod logins;
mod looks;
mod policy_file;
mod polkit;
mod pollable;
mod probe;
mod process;
mod replace;
mod report;
mod scope;
mod store;
mod tell;
mod text;
mod ttys;
mod units;
mod unregistered;
mod unwarned;
mod user_turns;
mod walks;
mod watch;
mod watchdog;
mod writes;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use session_timeout_config::{Sources, Style};

use crate::cli::Args;
use crate::journal::Journal;
use crate::watchdog::Watchdog;

/// Maximum number of users whose sessions are probed concurrently.
const LOOKERS: usize = 4;
/// How long the end of the daemon waits for looks.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs the daemon, or what the command line asks for instead.
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

/// Says what is wrong with the policy.
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
    let woken = watchdog.clone();
    // One thread, and some that look: there is little to do, and everything that may wait gives the
    // others their turn.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For looks at sessions; they end when there is nothing to look at.
        .max_blocking_threads(LOOKERS)
        .thread_keep_alive(Duration::from_secs(1))
        .on_thread_unpark(move || woken.woken())
        .build()?;
    let result = runtime.block_on(driver::run(args, journal, watchdog));
    // Tasks that still wait for logind may have something to say; they end with the runtime. A look
    // that hangs is not waited for.
    runtime.shutdown_timeout(PATIENCE);
    writer.finish();
    result
}

/// Colours on a terminal whose user has not asked for none (no-color.org), and nowhere else.
fn style() -> Style {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stderr().is_terminal() && !unwanted {
        Style::Coloured
    } else {
        Style::Plain
    }
}
