//! Idle time on real desktops, from the agent: exact to the second, and without logind's idle hint.

use std::time::{Duration, Instant};

use serde_json::Value;
use session_timeout_tests::{
    Account, Entry, Environment, Failure, Machine, Outcome, Screen, Suite, Wanted, hold_for,
    wait_until,
};

use super::{SOON, assert_after, assert_not_ended, secs};

const POLICY: &str = r#"[default]
    session-timeout = "10min"
    inactivity-timeout = "12s"
    inactivity-warnings = ["5s"]
    grace = "3s""#;

/// Tolerance for the idle time.
const EXACT: Duration = Duration::from_millis(500);

/// The status has whole seconds, rounded down.
const SHOWN_STEP: Duration = Duration::from_secs(1);

/// Bound for an immediate effect: the agent's report may take a second.
const AT_ONCE: Duration = Duration::from_millis(1500);

pub(crate) fn idle_time_is_right_within_a_second_of_the_last_key(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           inactivity-timeout = "40s"
           inactivity-warnings = ["36s", "30s"]"#,
    )?;
    let mut screen = attached(machine, environment)?;
    for _ in 0..2 {
        let pressed = screen.press_key()?;
        // At the second warning, and for some time after it.
        let warned = next(machine, &screen, "warning", "30", pressed)?;
        assert_after(pressed, "the second warning", warned.at, secs(10));
        hold_for(secs(4), "the idle time to be right", || {
            assert_idle_since(machine, &screen, pressed)
        })?;
    }
    assert_never_hinted(machine, &screen, environment)?;
    let name = format!("{}-{environment}", machine.suite());
    screen.photograph(&name)?;
    Ok(())
}

pub(crate) fn a_key_keeps_the_session_and_silence_ends_it_on_time(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(POLICY)?;
    let mut screen = attached(machine, environment)?;
    let id = screen.session().to_owned();
    let started = Instant::now();
    let mut pressed = screen.press_key()?;
    // Longer than the limit, with pauses that are too short for a warning.
    while started.elapsed() < secs(16) {
        let _ = wait_until(secs(2), "the next key", || Err::<(), _>("not yet"));
        pressed = screen.press_key()?;
    }
    let told = machine
        .journal()
        .all(&Wanted::event("warning").session(&id));
    assert!(told.is_empty(), "{}", told[0]);

    let warning = next(machine, &screen, "warning", "5", pressed)?;
    assert_after(pressed, "the warning", warning.at, secs(7));
    let status = machine.session_status(&id)?;
    assert_eq!(status["phase"], "warned", "{status}");
    assert_eq!(status["ends_by"], "inactivity", "{status}");
    let end = Wanted::event("end").session(&id);
    let end = machine.journal().wait_for(&end, secs(20))?;
    assert_after(pressed, "the end", end.at, secs(12));
    assert_eq!(end.field("LIMIT"), Some("inactivity"), "{end}");
    machine.wait_session_gone(&id, secs(3 + 2))?;
    Ok(())
}

pub(crate) fn a_key_during_the_warning_withdraws_it_at_once(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(POLICY)?;
    let mut screen = attached(machine, environment)?;
    let id = screen.session().to_owned();
    for round in 0..2 {
        let since = Instant::now();
        next(machine, &screen, "warning", "5", since)?;
        let pressed = screen.press_key()?;
        let withdrawn = wait_until(SOON, "the warning to be withdrawn", || {
            let all = machine
                .journal()
                .all(&Wanted::event("withdrawn").session(&id));
            all.get(round)
                .cloned()
                .ok_or_else(|| Failure::new("the warning is shown"))
        })?;
        let took = withdrawn.at.saturating_duration_since(pressed);
        assert!(took < AT_ONCE, "withdrawn after {took:?}");
        let status = machine.session_status(&id)?;
        assert_eq!(status["phase"], "running", "{status}");
    }
    assert_not_ended(machine, &id);
    Ok(())
}

/// GNOME sets the hint after its own delay, and then dates it to that moment instead of the last
/// input.
pub(crate) fn idle_time_is_right_where_the_hint_comes_late_or_never(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           inactivity-timeout = "40s"
           inactivity-warnings = ["24s"]
           grace = "3s""#,
    )?;
    let mut screen = attached(machine, environment)?;
    let id = screen.session().to_owned();
    for (delay, hinted) in [(10, "yes"), (0, "no")] {
        screen.run(&format!(
            "gsettings set org.gnome.desktop.session idle-delay {delay}"
        ))?;
        let pressed = screen.press_key()?;
        let warning = next(machine, &screen, "warning", "24", pressed)?;
        assert_after(pressed, "the warning", warning.at, secs(16));
        assert_eq!(machine.logind_property(&id, "IdleHint")?, hinted);
        hold_for(secs(3), "the idle time to be right", || {
            assert_idle_since(machine, &screen, pressed)
        })?;
        if delay == 0 {
            let end = Wanted::event("end").session(&id);
            let end = machine.journal().wait_for(&end, secs(40))?;
            assert_after(pressed, "the end", end.at, secs(40));
        }
    }
    machine.wait_session_gone(&id, secs(3 + 2))?;
    Ok(())
}

/// A desktop with an attached agent.
pub(super) fn attached(machine: &Machine, environment: Environment) -> Outcome<Screen<'_>> {
    let screen = Screen::open(machine, Account::Alice, environment)?;
    let status = wait_attached(machine, &screen)?;
    let expected = match (environment, machine.suite()) {
        (Environment::Sway, Suite::Bookworm) => "kde-idle",
        (Environment::Sway | Environment::Labwc, _) => "ext-idle-notify",
        (Environment::X11, _) => "x11",
        (Environment::Gnome, _) => "mutter",
    };
    assert_eq!(status["agent_source"], expected, "{status}");
    Ok(screen)
}

/// Waits until the daemon has an idle time from the agent.
pub(super) fn wait_attached(machine: &Machine, screen: &Screen<'_>) -> Outcome<Value> {
    // The first start of GNOME on a host is slow.
    machine.wait_status(screen.session(), secs(40), |session| {
        session["idle_source"] == "agent"
    })
}

/// The first entry after `since` about this event with this lead.
fn next(
    machine: &Machine,
    screen: &Screen<'_>,
    event: &str,
    lead: &str,
    since: Instant,
) -> Outcome<Entry> {
    let wanted = Wanted::event(event)
        .session(screen.session())
        .with("LEAD_SEC", lead);
    wait_until(secs(60), &wanted.to_string(), || {
        let entries = machine.journal().all(&wanted);
        let mut later = entries.iter().filter(|entry| entry.at > since);
        later.next().cloned().ok_or_else(|| Failure::new("none"))
    })
}

/// Checks that the status has the time since `pressed` as the idle time, from the agent.
fn assert_idle_since(machine: &Machine, screen: &Screen<'_>, pressed: Instant) -> Outcome {
    let before = pressed.elapsed();
    let status = machine.session_status(screen.session())?;
    let after = pressed.elapsed();
    let shown = status["idle_seconds"].as_u64().map(Duration::from_secs);
    let right =
        shown.is_some_and(|shown| shown + SHOWN_STEP + EXACT >= before && shown <= after + EXACT);
    if right && status["idle_source"] == "agent" {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{:.1} to {:.1} s after the key: {status}",
            before.as_secs_f32(),
            after.as_secs_f32()
        )))
    }
}

/// Checks that logind's hint was not the source: GNOME sets it after five minutes by default, the
/// others never.
fn assert_never_hinted(
    machine: &Machine,
    screen: &Screen<'_>,
    environment: Environment,
) -> Outcome {
    let id = screen.session();
    assert_eq!(machine.logind_property(id, "IdleHint")?, "no");
    if environment != Environment::Gnome {
        assert_eq!(machine.logind_property(id, "IdleSinceHint")?, "0");
    }
    Ok(())
}
