//! Runs the agent program on a fake system bus and a fake session bus.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic, in its helpers as well"
)]

mod locks;
mod notifications;
mod support;

use std::time::Duration;

use support::{Call, DAEMON, Daemon, Desktop, Harness, Peers, STRANGER};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn attach(source: &str) -> Call {
    Call::Attach("c1".to_owned(), source.to_owned())
}

#[tokio::test]
async fn it_attaches_without_a_source_and_replies_that_it_has_none() {
    let peers = Peers::with("wayland", Daemon::Taking);
    let mut harness = Harness::start(Desktop::Nothing, peers, &[]).await;
    assert_eq!(harness.next_call().await, attach("none"));
    let answer = harness.ask(DAEMON, Duration::ZERO).await;
    let error = "org.freedesktop.DBus.Error.NotSupported";
    assert_eq!(answer, Err(error.to_owned()));
}

#[tokio::test]
async fn only_root_is_answered() {
    let peers = Peers::with("wayland", Daemon::Taking);
    let mut harness = Harness::start(Desktop::Mutter, peers, &[]).await;
    assert_eq!(harness.next_call().await, attach("mutter"));
    let answer = harness.ask(STRANGER, Duration::ZERO).await;
    let error = "org.freedesktop.DBus.Error.AccessDenied";
    assert_eq!(answer, Err(error.to_owned()));
    let answer = harness.ask(DAEMON, Duration::ZERO).await;
    assert_eq!(answer, Ok(("exact".to_owned(), secs(0))));
}

#[tokio::test]
async fn call_backs_of_mutter_are_reported() {
    let mut peers = Peers::with("wayland", Daemon::Taking);
    peers.idle = secs(3);
    let mut harness = Harness::start(Desktop::Mutter, peers, &[]).await;
    assert_eq!(harness.next_call().await, attach("mutter"));
    let answer = harness.ask(DAEMON, secs(10)).await;
    assert_eq!(answer, Ok(("exact".to_owned(), secs(3))));
    assert_eq!(harness.next_call().await, Call::IdleWatch(10_000));
    harness.peers().idle = secs(10);
    harness.watch_fired(1).await;
    // The two calls may come in any order.
    let said = [harness.next_call().await, harness.next_call().await];
    let idle = Call::Idle("c1".to_owned());
    assert!(
        said.contains(&Call::ActiveWatch) && said.contains(&idle),
        "{said:?}"
    );
    harness.peers().idle = secs(0);
    harness.watch_fired(2).await;
    assert_eq!(harness.next_call().await, Call::Active("c1".to_owned()));
}

#[tokio::test]
async fn it_attaches_again_to_a_daemon_that_is_restarted() {
    let peers = Peers::with("wayland", Daemon::Taking);
    let mut harness = Harness::start(Desktop::Nothing, peers, &[]).await;
    assert_eq!(harness.next_call().await, attach("none"));
    harness.daemon_is(None).await;
    harness.daemon_is(Some(DAEMON)).await;
    assert_eq!(harness.next_call().await, attach("none"));
}

#[tokio::test]
async fn it_waits_for_a_daemon_that_is_not_there_yet() {
    let peers = Peers::with("wayland", Daemon::Absent);
    let mut harness = Harness::start(Desktop::Mutter, peers, &[]).await;
    assert_eq!(harness.next_call().await, Call::FindDaemon);
    harness.peers().daemon = Daemon::Taking;
    harness.daemon_is(Some(DAEMON)).await;
    assert_eq!(harness.next_call().await, attach("mutter"));
}

#[tokio::test]
async fn it_asks_again_while_the_daemon_does_not_know_its_session_yet() {
    let peers = Peers::with("wayland", Daemon::Unknowing(3));
    let mut harness = Harness::start(Desktop::Mutter, peers, &[]).await;
    for _ in 0..4 {
        assert_eq!(harness.next_call().await, attach("mutter"));
    }
    let answer = harness.ask(DAEMON, Duration::ZERO).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn a_session_that_the_daemon_never_knows_is_a_refusal() {
    let peers = Peers::with("wayland", Daemon::Unknowing(u32::MAX));
    let harness = Harness::start(Desktop::Nothing, peers, &[]).await;
    let (status, said) = harness.end().await;
    assert_eq!(status.code(), Some(2));
    assert!(said.contains("loginctl"), "{said}");
}

#[tokio::test]
async fn it_exits_silently_if_the_session_has_another_agent() {
    let peers = Peers::with("wayland", Daemon::Taken);
    let harness = Harness::start(Desktop::Nothing, peers, &[]).await;
    let (status, said) = harness.end().await;
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let peers = Peers::with("wayland", Daemon::Refusing);
    let harness = Harness::start(Desktop::Nothing, peers, &[]).await;
    let (status, said) = harness.end().await;
    assert_eq!(status.code(), Some(2));
    assert!(said.contains("systemctl reload dbus"), "{said}");
}

#[tokio::test]
async fn it_exits_with_the_session_only_if_logind_confirms_it() {
    let peers = Peers::with("wayland", Daemon::Taking);
    let mut harness = Harness::start(Desktop::Mutter, peers, &[]).await;
    assert_eq!(harness.next_call().await, attach("mutter"));
    harness.session_removed().await;
    let answer = harness.ask(DAEMON, Duration::ZERO).await;
    assert!(answer.is_ok(), "logind still has it: {answer:?}");
    harness.peers().session = false;
    harness.session_removed().await;
    assert_eq!(harness.end().await.0.code(), Some(0));
}

#[tokio::test]
async fn it_exits_with_the_desktop() {
    let peers = Peers::with("wayland", Daemon::Taking);
    let mut harness = Harness::start(Desktop::Mutter, peers, &[]).await;
    assert_eq!(harness.next_call().await, attach("mutter"));
    harness.mutter_is_gone().await;
    assert_eq!(harness.end().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_session_without_a_desktop_needs_no_agent() {
    let peers = Peers::with("tty", Daemon::Taking);
    let harness = Harness::start(Desktop::Nothing, peers, &[]).await;
    let (status, said) = harness.end().await;
    assert_eq!(status.code(), Some(0), "{said}");
    let peers = Peers::with("tty", Daemon::Taking);
    let harness = Harness::start(Desktop::Nothing, peers, &["--session", "c1"]).await;
    let (status, said) = harness.end().await;
    assert_eq!(status.code(), Some(2));
    assert!(said.contains("session c1 is not graphical"), "{said}");
}
