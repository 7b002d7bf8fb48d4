//! The command as people run it, against a bus and a daemon of the test's own: the real binary,
//! over a real D-Bus connection.
//!
//! The test is the bus as well: it answers `Hello`, which is all of a bus that one client notices.
//! So nothing has to be installed or running, and nothing of the machine's is touched.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, in its helpers too"
)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::net::UnixListener;
use tokio::process::Command;
use zbus::connection::Builder;
use zbus::{Connection, Guid, ObjectPath, OwnedVariant, Variant, fdo};

type Keys = HashMap<String, OwnedVariant>;

#[tokio::test]
async fn status_shows_what_the_daemon_says() {
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
async fn explain_shows_the_rule_the_values_and_what_comes() {
    let output = run(Bus::with(Daemon::Healthy), &["explain", "c1"]).await;
    assert!(output.status.success(), "{output:?}");
    let expected = "\
Session c1 of alice: the rule \"card data\" holds.
Groups: alice, pci

SETTING          VALUE   SET BY
session-timeout  \"24h\"   built-in
action           \"lock\"  /etc/session-timeout/policy.toml:12

AS THINGS STAND, WITHOUT MORE INPUT
in 4 min 18 s   warning (inactivity limit, 30 s before)
in 4 min 48 s   end: lock (inactivity limit)
in 23 h 40 min  warning (absolute limit, 20 min before)
in 24 h         end: lock (absolute limit)
";
    assert_eq!(stdout(&output), expected);
}

#[tokio::test]
async fn explain_as_json_has_the_same_facts() {
    let output = run(Bus::with(Daemon::Healthy), &["explain", "c1", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["session"], "c1");
    assert_eq!(json["rule"], "card data");
    assert_eq!(json["groups"][1], "pci");
    assert_eq!(json["settings"][1]["value"], "\"lock\"");
    assert_eq!(json["schedule"][0]["limit"], "inactivity");
    assert_eq!(json["schedule"][0]["after_seconds"], 258);
    assert_eq!(json["schedule"][0]["lead_seconds"], 30);
}

#[tokio::test]
async fn a_login_without_a_session_and_an_end_that_did_not_end_are_said() {
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
async fn doctor_says_what_is_wrong_with_logins_and_ends_and_what_fills_logind() {
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
    // A name that outlived its session is logind's to correct.
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

#[tokio::test]
async fn what_is_left_is_one_line_in_the_form_that_was_asked_for() {
    for (arguments, expected) in [
        (&["left", "c1"][..], "1 h 12 min\n"),
        (
            &["left", "c1", "--format", "[{short} {percent}%]"],
            "[1h12m 60%]\n",
        ),
        (
            &["left", "c1", "--json"],
            "{\"text\":\"1 h 12 min\",\"tooltip\":\"Session c1 ends in 1 h 12 min\\nby the \
             absolute limit of 2 h\\none extension is left\",\"class\":\"warned\",\
             \"percentage\":60}\n",
        ),
    ] {
        let output = run(Bus::with(Daemon::Healthy), arguments).await;
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(stdout(&output), expected);
    }
}

#[tokio::test]
async fn left_says_by_its_status_why_there_is_nothing() {
    let output = run(Bus::with(Daemon::Healthy), &["left", "c9"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = run(Bus::with(Daemon::NotRunning), &["left", "c1"]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("is it running?"), "{output:?}");
    let output = run(Bus::absent(), &["left", "--watch"]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let output = run(Bus::absent(), &["left", "--format", "{lft}"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("there is no {lft}"), "{output:?}");
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn a_session_that_nobody_may_see_is_said_so() {
    let output = run(Bus::with(Daemon::Healthy), &["explain", "c9"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "session-timeout: there is no session c9 that you may see\u{fffd}\n"
    );
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn a_daemon_that_is_older_than_the_command_is_said_so() {
    let output = run(Bus::with(Daemon::Old), &["explain", "c1"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("does not know this question; is it older than this command?"),
        "{output:?}"
    );
}

#[tokio::test]
async fn doctor_judges_what_the_daemon_says_and_exits_by_the_worst() {
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
async fn doctor_works_without_a_daemon_and_says_what_starts_it() {
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

#[tokio::test]
async fn a_daemon_that_is_not_running_is_said_so() {
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
async fn a_refusal_by_the_bus_is_said_so() {
    let output = run(Bus::with(Daemon::Forbidden), &["status", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the system bus refused the question (by policy)"));
}

#[tokio::test]
async fn a_machine_without_a_bus_is_said_so() {
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

/// Runs the command on this bus.
async fn run(bus: Bus, arguments: &[&str]) -> Output {
    run_with(&[], bus, arguments).await
}

/// Runs the command on this bus, in a login that named its session so.
async fn run_in(session: Option<&str>, bus: Bus, arguments: &[&str]) -> Output {
    let named = session.map(|session| ("XDG_SESSION_ID", session));
    let named: Vec<_> = named.into_iter().collect();
    run_with(&named, bus, arguments).await
}

/// Runs the command on this bus, with these variables in its environment.
async fn run_with(variables: &[(&str, &str)], bus: Bus, arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_session-timeout"))
        .args(arguments)
        .env_remove("XDG_SESSION_ID")
        .env("LC_ALL", "C")
        .envs(variables.iter().copied())
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::select! {
        output = command => output.unwrap(),
        never = bus.serve() => match never {},
    }
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.sessiontimeout1.Error")]
enum NotExtended {
    #[zbus(error)]
    Bus(zbus::Error),
    Interactive(String),
    UsedUp(String),
}

/// What the daemon on the test's bus does.
#[derive(Clone, Copy)]
enum Daemon {
    Healthy,
    /// The fake daemon has a session that survived its end, and a login without a logind session.
    Troubled,
    NotRunning,
    Forbidden,
    /// One of before `explain`.
    Old,
}

/// A bus with at most one daemon on it, at a socket in a directory of its own.
struct Bus {
    directory: tempfile::TempDir,
    daemon: Option<(UnixListener, Daemon)>,
}

impl Bus {
    fn with(daemon: Daemon) -> Self {
        let mut bus = Self::absent();
        // Before the command starts, so that it finds the socket.
        bus.daemon = Some((UnixListener::bind(bus.socket()).unwrap(), daemon));
        bus
    }

    fn absent() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            daemon: None,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("bus")
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    async fn serve(&self) -> Infallible {
        if let Some((listener, daemon)) = &self.daemon {
            let (stream, _) = listener.accept().await.unwrap();
            let _connection = connect(stream.into_std().unwrap(), *daemon).await;
            return std::future::pending().await;
        }
        std::future::pending().await
    }
}

async fn connect(stream: std::os::unix::net::UnixStream, daemon: Daemon) -> Connection {
    Builder::unix_stream(stream)
        .server(Guid::generate())
        .p2p()
        .serve_at("/org/freedesktop/DBus", Hello)
        .serve_at("/org/sessiontimeout1", Manager(daemon))
        .serve_at("/org/freedesktop/login1", Logind(daemon))
        .serve_at(LOGIND_SESSION, LogindSession("active"))
        .serve_at(CLOSING_SESSION, LogindSession("closing"))
        .serve_at(SILENT_SESSION, SilentSession)
        .serve_at(
            "/org/freedesktop/login1/session/auto",
            LogindSession("active"),
        )
        .serve_at("/org/freedesktop/systemd1", Systemd)
        .build()
        .await
        .unwrap()
}

struct Hello;

#[zbus::interface(name = "org.freedesktop.DBus")]
impl Hello {
    fn hello(&self) -> &str {
        ":1.1"
    }
}

const LOGIND_SESSION: &str = "/org/freedesktop/login1/session/c1";
const CLOSING_SESSION: &str = "/org/freedesktop/login1/session/c2";

const SILENT_SESSION: &str = "/org/freedesktop/login1/session/c3";

struct Logind(Daemon);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Logind {
    fn get_session(&self, _session: &str) -> ObjectPath<'static> {
        ObjectPath::from_static_str_unchecked(LOGIND_SESSION)
    }

    /// Two closing sessions of bob's and one of alice's, and one that is not closing. Of another one
    /// a troubled logind does not reply.
    fn list_sessions(&self) -> Vec<(String, u32, String, String, ObjectPath<'static>)> {
        let listed = |(user, path): (&str, &'static str)| {
            let path = ObjectPath::from_static_str_unchecked(path);
            (String::new(), 1000, user.to_owned(), String::new(), path)
        };
        let sessions = [
            ("alice", CLOSING_SESSION),
            ("bob", CLOSING_SESSION),
            ("carol", LOGIND_SESSION),
            ("bob", CLOSING_SESSION),
        ];
        let silent = matches!(self.0, Daemon::Troubled).then_some(("carol", SILENT_SESSION));
        sessions.into_iter().chain(silent).map(listed).collect()
    }

    #[zbus(property, name = "NCurrentSessions")]
    fn current_sessions(&self) -> u64 {
        19
    }

    #[zbus(property)]
    fn sessions_max(&self) -> u64 {
        20
    }

    #[zbus(property, name = "StopIdleSessionUSec")]
    fn stop_idle_session(&self) -> u64 {
        600 * SECOND
    }
}

struct LogindSession(&'static str);

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl LogindSession {
    #[zbus(property)]
    fn state(&self) -> &str {
        self.0
    }

    #[zbus(property)]
    fn id(&self) -> &str {
        "c1"
    }

    #[zbus(property)]
    fn desktop(&self) -> &str {
        "sway"
    }
}

struct SilentSession;

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl SilentSession {
    #[zbus(property)]
    async fn state(&self) -> String {
        std::future::pending().await
    }
}

struct Systemd;

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn get_unit_file_state(&self, unit: &str) -> &str {
        match unit {
            "session-timeoutd.socket" => "enabled",
            _ => "disabled",
        }
    }
}

struct Manager(Daemon);

#[zbus::interface(name = "org.sessiontimeout1.Manager")]
impl Manager {
    fn list_sessions(&self) -> fdo::Result<Vec<Keys>> {
        match self.0 {
            Daemon::Healthy | Daemon::Old => Ok(vec![session()]),
            Daemon::Troubled => Ok(vec![survived(), kept()]),
            Daemon::NotRunning => Err(fdo::Error::ServiceUnknown("no such name".into())),
            Daemon::Forbidden => Err(fdo::Error::AccessDenied("by policy".into())),
        }
    }

    fn explain(&self, session: &str) -> fdo::Result<Keys> {
        match (self.0, session) {
            (Daemon::Healthy, "c1") => Ok(explanation()),
            (Daemon::Troubled, "login-4711") => {
                let mut keys = explanation();
                keys.extend(kept());
                Ok(keys)
            }
            (Daemon::Old, _) => Err(fdo::Error::UnknownMethod("no such method".into())),
            _ => Err(fdo::Error::InvalidArgs(format!(
                "there is no session {session} that you may see\u{1b}"
            ))),
        }
    }

    fn left(&self, session: &str) -> fdo::Result<Keys> {
        match (self.0, session) {
            (Daemon::Healthy, "c1") => Ok(left()),
            (Daemon::NotRunning, _) => Err(fdo::Error::ServiceUnknown("no such name".into())),
            _ => Err(fdo::Error::InvalidArgs("there is no such session".into())),
        }
    }

    fn extend_session(&self, session: &str) -> Result<(u64, u64, u32), NotExtended> {
        match session {
            "c1" => Ok((1_800_000_000, 5_400_000_000, 1)),
            "c3" => Err(NotExtended::Interactive("no".into())),
            _ => Err(NotExtended::UsedUp("no".into())),
        }
    }

    #[zbus(property)]
    fn version(&self) -> &str {
        "9.9.9"
    }

    #[zbus(property)]
    fn policy_path(&self) -> &str {
        "/etc/session-timeout/policy.toml"
    }

    #[zbus(property)]
    fn policy_state(&self) -> &str {
        "in-force"
    }

    #[zbus(property)]
    fn policy_error(&self) -> &str {
        ""
    }

    #[zbus(property)]
    fn short_limits(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn logind_state(&self) -> &str {
        "connected"
    }

    #[zbus(property)]
    fn rejected_frames(&self) -> u64 {
        1
    }
}

const SECOND: u64 = 1_000_000;

fn session() -> Keys {
    keys([
        ("Id", "c1".into()),
        ("User", "alice".into()),
        ("Uid", 1000_u32.into()),
        ("Type", "tty".into()),
        ("Class", "user".into()),
        ("Service", "sshd".into()),
        ("From", "127.0.0.1".into()),
        ("Phase", "running".into()),
        ("Rule", "card data".into()),
        ("IdleUSec", (12 * SECOND).into()),
        ("IdleSource", "terminals".into()),
        ("EndsBy", "inactivity".into()),
        ("LeftUSec", (288 * SECOND).into()),
        ("AbsoluteUSec", (86_400 * SECOND).into()),
        ("LockAfterUSec", (60 * SECOND).into()),
        ("ExtensionsUsed", 1_u32.into()),
        ("ExtensionsAllowed", 2_u32.into()),
        ("Locked", false.into()),
        ("EndAction", "terminate".into()),
    ])
}

fn survived() -> Keys {
    let mut keys_of = session();
    keys_of.extend(keys([
        ("Phase", "survived".into()),
        ("Keeper", "logind".into()),
    ]));
    keys_of
}

fn kept() -> Keys {
    let mut keys_of = session();
    keys_of.extend(keys([
        ("Id", "login-4711".into()),
        ("Leader", 4711_u32.into()),
        ("Keeper", "daemon".into()),
        ("NoSession", "logind-full".into()),
        ("Unwarned", true.into()),
    ]));
    keys_of
}

fn left() -> Keys {
    keys([
        ("Id", "c1".into()),
        ("User", "alice".into()),
        ("Phase", "warned".into()),
        ("EndsBy", "absolute".into()),
        ("LeftUSec", (4350 * SECOND).into()),
        ("LimitUSec", (7200 * SECOND).into()),
        ("ExtensionsUsed", 1_u32.into()),
        ("ExtensionsAllowed", 2_u32.into()),
        ("EndAction", "terminate".into()),
    ])
}

fn explanation() -> Keys {
    let settings = vec![
        ("session-timeout", "\"24h\"", "built-in"),
        ("action", "\"lock\"", "/etc/session-timeout/policy.toml:12"),
    ];
    let schedule = vec![
        ("warning", "inactivity", 258 * SECOND),
        ("end", "inactivity", 288 * SECOND),
        ("warning", "absolute", 85_200 * SECOND),
        ("end", "absolute", 86_400 * SECOND),
    ];
    keys([
        ("Id", "c1".into()),
        ("User", "alice".into()),
        ("Phase", "running".into()),
        ("Rule", "card data".into()),
        ("Groups", vec!["alice", "pci"].into()),
        ("EndAction", "lock".into()),
        ("Settings", settings.into()),
        ("Schedule", schedule.into()),
    ])
}

fn keys<const N: usize>(pairs: [(&str, Variant<'_>); N]) -> Keys {
    let owned =
        |(key, value): (&str, Variant<'_>)| (key.to_owned(), value.try_into_owned().unwrap());
    pairs.into_iter().map(owned).collect()
}
