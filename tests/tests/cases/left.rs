//! `session-timeout left`: once, for a prompt, and with `--watch`.

use std::time::{Duration, Instant};

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Output, Ssh, Terminal, UNIT, hold_for, wait_until,
};

use super::{SOON, secs};

/// The number of prompts, and the maximum duration of one.
const PROMPTS: u32 = 100;
const PROMPT: Duration = Duration::from_millis(100);

const FAR: &str = r#"[default]
    session-timeout = "60min"
    extend = { times = 2, by = "30min" }"#;

pub(crate) fn a_prompt_shows_what_is_left_of_its_own_session(machine: &Machine) -> Outcome {
    machine.policy(FAR)?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(alice.session())?;
    alice.send("PS1='<$(session-timeout left)> '\n")?;
    alice.terminal().wait_for("<59 min> ", SOON)?;
    machine.run(&format!("session-timeout extend {}", alice.session()))?;
    alice.send("\n")?;
    alice.terminal().wait_for("<1 h 29 min> ", SOON)?;
    // A wrong session id in the environment, as in a tmux server that outlived its session, does
    // not matter.
    alice.send("export XDG_SESSION_ID=c99\nsession-timeout left --format '{session}={limit}'\n")?;
    let own = format!("{}=absolute", alice.session());
    alice.terminal().wait_for(&own, SOON)?;

    let json = machine.run(&format!("session-timeout left --json {}", alice.session()))?;
    let module: serde_json::Value = serde_json::from_str(&json).map_err(|_| Failure::new(&json))?;
    assert_eq!(module["text"], "1 h 29 min", "{json}");
    assert_eq!(module["class"], "running", "{json}");
    assert_eq!(module["percentage"], 99, "{json}");

    let id = alice.session();
    let begun = Instant::now();
    machine.run(&format!(
        "runuser --user alice -- sh -c 'for i in $(seq {PROMPTS}); do session-timeout left {id}; done'"
    ))?;
    let each = begun.elapsed() / PROMPTS;
    eprintln!("{}: {} us for a prompt", machine.suite(), each.as_micros());
    // A bound for a busy host; an idle one needs a twentieth.
    assert!(each < PROMPT, "{each:?}");
    Ok(())
}

pub(crate) fn left_watch_shows_an_extension_a_restart_a_withdrawal_and_the_end(
    machine: &Machine,
) -> Outcome {
    machine.policy(FAR)?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let session = alice.session().to_owned();
    machine.wait_known(&session)?;
    alice.send("session-timeout left --watch\n")?;
    alice.terminal().wait_for("59 min", SOON)?;
    machine.run(&format!("session-timeout extend {session}"))?;
    alice.terminal().wait_for("1 h 29 min", SOON)?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    machine.wait_active()?;
    wait_until(SOON, "the daemon to know the session", || {
        machine.session_status(&session)
    })?;
    machine.run(&format!("session-timeout extend {session}"))?;
    let seen = alice.terminal().wait_for("1 h 59 min", SOON)?;
    alice.send("\u{3}")?;

    machine.policy(
        r#"[default]
           session-timeout = "60min"
           inactivity-timeout = "40s"
           inactivity-warnings = ["20s"]"#,
    )?;
    // In the background: input counts when the shell reads it.
    alice.send("session-timeout left --watch --format '+{phase} by {limit}' &\n")?;
    let place = |text: &str, after: usize| alice.terminal().wait_after(after, text, secs(60));
    let seen = place("+running by inactivity", seen.end)?;
    let warned = place("+warned by inactivity", seen.end)?;
    alice.send("\n")?;
    let place = |text: &str, after: usize| alice.terminal().wait_after(after, text, secs(60));
    let withdrawn = place("+running by inactivity", warned.end)?;
    let warned = place("+warned by inactivity", withdrawn.end)?;
    place("+ending by inactivity", warned.end)?;
    alice.wait_closed(secs(30))?;
    // The typed command has other text after the `+`.
    assert_eq!(alice.terminal().count("+running"), 2);
    assert_eq!(alice.terminal().count("+warned"), 2);
    Ok(())
}

pub(crate) fn left_watch_costs_nothing_between_two_texts(machine: &Machine) -> Outcome {
    machine.policy(FAR)?;
    let mut alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(alice.session())?;
    alice.send("session-timeout left --watch\n")?;
    alice.terminal().wait_for("59 min", SOON)?;
    let switches = || {
        let script = "cat /proc/$(pgrep --full '^session-timeout left')/task/*/status";
        let status = machine.run(script)?;
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        if lines.is_empty() {
            return Err(Failure::new(status));
        }
        Ok(lines)
    };
    let rest = || {
        let before = switches()?;
        hold_for(secs(5), "a pause", || Ok::<_, Failure>(()))?;
        let after = switches()?;
        if before == after {
            Ok(())
        } else {
            Err(Failure::new(format!("{before:?}, then {after:?}")))
        }
    };
    wait_until(secs(20), "an idle `left --watch`", rest)
}

pub(crate) fn the_exit_status_of_left_gives_the_reason_for_no_output(machine: &Machine) -> Outcome {
    machine.policy(FAR)?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.wait_known(alice.session())?;
    let left = |user: &str, session: &str| {
        machine.attempt(&format!(
            "runuser --user {user} -- session-timeout left {session}"
        ))
    };
    for user in ["root", "alice"] {
        assert_exit(&left(user, alice.session())?, 0, "");
    }
    let nowhere = left("bob", "nowhere")?;
    assert_exit(&nowhere, 1, "there is no session nowhere");
    for user in ["bob", "nobody"] {
        let refused = left(user, alice.session())?;
        let same = nowhere.stderr.replace("nowhere", alice.session());
        assert_exit(&refused, 1, &same);
    }
    assert_exit(&left("nobody", "")?, 1, "name one");
    let format = "session-timeout left --format '{lft}'";
    assert_exit(&machine.attempt(format)?, 2, "there is no {lft}");
    machine.run("systemctl stop session-timeoutd.socket session-timeoutd.service")?;
    for arguments in ["", "--watch", "--json"] {
        let away = left("alice", &format!("{} {arguments}", alice.session()))?;
        assert_exit(&away, 3, "is it running?");
    }
    machine.run(&format!("systemctl start {UNIT}"))?;
    Ok(())
}

#[track_caller]
fn assert_exit(output: &Output, code: i32, said: &str) {
    let Output { stdout, stderr, .. } = output;
    assert_eq!(output.code, Some(code), "{stdout}{stderr}");
    assert!(stderr.contains(said), "{stderr}");
    assert_eq!(stdout.is_empty(), code != 0, "{stdout}");
}
