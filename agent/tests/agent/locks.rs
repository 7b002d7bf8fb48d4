//! The agent's reports of locks to logind.

use std::time::Duration;

use super::support::{
    Call, Cover, DAEMON, Daemon, Desktop, Harness, Hint, MATE, Peers, STRANGER, XFCE,
};

/// logind's name on the bus is that of the daemon.
const LOGIND: &str = DAEMON;

const LOCKED: Call = Call::SetLockedHint(true);
const UNLOCKED: Call = Call::SetLockedHint(false);

/// An attached agent in a session with this screensaver, whose state it has queried.
async fn attached(name: &'static str, locks: Option<bool>) -> Harness {
    let mut peers = Peers::with("wayland", Daemon::Taking);
    peers.screensaver.name = name;
    peers.screensaver.locks = locks;
    attached_with(peers).await
}

async fn attached_with(peers: Peers) -> Harness {
    let mut harness = Harness::start(Desktop::Screensaver, peers, &[]).await;
    let attach = Call::Attach("c1".to_owned(), "none".to_owned());
    assert_eq!(harness.next_call().await, attach);
    assert_eq!(harness.next_call().await, Call::GetActive);
    harness
}

#[tokio::test]
async fn a_lock_that_was_requested_is_reported_to_logind_and_so_is_the_unlock() {
    let mut harness = attached(MATE, None).await;
    for _ in 0..2 {
        harness.lock_requested_by(LOGIND).await;
        harness.screensaver_is(MATE, Cover::Covered).await;
        assert_eq!(harness.next_call().await, LOCKED);
        assert!(harness.marked());
        harness.screensaver_is(MATE, Cover::Open).await;
        assert_eq!(harness.next_call().await, UNLOCKED);
    }
}

#[tokio::test]
async fn a_screensaver_that_covers_the_screen_is_locked_by_a_request_only() {
    let mut harness = attached(MATE, None).await;
    harness.screensaver_is(MATE, Cover::Covered).await;
    harness.screensaver_is(MATE, Cover::Open).await;
    harness.screensaver_is(MATE, Cover::Covered).await;
    assert!(harness.no_call_for(Duration::from_millis(500)).await);
    harness.lock_requested_by(LOGIND).await;
    assert_eq!(harness.next_call().await, LOCKED);
    harness.screensaver_is(MATE, Cover::Open).await;
    assert_eq!(harness.next_call().await, UNLOCKED);
}

#[tokio::test]
async fn a_request_that_is_not_from_logind_is_none() {
    let mut harness = attached(MATE, None).await;
    harness.lock_requested_by(STRANGER).await;
    harness.screensaver_is(MATE, Cover::Covered).await;
    assert!(harness.no_call_for(Duration::from_millis(500)).await);
    harness.lock_requested_by(LOGIND).await;
    assert_eq!(harness.next_call().await, LOCKED);
}

#[tokio::test]
async fn a_screensaver_whose_settings_forbid_locks_has_locked_nothing() {
    let mut harness = attached(XFCE, Some(false)).await;
    harness.screensaver_is(XFCE, Cover::Covered).await;
    harness.lock_requested_by(LOGIND).await;
    assert!(harness.no_call_for(Duration::from_millis(500)).await);
    harness.peers().screensaver.locks = None;
    harness.lock_requested_by(LOGIND).await;
    assert_eq!(harness.next_call().await, LOCKED);
}

#[tokio::test]
async fn a_screensaver_that_is_gone_has_the_screen_no_longer_locked() {
    let mut harness = attached(MATE, None).await;
    harness.lock_requested_by(LOGIND).await;
    harness.screensaver_is(MATE, Cover::Covered).await;
    assert_eq!(harness.next_call().await, LOCKED);
    harness.user_name_is(MATE, "").await;
    assert_eq!(harness.next_call().await, UNLOCKED);
}

#[tokio::test]
async fn an_unlock_that_logind_refuses_is_reported_again() {
    let mut harness = attached(MATE, None).await;
    harness.lock_requested_by(LOGIND).await;
    harness.screensaver_is(MATE, Cover::Covered).await;
    assert_eq!(harness.next_call().await, LOCKED);
    harness.peers().refused_hints = 2;
    harness.screensaver_is(MATE, Cover::Open).await;
    for _ in 0..3 {
        assert_eq!(harness.next_call().await, UNLOCKED);
    }
    assert!(harness.peers().hint == Hint::Unlocked);
}

#[tokio::test]
async fn a_lock_that_the_desktop_has_reported_itself_is_left_to_it() {
    let mut peers = Peers::with("wayland", Daemon::Taking);
    peers.screensaver.name = MATE;
    peers.hint = Hint::LockedByDesktop;
    let mut harness = attached_with(peers).await;
    harness.lock_requested_by(LOGIND).await;
    harness.screensaver_is(MATE, Cover::Covered).await;
    harness.screensaver_is(MATE, Cover::Open).await;
    assert!(harness.no_call_for(Duration::from_millis(500)).await);
    assert!(!harness.marked());
}

#[tokio::test]
async fn an_agent_that_is_started_again_ends_the_lock_that_it_has_reported() {
    let mut peers = Peers::with("wayland", Daemon::Taking);
    peers.screensaver.name = MATE;
    peers.screensaver.cover = Cover::Covered;
    peers.hint = Hint::LockedByAgent;
    let mut harness = attached_with(peers).await;
    assert!(harness.no_call_for(Duration::from_millis(500)).await);
    harness.screensaver_is(MATE, Cover::Open).await;
    assert_eq!(harness.next_call().await, UNLOCKED);
}

#[tokio::test]
async fn it_tells_root_which_lockers_it_watches() {
    let harness = attached(MATE, None).await;
    let denied = harness.call(STRANGER, "Lockers", &()).await;
    let error = "org.freedesktop.DBus.Error.AccessDenied";
    assert_eq!(denied.unwrap_err(), error);
    let reply = harness.call(DAEMON, "Lockers", &()).await.unwrap();
    let lockers: Vec<String> = reply.body().deserialize().unwrap();
    assert_eq!(lockers, ["mate-screensaver"]);
}
