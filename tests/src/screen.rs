//! A desktop session that is one: somebody's real desktop, with a screen that nobody sees and keys
//! that nobody touches.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::keyboard::Keyboard;
use crate::layer::machines_dir;
use crate::login::Account;
use crate::machine::Machine;
use crate::seat::Seated;
use crate::wait::wait_until;

/// For a desktop to come up: GNOME takes four seconds on a host that has nothing else to do, the
/// others one.
const UP: Duration = Duration::from_secs(90);

/// The agent's program.
const AGENT: &str = "session-timeout-agent";

/// Somebody's desktop, with a screen.
#[derive(Debug)]
pub struct Screen<'a> {
    keyboard: Keyboard,
    client: Client<'a>,
    seated: Seated,
    environment: Environment,
}

/// What starts programs in a desktop's session, as its user would.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    machine: &'a Machine,
    account: Account,
    cgroup: String,
}

impl<'a> Screen<'a> {
    /// Logs in to a desktop, and waits until it has started everything that it starts by itself.
    /// Where the agent is installed, that is among it: GNOME starts its user unit, and the
    /// configuration of the others has a line for it.
    ///
    /// # Errors
    /// Where it does not come up; where the machine is of another kind.
    pub fn open(machine: &'a Machine, account: Account, environment: Environment) -> Outcome<Self> {
        for (path, content) in environment.files() {
            machine.write(path, content)?;
        }
        let script = format!(
            r#"echo "session=$XDG_SESSION_ID."; exec 2>&1; {}"#,
            environment.start()
        );
        let seated = Seated::log_in(machine, account, environment.session_type(), &script)?;
        let client = Client::of(machine, account, seated.session())?;
        let keyboard = wait_until(UP, "the desktop to be up", || client.run("true"))
            .and_then(|_| Keyboard::of(environment, &client));
        let keyboard = keyboard.map_err(|failure| {
            let said = seated.transcript().text();
            Failure::new(format!("{environment}: {failure}\n{said}"))
        })?;
        Ok(Self {
            keyboard,
            client,
            seated,
            environment,
        })
    }

    /// logind's name of the session.
    #[must_use]
    pub fn session(&self) -> &str {
        self.seated.session()
    }

    /// Presses a key that writes nothing; when that was done.
    ///
    /// # Errors
    /// Where the desktop does not take it.
    pub fn press_key(&mut self) -> Outcome<Instant> {
        self.keyboard.press(&self.client)?;
        Ok(Instant::now())
    }

    /// Takes a picture of the screen; the file is `NAME.png` under `target/machines/screens`.
    ///
    /// # Errors
    /// Where it cannot be taken.
    pub fn photograph(&self, name: &str) -> Outcome<PathBuf> {
        wait_until(UP, "the desktop to be settled", || {
            self.client.run(self.environment.settled())
        })?;
        let script = self.environment.photograph();
        let taken = self.client.run(&format!(
            r#"picture=$XDG_RUNTIME_DIR/screen.png; ({script}) >/dev/null && echo "$picture""#
        ))?;
        let dir = machines_dir()?.join("screens");
        fs::create_dir_all(&dir).context(format!("make {}", dir.display()))?;
        let path = dir.join(name).with_extension("png");
        let root = self.client.machine.root_seen_from_host();
        fs::copy(format!("{root}{}", taken.trim()), &path).context("keep a picture")?;
        Ok(path)
    }

    /// What a program of the user's in this session writes: a shell that runs `script`.
    ///
    /// # Errors
    /// Where the script fails or takes longer than a minute.
    pub fn run(&self, script: &str) -> Outcome<String> {
        self.client.run(script)
    }

    /// The agent's process, as the machine numbers it.
    ///
    /// # Errors
    /// Where there is none, or more than one.
    pub fn agent_pid(&self) -> Outcome<u32> {
        let user = self.client.account.name();
        let found = self.client.machine.run(&format!(
            r#"for pid in $(pgrep --uid {user}); do
                case $(readlink /proc/$pid/exe) in */{AGENT}) echo "$pid" ;; esac
            done"#
        ))?;
        let pids: Vec<_> = found.split_whitespace().collect();
        match pids.as_slice() {
            [pid] => pid.parse().context(format!("the agent's pid {pid}")),
            _ => Err(Failure::new(format!("{} agents: {pids:?}", pids.len()))),
        }
    }

    /// Starts the agent, as the user would who finds that it is gone.
    ///
    /// # Errors
    /// Where no program can be started.
    pub fn start_agent(&self) -> Outcome {
        self.run(&format!("{AGENT} >/dev/null 2>&1 &")).map(drop)
    }

    /// Waits until nothing of the desktop is left.
    ///
    /// # Errors
    /// Where something is there after `bound`.
    pub fn wait_closed(&self, bound: Duration) -> Outcome<Instant> {
        self.seated.wait_closed(bound)
    }

    /// Whether the desktop is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.seated.is_open()
    }
}

impl<'a> Client<'a> {
    fn of(machine: &'a Machine, account: Account, session: &str) -> Outcome<Self> {
        let scope = format!("session-{session}.scope");
        let cgroup = machine.run(&format!(
            "systemctl show --property=ControlGroup --value {scope}"
        ))?;
        Ok(Self {
            machine,
            account,
            cgroup: cgroup.trim().to_owned(),
        })
    }

    /// What a shell in the session writes while it runs `script`. It fails while the desktop is
    /// not up.
    pub(crate) fn run(&self, script: &str) -> Outcome<String> {
        self.machine.run(&self.enter(script))
    }

    /// A shell in the session that runs `script`.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = self.machine.command("sh");
        command.args(["-c", &self.enter(script)]);
        command
    }

    /// Has a shell of root's become one in the session, where `screen/ready.sh` left what its
    /// programs find in their environment.
    fn enter(&self, script: &str) -> String {
        let (cgroup, user) = (&self.cgroup, self.account.name());
        let inside = quoted(&format!(
            ". /run/user/$(id -u)/screen && cd && {{ {script}\n}}"
        ));
        format!(
            "echo $$ >/sys/fs/cgroup{cgroup}/cgroup.procs && \
             exec setpriv --reuid={user} --regid={user} --init-groups sh -c {inside}"
        )
    }
}

/// As one word of a shell's.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
