//! Checks on the source that the compiler does not make: dependencies, length of files, wording.

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

/// Who may depend on whom, of our own crates: down only. `tests` drives what is built, from
/// outside.
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

/// Crates that may depend on these libraries of others and no more: what is loaded into sshd with
/// the module, and what is proved by tests that own its whole world.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("pam-module", &["libc", "nix", "pam-sys"]),
    ("policy", &[]),
    ("protocol", &[]),
    ("simulation", &[]),
];

/// Where `unsafe` may stand.
const UNSAFE: &[&str] = &[
    "pam-module/src/entry.rs",
    "pam-module/src/ffi.rs",
    "pam-module/tests/support/ffi.rs",
];

/// Parts of the standard library that the engine may not use: its world is told to it. Addresses
/// are no part of the world, but what talks to them is.
const WORLD: &[&str] = &[
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

/// Words that make a sentence hard to read, where "a user", "a caller", "again" or a number is meant.
/// They are in two parts, so that this list is not found itself.
const UNCLEAR: &[[&str; 2]] = &[
    ["who", "ever"],
    ["a", "new"],
    ["of ", "ours"],
    ["so ", "many"],
    ["sto", "rm"],
];

/// Lines of a file before its tests.
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
    // As a keyword it is followed by one of these; texts and lint names are not.
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
    // The program that runs the simulation is no part of the engine, and no package has it.
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
            for word in words(statement).filter(|word| WORLD.contains(word)) {
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

/// Only `wait.rs` does; everything else there waits for a condition.
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
    let unclear: Vec<String> = UNCLEAR.iter().map(|parts| parts.concat()).collect();
    let mut wrong = Vec::new();
    for (path, text) in files().filter(|(path, _)| path != "Cargo.lock") {
        for (number, line) in text.lines().enumerate() {
            let plain = line.to_lowercase().replace('_', " ");
            if unclear.iter().any(|word| has_word(&plain, word)) {
                wrong.push(format!("{path}:{}: {line}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether these words stand in the line, and are no part of longer ones.
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

/// Paths of the computer that something was written on, and hosts that packages come from, mean
/// nothing to anybody else.
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

/// The text of each Rust file, by its path from the root.
fn sources() -> impl Iterator<Item = (String, String)> {
    files().filter(|(path, _)| path.ends_with(".rs"))
}

/// The text of each file that is text.
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
            // `.git` of a worktree is a file, with the path of the repository.
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

/// What a crate is built with; not what it is tested with.
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

/// The directory of one of our crates.
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

/// The text without what follows `//`. A `//` in a string takes the rest of its line along, which
/// is good enough here.
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
