//! `status` with a daemon on the fake bus.

use crate::bus::Bus;
use crate::command::{run, stdout};
use crate::daemon::Daemon;

#[tokio::test]
async fn status_shows_the_daemons_report() {
    let output = run(Bus::with(Daemon::Healthy), &["status"]).await;
    assert!(output.status.success(), "{output:?}");
    let expected = "\
SESSION  USER   TYPE  SERVICE  FROM       IDLE  SOURCE     RULE       ENDS BY     LEFT
c1       alice  tty   sshd     127.0.0.1  12 s  terminals  card data  inactivity  4 min 48 s

1 message on the login socket was rejected; see the journal.
";
    assert_eq!(stdout(&output), expected);
}

#[tokio::test]
async fn status_as_json_has_the_same_facts() {
    let output = run(Bus::with(Daemon::Healthy), &["status", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["version"], "9.9.9");
    assert_eq!(json["policy"]["error"], serde_json::Value::Null);
    assert_eq!(json["sessions"][0]["uid"], 1000);
    assert_eq!(json["sessions"][0]["left_seconds"], 288);
    assert_eq!(json["sessions"][0]["terminal"], serde_json::Value::Null);
    assert_eq!(json["sessions"][0]["rule"], "card data");
    assert_eq!(json["sessions"][0]["lock_after_seconds"], 60);
    assert_eq!(json["sessions"][0]["extensions_used"], 1);
    assert_eq!(json["sessions"][0]["extensions_allowed"], 2);
    assert_eq!(json["sessions"][0]["locked"], false);
}

#[tokio::test]
async fn a_login_without_a_session_and_a_survived_end_are_reported() {
    let output = run(Bus::with(Daemon::Troubled), &["status"]).await;
    assert!(output.status.success(), "{output:?}");
    let expected = "\
SESSION     USER   TYPE  SERVICE  FROM       IDLE  SOURCE     RULE       KEEPER  ENDS BY     LEFT
c1          alice  tty   sshd     127.0.0.1  12 s  terminals  card data  logind  inactivity  survived
login-4711  alice  tty   sshd     127.0.0.1  12 s  terminals  card data  daemon  inactivity  4 min 48 s

Of session c1 of alice something lives on after the end; session-timeoutd tries again.
A warning reached nobody in session login-4711 of alice: no terminal took it, and no agent.
session-timeoutd itself keeps session login-4711 of alice, for which logind has no session: \
logind has as many sessions as SessionsMax= allows.
1 message on the login socket was rejected; see the journal.
";
    assert_eq!(stdout(&output), expected);
    let output = run(Bus::with(Daemon::Troubled), &["status", "--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["sessions"][0]["phase"], "survived");
    assert_eq!(json["sessions"][0]["no_session"], serde_json::Value::Null);
    assert_eq!(json["sessions"][1]["keeper"], "daemon");
    assert_eq!(json["sessions"][1]["no_session"], "logind-full");
    assert_eq!(json["sessions"][1]["unwarned"], true);
    let coloured = run(Bus::with(Daemon::Troubled), &["status", "--color=always"]).await;
    assert!(stdout(&coloured).contains("\u{1b}[31mc1 "), "{coloured:?}");

    let output = run(Bus::with(Daemon::Troubled), &["explain", "login-4711"]).await;
    let expected = "\
logind has no session for this login: logind has as many sessions as SessionsMax= allows. \
session-timeoutd keeps it itself.
";
    assert!(stdout(&output).contains(expected), "{}", stdout(&output));
}

#[tokio::test]
async fn colours_come_when_asked_for_and_not_into_a_pipe() {
    let output = run(Bus::with(Daemon::Healthy), &["status", "--color=always"]).await;
    assert!(
        stdout(&output).starts_with("\u{1b}[1mSESSION"),
        "{output:?}"
    );
    let output = run(Bus::with(Daemon::Healthy), &["status"]).await;
    assert!(!stdout(&output).contains('\u{1b}'), "{output:?}");
}
