//! Warnings as desktop notifications: their updates and buttons, and a server that is missing or
//! restarted.

use std::time::{Duration, Instant};

use session_timeout_tests::{
    Environment, Failure, Machine, Outcome, Screen, Wanted, hold_for, wait_until,
};

use super::desktops::{attached, wait_attached};
use super::servers::{
    OVERHEARD, dismiss, give_no_password, last_sent, press, shown, start, wait_button, wait_none,
    wait_shown,
};
use super::{SOON, assert_after, assert_not_ended, secs, wait_until_last_session_is_shown};

const STAY: &str = "Stay signed in";
const SIGN_OUT: &str = "Sign out now";

/// Timeout for the next update of a notification: the agent updates it at steps of the remaining
/// time.
const STEP: Duration = secs(15);

pub(crate) fn a_warning_on_the_screen_goes_with_the_time_and_its_button_withdraws_it(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "30min"
           inactivity-timeout = "50s"
           inactivity-warnings = ["35s", "5s"]"#,
    )?;
    let mut screen = attached(machine, environment)?;
    start(machine, &screen, environment)?;
    screen.press_key()?;
    let first = wait_shown(&screen, environment, "ends within 35 s", secs(60))?;
    assert!(
        first.body.contains("The inactivity limit is 50 s."),
        "{first:?}"
    );
    let buttons: Vec<_> = first.buttons.iter().map(String::as_str).collect();
    assert!(
        buttons.contains(&STAY) && buttons.contains(&SIGN_OUT),
        "{first:?}"
    );

    // It replaces the first one: the server has one, with the same id.
    let second = wait_shown(&screen, environment, "ends within 30 s", STEP)?;
    assert_eq!(second.id, first.id);
    photograph(&screen, environment, "warning")?;

    press(&screen, environment, &second, STAY)?;
    let pressed = Instant::now();
    wait_none(&screen, environment, SOON)?;
    let withdrawn = Wanted::event("withdrawn").session(screen.session());
    let withdrawn = machine.journal().wait_for(&withdrawn, SOON)?;
    assert_after(pressed, "the withdrawal", withdrawn.at, Duration::ZERO);

    // The button counts as input: the next warning comes after the full time again.
    let warning = Wanted::event("warning")
        .session(screen.session())
        .with("LEAD_SEC", "35");
    let again = wait_until(secs(30), "the next warning", || {
        let all = machine.journal().all(&warning);
        all.get(1).cloned().ok_or_else(|| Failure::new("none"))
    })?;
    assert_after(pressed, "the next warning", again.at, secs(15));
    wait_shown(&screen, environment, "ends within 35 s", SOON)?;
    assert_not_ended(machine, screen.session());
    Ok(())
}

pub(crate) fn the_locale_of_the_user_is_the_language_of_warnings(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "60s"
           session-warnings = ["45s"]
           extend = { times = 1, by = "30min" }"#,
    )?;
    machine.run("echo LANG=de_DE.UTF-8 >/etc/default/locale")?;
    let mut screen = attached(machine, environment)?;
    start(machine, &screen, environment)?;
    let heading = "Diese Sitzung endet in spätestens 45 s";
    let warned = wait_shown(&screen, environment, heading, secs(60))?;
    assert!(
        warned.body.contains("noch einmal um 30 min verlängern"),
        "{warned:?}"
    );
    wait_button(&mut screen, environment, "Jetzt abmelden")?;
    photograph(&screen, environment, "german")?;
    wait_shown(&screen, environment, "Diese Sitzung endet jetzt", secs(60))?;
    Ok(())
}

pub(crate) fn a_refused_extension_is_shown_on_the_screen_and_signing_out_ends_the_session(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "200s"
           session-warnings = ["180s"]
           extend = { times = 2, by = "30min" }
           grace = "3s""#,
    )?;
    let mut screen = attached(machine, environment)?;
    start(machine, &screen, environment)?;
    let warned = wait_shown(&screen, environment, "ends within 3 min", secs(60))?;
    assert!(
        warned
            .body
            .contains("extend it 2 more times, by 30 min each"),
        "{warned:?}"
    );
    wait_button(&mut screen, environment, "Extend by 30 min")?;
    photograph(&screen, environment, "offer")?;
    press(&screen, environment, &warned, "Extend by 30 min")?;
    // GNOME has a polkit agent and asks for a password; the other desktops have none.
    let why = if environment == Environment::Gnome {
        give_no_password(&screen)?;
        "the authentication was dismissed"
    } else {
        "authentication is needed for that"
    };
    let refusal = format!("It was not extended: {why}");
    let refused = wait_until(SOON, "the refusal", || {
        let all = shown(&screen, environment)?;
        match all.as_slice() {
            [one] if one.body.contains(&refusal) => Ok(one.clone()),
            other => Err(Failure::new(format!("{other:?}"))),
        }
    })?;
    photograph(&screen, environment, "refusal")?;
    // The command that presses the button may be ended before it exits.
    let _ = press(&screen, environment, &refused, SIGN_OUT);
    machine.wait_session_gone(screen.session(), SOON)?;
    assert_not_ended(machine, screen.session());
    Ok(())
}

pub(crate) fn a_granted_extension_is_shown_on_the_screen(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.write(
        "/etc/polkit-1/rules.d/10-extend.rules",
        r#"polkit.addRule(function(action) {
            if (action.id == "org.sessiontimeout1.extend-own") return polkit.Result.YES;
        });"#,
    )?;
    machine.run("systemctl restart polkit")?;
    machine.policy(
        r#"[default]
           session-timeout = "200s"
           session-warnings = ["180s"]
           extend = { times = 1, by = "30min" }"#,
    )?;
    let screen = attached(machine, environment)?;
    start(machine, &screen, environment)?;
    let warned = wait_shown(&screen, environment, "ends within 3 min", secs(60))?;
    assert!(
        warned.body.contains("extend it once more, by 30 min."),
        "{warned:?}"
    );
    press(&screen, environment, &warned, "Extend by 30 min")?;
    let granted = wait_shown(
        &screen,
        environment,
        "This session was extended by 30 min",
        SOON,
    )?;
    assert!(granted.body.contains("It ends within 3"), "{granted:?}");
    assert!(granted.buttons.is_empty(), "{granted:?}");
    let status = machine.session_status(screen.session())?;
    assert_eq!(status["phase"], "running", "{status}");
    Ok(())
}

pub(crate) fn the_last_thing_on_the_screen_is_why_the_session_ends(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "30s"
           session-warnings = ["12s"]
           message = "{user}: <b>closing</b> in {left}"
           grace = "3s""#,
    )?;
    let screen = attached(machine, environment)?;
    start(machine, &screen, environment)?;
    let warned = wait_shown(&screen, environment, "This session ends", secs(40))?;
    assert!(warned.body.contains("alice: "), "{warned:?}");
    machine.wait_session_gone(screen.session(), secs(40))?;
    let overheard = machine.run(&format!("cat {OVERHEARD}"))?;
    let last = last_sent(&overheard).ok_or_else(|| Failure::new(overheard))?;
    assert_eq!(last.summary, "This session ends now");
    assert_eq!(last.body, "It has lasted for 30 s.");
    assert!(last.buttons.is_empty(), "{last:?}");
    Ok(())
}

pub(crate) fn the_next_desktop_says_once_why_the_last_session_was_ended(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy("[default]\nsession-timeout = \"20s\"\nsession-warnings = [\"5s\"]\n")?;
    let ended = attached(machine, environment)?;
    machine.wait_session_gone(ended.session(), secs(60))?;
    drop(ended);
    machine.policy("[default]\nsession-timeout = \"10min\"\n")?;

    let screen = attached(machine, environment)?;
    start(machine, &screen, environment)?;
    let told = wait_shown(&screen, environment, "Your last session was ended", SOON)?;
    assert!(told.body.contains("on seat0 was ended "), "{told:?}");
    let minutes = machine.run("for ago in 0 1 2; do date --date=\"-$ago min\" +%H:%M; done")?;
    let said = |minute: &str| format!(" at {minute}, 20 s after the login.");
    assert!(
        minutes
            .lines()
            .any(|minute| told.body.contains(&said(minute))),
        "{told:?}, {minutes}"
    );
    photograph(&screen, environment, "last-session")?;
    // The next login does not repeat it on a terminal.
    wait_until_last_session_is_shown(machine)
}

pub(crate) fn a_notification_server_that_starts_late_shows_the_warnings_in_force(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "60s"
           session-warnings = ["45s", "40s", "5s"]
           grace = "3s""#,
    )?;
    let screen = attached(machine, environment)?;
    let id = screen.session();
    let pid = screen.agent_pid()?;
    machine.run(&format!("kill {pid}"))?;
    screen.run("session-timeout-agent >/dev/null 2>/tmp/agent.log &")?;
    let reach = screen.run("session-timeout-agent --print-source")?;
    assert!(reach.contains("notifications: none\n"), "{reach}");

    let warning = Wanted::event("warning").session(id).with("LEAD_SEC", "40");
    machine.journal().wait_for(&warning, secs(60))?;
    let silent = "no notification server";
    wait_until(SOON, "the agent to say so", || {
        let said = machine.run("cat /tmp/agent.log")?;
        match said.matches(silent).count() {
            1 => Ok(()),
            _ => Err(Failure::new(said)),
        }
    })?;

    start(machine, &screen, environment)?;
    let shown = wait_shown(&screen, environment, "ends within", SOON)?;
    let reach = screen.run("session-timeout-agent --print-source")?;
    assert!(reach.contains("notifications: ok\n"), "{reach}");

    // A dismissed warning is shown again after an unlock.
    dismiss(&screen, &shown)?;
    wait_none(&screen, environment, SOON)?;
    machine.run(&format!("loginctl unlock-session {id}"))?;
    wait_shown(&screen, environment, "ends within", SOON)?;

    // A new agent shows the warnings in force.
    let pid = screen.agent_pid()?;
    machine.run(&format!("kill -KILL {pid}"))?;
    screen.run("makoctl dismiss -a; session-timeout-agent >/dev/null 2>>/tmp/agent.log &")?;
    wait_shown(&screen, environment, "ends within", SOON)?;
    let said = machine.run("cat /tmp/agent.log")?;
    assert_eq!(said.matches(silent).count(), 1, "{said}");

    machine.wait_session_gone(id, secs(60))?;
    Ok(())
}

pub(crate) fn a_warning_on_the_screen_outlives_the_daemon_and_is_neither_repeated_nor_lost(
    machine: &Machine,
    environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "300s"
           session-warnings = ["280s"]"#,
    )?;
    let screen = attached(machine, environment)?;
    let agent = screen.agent_pid()?;
    start(machine, &screen, environment)?;
    let warned = wait_shown(&screen, environment, "This session ends", secs(60))?;
    let is_the_same = || {
        let all = shown(&screen, environment)?;
        match all.as_slice() {
            [one] if one.id == warned.id => Ok(()),
            other => Err(Failure::new(format!("{other:?} instead of {warned:?}"))),
        }
    };

    let before = machine.daemon_pid()?;
    machine.run("systemctl restart session-timeoutd")?;
    is_the_same()?;
    assert_ne!(machine.daemon_pid()?, before);
    wait_attached(machine, &screen)?;
    // The new daemon sends the warnings in force when the agent has attached.
    hold_for(secs(5), "one notification, the same", is_the_same)?;
    assert_eq!(screen.agent_pid()?, agent);
    let overheard = machine.run(&format!("cat {OVERHEARD}"))?;
    for gone in ["member=CloseNotification", "member=NotificationClosed"] {
        assert!(!overheard.contains(gone), "{overheard}");
    }
    let warnings = Wanted::event("warning").session(screen.session());
    assert_eq!(machine.journal().all(&warnings).len(), 1);

    // The new daemon withdraws it.
    machine.policy("[default]\nsession-timeout = \"1h\"\n")?;
    wait_none(&screen, environment, SOON)
}

fn photograph(screen: &Screen<'_>, environment: Environment, what: &str) -> Outcome {
    let path = screen.photograph(&format!("{what}-{environment}"))?;
    eprintln!("{}", path.display());
    Ok(())
}
