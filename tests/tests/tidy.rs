//! Checks of the source that the compiler does not make: dependencies, length of files, wording.

#[path = "tidy/bus.rs"]
mod bus;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/modules.rs"]
mod modules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use session_timeout_tests::workspace_dir;
use toml::{Table, Value};

/// The crates of the workspace, each with those that it may depend on. `tests` runs the built
/// programs from outside.
const CRATES: &[(&str, &[&str])] = &[
    ("agent", &["protocol", "texts"]),
    ("cli", &["config", "policy", "protocol", "texts"]),
    ("config", &["policy", "texts"]),
    (
        "daemon",
        &["config", "policy", "protocol", "terminals", "texts"],
    ),
    ("pam-module", &["protocol"]),
    ("policy", &[]),
    ("protocol", &[]),
    ("simulation", &["policy"]),
    ("terminals", &[]),
    ("tests", &["protocol"]),
    ("texts", &["protocol"]),
];

/// Crates with a fixed list of external libraries: the PAM module, which is loaded into sshd, and
/// the pure crates, whose tests control all of their inputs.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("pam-module", &["libc", "nix", "pam-sys"]),
    ("policy", &[]),
    ("protocol", &[]),
    ("simulation", &[]),
];

/// Files that may contain `unsafe` code.
const UNSAFE: &[&str] = &[
    "pam-module/src/entry.rs",
    "pam-module/src/ffi.rs",
    "pam-module/tests/support/ffi.rs",
];

/// Parts of the standard library that the engine may not use, since all of its inputs are
/// arguments. IP addresses are allowed, sockets are not.
const IMPURE: &[&str] = &[
    "env",
    "fs",
    "io",
    "os",
    "process",
    "thread",
    "Instant",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
];

/// Words that make a sentence hard to read: a relative clause without a noun, or a metaphor. They
/// are in two parts, so that the check does not find this list.
const UNCLEAR: &[[&str; 2]] = &[
    ["who", "ever"],
    ["a", "new"],
    ["of ", "ours"],
    ["so ", "many"],
    ["sto", "rm"],
    ["in v", "ain"],
    ["leis", "urely"],
    ["part", "ing"],
];

/// More such words, for the comments of tests.
const UNCLEAR_IN_TESTS: &[[&str; 2]] = &[
    ["to", "ld"],
    ["hea", "rd"],
    ["some", "body"],
    ["a", "fresh"],
    ["in ", "vain"],
    ["all ", "the same"],
    ["makes ", "sure"],
];

/// Maximum number of lines of a file before its tests.
const LONGEST: usize = 450;

#[test]
fn dependencies_point_down_only() {
    let mut wrong = Vec::new();
    let named: BTreeSet<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    let members = strings(&manifest(".")["workspace"]["members"]);
    for member in members
        .iter()
        .filter(|member| !named.contains(member.as_str()))
    {
        wrong.push(format!("{member} is not in this test"));
    }
    for (name, allowed) in CRATES {
        for ours in dependencies(name).iter().filter_map(|name| own_crate(name)) {
            if !allowed.contains(&ours.as_str()) {
                wrong.push(format!("{name} depends on {ours}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_module_and_the_engine_use_only_the_listed_libraries() {
    let mut wrong = Vec::new();
    for (name, allowed) in LIBRARIES {
        for library in dependencies(name) {
            if own_crate(&library).is_none() && !allowed.contains(&library.as_str()) {
                wrong.push(format!("{name} depends on {library}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_is_only_in_the_ffi_files() {
    // What follows the keyword, but not the word in texts and names of lints.
    const FOLLOWS: &[&str] = &[" {", " fn", " extern", " impl", " trait", "("];
    let is_used = |code: &str| {
        let mut rests = code.split("unsafe").skip(1);
        rests.any(|rest| FOLLOWS.iter().any(|next| rest.starts_with(next)))
    };
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !UNSAFE.contains(&path.as_str()) && is_used(&code(&text)) {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_engine_uses_no_clock_file_thread_or_network() {
    let mut wrong = Vec::new();
    // The program that runs the simulation is not part of the engine, and is not shipped.
    let is_pure = |path: &str| {
        let crates = ["policy/src/", "simulation/src/"];
        crates.iter().any(|dir| path.starts_with(dir)) && !path.contains("/bin/")
    };
    for (path, text) in sources().filter(|(path, _)| is_pure(path)) {
        let code = code(&text);
        for statement in code
            .split(';')
            .filter(|statement| statement.contains("std::"))
        {
            for word in words(statement).filter(|word| IMPURE.contains(word)) {
                wrong.push(format!("{path}: std's {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Debian's tools and cargo each have their own place for the minimum version of Rust.
#[test]
fn the_package_and_the_workspace_name_the_same_minimum_version_of_rust() {
    let version = &manifest(".")["workspace"]["package"]["rust-version"];
    let version = version.as_str().unwrap_or_default();
    let control = fs::read_to_string(workspace_dir().join("packaging/debian/control"));
    let control = control.unwrap_or_default();
    for package in ["cargo", "rustc"] {
        let line = format!(" {package} (>= {version}),");
        assert!(control.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn every_source_file_begins_with_its_purpose() {
    let silent = sources().filter(|(_, text)| !text.starts_with("//!"));
    let silent: Vec<_> = silent.map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn no_file_is_longer_than_the_limit() {
    let shipped = sources().filter(|(path, _)| !path.contains("/tests/"));
    let lengths = shipped.map(|(path, text)| {
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
        (path, lines.count())
    });
    let long: Vec<_> = lengths.filter(|(_, lines)| *lines > LONGEST).collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// Only `wait.rs` may; all other code of the tests waits for a condition.
#[test]
fn no_test_sleeps() {
    let call = ["sleep", "("].concat();
    let tests = sources().filter(|(path, _)| path.contains("tests/"));
    let sleeping =
        tests.filter(|(path, text)| path != "tests/src/wait.rs" && code(text).contains(&call));
    let sleeping: Vec<_> = sleeping.map(|(path, _)| path).collect();
    assert!(sleeping.is_empty(), "{sleeping:#?}");
}

#[test]
fn comments_documents_and_names_use_no_unclear_words() {
    let wrong = lines_with(UNCLEAR, |_, _| true);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn comments_of_tests_use_no_unclear_words() {
    let wrong = lines_with(UNCLEAR_IN_TESTS, |path, line| {
        let is_test = path.starts_with("tests/") || path.contains("/tests/");
        let line = line.trim_start();
        is_test && (line.starts_with("//") || line.starts_with('#'))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The checked lines of all files that contain one of these words, with their places.
fn lines_with(words: &[[&str; 2]], is_checked: fn(&str, &str) -> bool) -> Vec<String> {
    let words: Vec<String> = words.iter().map(|parts| parts.concat()).collect();
    let mut found = Vec::new();
    for (path, text) in files().filter(|(path, _)| path != "Cargo.lock") {
        let lines = text.lines().enumerate();
        for (number, line) in lines.filter(|(_, line)| is_checked(&path, line)) {
            let plain = line.to_lowercase().replace('_', " ");
            if words.iter().any(|word| has_word(&plain, word)) {
                found.push(format!("{path}:{}: {line}", number + 1));
            }
        }
    }
    found
}

/// Whether the line contains these words as whole words.
fn has_word(line: &str, words: &str) -> bool {
    line.match_indices(words).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + words.len()..].chars().next();
        ![before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphabetic)
    })
}

/// Paths of a build machine and hosts of package registries have no meaning elsewhere.
#[test]
fn no_file_names_paths_of_a_build_machine_or_hosts_of_registries() {
    let paths = [["/wo", "rk"].concat(), ["/fa", "rm"].concat()];
    let hosts = ["deb", "security", "static", "index", "registry", "files"];
    let mut wrong = Vec::new();
    for (path, text) in files().filter(|(path, _)| path != "Cargo.lock") {
        for (number, line) in text.lines().enumerate() {
            let named = paths.iter().any(|word| {
                let mut rests = line.match_indices(word.as_str());
                rests.any(|(at, _)| !continues(line, at + word.len()))
            });
            let fetched = hosts
                .iter()
                .any(|host| line.contains(&format!("//{host}.")));
            if named || fetched {
                wrong.push(format!("{path}:{}: {line}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// All Rust files: their paths from the root, and their texts.
fn sources() -> impl Iterator<Item = (String, String)> {
    files().filter(|(path, _)| path.ends_with(".rs"))
}

/// All text files: their paths from the root, and their texts.
fn files() -> impl Iterator<Item = (String, String)> {
    let root = workspace_dir();
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    assert!(paths.len() > 50, "{paths:?}");
    paths.into_iter().filter_map(move |path| {
        let text = fs::read_to_string(&path).ok()?;
        let path = path.strip_prefix(&root).ok()?;
        Some((path.to_str()?.to_owned(), text))
    })
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).into_iter().flatten();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default();
        if name == "target" || name == ".git" {
            // In a worktree `.git` is a file that contains the path of the repository.
        } else if path.is_file() {
            paths.push(path);
        } else {
            collect(&path, paths);
        }
    }
}

fn manifest(member: &str) -> Table {
    let path = workspace_dir().join(member).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let parsed = text.parse::<Table>();
    assert!(parsed.is_ok() && !text.is_empty(), "{}", path.display());
    parsed.unwrap_or_default()
}

/// The dependencies and build dependencies of a crate.
fn dependencies(member: &str) -> BTreeSet<String> {
    let manifest = manifest(member);
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let tables = targets.chain([&manifest]);
    tables
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .flatten()
        .filter_map(Value::as_table)
        .flat_map(Table::keys)
        .cloned()
        .collect()
}

/// The directory of a package, if it is in the workspace.
fn own_crate(package: &str) -> Option<String> {
    match package {
        "session-timeout" => Some("cli".to_owned()),
        "session-timeoutd" => Some("daemon".to_owned()),
        "pam-session-timeout" => Some("pam-module".to_owned()),
        _ => package.strip_prefix("session-timeout-").map(str::to_owned),
    }
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// The text without comments. A `//` in a string also removes the rest of its line, which is good
/// enough here.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn continues(line: &str, at: usize) -> bool {
    let next = line.get(at..).and_then(|rest| rest.chars().next());
    next.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-')
}
