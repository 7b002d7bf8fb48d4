//! Runs `check` and `explain --user` of the built command on policy files, without a bus or a
//! daemon.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, in its helpers as well"
)]

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const MAIN: &str = "\
[default]
session-timeout = \"20h\"
session-warnings = [\"5min\"]
";

const DROP_IN: &str = "\
[[rule]]
name = \"cards\"
match = { group = [\"pci\"] }
action = \"hang-up\"

[[rule]]
name = \"root at a console\"
match = { user = [\"root\"], service = [\"login\"] }
session-timeout = \"2h\"
";

const BROKEN: &str = "[default]\ngrace = \"1h\"\n";

#[test]
fn a_valid_policy_is_reported_on_standard_output_only() {
    let files = Files::of(&[("policy.toml", MAIN), ("policy.d/50-cards.toml", DROP_IN)]);
    let output = files.run(&["check", "DIR"]);
    assert_eq!(output.status.code(), Some(0));
    let expected = "DIR/policy.toml and 1 drop-in: ok, 2 rules\n";
    assert_eq!(
        (
            files.stdout(&output).as_str(),
            files.stderr(&output).as_str()
        ),
        (expected, "")
    );
}

#[test]
fn errors_are_printed_on_standard_error_with_status_1() {
    let files = Files::of(&[("policy.toml", BROKEN)]);
    let output = files.run(&["check", "DIR/policy.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let drawn = files.stderr(&output);
    assert!(drawn.contains("--> DIR/policy.toml:2:9\n"), "{drawn}");
    assert!(drawn.contains("^^^^ "), "{drawn}");
    assert!(!drawn.contains('\u{1b}'), "{drawn}");
    assert_eq!(files.stdout(&output), "DIR/policy.toml: 1 error\n");
    let output = files.run(&["check", "DIR/policy.toml", "--color=always"]);
    assert!(files.stderr(&output).contains('\u{1b}'), "{output:?}");
}

#[test]
fn an_unreadable_policy_is_status_2() {
    let files = Files::of(&[]);
    let output = files.run(&["check", "DIR/policy.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "error: cannot read DIR/policy.toml: there is no such file\n";
    assert_eq!(files.stderr(&output), expected);
    assert_eq!(files.stdout(&output), "");
}

#[test]
fn a_reader_that_went_away_makes_no_policy_good() {
    for (text, status) in [(MAIN, 0), (BROKEN, 1)] {
        let files = Files::of(&[("policy.toml", text)]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = files.command(&["check", "DIR"]);
        let output = command.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
    }
}

#[test]
fn short_limits_are_errors_unless_they_are_allowed() {
    let files = Files::of(&[("policy.toml", "[default]\nsession-timeout = \"9s\"\n")]);
    let status = |arguments: &[&str]| files.run(arguments).status.code();
    assert_eq!(status(&["check", "DIR"]), Some(1));
    assert_eq!(status(&["check", "DIR", "--allow-short-limits"]), Some(0));
    let explain = ["explain", "--user=root", "--policy", "DIR"];
    assert_eq!(status(&explain), Some(1));
    let lifted = [&explain[..], &["--allow-short-limits"]].concat();
    assert_eq!(status(&lifted), Some(0));
}

#[test]
fn the_policy_that_is_printed_is_the_same_policy() {
    let files = Files::of(&[("policy.toml", MAIN), ("policy.d/50-cards.toml", DROP_IN)]);
    let printed = files.stdout(&files.run(&["check", "--print", "DIR"]));
    assert!(
        printed.starts_with("[default]\nsession-timeout = \"20h\"\n"),
        "{printed}"
    );
    files.write("printed.toml", &printed);
    let output = files.run(&["check", "--print", "DIR/printed.toml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(files.stdout(&output), printed);
}

#[test]
fn a_policy_with_errors_is_drawn_and_not_printed() {
    let files = Files::of(&[("policy.toml", BROKEN)]);
    let output = files.run(&["check", "--print", "DIR"]);
    assert_eq!(output.status.code(), Some(1));
    let drawn = files.stderr(&output);
    assert!(drawn.contains("--> DIR/policy.toml:2:9\n"), "{drawn}");
    assert_eq!(files.stdout(&output), "");
}

#[test]
fn check_as_json_has_every_error_with_its_place() {
    let files = Files::of(&[("policy.toml", BROKEN)]);
    let output = files.run(&["check", "--json", "DIR"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(files.stderr(&output), "");
    let expected = json!({
        "status": "invalid",
        "files": null,
        "rules": null,
        "errors": [{
            "severity": "error",
            "file": "DIR/policy.toml",
            "line": 2,
            "column": 9,
            "message": "`grace` is out of range",
            "label": "1 h is more than the maximum; allowed: 1s to 10min",
            "help": null,
        }],
        "warnings": [],
    });
    assert_eq!(files.json(&output), expected);
}

#[test]
fn check_as_json_has_the_files_and_the_rules_of_a_good_policy() {
    let warned = "[default]\nsession-warnings = []\n";
    let files = Files::of(&[("policy.toml", warned), ("policy.d/50-cards.toml", DROP_IN)]);
    let output = files.run(&["check", "--json", "DIR"]);
    assert_eq!(output.status.code(), Some(0));
    let json = files.json(&output);
    assert_eq!(json["status"], "good");
    let expected = json!(["DIR/policy.toml", "DIR/policy.d/50-cards.toml"]);
    assert_eq!(json["files"], expected);
    assert_eq!(json["rules"], json!(["cards", "root at a console"]));
    assert_eq!(json["warnings"][0]["severity"], "warning");
    assert_eq!(json["warnings"][0]["line"], 2);
}

#[test]
fn check_as_json_has_the_reason_why_no_file_could_be_read() {
    let files = Files::of(&[]);
    let output = files.run(&["check", "--json", "DIR/x.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let json = files.json(&output);
    assert_eq!(json["status"], "unreadable");
    let error = &json["errors"][0];
    let expected = "cannot read DIR/x.toml: there is no such file";
    assert_eq!(
        (&error["message"], &error["file"]),
        (&expected.into(), &Value::Null)
    );
}

#[test]
fn a_login_that_might_be_is_explained_without_a_daemon() {
    let files = Files::of(&[("policy.toml", MAIN), ("policy.d/50-cards.toml", DROP_IN)]);
    let explain = [
        "explain",
        "--user=root",
        "--policy",
        "DIR",
        "--group",
        "wheel",
    ];
    let output = files.run(&explain);
    assert!(output.status.success(), "{output:?}");
    let expected_start = "\
Login of root (uid 0, service login, type tty, class user): the rule \"root at a console\" holds.
Groups: wheel
Policy: DIR/policy.toml, DIR/policy.d/50-cards.toml

RULES PASSED OVER
rule \"cards\": it does not name root in user

SETTING              VALUE                SET BY
session-timeout      \"2h\"                 DIR/policy.d/50-cards.toml:9
session-warnings     [\"5min\"]             DIR/policy.toml:3
";
    let expected_end = "
AFTER THE LOGIN
after 1 h 55 min  warning (absolute limit, 5 min before)
after 2 h         end: terminate (absolute limit)
";
    let text = files.stdout(&output);
    assert!(text.starts_with(expected_start), "{text}");
    assert!(text.ends_with(expected_end), "{text}");

    let output = files.run(&[&explain[..], &["--from=192.0.2.7", "--json"]].concat());
    let json = files.json(&output);
    assert_eq!(json["login"]["service"], "sshd");
    assert_eq!(json["exemption"], "root");
    assert_eq!(json["passed_over"][1]["why"], "service is not login");
}

#[test]
fn a_login_under_a_broken_policy_has_no_explanation_but_its_errors() {
    let files = Files::of(&[("policy.toml", BROKEN)]);
    let output = files.run(&["explain", "--user=root", "--policy", "DIR"]);
    assert_eq!(output.status.code(), Some(1));
    let drawn = files.stderr(&output);
    assert!(drawn.contains("--> DIR/policy.toml:2:9\n"), "{drawn}");
    let last = "session-timeout: this policy cannot be put in force, so it explains nothing\n";
    assert!(drawn.ends_with(last), "{drawn}");
    assert_eq!(files.stdout(&output), "");
    let output = files.run(&["explain", "--user=root", "--policy", "DIR/x.toml"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_user_of_another_machine_is_explained_by_uid_and_groups() {
    let files = Files::of(&[("policy.toml", MAIN), ("policy.d/50-cards.toml", DROP_IN)]);
    let explain = |uid| {
        let options = ["--group=staff,wheel", "--group", "pci", "--policy", "DIR"];
        let whom = ["explain", "--json", "--user=nobody-has-this-name", uid];
        let output = files.run(&[&whom[..], &options].concat());
        files.json(&output)
    };
    let json = explain("--uid=70000");
    assert_eq!(json["login"]["uid"], 70_000);
    assert_eq!(json["groups"], json!(["pci", "staff", "wheel"]));
    assert_eq!(json["exemption"], Value::Null);
    assert_eq!(explain("--uid=70")["exemption"], "system account");
}

#[test]
fn a_user_name_that_systemd_refuses_is_reported_and_its_limits_apply() {
    let files = Files::of(&[("policy.toml", MAIN)]);
    let whom = ["explain", "--user=20250001", "--uid=70000"];
    let options = ["--policy", "DIR"];
    let output = files.run(&[&whom[..], &options].concat());
    let said = files.stdout(&output);
    assert!(
        said.contains("logind makes no session for this login: systemd takes no user name"),
        "{said}"
    );
    assert!(said.contains("AFTER THE LOGIN"), "{said}");
    let json = files.run(&[&whom[..], &options, &["--json"]].concat());
    assert_eq!(files.json(&json)["no_session"], "name-refused");
}

#[test]
fn an_unknown_user_is_reported() {
    let files = Files::of(&[("policy.toml", MAIN)]);
    let output = files.run(&["explain", "--user=nobody-has-this-name", "--policy", "DIR"]);
    assert_eq!(output.status.code(), Some(1));
    let said = files.stderr(&output);
    assert!(
        said.contains("there is no user \"nobody-has-this-name\" on this machine"),
        "{said}"
    );
}

/// Policy files in a temporary directory. `DIR` stands for its path in arguments and outputs.
struct Files(TempDir);

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            directory.write(name, text);
        }
        directory
    }

    /// Not writable by others, whatever the umask is: the command would refuse such a file.
    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o755);
        builder.create(path.parent().unwrap()).unwrap();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o644);
        let mut file = options.open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let arguments = arguments.iter().map(|one| one.replace("DIR", self.name()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_session-timeout"));
        command
            .args(arguments)
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null());
        command
    }

    fn name(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn stdout(&self, output: &Output) -> String {
        self.shown(&output.stdout)
    }

    fn stderr(&self, output: &Output) -> String {
        self.shown(&output.stderr)
    }

    fn json(&self, output: &Output) -> Value {
        serde_json::from_str(&self.stdout(output)).unwrap()
    }

    fn shown(&self, bytes: &[u8]) -> String {
        let text = std::str::from_utf8(bytes).unwrap();
        text.replace(self.name(), "DIR")
    }
}
