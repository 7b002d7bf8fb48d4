//! `extend` with a daemon on the fake bus, and the languages of its output.

use crate::bus::Bus;
use crate::command::{run, run_in, run_with, stderr, stdout};
use crate::daemon::Daemon;

#[tokio::test]
async fn an_extension_is_reported_with_the_remaining_ones() {
    let output = run(Bus::with(Daemon::Healthy), &["extend", "c1"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "Session c1 may last 30 min longer: it ends in 1 h 30 min; one extension is left.\n"
    );
}

#[tokio::test]
async fn a_refused_extension_is_reported_with_the_reason() {
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
async fn the_default_session_is_that_of_the_environment_or_of_logind() {
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
async fn a_missing_password_prompt_is_reported_with_advice() {
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
