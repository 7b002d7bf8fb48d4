//! Drop-ins: files of the vendor and the administrator that are part of the policy.

use serde_json::Value;
use session_timeout_tests::{Account, Machine, Outcome, Ssh, Terminal, UNIT, Wanted, wait_until};

use super::{SOON, assert_not_ended};

const VENDOR: &str = "/usr/lib/session-timeout/policy.d";
const BOOT: &str = "/run/session-timeout/policy.d";
const ADMIN: &str = "/etc/session-timeout/policy.d";

pub(crate) fn a_drop_in_hides_the_vendors_file_of_the_same_name(machine: &Machine) -> Outcome {
    let limit = |limit: &str| format!("[default]\nsession-timeout = \"{limit}\"\n");
    machine.write(&format!("{VENDOR}/50-limit.toml"), limit("20h"))?;
    let rule = "[[rule]]\nname = \"alice\"\nmatch = { user = \"alice\" }\ngrace = \"7s\"\n";
    machine.write(&format!("{BOOT}/60-rule.toml"), rule)?;
    machine.write(&format!("{ADMIN}/50-limit.toml"), limit("19h"))?;
    machine.policy(&limit("21h"))?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let id = ssh.session();
    let shown = ssh.terminal().text();
    assert!(shown.contains("This session ends after 19 h."), "{shown}");
    let main = "/etc/session-timeout/policy.toml";
    let files = [
        main,
        &format!("{ADMIN}/50-limit.toml"),
        &format!("{BOOT}/60-rule.toml"),
    ];
    assert_in_force(machine, &files)?;
    let setting = |key: &str| -> Outcome<(String, String)> {
        let explained = machine.explain(id)?;
        let settings = explained["settings"].as_array();
        let mut settings = settings.map(Vec::as_slice).unwrap_or_default().iter();
        let found = settings.find(|setting| setting["key"] == key);
        let found = found.cloned().unwrap_or_default();
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Ok((text("value"), text("origin")))
    };
    let of_limit = || setting("session-timeout");
    let expected = |value: &str, origin: String| (format!("\"{value}\""), origin);
    assert_eq!(
        of_limit()?,
        expected("19h", format!("{ADMIN}/50-limit.toml:2"))
    );
    assert_eq!(
        setting("grace")?,
        expected("7s", format!("{BOOT}/60-rule.toml:4"))
    );
    assert_eq!(machine.session_status(id)?["rule"], "alice");

    // Without the administrator's file the vendor's applies, and a link to /dev/null masks that.
    machine.run(&format!("rm {ADMIN}/50-limit.toml"))?;
    machine.reload()?;
    assert_eq!(
        of_limit()?,
        expected("20h", format!("{VENDOR}/50-limit.toml:2"))
    );
    machine.run(&format!("ln --symbolic /dev/null {ADMIN}/50-limit.toml"))?;
    machine.reload()?;
    assert_eq!(of_limit()?, expected("21h", format!("{main}:2")));
    assert_not_ended(machine, id);
    Ok(())
}

pub(crate) fn a_drop_in_that_cannot_be_taken_fails_the_reload_and_changes_nothing(
    machine: &Machine,
) -> Outcome {
    machine.policy("[default]\nsession-timeout = \"90min\"\n")?;
    let ssh = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let (id, pid) = (ssh.session(), machine.daemon_pid()?);
    let drop_in = format!("{ADMIN}/50-team.toml");
    let good = "[[rule]]\nname = \"alice\"\nmatch = { user = \"alice\" }\n\
                session-timeout = \"80min\"\n";
    let broken = good.replace("80min", "80parsecs");
    for (content, spoil, says) in [
        (broken.as_str(), "true", "50-team.toml:4:19"),
        (good, "chmod 0664", "chmod go-w"),
        (good, "chown alice", "chown root:root"),
        (
            good,
            "chmod o+w /etc/session-timeout/policy.d #",
            "chmod go-w",
        ),
    ] {
        machine.write(&drop_in, content)?;
        machine.run(&format!("{spoil} {drop_in}"))?;
        let reload = machine.attempt(&format!("systemctl reload {UNIT}"))?;
        assert_ne!(reload.code, Some(0), "{spoil}");
        let status = machine.status()?;
        let error = status["policy"]["error"].as_str().unwrap_or_default();
        let named = spoil.contains('#') || error.contains(&drop_in);
        assert!(named && error.contains(says), "{spoil}: {status}");
        assert_eq!(status["policy"]["state"], "in-force", "{status}");
        let session = machine.session_status(id)?;
        assert_eq!(session["absolute_seconds"], 90 * 60, "{session}");
        assert_eq!(session["rule"], Value::Null, "{session}");
        machine.run(&format!("chmod 0755 {ADMIN} && rm {drop_in}"))?;
    }
    let rejected = Wanted::event("policy-rejected");
    wait_until(SOON, "each refusal in the journal", || {
        match machine.journal().all(&rejected).len() {
            4 => Ok(()),
            count => Err(format!("{count} times")),
        }
    })?;

    machine.write(&drop_in, good)?;
    machine.reload()?;
    assert_eq!(machine.status()?["policy"]["error"], Value::Null);
    let session = machine.session_status(id)?;
    assert_eq!(session["rule"], "alice", "{session}");
    assert_eq!(machine.daemon_pid()?, pid);

    // A new daemon has no policy in force, so it uses the last good one, with its drop-ins.
    machine.write(&drop_in, broken)?;
    machine.run(&format!("systemctl restart {UNIT}"))?;
    let session = machine.wait_known(id)?;
    assert_eq!(machine.status()?["policy"]["state"], "last-good");
    assert_eq!(session["rule"], "alice", "{session}");
    assert_eq!(session["absolute_seconds"], 80 * 60, "{session}");
    assert_not_ended(machine, id);
    Ok(())
}

/// Checks that the journal names exactly these files as the policy in force.
fn assert_in_force(machine: &Machine, files: &[&str]) -> Outcome {
    let message = format!("The policy of {} is in force", files.join(", "));
    let loaded = Wanted::event("policy-loaded").with("MESSAGE", &message);
    machine.journal().wait_for(&loaded, SOON).map(drop)
}
