//! Logins at a seat, as a display manager makes them.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Context, Outcome};
use crate::login::{Account, LOGIN, session_of};
use crate::machine::{Machine, end_inside};
use crate::transcript::{Source, Transcript};

/// Somebody who is logged in on the machine's first seat.
#[derive(Debug)]
pub(crate) struct Seated {
    client: Child,
    transcript: Transcript,
    session: String,
}

impl Seated {
    /// Logs in with a session of logind's type `session_type` whose first process is a shell with
    /// `script`, and waits until that says which session it is: `session=c1.`
    ///
    /// # Errors
    /// Where the login fails or takes longer than half a minute.
    pub(crate) fn log_in(
        machine: &Machine,
        account: Account,
        session_type: &str,
        script: &str,
    ) -> Outcome<Self> {
        let mut client = machine
            .command("systemd-run")
            .args(["--quiet", "--pipe", "--wait", "--collect"])
            .args(["--property=PAMName=login"])
            .arg(format!("--property=User={}", account.name()))
            .arg(format!("--setenv=XDG_SESSION_TYPE={session_type}"))
            .args(["--setenv=XDG_SEAT=seat0", "--setenv=XDG_SESSION_CLASS=user"])
            .args(["sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start a desktop")?;
        let stdout = client.stdout.take().context("the desktop's output")?;
        let mut seated = Self {
            client,
            transcript: Transcript::of(stdout, Source::Pipe),
            session: String::new(),
        };
        seated.session = session_of(&seated.transcript, LOGIN)?;
        Ok(seated)
    }

    /// logind's name of the session.
    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// What the session's programs wrote.
    pub(crate) const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Waits until nothing of the session is left.
    ///
    /// # Errors
    /// Where something is there after `bound`.
    pub(crate) fn wait_closed(&self, bound: Duration) -> Outcome<Instant> {
        self.transcript.wait_closed(bound)
    }

    /// Whether something of the session is there.
    pub(crate) fn is_open(&self) -> bool {
        self.transcript.is_open()
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        end_inside(&mut self.client);
    }
}
