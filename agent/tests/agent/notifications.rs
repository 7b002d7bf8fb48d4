//! The agent's notifications: warnings, buttons, ends, and the end of the last session.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zbus::wire::Variant;

use super::support::{
    Call, DAEMON, Daemon, Desktop, Harness, Interaction, Notifications, Peers, STRANGER,
};

type Notice = HashMap<&'static str, Variant<'static>>;

fn notice(limit: &'static str) -> Notice {
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

/// An attached agent whose session bus has this notification server.
async fn attached(notifications: Notifications) -> Harness {
    let mut peers = Peers::with("wayland", Daemon::Taking);
    peers.notifications = notifications;
    let mut harness = Harness::start(Desktop::Notifications, peers, &[]).await;
    let attach = Call::Attach("c1".to_owned(), "none".to_owned());
    assert_eq!(harness.next_call().await, attach);
    harness
}

async fn warned(harness: &mut Harness, limit: &'static str) -> (u32, String, String) {
    harness.call(DAEMON, "Warn", &notice(limit)).await.unwrap();
    shown(harness).await
}

async fn shown(harness: &mut Harness) -> (u32, String, String) {
    match harness.next_call().await {
        Call::Show(replaced, summary, body) => (replaced, summary, body),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_warning_is_shown_answered_and_closed() {
    let mut harness = attached(Notifications::Shown).await;
    let (replaced, summary, body) = warned(&mut harness, "inactivity").await;
    assert_eq!(replaced, 0);
    assert_eq!(summary, "This session ends within 5 min");
    let rule = "(rule \"&lt;b&gt;card\u{fffd} data\")";
    assert!(body.contains(rule), "{body}");
    // The server's reply may come after its signal.
    let (replaced, ..) = warned(&mut harness, "inactivity").await;
    assert_eq!(replaced, 1);
    harness.press(1, "stay").await;
    assert_eq!(harness.next_call().await, Call::Stay("c1".to_owned()));
    harness
        .call(DAEMON, "Withdraw", &"inactivity")
        .await
        .unwrap();
    assert_eq!(harness.next_call().await, Call::Close(1));
}

#[tokio::test]
async fn an_extension_is_requested_with_a_password_prompt_allowed_and_a_refusal_is_shown() {
    let mut harness = attached(Notifications::Shown).await;
    warned(&mut harness, "absolute").await;
    warned(&mut harness, "absolute").await;
    harness.press(1, "extend").await;
    let asked = Call::Extend("c1".to_owned(), Interaction::Allowed);
    assert_eq!(harness.next_call().await, asked);
    let (replaced, _, body) = shown(&mut harness).await;
    assert_eq!(replaced, 1);
    let refusal = "It was not extended: all of them are \u{fffd}used up.";
    assert!(body.ends_with(refusal), "{body}");
}

#[tokio::test]
async fn signing_out_is_a_call_to_logind() {
    let mut harness = attached(Notifications::Shown).await;
    warned(&mut harness, "absolute").await;
    warned(&mut harness, "absolute").await;
    harness.press(1, "sign-out").await;
    assert_eq!(harness.next_call().await, Call::Terminate("c1".to_owned()));
}

#[tokio::test]
async fn the_end_replaces_the_warning() {
    let mut harness = attached(Notifications::Shown).await;
    warned(&mut harness, "absolute").await;
    harness
        .call(DAEMON, "Ending", &notice("absolute"))
        .await
        .unwrap();
    let (replaced, summary, _) = shown(&mut harness).await;
    assert_eq!((replaced, summary.as_str()), (1, "This session ends now"));
}

#[tokio::test]
async fn a_server_that_starts_late_shows_what_is_due_and_the_delivery_is_reported() {
    let mut harness = attached(Notifications::Absent).await;
    harness
        .call(DAEMON, "Warn", &notice("absolute"))
        .await
        .unwrap();
    let reach = async |harness: &Harness| -> String {
        let reply = harness.call(DAEMON, "Notifications", &()).await.unwrap();
        reply.body().deserialize().unwrap()
    };
    assert_eq!(reach(&harness).await, "none");
    harness.server_comes().await;
    let (replaced, summary, _) = shown(&mut harness).await;
    assert_eq!(replaced, 0);
    assert_eq!(summary, "This session ends within 5 min");
    assert_eq!(reach(&harness).await, "ok");
}

#[tokio::test]
async fn a_server_that_hangs_delays_no_reply_of_the_agent() {
    let harness = attached(Notifications::Hanging).await;
    for _ in 0..20 {
        harness
            .call(DAEMON, "Warn", &notice("absolute"))
            .await
            .unwrap();
    }
    let answer = harness.ask(DAEMON, Duration::ZERO).await;
    let error = "org.freedesktop.DBus.Error.NotSupported";
    assert_eq!(answer, Err(error.to_owned()));
}

/// An attached agent whose user's last session was ended.
async fn attached_after_an_end(notifications: Notifications) -> Harness {
    let mut peers = Peers::with("wayland", Daemon::Taking);
    peers.notifications = notifications;
    peers.last_ending = HashMap::from([
        ("Place", Variant::from("pts/3\u{1b}")),
        ("AgoUSec", Variant::from(7_700_000_000_u64)),
        ("Cause", Variant::from("input")),
        ("LengthUSec", Variant::from(900_000_000_u64)),
    ]);
    let mut harness = Harness::start(Desktop::Notifications, peers, &[]).await;
    let attach = Call::Attach("c1".to_owned(), "none".to_owned());
    assert_eq!(harness.next_call().await, attach);
    harness
}

#[tokio::test]
async fn the_end_of_the_last_session_is_shown_once_and_reported_to_the_daemon() {
    let mut harness = attached_after_an_end(Notifications::Shown).await;
    let (replaced, summary, body) = shown(&mut harness).await;
    assert_eq!(
        (replaced, summary.as_str()),
        (0, "Your last session was ended")
    );
    // A notification may stay for hours, so it says when that was, and not how long ago.
    let said = |minutes: u64| {
        let (hour, minute) = (minutes / 60 % 24, minutes % 60);
        format!(" at {hour:02}:{minute:02}, after 15 min without input.")
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ended = (now.as_secs() - 7700) / 60;
    assert!(body.contains("on pts/3\u{fffd} was ended "), "{body}");
    assert!(
        [ended - 1, ended]
            .iter()
            .any(|ended| body.ends_with(&said(*ended))),
        "{body}"
    );
    assert_eq!(
        harness.next_call().await,
        Call::LastEndingShown("c1".to_owned())
    );
    // A warning is a separate notification.
    let (replaced, ..) = warned(&mut harness, "absolute").await;
    assert_eq!(replaced, 0);
}

#[tokio::test]
async fn it_is_reported_to_the_daemon_only_after_a_server_has_shown_it() {
    let mut harness = attached_after_an_end(Notifications::Absent).await;
    harness.server_comes().await;
    let (_, summary, _) = shown(&mut harness).await;
    assert_eq!(summary, "Your last session was ended");
    assert_eq!(
        harness.next_call().await,
        Call::LastEndingShown("c1".to_owned())
    );
}

#[tokio::test]
async fn only_root_can_have_something_shown() {
    let harness = attached(Notifications::Shown).await;
    let denied = Err("org.freedesktop.DBus.Error.AccessDenied".to_owned());
    let refused = async |method: &str, body: &Notice| harness.call(STRANGER, method, body).await;
    let notice = notice("absolute");
    for method in ["Warn", "Ending"] {
        assert_eq!(refused(method, &notice).await.map(drop), denied, "{method}");
    }
    let withdrawn = harness.call(STRANGER, "Withdraw", &"absolute").await;
    assert_eq!(withdrawn.map(drop), denied);
    let asked = harness.call(STRANGER, "Notifications", &()).await;
    assert_eq!(asked.map(drop), denied);
    let wrong = harness.call(DAEMON, "Withdraw", &"monthly").await;
    let invalid = Err("org.freedesktop.DBus.Error.InvalidArgs".to_owned());
    assert_eq!(wrong.map(drop), invalid);
}
