//! Starts the program of the hostile user.

use std::process::{Child, Stdio};

use session_timeout_tests::{Account, Context, Machine, Outcome};

/// The path of the program in a machine.
const PATH: &str = "/var/tmp/mallory.pl";

/// The duration of a flood in seconds: longer than any case. The end of the machine ends it.
pub(super) const FLOOD: u32 = 120;

/// Copies the program into the machine.
pub(super) fn install(machine: &Machine) -> Outcome {
    machine.write(PATH, include_str!("../../hostile/mallory.pl"))
}

/// Starts the program, which must be installed, as this user with these arguments.
pub(super) fn start(machine: &Machine, account: Account, arguments: &str) -> Outcome<Child> {
    machine
        .command("runuser")
        .args(["-u", account.name(), "--", "perl", PATH])
        .args(arguments.split(' '))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("start the hostile program")
}

/// Checks that every flood is still in progress.
pub(super) fn assert_running(floods: &mut [Child]) -> Outcome {
    for flood in floods {
        let ended = flood.try_wait().context("check a flood")?;
        assert!(ended.is_none(), "a flood has ended before: {ended:?}");
    }
    Ok(())
}
