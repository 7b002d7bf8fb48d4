//! Shows a session from its login to its end: `make demo`.
//!
//! Boots a temporary Debian machine, installs the package on it, sets limits of seconds, and logs
//! in over SSH. The left column has the user's terminal, the right one the daemon's journal. The
//! demonstration fails if an expected line is missing.

mod columns;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use anstream::println;
use session_timeout_tests::{
    Account, Entry, Failure, Machine, Outcome, Package, Ssh, Suite, Wanted, end_all, wait_until,
};

use columns::{Columns, Side};

const POLICY: &str = r#"[default]
session-timeout  = "30s"
session-warnings = ["15s", "5s"]
grace            = "5s"
"#;

/// The lines that the user must see, in this order.
const SHOWN: &[&str] = &[
    "This session ends after 30 s.",
    "this session ends in 15 s, 30 s after the login.",
    "this session ends in 5 s, 30 s after the login.",
    "this session has ended, 30 s after the login.",
];

/// The beginning of the prompt of alice's shell.
const PROMPT: &str = "alice@";

/// The events that the journal must have, in this order.
const WRITTEN: &[&str] = &["login", "warning", "warning", "end", "gone"];

const LIMIT: Duration = Duration::from_secs(30);

/// The tolerance for the end of the session after the limit.
const SLACK: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("demo: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Outcome {
    let suite = match std::env::args().nth(1) {
        Some(name) => name.parse()?,
        None => Suite::Trixie,
    };
    let handler = ctrlc::set_handler(|| {
        let _ = end_all();
        // 128 plus SIGINT, as in a shell.
        std::process::exit(130);
    });
    handler.map_err(|error| Failure::new(error.to_string()))?;

    let package = Package::built()?;
    println!("Booting a Debian machine ({suite}) and installing the package on it ...");
    let machine = Machine::bare(suite)?;
    package.install_on(&machine)?;
    println!("Its policy for the next minute:\n");
    POLICY.lines().for_each(|line| println!("    {line}"));
    machine.policy(POLICY)?;
    println!("\nalice logs in over SSH ...\n");
    let ssh = Ssh::open_unmarked(&machine, Account::Alice)?;
    let login = Wanted::event("login").session(ssh.session());
    let login = machine
        .journal()
        .wait_for(&login, Duration::from_secs(10))?;

    let ended = watch(&machine, &ssh, login.at)?;
    check(&ssh.terminal().text(), &events(&machine, &ssh))?;
    let lasted = ended.saturating_duration_since(login.at);
    println!(
        "\nThe session lasted {:.1} s. It was ended by its absolute limit, {} s after the login.",
        lasted.as_secs_f32(),
        LIMIT.as_secs()
    );
    if lasted.abs_diff(LIMIT) > SLACK {
        return Err(Failure::new("that is not when it should have ended"));
    }
    Ok(())
}

/// Prints both sides until the session is gone; returns when the connection was closed.
fn watch(machine: &Machine, ssh: &Ssh, login: Instant) -> Outcome<Instant> {
    let columns = Columns::of_this_terminal();
    columns.heading("alice's terminal", "journal of session-timeoutd");
    let (mut pieces, mut entries) = (0, 0);
    let gone = Wanted::event("gone").session(ssh.session());
    wait_until(LIMIT * 2, "the session to end", || {
        let mut news = Vec::new();
        for (at, text) in ssh.terminal().pieces_after(pieces) {
            pieces += 1;
            news.push((at, Side::Terminal, text));
        }
        let new_entries = events(machine, ssh).into_iter().skip(entries);
        for entry in new_entries.collect::<Vec<_>>() {
            entries += 1;
            news.push((entry.at, Side::Journal, entry.message().to_owned()));
        }
        news.sort_by_key(|(at, _, _)| *at);
        for (at, side, text) in news {
            columns.show(at.saturating_duration_since(login), side, &text);
        }
        if ssh.terminal().is_open() || machine.journal().all(&gone).is_empty() {
            return Err("the session exists");
        }
        Ok(())
    })?;
    ssh.wait_closed(Duration::ZERO)
}

/// The daemon's entries about the session.
fn events(machine: &Machine, ssh: &Ssh) -> Vec<Entry> {
    let wanted = Wanted::of_daemon().session(ssh.session());
    let entries = machine.journal().all(&wanted).into_iter();
    entries
        .filter(|entry| entry.field("SESSION_TIMEOUT_EVENT").is_some())
        .collect()
}

fn check(terminal: &str, entries: &[Entry]) -> Outcome {
    let mut rest = terminal;
    for text in SHOWN {
        let found = rest.split_once(text);
        let (_, after) = found.ok_or_else(|| Failure::new(format!("never shown: {text}")))?;
        rest = after;
    }
    if let Some(line) = terminal.split(['\r', '\n']).find(|line| is_foreign(line)) {
        return Err(Failure::new(format!("not for alice to see: {line}")));
    }
    let written = entries
        .iter()
        .filter_map(|entry| entry.field("SESSION_TIMEOUT_EVENT"));
    let written: Vec<_> = written.collect();
    if written != WRITTEN {
        return Err(Failure::new(format!(
            "the journal has {written:?}, not {WRITTEN:?}"
        )));
    }
    Ok(())
}

/// Whether a line of alice's terminal comes neither from the product nor from her shell.
fn is_foreign(line: &str) -> bool {
    let line = strip_str(line).to_string();
    let line = line.trim_matches(|c: char| c.is_control() || c.is_whitespace());
    !line.is_empty()
        && !line.starts_with(PROMPT)
        && !SHOWN.iter().any(|sentence| line.ends_with(sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_shell_and_of_the_product_are_expected() {
        for line in [
            "",
            "\u{1b}[?2004halice@debian:~$ ",
            "This session ends after 30 s.",
            "\u{7}Session timeout: this session ends in 5 s, 30 s after the login.",
        ] {
            assert!(!is_foreign(line), "{line}");
        }
        for line in ["session=c1.", "ssh: closed", "this session ends in 7 s"] {
            assert!(is_foreign(line), "{line}");
        }
    }
}
