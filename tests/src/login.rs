//! Logs in over SSH with a real client and sshd.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure, Outcome};
use crate::journal::Wanted;
use crate::machine::{Machine, end_inside};
use crate::transcript::{Source, Transcript};

/// Timeout for a login, which takes a few hundred milliseconds on an idle host.
pub(crate) const LOGIN: Duration = Duration::from_secs(30);

/// An account of the machines. All have the same SSH key, and the password of a person is the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// A person, uid 1000.
    Alice,
    /// Another person, uid 1001.
    Bob,
    /// The administrator.
    Root,
    /// A system account with a shell.
    Robot,
    /// The hostile user, uid 1002. The kernel counts some resources by uid over all machines of a
    /// host (descriptors in sockets: ETOOMANYREFS of unix(7)), so a user who exhausts them needs a
    /// uid that no other case uses.
    Mallory,
}

impl Account {
    /// The name of the account.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Root => "root",
            Self::Robot => "robot",
            Self::Mallory => "mallory",
        }
    }
}

/// The terminal that an SSH client requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// A terminal with a login shell: `ssh -tt`.
    Pty,
    /// No terminal, and `cat` as the program: `ssh -T host cat`.
    None,
}

/// An SSH connection after its login.
#[derive(Debug)]
pub struct Ssh {
    client: Child,
    stdin: ChildStdin,
    transcript: Transcript,
    session: String,
    opened: Instant,
}

impl Ssh {
    /// Logs in from 127.0.0.1, and waits until the session prints its id.
    ///
    /// # Errors
    /// The login fails or takes longer than half a minute.
    pub fn open(machine: &Machine, account: Account, terminal: Terminal) -> Outcome<Self> {
        Self::open_from(Ipv4Addr::LOCALHOST.into(), machine, account, terminal)
    }

    /// Logs in with a terminal that shows only what a user would see: the login shell does not
    /// print the session id, which is taken from the daemon's journal.
    ///
    /// # Errors
    /// The login fails, or the daemon does not record it within half a minute.
    pub fn open_unmarked(machine: &Machine, account: Account) -> Outcome<Self> {
        machine.run("rm /etc/profile.d/session-id.sh")?;
        let mut command = client_command(machine);
        command.args(["-tt", &format!("{}@127.0.0.1", account.name())]);
        let mut ssh = Self::connect(command)?;
        let login = Wanted::event("login").with("USER_NAME", account.name());
        let login = machine.journal().wait_for(&login, LOGIN);
        let login = login.map_err(|failure| ssh.with_errors(&failure))?;
        let id = login.field("SESSION_ID").context("a login without an id")?;
        id.clone_into(&mut ssh.session);
        Ok(ssh)
    }

    /// As [`Self::open`], with a terminal, for a login without a logind session: its id is empty.
    ///
    /// # Errors
    /// The login fails, takes longer than half a minute, or has a session.
    pub fn open_unregistered(machine: &Machine, user: &str) -> Outcome<Self> {
        let mut command = client_command(machine);
        command.args(["-tt", &format!("{user}@127.0.0.1")]);
        let mut ssh = Self::connect(command)?;
        let session = said_session(&ssh.transcript, LOGIN);
        match session.map_err(|failure| ssh.with_errors(&failure))? {
            none if none.is_empty() => Ok(ssh),
            one => Err(Failure::new(format!("a login with session {one}"))),
        }
    }

    /// Logs in from this address of the machine: any of 127.0.0.0/8, or `::1`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_from(
        from: IpAddr,
        machine: &Machine,
        account: Account,
        terminal: Terminal,
    ) -> Outcome<Self> {
        let mut command = client_command(machine);
        let to = match from {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        command.args(["-b", &from.to_string()]);
        let host = format!("{}@{to}", account.name());
        match terminal {
            Terminal::Pty => command.args(["-tt", &host]),
            // Not a login shell, so it does not read the profile and prints the id itself.
            Terminal::None => {
                command.args(["-T", &host, "echo \"session=$XDG_SESSION_ID.\"; exec cat"])
            }
        };
        Self::start(command)
    }

    /// As [`Self::open`] without a terminal, with a script that runs before `cat`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(machine: &Machine, account: Account, script: &str) -> Outcome<Self> {
        let mut command = client_command(machine);
        let host = format!("{}@127.0.0.1", account.name());
        let script = format!("{script}; echo \"session=$XDG_SESSION_ID.\"; exec cat");
        command.args(["-T", &host, &script]);
        Self::start(command)
    }

    /// Runs su(1) to `account` in a terminal that `owner` owns and that belongs to no session, as
    /// in a web console or with `docker exec`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_su(machine: &Machine, owner: Account, account: Account) -> Outcome<Self> {
        let (owner, account) = (owner.name(), account.name());
        let su = format!(
            "systemd-run --quiet --pty --wait --property=User={owner} --property=PAMName= su - \
             {account}"
        );
        let mut command = machine.command("script");
        command.args(["--quiet", "--return", "--command", &su, "/dev/null"]);
        Self::start_with(command, |ssh| {
            if owner == Account::Root.name() {
                return Ok(());
            }
            ssh.transcript.wait_for("Password: ", LOGIN)?;
            ssh.send(&format!("{account}\n"))
        })
    }

    /// Logs in with mosh, whose server keeps running after the SSH connection is closed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_mosh(machine: &Machine, account: Account) -> Outcome<Self> {
        let ssh = client_command(machine);
        let options: Vec<_> = ssh.get_args().skip_while(|arg| *arg != "ssh").collect();
        let ssh = options.join(" ".as_ref());
        let mosh = format!(
            "stty rows 24 columns 80; exec mosh --ssh='{}' {}@127.0.0.1",
            ssh.display(),
            account.name()
        );
        // mosh needs a terminal with a size, and a UTF-8 locale.
        let mut command = machine.command("script");
        command.args(["--quiet", "--return", "--command", &mosh, "/dev/null"]);
        command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
        Self::start(command)
    }

    /// Starts a client, and waits until the session prints its id.
    pub(crate) fn start(command: Command) -> Outcome<Self> {
        Self::start_with(command, |_| Ok(()))
    }

    fn start_with(
        command: Command,
        authenticate: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome<Self> {
        let mut ssh = Self::connect(command)?;
        authenticate(&mut ssh)?;
        ssh.session =
            session_of(&ssh.transcript, LOGIN).map_err(|failure| ssh.with_errors(&failure))?;
        Ok(ssh)
    }

    /// Starts a client.
    fn connect(mut command: Command) -> Outcome<Self> {
        let opened = Instant::now();
        let mut client = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start ssh")?;
        let stdin = client.stdin.take().context("ssh's input")?;
        let stdout = client.stdout.take().context("ssh's output")?;
        Ok(Self {
            client,
            stdin,
            transcript: Transcript::of(stdout, Source::Pipe),
            session: String::new(),
            opened,
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

    /// When the client was started, shortly before the session began.
    #[must_use]
    pub const fn opened(&self) -> Instant {
        self.opened
    }

    /// Types text.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn send(&mut self, keys: &str) -> Outcome {
        self.stdin.write_all(keys.as_bytes()).context("type")?;
        self.stdin.flush().context("type")
    }

    /// Waits until the server closes the connection.
    ///
    /// # Errors
    /// It is open after `bound`.
    pub fn wait_closed(&self, bound: Duration) -> Outcome<Instant> {
        self.transcript.wait_closed(bound)
    }

    /// Kills the client, as a network failure does.
    pub fn drop_connection(self) {
        drop(self);
    }

    /// The failure, with the errors that ssh printed.
    fn with_errors(&mut self, failure: &Failure) -> Failure {
        end_inside(&mut self.client);
        let errors = self.client.stderr.take();
        let said = errors.and_then(|errors| std::io::read_to_string(errors).ok());
        Failure::new(format!("{failure}\nssh: {}", said.unwrap_or_default()))
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        end_inside(&mut self.client);
    }
}

/// A client that never prompts and stores no host keys.
pub(crate) fn client_command(machine: &Machine) -> Command {
    let mut command = machine.command("ssh");
    command.args(["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"]);
    command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]);
    command
}

/// The session id that the login prints: `session=c1.`
pub(crate) fn session_of(transcript: &Transcript, bound: Duration) -> Outcome<String> {
    let name = said_session(transcript, bound)?;
    if name.is_empty() {
        let text = transcript.text();
        return Err(Failure::new(format!("a login without a session:\n{text}")));
    }
    Ok(name)
}

/// As [`session_of`], but the id is empty if logind has no session for the login.
fn said_session(transcript: &Transcript, bound: Duration) -> Outcome<String> {
    const START: &str = "session=";
    let start = transcript.wait_for(START, bound)?;
    let end = transcript.wait_after(start.end, ".", bound)?;
    let text = transcript.text();
    let name = text.get(start.end..end.end - 1).unwrap_or_default();
    Ok(name.to_owned())
}
