//! Lends the host's virtual terminals to one machine at a time.
//!
//! A kernel has one set of them for all containers, so a machine that uses them switches the host's
//! own screen. The screen is switched back when the machine returns them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::failure::{Context, Failure, Outcome};
use crate::login::Account;
use crate::machine::Machine;
use crate::seat::{Class, Seated};
use crate::wait::wait_until;

/// The active terminal, such as `tty2`. A process that locks this file may use all terminals.
const SHOWN: &str = "/sys/class/tty/tty0/active";

/// udev's database record of a device (`device_read_db` in systemd's sd-device.c), here for
/// terminal 40 in place of a graphics card: `G` and `Q` are its tags.
const MASTER_OF_SEAT: &str = "I:1000000
E:ID_SEAT=seat0
G:master-of-seat
G:seat
Q:master-of-seat
Q:seat
V:1
";

/// Timeout for a switch, which takes no time on an idle host.
const SOON: Duration = Duration::from_secs(10);

/// A virtual terminal. The numbers are high, to avoid the login prompts of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vt {
    /// The first.
    A = 41,
    /// The second.
    B = 42,
    /// The third.
    C = 43,
}

/// The virtual terminals, in this machine until this is dropped.
#[derive(Debug)]
pub struct Vts<'a> {
    machine: &'a Machine,
    before: u32,
    _turn: File,
}

impl<'a> Vts<'a> {
    /// Lends them to a machine; `None`, and a line on standard error, if the host has none.
    ///
    /// # Errors
    /// logind in the machine does not manage them.
    pub fn lend(machine: &'a Machine) -> Outcome<Option<Self>> {
        if !Path::new(SHOWN).exists() {
            // Not `eprintln!`, whose output the test runner captures if a test passes.
            let line = "NOT RUN: this host has no virtual terminals (CONFIG_VT)";
            let _ = writeln!(io::stderr(), "{line}");
            return Ok(None);
        }
        let turn = File::open(SHOWN).context("open the file with the active terminal")?;
        turn.lock().context("wait for the virtual terminals")?;
        let vts = Self {
            machine,
            before: shown()?,
            _turn: turn,
        };
        vts.bring_in()?;
        Ok(Some(vts))
    }

    /// logind manages virtual terminals if /dev/tty0 exists when it starts. A seat has graphics,
    /// which login managers wait for, if udev knows a device with the tag master-of-seat. logind
    /// must not start a getty on any terminal.
    fn bring_in(&self) -> Outcome {
        let config = "[Login]\nNAutoVTs=0\nReserveVT=0\n";
        let path = "/etc/systemd/logind.conf.d/vts.conf";
        self.machine.write(path, config)?;
        self.machine.write("/run/udev/data/c4:40", MASTER_OF_SEAT)?;
        // A login manager uses any free terminal, so all of them must exist.
        self.machine.run(
            "for vt in $(seq 0 63); do mknod -m 0620 /dev/tty$vt c 4 $vt; done
             mkdir -p /run/udev/tags/seat /run/udev/tags/master-of-seat
             touch /run/udev/tags/seat/c4:40 /run/udev/tags/master-of-seat/c4:40
             systemctl restart systemd-logind",
        )?;
        wait_until(SOON, "logind to have virtual terminals", || {
            let seat = self.machine.run(
                "busctl get-property org.freedesktop.login1 \
                 /org/freedesktop/login1/seat/seat0 org.freedesktop.login1.Seat CanTTY CanGraphical",
            )?;
            match seat.trim() {
                "b true\nb true" => Ok(()),
                other => Err(Failure::new(other)),
            }
        })
    }

    /// Logs in to a desktop on one of them, as a display manager does, with a detached process that
    /// survives the login.
    ///
    /// # Errors
    /// The login fails or takes longer than half a minute.
    pub fn log_in(&self, account: Account, class: Class, vt: Vt) -> Outcome<Seated> {
        Seated::log_in_at(self.machine, account, class, vt as u32)
    }

    /// Checks that this terminal is shown.
    ///
    /// # Errors
    /// Another one is shown, or the kernel does not tell.
    pub fn is_shown(&self, vt: Vt) -> Outcome {
        is_shown(vt as u32)
    }

    /// Checks that the terminal with this number is shown.
    ///
    /// # Errors
    /// As [`Self::is_shown`].
    pub(crate) fn is_number_shown(&self, number: u32) -> Outcome {
        is_shown(number)
    }

    /// The machine that uses the terminals.
    pub(crate) const fn machine(&self) -> &'a Machine {
        self.machine
    }

    /// Switches to one of them.
    ///
    /// # Errors
    /// It is not shown in time.
    pub fn show(&self, vt: Vt) -> Outcome {
        self.switch_to(vt as u32)
    }

    fn switch_to(&self, number: u32) -> Outcome {
        self.machine.run(&format!(
            "busctl call org.freedesktop.login1 /org/freedesktop/login1/seat/seat0 \
             org.freedesktop.login1.Seat SwitchTo u {number}"
        ))?;
        wait_until(SOON, "another terminal to be shown", || is_shown(number))
    }
}

impl Drop for Vts<'_> {
    fn drop(&mut self) {
        if let Err(failure) = self.switch_to(self.before) {
            eprintln!("tty{} is not shown again: {failure}", self.before);
        }
    }
}

fn shown() -> Outcome<u32> {
    let name = fs::read_to_string(SHOWN).context("read which terminal is shown")?;
    let number = name.trim().strip_prefix("tty");
    let number = number.and_then(|number| number.parse().ok());
    number.context(format!("no virtual terminal: {name}"))
}

fn is_shown(number: u32) -> Outcome {
    match shown()? {
        shown if shown == number => Ok(()),
        other => Err(Failure::new(format!("tty{other} is shown"))),
    }
}
