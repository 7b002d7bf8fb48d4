//! `explain` with a daemon on the fake bus.

use crate::bus::Bus;
use crate::command::{run, stderr, stdout};
use crate::daemon::Daemon;

#[tokio::test]
async fn explain_shows_the_rule_the_values_and_the_schedule() {
    let output = run(Bus::with(Daemon::Healthy), &["explain", "c1"]).await;
    assert!(output.status.success(), "{output:?}");
    let expected = "\
Session c1 of alice: the rule \"card data\" holds.
Groups: alice, pci

SETTING          VALUE   SET BY
session-timeout  \"24h\"   built-in
action           \"lock\"  /etc/session-timeout/policy.toml:12

AS THINGS STAND, WITHOUT MORE INPUT
in 4 min 18 s   warning (inactivity limit, 30 s before)
in 4 min 48 s   end: lock (inactivity limit)
in 23 h 40 min  warning (absolute limit, 20 min before)
in 24 h         end: lock (absolute limit)
";
    assert_eq!(stdout(&output), expected);
}

#[tokio::test]
async fn explain_as_json_has_the_same_facts() {
    let output = run(Bus::with(Daemon::Healthy), &["explain", "c1", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["session"], "c1");
    assert_eq!(json["rule"], "card data");
    assert_eq!(json["groups"][1], "pci");
    assert_eq!(json["settings"][1]["value"], "\"lock\"");
    assert_eq!(json["schedule"][0]["limit"], "inactivity");
    assert_eq!(json["schedule"][0]["after_seconds"], 258);
    assert_eq!(json["schedule"][0]["lead_seconds"], 30);
}

#[tokio::test]
async fn an_invisible_session_is_reported() {
    let output = run(Bus::with(Daemon::Healthy), &["explain", "c9"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "session-timeout: there is no session c9 that you may see\u{fffd}\n"
    );
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn a_daemon_older_than_the_command_is_reported() {
    let output = run(Bus::with(Daemon::Old), &["explain", "c1"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("does not know this question; is it older than this command?"),
        "{output:?}"
    );
}
