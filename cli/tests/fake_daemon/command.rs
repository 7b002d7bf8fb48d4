//! Runs the built command on a fake bus.

use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::bus::Bus;

/// Runs the command on this bus.
pub(crate) async fn run(bus: Bus, arguments: &[&str]) -> Output {
    run_with(&[], bus, arguments).await
}

/// Runs the command on this bus, with this session id in its environment.
pub(crate) async fn run_in(session: Option<&str>, bus: Bus, arguments: &[&str]) -> Output {
    let named = session.map(|session| ("XDG_SESSION_ID", session));
    let named: Vec<_> = named.into_iter().collect();
    run_with(&named, bus, arguments).await
}

/// Runs the command on this bus, with these environment variables.
pub(crate) async fn run_with(variables: &[(&str, &str)], bus: Bus, arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_session-timeout"))
        .args(arguments)
        .env_remove("XDG_SESSION_ID")
        .env("LC_ALL", "C")
        .envs(variables.iter().copied())
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::select! {
        output = command => output.unwrap(),
        never = bus.serve() => match never {},
    }
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}
