//! `doctor` on logins without a logind session, and on a logind with almost `SessionsMax=`
//! sessions.

use serde_json::Value;
use session_timeout_tests::{
    Account, Context as _, Failure, Machine, Outcome, Ssh, Terminal, wait_until,
};

use super::{Diagnosis, log_in_aside};
use crate::cases::SOON;

pub(crate) fn a_login_that_logind_has_no_session_for_is_named_with_the_reason(
    machine: &Machine,
) -> Outcome {
    assert_eq!(
        Diagnosis::of(machine)?.the("session.keeper")?["level"],
        "ok"
    );
    set_sessions_max(machine, 2)?;
    leave_sessions_behind(machine, 2)?;
    log_in_aside(machine)?;
    let kept = wait_until(SOON, "the daemon to keep the login", || {
        let status = machine.run("session-timeout status --json")?;
        let status: Value = serde_json::from_str(&status).context("read the status")?;
        let sessions = status["sessions"].as_array().context("the sessions")?;
        let kept = sessions.iter().find(|one| one["keeper"] == "daemon");
        kept.cloned().context(format!("a login in {status}"))
    })?;
    assert_eq!(kept["user"], "alice", "{kept}");
    assert_eq!(kept["no_session"], "logind-full", "{kept}");
    let id = kept["id"].as_str().context("its id")?;
    let diagnosis = Diagnosis::of(machine)?;
    let finding = diagnosis.the("session.keeper")?;
    assert_eq!(finding["level"], "warning", "{finding}");
    assert_eq!(finding["session"], id, "{finding}");
    let fix = finding["fix"].as_str().unwrap_or_default();
    assert!(fix.contains("raise SessionsMax="), "{fix}");
    assert_eq!(diagnosis.the("session.untracked")?["level"], "ok");
    let said = "logind has as many sessions as SessionsMax= allows";
    for command in ["status".to_owned(), format!("explain {id}")] {
        let shown = machine.run(&format!("session-timeout {command}"))?;
        assert!(shown.contains(said), "{shown}");
    }
    Ok(())
}

/// `SessionsMax=` in the case about a full logind.
const PLACES: u64 = 6;

pub(crate) fn a_logind_that_is_nearly_full_is_named_with_what_fills_it(
    machine: &Machine,
) -> Outcome {
    set_sessions_max(machine, PLACES)?;
    let roomy = Diagnosis::of(machine)?;
    assert_eq!(roomy.the("logind.sessions-max")?["level"], "ok");
    assert_eq!(roomy.the("logind.closing")?["level"], "ok");

    let left = leave_sessions_behind(machine, PLACES / 2 + 1)?;
    let half = Diagnosis::of(machine)?;
    assert_eq!(half.the("logind.sessions-max")?["level"], "note");
    assert_eq!(half.exit, 0, "{}", half.json);
    let closing = half.the("logind.closing")?;
    assert_eq!(closing["level"], "note", "{closing}");
    let what = closing["what"].as_str().unwrap_or_default();
    assert!(
        what.starts_with(&format!("{} sessions wait", left.len())),
        "{what}"
    );
    assert!(what.ends_with(&by_user(&left)), "{what}");

    let more = leave_sessions_behind(machine, PLACES)?;
    let left = [left, more].concat();
    let full = Diagnosis::of(machine)?;
    full.assert_only(1, "logind.sessions-max", "warning");
    let finding = full.the("logind.sessions-max")?;
    let what = finding["what"].as_str().unwrap_or_default();
    let expected = format!("logind has {PLACES} sessions of the {PLACES} that SessionsMax=");
    assert!(what.starts_with(&expected), "{what}");
    let fix = finding["fix"].as_str().unwrap_or_default();
    let expected = format!("end what {} left behind", by_user(&left));
    assert!(fix.starts_with(&expected), "{fix}");

    // Both fixes: end the remaining processes, or raise the maximum.
    let (_, id) = &left[0];
    machine.run(&format!("loginctl kill-session {id}"))?;
    wait_until(SOON, "a place in logind", || {
        match &Diagnosis::of(machine)?.the("logind.sessions-max")?["level"] {
            level if level == "note" => Ok(()),
            other => Err(Failure::new(other.to_string())),
        }
    })?;
    set_sessions_max(machine, 100)?;
    assert_eq!(
        Diagnosis::of(machine)?.the("logind.sessions-max")?["level"],
        "ok"
    );
    Ok(())
}

/// Logs in as both users in turn until logind has this number of sessions, and leaves a process
/// behind in each. On Debian 13 a user's manager counts as a session as well.
fn leave_sessions_behind(machine: &Machine, count: u64) -> Outcome<Vec<(Account, String)>> {
    let mut left = Vec::new();
    for account in [Account::Alice, Account::Bob].into_iter().cycle() {
        if property_of_logind(machine, "NCurrentSessions")? >= count {
            break;
        }
        let mut ssh = Ssh::open(machine, account, Terminal::Pty)?;
        ssh.send("setsid --fork sleep 1000 </dev/null >/dev/null 2>&1; exit\n")?;
        ssh.wait_closed(SOON)?;
        let id = ssh.session().to_owned();
        wait_until(SOON, "logind to find it closing", || {
            let state = machine.run(&format!("loginctl show-session {id} --property=State"))?;
            match state.trim() {
                "State=closing" => Ok(()),
                other => Err(Failure::new(other)),
            }
        })?;
        left.push((account, id));
    }
    Ok(left)
}

/// `alice (2) and bob (1)`
fn by_user(left: &[(Account, String)]) -> String {
    let of = |wanted| {
        left.iter()
            .filter(|(account, _)| *account == wanted)
            .count()
    };
    let mut counts = [("alice", of(Account::Alice)), ("bob", of(Account::Bob))];
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counts = counts.map(|(user, count)| format!("{user} ({count})"));
    counts.join(" and ")
}

/// Sets logind's `SessionsMax=`, which it reads at its start; on Debian 12 it cannot reload it.
fn set_sessions_max(machine: &Machine, most: u64) -> Outcome {
    let conf = format!("[Login]\nSessionsMax={most}\n");
    machine.write("/etc/systemd/logind.conf.d/60-sessions.conf", conf)?;
    machine.run("systemctl restart systemd-logind")?;
    wait_until(SOON, "logind and the daemon to find each other", || {
        let status = machine.run("session-timeout status --json")?;
        let status: Value = serde_json::from_str(&status).context("read the status")?;
        let in_force = property_of_logind(machine, "SessionsMax")?;
        if status["logind"] == "connected" && in_force == most {
            Ok(())
        } else {
            Err(Failure::new(format!("{in_force} {status}")))
        }
    })
}

fn property_of_logind(machine: &Machine, name: &str) -> Outcome<u64> {
    let value = machine.run(&format!(
        "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
         org.freedesktop.login1.Manager {name}"
    ))?;
    let number = value.trim().trim_start_matches("t ");
    number.parse().context(format!("read {value}"))
}
