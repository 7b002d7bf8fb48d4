//! The agent as it is run, over real D-Bus connections; the test plays the other peers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails, in its helpers too"
)]

mod notifications;
mod support;

use std::time::Duration;

use support::{DAEMON, Daemon, Desktop, SOMEBODY, Said, Stage, World};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn attach(source: &str) -> Said {
    Said::Attach("c1".to_owned(), source.to_owned())
}

#[tokio::test]
async fn it_attaches_without_a_source_and_says_that_it_knows_nothing() {
    let world = World::with("wayland", Daemon::Taking);
    let mut stage = Stage::set(Desktop::Nothing, world, &[]).await;
    assert_eq!(stage.said().await, attach("none"));
    let answer = stage.ask(DAEMON, Duration::ZERO).await;
    let error = "org.freedesktop.DBus.Error.NotSupported";
    assert_eq!(answer, Err(error.to_owned()));
}

#[tokio::test]
async fn nobody_but_root_is_answered() {
    let world = World::with("wayland", Daemon::Taking);
    let mut stage = Stage::set(Desktop::Mutter, world, &[]).await;
    assert_eq!(stage.said().await, attach("mutter"));
    let answer = stage.ask(SOMEBODY, Duration::ZERO).await;
    let error = "org.freedesktop.DBus.Error.AccessDenied";
    assert_eq!(answer, Err(error.to_owned()));
    let answer = stage.ask(DAEMON, Duration::ZERO).await;
    assert_eq!(answer, Ok(("exact".to_owned(), secs(0))));
}

#[tokio::test]
async fn what_mutter_calls_back_for_is_reported() {
    let mut world = World::with("wayland", Daemon::Taking);
    world.idle = secs(3);
    let mut stage = Stage::set(Desktop::Mutter, world, &[]).await;
    assert_eq!(stage.said().await, attach("mutter"));
    let answer = stage.ask(DAEMON, secs(10)).await;
    assert_eq!(answer, Ok(("exact".to_owned(), secs(3))));
    assert_eq!(stage.said().await, Said::IdleWatch(10_000));
    stage.world().idle = secs(10);
    stage.watch_fired(1).await;
    // Armed before it is told, so that no input is missed; the order of the two does not matter.
    let said = [stage.said().await, stage.said().await];
    let idle = Said::Idle("c1".to_owned());
    assert!(
        said.contains(&Said::ActiveWatch) && said.contains(&idle),
        "{said:?}"
    );
    stage.world().idle = secs(0);
    stage.watch_fired(2).await;
    assert_eq!(stage.said().await, Said::Active("c1".to_owned()));
}

#[tokio::test]
async fn it_attaches_again_to_a_daemon_that_is_restarted() {
    let world = World::with("wayland", Daemon::Taking);
    let mut stage = Stage::set(Desktop::Nothing, world, &[]).await;
    assert_eq!(stage.said().await, attach("none"));
    stage.daemon_is(None).await;
    stage.daemon_is(Some(DAEMON)).await;
    assert_eq!(stage.said().await, attach("none"));
}

#[tokio::test]
async fn it_waits_for_a_daemon_that_is_not_there_yet() {
    let world = World::with("wayland", Daemon::Absent);
    let mut stage = Stage::set(Desktop::Mutter, world, &[]).await;
    assert_eq!(stage.said().await, Said::WhereIsTheDaemon);
    stage.world().daemon = Daemon::Taking;
    stage.daemon_is(Some(DAEMON)).await;
    assert_eq!(stage.said().await, attach("mutter"));
}

#[tokio::test]
async fn it_asks_again_while_the_daemon_does_not_know_its_session_yet() {
    let world = World::with("wayland", Daemon::Unknowing(3));
    let mut stage = Stage::set(Desktop::Mutter, world, &[]).await;
    for _ in 0..4 {
        assert_eq!(stage.said().await, attach("mutter"));
    }
    let answer = stage.ask(DAEMON, Duration::ZERO).await;
    assert!(answer.is_ok(), "{answer:?}");
}

#[tokio::test]
async fn a_session_that_the_daemon_never_knows_is_a_refusal() {
    let world = World::with("wayland", Daemon::Unknowing(u32::MAX));
    let stage = Stage::set(Desktop::Nothing, world, &[]).await;
    let (status, said) = stage.end().await;
    assert_eq!(status.code(), Some(2));
    assert!(said.contains("loginctl"), "{said}");
}

#[tokio::test]
async fn it_ends_quietly_where_another_agent_speaks() {
    let world = World::with("wayland", Daemon::Taken);
    let stage = Stage::set(Desktop::Nothing, world, &[]).await;
    let (status, said) = stage.end().await;
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let world = World::with("wayland", Daemon::Refusing);
    let stage = Stage::set(Desktop::Nothing, world, &[]).await;
    let (status, said) = stage.end().await;
    assert_eq!(status.code(), Some(2));
    assert!(said.contains("systemctl reload dbus"), "{said}");
}

#[tokio::test]
async fn it_ends_with_the_session_by_loginds_word_alone() {
    let world = World::with("wayland", Daemon::Taking);
    let mut stage = Stage::set(Desktop::Mutter, world, &[]).await;
    assert_eq!(stage.said().await, attach("mutter"));
    stage.session_removed().await;
    let answer = stage.ask(DAEMON, Duration::ZERO).await;
    assert!(answer.is_ok(), "logind still has it: {answer:?}");
    stage.world().session = false;
    stage.session_removed().await;
    assert_eq!(stage.end().await.0.code(), Some(0));
}

#[tokio::test]
async fn it_ends_with_the_desktop() {
    let world = World::with("wayland", Daemon::Taking);
    let mut stage = Stage::set(Desktop::Mutter, world, &[]).await;
    assert_eq!(stage.said().await, attach("mutter"));
    stage.mutter_is_gone().await;
    assert_eq!(stage.end().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_session_without_a_desktop_needs_no_agent() {
    let world = World::with("tty", Daemon::Taking);
    let stage = Stage::set(Desktop::Nothing, world, &[]).await;
    let (status, said) = stage.end().await;
    assert_eq!(status.code(), Some(0), "{said}");
    let world = World::with("tty", Daemon::Taking);
    let stage = Stage::set(Desktop::Nothing, world, &["--session", "c1"]).await;
    let (status, said) = stage.end().await;
    assert_eq!(status.code(), Some(2));
    assert!(said.contains("session c1 is not graphical"), "{said}");
}
