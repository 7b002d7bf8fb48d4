//! The session-timeout agent: see the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    session_timeout_agent::main()
}
