//! An SSH connection that several terminals share: ssh's `ControlMaster`.

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::failure::{Context, Failure, Outcome};
use crate::login::{Account, LOGIN, Ssh, client_command};
use crate::machine::{Machine, end_inside};
use crate::wait::wait_until;

/// One connection, with one session, that has no terminal of its own (`ssh -N`).
#[derive(Debug)]
pub struct SharedConnection<'a> {
    machine: &'a Machine,
    host: String,
    socket: String,
    master: Child,
}

impl<'a> SharedConnection<'a> {
    /// Connects.
    ///
    /// # Errors
    /// The login fails or takes longer than half a minute.
    pub fn open(machine: &'a Machine, account: Account) -> Outcome<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let host = format!("{}@127.0.0.1", account.name());
        let socket = format!("/run/ssh-connection-{number}");
        let master = client_command(machine)
            .args(["-M", "-N", "-S", &socket, &host])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start ssh")?;
        let connection = Self {
            machine,
            host,
            socket,
            master,
        };
        wait_until(LOGIN, "a connection to share", || {
            match machine.attempt(&connection.control("check"))?.code {
                Some(0) => Ok(()),
                _ => Err(Failure::new("it does not answer")),
            }
        })?;
        Ok(connection)
    }

    /// Opens another terminal with a login shell over it.
    ///
    /// # Errors
    /// No terminal can be opened.
    pub fn terminal(&self) -> Outcome<Ssh> {
        let mut command = client_command(self.machine);
        command.args(["-S", &self.socket, "-tt", &self.host]);
        Ssh::start(command)
    }

    /// Checks that the connection is open.
    ///
    /// # Errors
    /// It is closed.
    pub fn check(&self) -> Outcome {
        self.machine.run(&self.control("check")).map(drop)
    }

    fn control(&self, word: &str) -> String {
        format!("ssh -S {} -O {word} {}", self.socket, self.host)
    }
}

impl Drop for SharedConnection<'_> {
    fn drop(&mut self) {
        end_inside(&mut self.master);
    }
}
