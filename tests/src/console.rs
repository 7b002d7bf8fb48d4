//! Logs in on a console: getty, login, and a password.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{ptsname, unlockpt};

use crate::failure::{Context, Failure, Outcome};
use crate::login::{Account, LOGIN, session_of};
use crate::machine::Machine;
use crate::transcript::{Source, Transcript};

/// A terminal of the machine with a login.
#[derive(Debug)]
pub struct Console {
    master: File,
    transcript: Transcript,
    session: String,
}

impl Console {
    /// Creates a terminal, starts systemd's getty for containers on it, and logs in.
    ///
    /// # Errors
    /// The login fails or takes longer than half a minute.
    pub fn open(machine: &Machine, account: Account) -> Outcome<Self> {
        // Each devpts has its own ptmx, so this terminal belongs to the machine.
        let ptmx = format!("{}/dev/pts/ptmx", machine.root_seen_from_host());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = open(&ptmx, flags, Mode::empty()).context(format!("open {ptmx}"))?;
        unlockpt(&master).context("unlock a terminal")?;
        let name = ptsname(&master, Vec::new()).context("name a terminal")?;
        let name = name.to_string_lossy();
        let number = name.strip_prefix("/dev/pts/");
        let number = number.ok_or_else(|| Failure::new(format!("a terminal called {name}")))?;

        let mut master = File::from(master);
        let reader = master.try_clone().context("share a terminal")?;
        let transcript = Transcript::of(reader, Source::PtyMaster);
        machine.run(&format!("systemctl start container-getty@{number}"))?;
        let asked = transcript.wait_for("login: ", LOGIN)?;
        type_line(&mut master, account.name())?;
        transcript.wait_after(asked.end, "Password: ", LOGIN)?;
        type_line(&mut master, account.name())?;
        let session = session_of(&transcript, LOGIN)?;
        Ok(Self {
            master,
            transcript,
            session,
        })
    }

    /// The output of the terminal.
    #[must_use]
    pub const fn terminal(&self) -> &Transcript {
        &self.transcript
    }

    /// logind's id of the session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Types text.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn send(&mut self, keys: &str) -> Outcome {
        self.master.write_all(keys.as_bytes()).context("type")
    }

    /// Waits until getty asks for a name again.
    ///
    /// # Errors
    /// No prompt appears within `bound`.
    pub fn wait_logged_out(&self, bound: Duration) -> Outcome {
        let text = self.transcript.text();
        let login = text.find("session=").unwrap_or_default();
        self.transcript.wait_after(login, "login: ", bound)?;
        Ok(())
    }
}

fn type_line(master: &mut File, line: &str) -> Outcome {
    let typed = master.write_all(format!("{line}\n").as_bytes());
    typed.context("type on the console")
}
