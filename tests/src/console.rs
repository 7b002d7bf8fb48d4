//! Real logins on a terminal: getty, login, and a password.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{ptsname, unlockpt};

use crate::failure::{Context, Failure, Outcome};
use crate::login::{Account, LOGIN, session_of};
use crate::machine::Machine;
use crate::transcript::{Source, Transcript};

/// A terminal of the machine's with somebody logged in.
#[derive(Debug)]
pub struct Console {
    master: File,
    transcript: Transcript,
    session: String,
}

impl Console {
    /// Makes a terminal, starts systemd's getty for containers on it, and logs in.
    ///
    /// # Errors
    /// Where the login fails or takes longer than half a minute.
    pub fn open(machine: &Machine, account: Account) -> Outcome<Self> {
        // Each devpts has a ptmx of its own: this terminal is the machine's.
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

    /// What the terminal shows.
    #[must_use]
    pub const fn terminal(&self) -> &Transcript {
        &self.transcript
    }

    /// logind's name of the session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Types.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn send(&mut self, keys: &str) -> Outcome {
        self.master.write_all(keys.as_bytes()).context("type")
    }

    /// Waits until getty asks for a name again.
    ///
    /// # Errors
    /// Where it does not within `bound`.
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
