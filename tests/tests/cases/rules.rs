//! Rules: which limits apply to which logins, for real logins.

use serde_json::Value;
use session_timeout_tests::{
    Account, Console, Desktop, Failure, Locker, Machine, Outcome, Ssh, Terminal, Wanted, wait_until,
};

use super::{SOON, assert_after, assert_not_ended, login_of, secs};

/// The path of the policy in the origins of settings.
const FILE: &str = "/etc/session-timeout/policy.toml";

pub(crate) fn a_rule_for_a_group_holds_for_its_members_and_ends_their_sessions(
    machine: &Machine,
) -> Outcome {
    machine.run("groupadd pci && usermod --append --groups pci alice")?;
    let policy = r#"[default]
session-timeout = "9h"

[[rule]]
name = "card data"
match = { group = ["wheel", "pci"] }
session-timeout = "8s"
session-warnings = ["3s"]
"#;
    machine.policy(policy)?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let bob = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    expect(machine, alice.session(), Some("card data"), "8s", 7)?;
    expect(machine, bob.session(), None, "9h", 2)?;
    assert_said(&alice, "This session ends after 8 s.");
    assert_said(&bob, "This session ends after 9 h.");
    let explained = machine.explain(alice.session())?;
    let groups = explained["groups"].as_array().cloned().unwrap_or_default();
    assert!(groups.contains(&"pci".into()), "{explained}");

    let login = login_of(machine, alice.session())?;
    let closed = alice.wait_closed(secs(15))?;
    assert_after(login.at, "the end by the rule", closed, secs(8));
    for event in ["login", "warning", "end"] {
        let entry = Wanted::event(event).session(alice.session());
        let entry = machine.journal().wait_for(&entry, SOON)?;
        assert_eq!(entry.field("RULE"), Some("card data"), "{entry}");
    }
    assert_eq!(login_of(machine, bob.session())?.field("RULE"), None);
    assert_not_ended(machine, bob.session());
    Ok(())
}

pub(crate) fn a_rule_for_a_service_distinguishes_the_console_from_ssh(
    machine: &Machine,
) -> Outcome {
    let policy = r#"[default]
session-timeout = "9h"

[[rule]]
name = "nobody"
match = { service = "gdm-*" }

[[rule]]
name = "far"
match = { remote = true }
session-timeout = "7h"

[[rule]]
name = "console"
match = { service = ["login", "xrdp"], remote = false }
session-timeout = "8h"
inactivity-timeout = "10min"
"#;
    machine.policy(policy)?;
    let console = Console::open(machine, Account::Bob)?;
    let ssh = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    expect(machine, console.session(), Some("console"), "8h", 16)?;
    expect(machine, ssh.session(), Some("far"), "7h", 11)?;
    let shown = console.terminal().text();
    let line = "This session ends after 8 h, or after 10 min without input.";
    assert!(shown.contains(line), "{shown}");
    assert_said(&ssh, "This session ends after 7 h.");
    Ok(())
}

pub(crate) fn a_rule_for_an_address_holds_for_logins_from_that_address(
    machine: &Machine,
) -> Outcome {
    let policy = r#"[default]
session-timeout = "9h"

[[rule]]
name = "near"
match = { from = ["127.0.0.2", "::1"] }
session-timeout = "8h"

[[rule]]
name = "nearer"
match = { from = "127.0.0.0/30" }
session-timeout = "7h"
"#;
    machine.policy(policy)?;
    for (from, rule, line, shown) in [
        ("127.0.0.2", Some("near"), 7, "8"),
        ("::1", Some("near"), 7, "8"),
        ("127.0.0.3", Some("nearer"), 12, "7"),
        ("127.0.0.4", None, 2, "9"),
    ] {
        let address = from.parse().map_err(|_| Failure::new(from))?;
        let ssh = Ssh::open_from(address, machine, Account::Alice, Terminal::Pty)?;
        expect(machine, ssh.session(), rule, &format!("{shown}h"), line)?;
        assert_said(&ssh, &format!("This session ends after {shown} h."));
        let login = login_of(machine, ssh.session())?;
        assert_eq!(login.field("REMOTE_HOST"), Some(from), "{login}");
        assert_eq!(login.field("RULE"), rule, "{login}");
    }
    Ok(())
}

pub(crate) fn a_rule_for_a_type_distinguishes_a_desktop_from_a_terminal(
    machine: &Machine,
) -> Outcome {
    let policy = r#"[default]
session-timeout = "9h"

[[rule]]
name = "nobody"
match = { type = ["x11", "mir"] }

[[rule]]
name = "nobody either"
match = { seat = "seat1" }

[[rule]]
name = "nobody at all"
match = { class = "user-early" }

[[rule]]
name = "desktop"
match = { type = ["wayland", "x11"], seat = "seat0", class = "user" }
session-timeout = "8h"

[[rule]]
name = "terminal"
match = { type = "tty", tty = "pts/*" }
session-timeout = "7h"
"#;
    machine.policy(policy)?;
    let desktop = Desktop::open(machine, Account::Alice, Locker::None)?;
    let console = Console::open(machine, Account::Alice)?;
    let other = Ssh::open(machine, Account::Alice, Terminal::None)?;
    expect(machine, desktop.session(), Some("desktop"), "8h", 19)?;
    expect(machine, console.session(), Some("terminal"), "7h", 24)?;
    // PAM's name of the terminal is "ssh" for every login through sshd.
    expect(machine, other.session(), None, "9h", 2)?;
    Ok(())
}

pub(crate) fn root_is_limited_where_a_rule_names_it(machine: &Machine) -> Outcome {
    machine.policy(
        r#"[default]
           session-timeout = "9h"

           [[rule]]
           name = "everybody"
           match = { user = "*" }
           session-timeout = "8h"

           [[rule]]
           name = "administrators"
           match = { user = ["root"] }
           session-timeout = "8s"
           session-warnings = ["3s"]"#,
    )?;
    let root = Ssh::open(machine, Account::Root, Terminal::Pty)?;
    let robot = Ssh::open(machine, Account::Robot, Terminal::Pty)?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let login = login_of(machine, root.session())?;
    assert_said(&root, "This session ends after 8 s.");
    let status = machine.wait_known(root.session())?;
    assert_eq!(status["rule"], "administrators", "{status}");
    let status = machine.wait_known(robot.session())?;
    assert_eq!(status["exemption"], "system account", "{status}");
    assert_eq!(status["rule"], Value::Null, "{status}");
    let status = machine.wait_known(alice.session())?;
    assert_eq!(status["rule"], "everybody", "{status}");

    let closed = root.wait_closed(secs(15))?;
    assert_after(login.at, "the end of root's session", closed, secs(8));
    assert_not_ended(machine, robot.session());
    assert_not_ended(machine, alice.session());
    Ok(())
}

pub(crate) fn a_reload_that_shortens_a_rule_still_gives_its_shortest_warning(
    machine: &Machine,
) -> Outcome {
    let policy = |limits: &str| {
        format!(
            "[default]\nsession-timeout = \"9h\"\n\
             [[rule]]\nname = \"alice\"\nmatch = {{ user = \"alice\" }}\n{limits}"
        )
    };
    machine.policy(&policy("session-timeout = \"10min\"\n"))?;
    let alice = Ssh::open(machine, Account::Alice, Terminal::Pty)?;
    let bob = Ssh::open(machine, Account::Bob, Terminal::Pty)?;
    let login = login_of(machine, alice.session())?;
    wait_until(SOON, "the session to be older than its new limit", || {
        let age = login.at.elapsed();
        if age > secs(6) {
            Ok(())
        } else {
            Err(Failure::new(format!("{age:?}")))
        }
    })?;

    machine.write_policy(&policy(
        "session-timeout = \"5s\"\nsession-warnings = [\"4s\", \"3s\"]\n",
    ))?;
    machine.reload()?;
    let terminal = alice.terminal();
    let warning = "Session timeout: this session ends in 3 s, 5 s after the login.";
    let warning = terminal.wait_for(warning, SOON)?;
    let end = "has ended, 5 s after the login (rule \"alice\").";
    let end = terminal.wait_for(end, SOON)?;
    assert_after(warning.at, "the end", end.at, secs(3));
    assert_eq!(terminal.count("this session ends in"), 1);
    alice.wait_closed(SOON)?;

    assert_eq!(bob.terminal().count("Session timeout:"), 0);
    assert_eq!(machine.session_status(bob.session())?["rule"], Value::Null);
    assert_not_ended(machine, bob.session());
    Ok(())
}

/// Checks that a session is under `rule`, whose absolute limit has this value at this line of the
/// policy file, and that the status and the explanation agree on it and on the end.
#[track_caller]
fn expect(machine: &Machine, id: &str, rule: Option<&str>, value: &str, line: u32) -> Outcome {
    let status = machine.wait_known(id)?;
    assert_eq!(status["rule"].as_str(), rule, "{status}");
    let explained = machine.explain(id)?;
    assert_eq!(explained["rule"].as_str(), rule, "{explained}");
    let settings = explained["settings"].as_array();
    let mut settings = settings.map(Vec::as_slice).unwrap_or_default().iter();
    let limit = settings.find(|setting| setting["key"] == "session-timeout");
    let limit = limit.cloned().unwrap_or_default();
    assert_eq!(limit["value"], format!("\"{value}\""), "{explained}");
    assert_eq!(limit["origin"], format!("{FILE}:{line}"), "{explained}");

    let schedule = explained["schedule"].as_array();
    let mut schedule = schedule.map(Vec::as_slice).unwrap_or_default().iter();
    let end = schedule.find(|step| step["what"] == "end");
    let end = end.cloned().unwrap_or_default();
    assert_eq!(end["limit"], status["ends_by"], "{status}\n{explained}");
    let seconds = |of: &Value, key: &str| of[key].as_u64().unwrap_or_default();
    let before = seconds(&status, "left_seconds");
    let now = seconds(&end, "after_seconds");
    assert!(before.abs_diff(now) <= 2, "{status}\n{explained}");

    let people = machine.run(&format!("session-timeout explain {id}"))?;
    let said = match rule {
        Some(rule) => format!("the rule \"{rule}\" holds."),
        None => "no rule matches, so [default] holds.".to_owned(),
    };
    assert!(people.contains(&said), "{people}");
    Ok(())
}

/// Checks that the login showed this line.
#[track_caller]
fn assert_said(ssh: &Ssh, line: &str) {
    let shown = ssh.terminal().text();
    assert!(shown.contains(line), "{shown}");
}
