//! A login in a web console: only a part of its user's input comes through terminals.

use session_timeout_tests::{Failure, Machine, Outcome, Wanted, hold_for, wait_until};

use super::{SOON, TTY_STEP, assert_not_ended, login_of, secs};

/// Logs alice in, with a terminal in which a program reads lines. What is written to the FIFO is
/// typed there.
const START: &str = r#"
    mkfifo --mode=666 /tmp/keys
    cat >/usr/local/bin/web-login <<'EOF'
    echo "$XDG_SESSION_ID" >/tmp/session
    exec script --quiet --command cat /dev/null <>/tmp/keys
EOF
    systemd-run --quiet --collect --unit=web-login --property=PAMName=login --property=User=alice \
        --setenv=XDG_SESSION_TYPE=web --setenv=XDG_SESSION_CLASS=user sh /usr/local/bin/web-login"#;

const LIMIT: u64 = 12;

/// A policy whose inactivity limit is for web consoles only.
fn policy(unknown_idle: &str) -> String {
    format!(
        r#"[default]
           session-timeout = "10min"
           [[rule]]
           name = "web console"
           match = {{ type = "web" }}
           inactivity-timeout = "{LIMIT}s"
           inactivity-warnings = ["4s"]
           unknown-idle = "{unknown_idle}"
           grace = "3s""#
    )
}

pub(crate) fn a_web_login_is_not_ended_for_an_idle_terminal_and_input_there_counts(
    machine: &Machine,
) -> Outcome {
    machine.policy(&policy("report"))?;
    machine.run(START)?;
    let id = wait_until(SOON, "the session", || {
        let id = machine.run("cat /tmp/session")?.trim().to_owned();
        if id.is_empty() {
            return Err(Failure::new("no id"));
        }
        Ok(id)
    })?;
    login_of(machine, &id)?;
    let status = machine.session_status(&id)?;
    assert_eq!(status["type"], "web", "{status}");
    assert_eq!(status["rule"], "web console", "{status}");

    let unknown = Wanted::event("report").session(&id);
    let unknown = unknown.with("LIMIT", "inactivity");
    machine
        .journal()
        .wait_for(&unknown, secs(LIMIT) + TTY_STEP + SOON)?;
    hold_for(secs(LIMIT), "the idle time to be unknown", || {
        let status = machine.session_status(&id)?;
        if status["idle_source"] == "unknown" {
            return Ok(());
        }
        Err(Failure::new(status.to_string()))
    })?;
    assert_not_ended(machine, &id);

    // Input in the terminal is known activity, also where the idle time is unknown.
    machine.run("echo key >/tmp/keys")?;
    machine.policy(&policy("count-from-login"))?;
    hold_for(
        secs(LIMIT) + TTY_STEP + secs(2),
        "the session to go on",
        || {
            machine.run("echo key >/tmp/keys")?;
            let status = machine.session_status(&id)?;
            if status["phase"] == "running" {
                return Ok(());
            }
            Err(Failure::new(status.to_string()))
        },
    )?;
    assert_not_ended(machine, &id);
    let end = Wanted::event("end").session(&id);
    let end = end.with("LIMIT", "inactivity");
    machine
        .journal()
        .wait_for(&end, secs(LIMIT) + TTY_STEP + SOON)?;
    machine.wait_session_gone(&id, SOON)?;
    Ok(())
}
