//! Logs in to a real desktop environment, with a virtual screen and virtual input devices.

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

/// Timeout for a desktop to start: on an idle host GNOME takes four seconds, the others one.
const UP: Duration = Duration::from_secs(90);

/// The name of the agent's program.
const AGENT: &str = "session-timeout-agent";

/// A desktop session with a screen.
#[derive(Debug)]
pub struct Screen<'a> {
    keyboard: Keyboard,
    client: Client<'a>,
    seated: Seated,
    environment: Environment,
}

/// Starts programs in a desktop session, as its user.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    machine: &'a Machine,
    account: Account,
    cgroup: String,
}

impl<'a> Screen<'a> {
    /// Logs in to a desktop, and waits until its start is complete. It includes the agent, if that
    /// is installed: GNOME starts its user unit, and the configuration of the others has a line for
    /// it.
    ///
    /// # Errors
    /// The desktop does not start, or the machine is of another kind.
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

    /// logind's id of the session.
    #[must_use]
    pub fn session(&self) -> &str {
        self.seated.session()
    }

    /// Presses a key that types no character; returns when it was pressed.
    ///
    /// # Errors
    /// The desktop refuses it.
    pub fn press_key(&mut self) -> Outcome<Instant> {
        self.keyboard.press(&self.client)?;
        Ok(Instant::now())
    }

    /// Takes a picture of the screen, as `NAME.png` in `target/machines/screens`.
    ///
    /// # Errors
    /// It cannot be taken.
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

    /// The output of a shell script that runs as the user in this session.
    ///
    /// # Errors
    /// The script fails or takes longer than a minute.
    pub fn run(&self, script: &str) -> Outcome<String> {
        self.client.run(script)
    }

    /// The agent's pid in the machine's pid namespace.
    ///
    /// # Errors
    /// There is no agent, or more than one.
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

    /// Starts the agent, as the user would if it is gone.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_agent(&self) -> Outcome {
        self.run(&format!("{AGENT} >/dev/null 2>&1 &")).map(drop)
    }

    /// Waits until the desktop is gone.
    ///
    /// # Errors
    /// It exists after `bound`.
    pub fn wait_closed(&self, bound: Duration) -> Outcome<Instant> {
        self.seated.wait_closed(bound)
    }

    /// Whether the desktop exists.
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

    /// The output of a shell script in the session. It fails until the desktop has started.
    pub(crate) fn run(&self, script: &str) -> Outcome<String> {
        self.machine.run(&self.enter(script))
    }

    /// A command that runs a shell script in the session.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = self.machine.command("sh");
        command.args(["-c", &self.enter(script)]);
        command
    }

    /// A root shell command that runs a script in the session, with the environment that
    /// `screen/ready.sh` saved.
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

/// The text as one word of a shell command.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
