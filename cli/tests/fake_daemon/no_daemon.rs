//! The command without a daemon, or without a bus.

use crate::bus::Bus;
use crate::command::{run, stderr, stdout};
use crate::daemon::Daemon;

#[tokio::test]
async fn a_stopped_daemon_is_reported() {
    let output = run(Bus::with(Daemon::NotRunning), &["status"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "session-timeout: session-timeoutd does not answer on the system bus; \
         is it running? systemctl status session-timeoutd\n"
    );
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn a_refusal_by_the_bus_is_reported() {
    let output = run(Bus::with(Daemon::Forbidden), &["status", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the system bus refused the question (by policy)"));
}

#[tokio::test]
async fn a_missing_bus_is_reported() {
    let output = run(Bus::absent(), &["status"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("cannot connect to the system bus ("),
        "{output:?}"
    );
}

#[tokio::test]
async fn completions_need_no_bus_and_know_the_options() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(Bus::absent(), &["completions", shell]).await;
        assert!(output.status.success(), "{output:?}");
        for word in [
            "json",
            "allow-short-limits",
            "wayland",
            "user-early-light",
            "verbose",
            "watch",
        ] {
            assert!(stdout(&output).contains(word), "{shell}: {word}");
        }
    }
}
