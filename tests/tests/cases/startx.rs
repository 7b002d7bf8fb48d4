//! A desktop that was started from a console: logind only knows the console.

use session_timeout_tests::{Environment, Failure, Machine, Outcome, hold_for, wait_until};

use super::{SOON, TTY_STEP, assert_not_ended, login_of, secs};

/// Starts Xvfb under the name Xorg, by which the daemon recognizes an X server. The console is a
/// terminal without input.
const START: &str = r#"
    cp /usr/bin/Xvfb /usr/local/bin/Xorg
    cat >/usr/local/bin/desktop <<'EOF'
    echo "$XDG_SESSION_ID" >/tmp/session
    /usr/local/bin/Xorg :7 >/dev/null 2>&1 &
    exec sleep 1000
EOF
    systemd-run --quiet --collect --unit=console --property=PAMName=login --property=User=alice \
        --setenv=XDG_SESSION_TYPE=tty --setenv=XDG_SESSION_CLASS=user --setenv=XDG_SEAT=seat0 \
        script --quiet --command 'sh /usr/local/bin/desktop' /dev/null"#;

pub(crate) fn a_console_with_an_x_server_is_not_ended_for_an_idle_terminal(
    machine: &Machine,
    _environment: Environment,
) -> Outcome {
    machine.policy(
        r#"[default]
           inactivity-timeout = "8s"
           inactivity-warnings = ["3s"]
           grace = "3s""#,
    )?;
    machine.run(START)?;
    let id = wait_until(SOON, "the session", || {
        let id = machine.run("cat /tmp/session")?.trim().to_owned();
        if id.is_empty() {
            return Err(Failure::new("no id"));
        }
        Ok(id)
    })?;
    let login = login_of(machine, &id)?;
    assert_eq!(machine.logind_property(&id, "Type")?, "tty");
    hold_for(
        secs(8) + TTY_STEP + secs(4),
        "nobody knowing the idle time",
        || {
            let status = machine.session_status(&id)?;
            match status["idle_source"].as_str() {
                Some("unknown") => Ok(()),
                _ if login.at.elapsed() < secs(2) => Ok(()),
                _ => Err(Failure::new(status.to_string())),
            }
        },
    )?;
    assert_not_ended(machine, &id);

    // Without the X server the terminal counts again, and it had no input.
    machine.run("pkill --exact Xorg")?;
    machine.wait_session_gone(&id, secs(8) + TTY_STEP + secs(8))?;
    Ok(())
}
