//! Idle time on real desktops: what the agent tells, and what is done without it.

use session_timeout_tests::{Account, Environment, Machine, Outcome, Screen};

pub(crate) fn a_desktop_comes_up_takes_keys_and_shows_itself(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    let mut screen = Screen::open(machine, Account::Alice, environment)?;
    let started = std::time::Instant::now();
    screen.press_key()?;
    eprintln!("key took {:?}", started.elapsed());
    let suite = machine.suite();
    let path = screen.photograph(&format!("{suite}-{environment}"))?;
    eprintln!("{} {}", screen.session(), path.display());
    Ok(())
}
