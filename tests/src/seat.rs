//! Logs in at a seat, as a display manager does.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Context, Outcome};
use crate::login::{Account, LOGIN, session_of};
use crate::machine::{Machine, end_inside};
use crate::transcript::{Source, Transcript};

/// The class of a session, in logind's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A login of a person.
    User,
    /// The login screen of a display manager.
    Greeter,
}

impl Class {
    const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Greeter => "greeter",
        }
    }
}

/// Starts a process that ends with the login, and one that survives it.
const WITH_SOMETHING_DETACHED: &str = r#"
    echo "session=$XDG_SESSION_ID."
    setsid sleep 100001 >/dev/null 2>&1 &
    exec sleep 100000
"#;

/// A session on the machine's first seat.
#[derive(Debug)]
pub struct Seated {
    client: Child,
    transcript: Transcript,
    session: String,
}

impl Seated {
    /// Logs in with a session of logind's type `session_type` whose first process is a shell with
    /// `script`, and waits until the script prints the session id: `session=c1.`
    ///
    /// # Errors
    /// The login fails or takes longer than half a minute.
    pub(crate) fn log_in(
        machine: &Machine,
        account: Account,
        session_type: &str,
        script: &str,
    ) -> Outcome<Self> {
        let mut command = service(machine, session_type, Class::User);
        command
            .args(["--property=PAMName=login"])
            .arg(format!("--property=User={}", account.name()))
            .args(["sh", "-c", script]);
        Self::start(command)
    }

    /// Logs in on this virtual terminal. The leader of the session belongs to root and closes the
    /// session when it is asked to end, as that of a display manager: su(1).
    ///
    /// # Errors
    /// As [`Self::log_in`].
    pub(crate) fn log_in_at(
        machine: &Machine,
        account: Account,
        class: Class,
        vt: u32,
    ) -> Outcome<Self> {
        let mut command = service(machine, "wayland", class);
        command
            .arg(format!("--setenv=XDG_VTNR={vt}"))
            .args(["su", "--shell=/bin/sh", "--command"])
            .args([WITH_SOMETHING_DETACHED, account.name()]);
        Self::start(command)
    }

    fn start(mut command: Command) -> Outcome<Self> {
        let mut client = command
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

    /// logind's id of the session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The output of the session's programs.
    pub(crate) const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Waits until the session is gone.
    ///
    /// # Errors
    /// It exists after `bound`.
    pub fn wait_closed(&self, bound: Duration) -> Outcome<Instant> {
        self.transcript.wait_closed(bound)
    }

    /// Whether the session exists.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.transcript.is_open()
    }
}

/// A command that logs in on the first seat, without the program to start.
fn service(machine: &Machine, session_type: &str, class: Class) -> Command {
    let mut command = machine.command("systemd-run");
    command
        .args(["--quiet", "--pipe", "--wait", "--collect"])
        .arg(format!("--setenv=XDG_SESSION_TYPE={session_type}"))
        .arg(format!("--setenv=XDG_SESSION_CLASS={}", class.name()))
        .arg("--setenv=XDG_SEAT=seat0");
    command
}

impl Drop for Seated {
    fn drop(&mut self) {
        end_inside(&mut self.client);
    }
}
