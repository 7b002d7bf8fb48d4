//! `extend` with a daemon on the fake bus, and the languages of its output.

use crate::bus::Bus;
use crate::command::{run, run_in, run_with, stderr, stdout};
use crate::daemon::Daemon;

#[tokio::test]
async fn an_extension_is_said_with_what_is_left() {
    let output = run(Bus::with(Daemon::Healthy), &["extend", "c1"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "Session c1 may last 30 min longer: it ends in 1 h 30 min; one extension is left.\n"
    );
}

#[tokio::test]
async fn an_extension_that_is_refused_says_why() {
    let output = run(Bus::with(Daemon::Healthy), &["extend", "c2"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "session-timeout: all extensions that are allowed are used up\n"
    );
}

#[tokio::test]
async fn users_read_their_own_language_and_scripts_the_same_words_as_ever() {
    let german = [("LC_ALL", ""), ("LANG", "de_DE.UTF-8")];
    let said = async |arguments: &[&str]| {
        let output = run_with(&german, Bus::with(Daemon::Healthy), arguments).await;
        format!("{}{}", stdout(&output), stderr(&output))
    };
    assert_eq!(
        said(&["extend", "c1"]).await,
        "Sitzung c1 wurde um 30 min verlängert und endet in 1 h 30 min; noch eine Verlängerung ist möglich.\n"
    );
    assert_eq!(
        said(&["extend", "c2"]).await,
        "session-timeout: alle erlaubten Verlängerungen sind verbraucht\n"
    );
    let json = said(&["left", "c1", "--json"]).await;
    assert!(json.contains("Sitzung c1 endet in"), "{json}");
    assert!(json.contains("\"class\":\"warned\""), "{json}");
    let words = said(&["left", "c1", "--format", "{limit} {phase}"]).await;
    assert_eq!(words, "absolute warned\n");
}

#[tokio::test]
async fn without_a_name_it_is_the_session_that_the_login_named() {
    let bus = Bus::with(Daemon::Healthy);
    let output = run_in(Some("c1"), bus, &["extend"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("Session c1 may last 30 min"));
    // For an unknown or missing id, logind reports the session.
    for stale in [Some("c9"), None] {
        let bus = Bus::with(Daemon::Healthy);
        let output = run_in(stale, bus, &["left", "--format", "{session}"]).await;
        assert_eq!(stdout(&output), "c1\n", "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_password_that_nobody_asks_for_is_said_with_what_helps() {
    let output = run(Bus::with(Daemon::Healthy), &["extend", "c3"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.starts_with("session-timeout: authentication is needed"),
        "{said}"
    );
    if !said.ends_with("needed for that\n") {
        let hint = "; on a terminal, the command asks for it itself\n";
        assert!(said.ends_with(hint), "{said}");
    }
}
