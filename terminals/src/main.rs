//! `session-timeout-terminals`: writes to terminals for the daemon, and watches them for input.
//!
//! systemd starts it with the daemon: to start it on demand takes a job of PID 1, which users can
//! delay by calls. While idle it has no workers and does not wake up. It never opens a terminal itself:
//! worker processes of the same program do, and a worker that a terminal blocks is killed.

#![forbid(unsafe_code)]

mod device;
mod job;
mod pool;
mod server;
mod worker;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use tokio::net::UnixListener;

use crate::pool::Pool;

/// The argument that starts a worker.
const WORKER: &str = "--worker";

/// Workers exit when the daemon has not been connected for this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some(WORKER) => worker::run(&mut io::stdin().lock(), &mut io::stdout().lock()),
        Some(_) => Err(io::Error::other("it takes no arguments")),
        None => run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("session-timeout-terminals: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let listener = ListenFd::from_env().take_unix_listener(0)?;
    let listener =
        listener.ok_or_else(|| io::Error::other("systemd starts it, with its socket"))?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let pool = Pool::new("/proc/self/exe", &[WORKER]);
        Err(server::serve(
            UnixListener::from_std(listener)?,
            Arc::new(pool),
            IDLE_TIMEOUT,
        )
        .await)
    })
}
