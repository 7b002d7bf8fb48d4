//! Boots a Debian machine and runs commands in it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Context, Failure, Outcome};
use crate::image;
use crate::journal::{Entry, Journal, Wanted};
use crate::kind::Kind;
use crate::layer::Layer;
use crate::package::{self, Package};
use crate::rootfs::{Rootfs, remove_own};
use crate::semaphore::Semaphore;
use crate::suite::Suite;
use crate::wait::wait_until;

/// Timeout for a boot, which takes one to five seconds on an idle host.
const BOOT: Duration = Duration::from_secs(90);

/// A boot keeps one processor busy; more at once would delay cases that wait for an end.
static BOOTS: Semaphore = Semaphore::of(2);

/// A running machine. It ends when it is dropped.
#[derive(Debug)]
pub struct Machine {
    suite: Suite,
    leader: Pid,
    journal: Journal,
    follower: Child,
    nspawn: Child,
    rootfs: Rootfs,
}

/// The result of a command in the machine.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; 124 if it was ended after a minute.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Machine {
    /// Boots plain Debian.
    ///
    /// # Errors
    /// It does not boot.
    pub fn bare(suite: Suite) -> Outcome<Self> {
        Self::bare_of(suite, Kind::Server)
    }

    /// As [`Self::bare`], with the packages of `kind`.
    ///
    /// # Errors
    /// As [`Self::bare`].
    pub fn bare_of(suite: Suite, kind: Kind) -> Outcome<Self> {
        Self::over(suite, vec![image::base(suite, kind)?])
    }

    /// Boots a machine with the tested package.
    ///
    /// # Errors
    /// There is no package, it cannot be installed, or the machine does not boot.
    pub fn with_package(suite: Suite) -> Outcome<Self> {
        Self::with_package_of(suite, Kind::Server)
    }

    /// As [`Self::with_package`], with the packages of `kind`.
    ///
    /// # Errors
    /// As [`Self::with_package`].
    pub fn with_package_of(suite: Suite, kind: Kind) -> Outcome<Self> {
        let base = image::base(suite, kind)?;
        let installed = package::installed(suite, kind, &Package::built()?)?;
        Self::over(suite, vec![installed, base])
    }

    fn over(suite: Suite, layers: Vec<Layer>) -> Outcome<Self> {
        let rootfs = Rootfs::make(suite, layers)?;
        let boot = BOOTS.acquire();
        let mut nspawn = spawn(&rootfs)?;
        let leader = wait_until(BOOT, "the machine's first process", || {
            leader_of(&mut nspawn, &rootfs.console_log())
        })?;
        wait_until(BOOT, "the machine to be up", || is_up(leader))?;
        drop(boot);
        // Not earlier: a journalctl that starts before journald finds no journal, and never opens
        // it later.
        let mut follower = in_machine(leader, "journalctl")
            .args(["--follow", "--lines=all", "--output=json", "--quiet"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("follow the journal")?;
        let lines = follower.stdout.take().context("the journal's output")?;
        Ok(Self {
            suite,
            leader,
            journal: Journal::of(lines),
            follower,
            nspawn,
            rootfs,
        })
    }

    /// Its release of Debian.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Its journal.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// A command that runs in the machine, as root.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        in_machine(self.leader, program)
    }

    /// The output of a shell script in the machine.
    ///
    /// # Errors
    /// The script fails or takes longer than a minute.
    pub fn run(&self, script: &str) -> Outcome<String> {
        let output = self.attempt(script)?;
        if output.code == Some(0) {
            return Ok(output.stdout);
        }
        let Output {
            code,
            stdout,
            stderr,
        } = output;
        let code = code.map_or("a signal".to_owned(), |code| code.to_string());
        Err(Failure::new(format!("{script}: {code}\n{stdout}{stderr}")))
    }

    /// As [`Self::run`], for a script that may fail.
    ///
    /// # Errors
    /// No shell can be started.
    pub fn attempt(&self, script: &str) -> Outcome<Output> {
        self.feed(script, b"")
    }

    /// Writes a file that everybody can read, and creates its parent directories.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Outcome {
        let script = format!("mkdir -p $(dirname {path}) && cat > {path} && chmod 0644 {path}");
        let output = self.feed(&script, content.as_ref())?;
        match output.code {
            Some(0) => Ok(()),
            _ => Err(Failure::new(format!("write {path}: {}", output.stderr))),
        }
    }

    fn feed(&self, script: &str, input: &[u8]) -> Outcome<Output> {
        let mut child = self
            .command("timeout")
            .args(["--kill-after=5", "60", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start a shell in the machine")?;
        let stdin = child.stdin.take();
        let output = thread::scope(|scope| {
            scope.spawn(|| write_all(stdin, input));
            child.wait_with_output()
        });
        let output = output.context(format!("run {script}"))?;
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The processor time that the machine's processes have used, without those of the tests.
    ///
    /// # Errors
    /// The kernel's statistics cannot be read.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        self.rootfs.processor_time()
    }

    /// The root of the machine's file systems, as the host sees it. The host resolves absolute
    /// symbolic links from its own root.
    pub(crate) fn root_seen_from_host(&self) -> String {
        format!("/proc/{}/root", self.leader)
    }

    /// Powers the machine off and moves the changes of its file system to `path`.
    pub(crate) fn power_off_into(mut self, path: &Path) -> Outcome {
        // A shutdown stops every process before it kills it, and nsenter stops with its child and
        // never continues. So no process of the tests may run in the machine.
        end_inside(&mut self.follower);
        // systemd-nspawn passes it on as the signal for systemd to power off.
        signal(&self.nspawn, Signal::TERM);
        wait_until(BOOT, "the machine to power off", || {
            exited(&mut self.nspawn)
        })?;
        self.rootfs.keep_changes(path)
    }

    /// Information about the machine for a failed case.
    #[must_use]
    pub fn report(&self) -> String {
        let lines = |entries: &[Entry]| {
            let lines: Vec<_> = entries.iter().map(ToString::to_string).collect();
            lines.join("\n")
        };
        // The output of a desktop would hide all other entries.
        let daemon = self.journal.all(&Wanted::of_daemon());
        let daemon = lines(&daemon[daemon.len().saturating_sub(40)..]);
        let all = lines(&self.journal.tail(80));
        let sessions = self
            .attempt("loginctl list-sessions; session-timeout status")
            .map_or_else(|failure| failure.to_string(), |output| output.stdout);
        format!(
            "--- journal of {}\n{all}\n--- the daemon's\n{daemon}\n--- sessions\n{sessions}",
            self.rootfs.name(),
        )
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.report());
        }
        // The first process of a pid namespace ends all others with it; systemd-nspawn notices and
        // cleans up. The cgroup ends any that remain.
        let _ = kill_process(self.leader, Signal::KILL);
        let bound = Duration::from_secs(10);
        let _ = wait_until(bound, "systemd-nspawn to end", || exited(&mut self.nspawn));
        end_inside(&mut self.follower);
    }
}

/// Ends all machines of this process at once, when it receives a signal.
///
/// # Errors
/// A process remains.
pub fn end_all() -> Outcome {
    remove_own()
}

/// Ends a command that runs in a machine: nsenter is outside, and waits for its child inside.
pub(crate) fn end_inside(nsenter: &mut Child) {
    for inside in children(nsenter.id()) {
        let _ = kill_process(inside, Signal::KILL);
    }
    let bound = Duration::from_secs(5);
    if wait_until(bound, "a command to end", || exited(nsenter)).is_err() {
        signal(nsenter, Signal::KILL);
        let _ = nsenter.wait();
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

fn spawn(rootfs: &Rootfs) -> Outcome<Child> {
    let log = File::create(rootfs.console_log()).context("make the console's log")?;
    let errors = log.try_clone().context("share the console's log")?;
    // The shell enters the cgroup before it executes systemd-nspawn, so that no process of the
    // machine is outside of it. It is killed with this process (prctl(2), PR_SET_PDEATHSIG).
    Command::new("sh")
        .args([
            "-c",
            r#"echo $$ > "$1" && shift && exec setpriv --pdeathsig KILL systemd-nspawn "$@""#,
            "sh",
        ])
        .arg(rootfs.cgroup_procs())
        .arg(format!("--directory={}", rootfs.root().display()))
        .arg(format!("--machine={}", rootfs.name()))
        .args([
            "--boot",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--private-network",
            "--resolv-conf=off",
            "--console=read-only",
            // systemd-nspawn drops this limit. Login managers lock passwords in memory (mlock(2)).
            "--capability=CAP_IPC_LOCK",
        ])
        .env("UNIFIED_CGROUP_HIERARCHY", "1")
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .context("start systemd-nspawn")
}

/// The pid of the machine's PID 1, after it has executed systemd: before that, its namespaces may
/// still be the host's, and a command "in the machine" would run on the host.
fn leader_of(nspawn: &mut Child, log: &Path) -> Outcome<Pid> {
    if exited(nspawn).is_ok() {
        let said = fs::read_to_string(log).unwrap_or_default();
        return Err(Failure::new(format!("systemd-nspawn ended: {said}")));
    }
    let is_init = |pid: &Pid| {
        let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        exe.file_name().is_some_and(|name| name == "systemd")
    };
    let found = children(nspawn.id()).into_iter().find(is_init);
    found.context("no systemd below systemd-nspawn")
}

fn is_up(leader: Pid) -> Outcome {
    // Without the bus systemctl would not wait, and would be started again and again.
    let bus = format!("/proc/{leader}/root/run/dbus/system_bus_socket");
    fs::metadata(&bus).context("no bus")?;
    let state = in_machine(leader, "systemctl")
        .args(["is-system-running", "--wait"])
        .output()
        .context("ask for the machine's state")?;
    let said = [state.stdout, state.stderr].concat();
    match String::from_utf8_lossy(&said).trim() {
        "running" => Ok(()),
        other => Err(Failure::new(other)),
    }
}

fn in_machine(leader: Pid, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--target={leader}"))
        .args(["--all", "--", program])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
        .env("HOME", "/root")
        .env("TERM", "dumb");
    command
}

fn exited(child: &mut Child) -> Outcome {
    match child.try_wait().context("check a process")? {
        Some(_) => Ok(()),
        None => Err(Failure::new("it runs")),
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Ignores errors: the command may end before it has read all of its input.
fn write_all(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input);
    }
}
