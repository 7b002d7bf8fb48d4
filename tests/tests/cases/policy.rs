//! Changes of the policy, and broken policies.

use session_timeout_tests::{
    Account, Failure, Machine, Outcome, Ssh, Terminal, UNIT, Wanted, wait_until,
};

use super::{SOON, assert_after, assert_not_ended, login_of, secs};

const GOOD: &str = "[default]\nsession-timeout = \"90min\"\n";
const BROKEN: &str = "[default]\nsession-timeout = \"90parsecs\"\n";

pub(crate) fn a_reload_with_a_broken_policy_fails_and_changes_nothing(
    machine: &Machine,
) -> Outcome {
    machine.policy(GOOD)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let pid = machine.daemon_pid()?;

    machine.write_policy(BROKEN)?;
    let reload = machine.attempt(&format!("systemctl reload {UNIT}"))?;
    assert_ne!(reload.code, Some(0));
    let status = machine.status()?;
    let error = status["policy"]["error"].as_str().unwrap_or_default();
    assert!(error.contains("policy.toml"), "{status}");
    assert_eq!(status["policy"]["state"], "in-force", "{status}");
    let session = machine.session_status(ssh.session())?;
    assert_eq!(session["absolute_seconds"], 90 * 60, "{session}");

    machine.write_policy(GOOD)?;
    machine.run(&format!("systemctl reload {UNIT}"))?;
    wait_until(SOON, "the error to be gone", || {
        let status = machine.status()?;
        if status["policy"]["error"].is_null() {
            Ok(())
        } else {
            Err(Failure::new(status.to_string()))
        }
    })?;
    assert_eq!(machine.daemon_pid()?, pid);
    Ok(())
}

pub(crate) fn a_broken_policy_at_start_leaves_the_last_good_one_in_force(
    machine: &Machine,
) -> Outcome {
    machine.policy(GOOD)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    machine.policy(BROKEN)?;
    let session = machine.wait_known(ssh.session())?;
    assert_eq!(session["absolute_seconds"], 90 * 60, "{session}");
    let status = machine.status()?;
    assert_eq!(status["policy"]["state"], "last-good", "{status}");
    assert!(status["policy"]["error"].is_string(), "{status}");
    machine
        .journal()
        .wait_for(&Wanted::event("policy-rejected"), SOON)?;
    Ok(())
}

pub(crate) fn without_any_good_policy_nothing_is_enforced_and_nobody_locked_out(
    machine: &Machine,
) -> Outcome {
    machine.run("rm --force /var/lib/session-timeout/policy.last-good.toml")?;
    machine.policy(BROKEN)?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let session = machine.wait_known(ssh.session())?;
    assert_eq!(session["phase"], "exempt", "{session}");
    assert_eq!(session["exemption"], "no policy", "{session}");
    assert_eq!(session["ends_by"], serde_json::Value::Null, "{session}");
    let status = machine.status()?;
    assert_eq!(status["policy"]["state"], "none", "{status}");
    assert!(status["policy"]["error"].is_string(), "{status}");
    Ok(())
}

pub(crate) fn a_reload_that_shortens_the_limit_still_gives_the_shortest_warning(
    machine: &Machine,
) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "10min"
           session-warnings = ["30s"]"#,
    )?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = ssh.session();
    let login = login_of(machine, id)?;
    wait_until(
        secs(20),
        "the session to be older than its new limit",
        || {
            let age = login.at.elapsed();
            if age > secs(9) {
                Ok(())
            } else {
                Err(Failure::new(format!("{age:?}")))
            }
        },
    )?;
    assert_not_ended(machine, id);

    machine.write_policy(
        r#"[default]
           session-timeout = "8s"
           session-warnings = ["6s", "4s"]
           grace = "3s""#,
    )?;
    machine.run(&format!("systemctl reload {UNIT}"))?;
    let warning = "Session timeout: this session ends in 4 s, 8 s after the login.";
    let warning = ssh.terminal().wait_for(warning, SOON)?;
    let end = "Session timeout: this session has ended, 8 s after the login.";
    let end = ssh.terminal().wait_for(end, SOON)?;
    assert_after(warning.at, "the end", end.at, secs(4));
    assert_eq!(ssh.terminal().count("this session ends in"), 1);
    ssh.wait_closed(SOON)?;
    Ok(())
}
