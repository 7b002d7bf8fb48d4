//! Runs polkit's agent for terminals, which asks for the password if no agent of a desktop does.
//!
//! The agent is a separate process, which reads and checks the password and informs polkit; this
//! command never sees it.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// Its absolute path: `PATH` is not searched, since the program is given a password.
const PROGRAM: &str = "/usr/bin/pkttyagent";
/// How long it may take to start and to stop.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Which program asks for a password.
pub(crate) enum PasswordAgent {
    /// The agent that this command started.
    Agent(Child),
    /// The desktop's agent, if it has one: no agent for terminals is installed.
    NotInstalled,
    /// The desktop's agent, if it has one: standard input is no terminal.
    NoTerminal,
    /// Nobody: root is not asked.
    Nobody,
}

impl PasswordAgent {
    /// Starts an agent if it can ask on this terminal, and waits until it is registered with
    /// polkit.
    pub(crate) async fn start() -> Self {
        if nix::unistd::geteuid().is_root() {
            return Self::Nobody;
        }
        if !io::stdin().is_terminal() {
            return Self::NoTerminal;
        }
        if !Path::new(PROGRAM).exists() {
            return Self::NotInstalled;
        }
        // --fallback: the agent of a desktop has precedence. The agent closes its standard output
        // when it is registered; it talks to the user through the terminal device.
        let started = Command::new(PROGRAM)
            .args(["--notify-fd", "1", "--fallback", "--process"])
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut agent) = started else {
            return Self::NotInstalled;
        };
        if let Some(mut ready) = agent.stdout.take() {
            let mut nothing = Vec::new();
            let closed = ready.read_to_end(&mut nothing);
            // If it fails, the reply of polkit says what is missing.
            let _ = tokio::time::timeout(TIMEOUT, closed).await;
        }
        Self::Agent(agent)
    }

    /// Ends the agent, by a signal after which it restores the terminal.
    pub(crate) async fn stop(self) {
        let Self::Agent(mut agent) = self else { return };
        // The process was not waited for yet, so the process id is still valid.
        if let Some(pid) = agent.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = tokio::time::timeout(TIMEOUT, agent.wait()).await;
    }
}
