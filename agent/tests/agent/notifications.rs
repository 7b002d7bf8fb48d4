//! Warnings on the screen.

use std::collections::HashMap;
use std::time::Duration;

use zbus::wire::Variant;

use super::support::{
    DAEMON, Daemon, Desktop, Interaction, Notifications, SOMEBODY, Said, Stage, World,
};

type Told = HashMap<&'static str, Variant<'static>>;

fn told(limit: &'static str) -> Told {
    let micros = |secs: u64| Variant::from(secs * 1_000_000);
    HashMap::from([
        ("Limit", Variant::from(limit)),
        ("EndsInUSec", micros(300)),
        ("LengthUSec", micros(900)),
        ("LeadUSec", micros(300)),
        ("Last", Variant::from(false)),
        ("Action", Variant::from("terminate")),
        ("Rule", Variant::from("<b>card\u{1b} data")),
        ("ExtensionsLeft", Variant::from(1_u32)),
        ("ExtendByUSec", micros(1800)),
    ])
}

/// An agent that is attached, with this server.
async fn attached(notifications: Notifications) -> Stage {
    let mut world = World::with("wayland", Daemon::Taking);
    world.notifications = notifications;
    let mut stage = Stage::set(Desktop::Notifications, world, &[]).await;
    let attach = Said::Attach("c1".to_owned(), "none".to_owned());
    assert_eq!(stage.said().await, attach);
    stage
}

async fn warned(stage: &mut Stage, limit: &'static str) -> (u32, String, String) {
    stage.call(DAEMON, "Warn", &told(limit)).await.unwrap();
    shown(stage).await
}

async fn shown(stage: &mut Stage) -> (u32, String, String) {
    match stage.said().await {
        Said::Show(replaced, summary, body) => (replaced, summary, body),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_warning_is_shown_answered_and_taken_away() {
    let mut stage = attached(Notifications::Shown).await;
    let (replaced, summary, body) = warned(&mut stage, "inactivity").await;
    assert_eq!(replaced, 0);
    assert_eq!(summary, "This session ends within 5 min");
    let rule = "(rule \"&lt;b&gt;card\u{fffd} data\")";
    assert!(body.contains(rule), "{body}");
    // The server's answer may come after its signal.
    let (replaced, ..) = warned(&mut stage, "inactivity").await;
    assert_eq!(replaced, 1);
    stage.press(1, "stay").await;
    assert_eq!(stage.said().await, Said::Stay("c1".to_owned()));
    stage.call(DAEMON, "Withdraw", &"inactivity").await.unwrap();
    assert_eq!(stage.said().await, Said::Close(1));
}

#[tokio::test]
async fn more_time_is_asked_for_with_leave_to_ask_for_a_password_and_a_refusal_is_shown() {
    let mut stage = attached(Notifications::Shown).await;
    warned(&mut stage, "absolute").await;
    warned(&mut stage, "absolute").await;
    stage.press(1, "extend").await;
    let asked = Said::Extend("c1".to_owned(), Interaction::Allowed);
    assert_eq!(stage.said().await, asked);
    let (replaced, _, body) = shown(&mut stage).await;
    assert_eq!(replaced, 1);
    let refusal = "It was not extended: all of them are \u{fffd}used up.";
    assert!(body.ends_with(refusal), "{body}");
}

#[tokio::test]
async fn signing_out_is_loginds_to_do() {
    let mut stage = attached(Notifications::Shown).await;
    warned(&mut stage, "absolute").await;
    warned(&mut stage, "absolute").await;
    stage.press(1, "sign-out").await;
    assert_eq!(stage.said().await, Said::Terminate("c1".to_owned()));
}

#[tokio::test]
async fn the_end_takes_the_place_of_the_warning() {
    let mut stage = attached(Notifications::Shown).await;
    warned(&mut stage, "absolute").await;
    stage
        .call(DAEMON, "Ending", &told("absolute"))
        .await
        .unwrap();
    let (replaced, summary, _) = shown(&mut stage).await;
    assert_eq!((replaced, summary.as_str()), (1, "This session ends now"));
}

#[tokio::test]
async fn a_server_that_comes_late_shows_what_is_due_and_what_reaches_the_user_is_told() {
    let mut stage = attached(Notifications::Absent).await;
    stage.call(DAEMON, "Warn", &told("absolute")).await.unwrap();
    let reach = async |stage: &Stage| -> String {
        let reply = stage.call(DAEMON, "Notifications", &()).await.unwrap();
        reply.body().deserialize().unwrap()
    };
    assert_eq!(reach(&stage).await, "none");
    stage.server_comes().await;
    let (replaced, summary, _) = shown(&mut stage).await;
    assert_eq!(replaced, 0);
    assert_eq!(summary, "This session ends within 5 min");
    assert_eq!(reach(&stage).await, "ok");
}

#[tokio::test]
async fn a_server_that_hangs_keeps_nobody_waiting() {
    let stage = attached(Notifications::Hanging).await;
    for _ in 0..20 {
        stage.call(DAEMON, "Warn", &told("absolute")).await.unwrap();
    }
    let answer = stage.ask(DAEMON, Duration::ZERO).await;
    let error = "org.freedesktop.DBus.Error.NotSupported";
    assert_eq!(answer, Err(error.to_owned()));
}

/// An agent that is attached where the last session was ended.
async fn attached_after_an_end(notifications: Notifications) -> Stage {
    let mut world = World::with("wayland", Daemon::Taking);
    world.notifications = notifications;
    world.last_ending = HashMap::from([
        ("Place", Variant::from("pts/3\u{1b}")),
        ("AgoUSec", Variant::from(7_700_000_000_u64)),
        ("Cause", Variant::from("input")),
        ("LengthUSec", Variant::from(900_000_000_u64)),
    ]);
    let mut stage = Stage::set(Desktop::Notifications, world, &[]).await;
    let attach = Said::Attach("c1".to_owned(), "none".to_owned());
    assert_eq!(stage.said().await, attach);
    stage
}

#[tokio::test]
async fn the_user_is_told_once_what_became_of_the_last_session_and_the_daemon_that_it_was() {
    let mut stage = attached_after_an_end(Notifications::Shown).await;
    let (replaced, summary, body) = shown(&mut stage).await;
    assert_eq!(
        (replaced, summary.as_str()),
        (0, "Your last session was ended")
    );
    let said = "on pts/3\u{fffd} was ended 2 h ago, after 15 min without input.";
    assert!(body.ends_with(said), "{body}");
    assert_eq!(stage.said().await, Said::Told("c1".to_owned()));
    // A warning is a notification of its own.
    let (replaced, ..) = warned(&mut stage, "absolute").await;
    assert_eq!(replaced, 0);
}

#[tokio::test]
async fn what_nobody_has_shown_is_not_told_for_told() {
    let mut stage = attached_after_an_end(Notifications::Absent).await;
    stage.server_comes().await;
    let (_, summary, _) = shown(&mut stage).await;
    assert_eq!(summary, "Your last session was ended");
    assert_eq!(stage.said().await, Said::Told("c1".to_owned()));
}

#[tokio::test]
async fn nobody_but_root_shows_anything() {
    let stage = attached(Notifications::Shown).await;
    let denied = Err("org.freedesktop.DBus.Error.AccessDenied".to_owned());
    let refused = async |method: &str, body: &Told| stage.call(SOMEBODY, method, body).await;
    let told = told("absolute");
    for method in ["Warn", "Ending"] {
        assert_eq!(refused(method, &told).await.map(drop), denied, "{method}");
    }
    let withdrawn = stage.call(SOMEBODY, "Withdraw", &"absolute").await;
    assert_eq!(withdrawn.map(drop), denied);
    let asked = stage.call(SOMEBODY, "Notifications", &()).await;
    assert_eq!(asked.map(drop), denied);
    let wrong = stage.call(DAEMON, "Withdraw", &"monthly").await;
    let invalid = Err("org.freedesktop.DBus.Error.InvalidArgs".to_owned());
    assert_eq!(wrong.map(drop), invalid);
}
