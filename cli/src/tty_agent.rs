//! polkit's own agent for terminals: it asks for the password where no desktop does.
//!
//! It is another process, which reads the password, checks it and tells polkit; nothing of that
//! comes to us.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// Where polkit has it: not looked for in `PATH`, because it is given a password.
const PROGRAM: &str = "/usr/bin/pkttyagent";
/// How long it may take to begin and to end.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Who asks for a password.
pub(crate) enum PasswordAgent {
    /// The agent of this command.
    Agent(Child),
    /// The desktop's agent, if it has one: no agent for terminals is installed.
    NotInstalled,
    /// The desktop's agent, if it has one: this is no terminal.
    NoTerminal,
    /// Nobody: root is not asked.
    Nobody,
}

impl PasswordAgent {
    /// Starts an agent where one can ask, and waits until polkit knows it.
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
        // --fallback: the agent of a desktop goes first. Its standard output is what it closes when
        // polkit knows it; it speaks with its user on the terminal itself.
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
            // Where it does not come to that, polkit says what is missing.
            let _ = tokio::time::timeout(TIMEOUT, closed).await;
        }
        Self::Agent(agent)
    }

    /// Ends the agent. Asked to, it leaves the terminal as it was.
    pub(crate) async fn stop(self) {
        let Self::Agent(mut agent) = self else { return };
        // Not waited for yet, so that the number is still its own.
        if let Some(pid) = agent.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = tokio::time::timeout(TIMEOUT, agent.wait()).await;
    }
}
