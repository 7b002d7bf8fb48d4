//! The program `session-timeoutd`, which calls the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    session_timeoutd::main()
}
