//! `doctor` with a daemon, a logind and a systemd on the fake bus.

use crate::bus::Bus;
use crate::command::{run, stdout};
use crate::daemon::Daemon;

#[tokio::test]
async fn doctor_reports_untracked_logins_failed_ends_and_a_full_logind() {
    let output = run(Bus::with(Daemon::Troubled), &["doctor", "--json"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |id: &str| {
        let findings = json["findings"].as_array().unwrap();
        let found: Vec<_> = findings.iter().filter(|found| found["id"] == id).collect();
        assert_eq!(found.len(), 1, "{id} in {json}");
        found[0].clone()
    };
    for (id, level, session) in [
        ("session.survived", "error", "c1"),
        ("session.keeper", "warning", "login-4711"),
        ("session.unwarned", "warning", "login-4711"),
    ] {
        let finding = of(id);
        assert_eq!(finding["level"], level, "{finding}");
        assert_eq!(finding["session"], session, "{finding}");
        assert!(finding["fix"].is_string(), "{finding}");
    }
    let places = of("logind.sessions-max");
    assert_eq!(places["level"], "warning", "{places}");
    let what = "logind has 19 sessions of the 20 that SessionsMax= allows: logins beyond that get \
                no session of logind's";
    assert_eq!(places["what"], what);
    let closing = of("logind.closing");
    assert_eq!(closing["level"], "note", "{closing}");
    let what = closing["what"].as_str().unwrap();
    let unsaid = "bob (2) and alice (1); logind did not say in time whether 1 session waits for what \
                  its user left behind (closing)";
    assert!(what.ends_with(unsaid), "{what}");
}

#[tokio::test]
async fn doctor_checks_the_daemons_report_and_exits_by_the_worst_finding() {
    let output = run(Bus::with(Daemon::Healthy), &["doctor", "--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |id: &str| {
        let findings = json["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["id"] == id);
        found
            .cloned()
            .unwrap_or_else(|| panic!("no {id} in {json}"))
    };
    assert_eq!(of("daemon.running")["level"], "ok");
    assert_eq!(of("daemon.version")["level"], "warning");
    assert_eq!(of("daemon.rejected-frames")["level"], "warning");
    let source = of("session.idle-source");
    assert_eq!(source["session"], "c1");
    let said = "session c1 of alice (tty, sway): its terminals tell its idle time";
    assert_eq!(source["what"], said);
    let disabled = "session-timeoutd.service is not started at the next boot";
    assert_eq!(of("daemon.enabled")["what"], disabled);
    let stop = of("logind.stop-idle-session");
    assert_eq!(stop["level"], "warning", "{stop}");
    assert_eq!(
        stop["command"],
        "systemctl reload-or-restart systemd-logind"
    );
    let status = match json["level"].as_str().unwrap() {
        "warning" => 1,
        "error" => 2,
        level => panic!("{level}"),
    };
    assert_eq!(output.status.code(), Some(status), "{output:?}");
}

#[tokio::test]
async fn doctor_works_without_a_daemon_and_names_the_command_to_start_it() {
    let output = run(Bus::with(Daemon::NotRunning), &["doctor"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = "\
  error    session-timeoutd does not run: no limit is enforced
           fix: systemctl enable --now session-timeoutd.socket session-timeoutd.service
";
    assert!(stdout(&output).contains(said), "{}", stdout(&output));
    let output = run(Bus::absent(), &["doctor", "--json"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
