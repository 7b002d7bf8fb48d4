//! Does what the command line asks for.

use std::io::{self, Write};

use clap::CommandFactory as _;

use crate::cli::{Cli, Command, Shell, StatusOptions};
use crate::error::Error;
use crate::status::Status;
use crate::{bus, json, table};

/// Runs one command and prints what it has to say.
pub(crate) fn run(command: Command) -> Result<(), Error> {
    let written = match command {
        Command::Status(options) => print_status(&ask()?, &options),
        Command::Completions { shell } => print_completions(shell),
    };
    match written {
        // `session-timeout status | head -1` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Error::Output),
    }
}

fn ask() -> Result<Status, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?
        .block_on(bus::ask_system_bus())
}

fn print_status(status: &Status, options: &StatusOptions) -> io::Result<()> {
    if options.json {
        let mut out = io::stdout().lock();
        json::write(status, &mut out)?;
        out.flush()
    } else {
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let text = table::render(status, width);
        let mut out = anstream::AutoStream::new(io::stdout().lock(), options.color.into());
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn print_completions(shell: Shell) -> io::Result<()> {
    let shell = clap_complete::Shell::from(shell);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "session-timeout", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()
}
