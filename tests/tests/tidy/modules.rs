//! The dependencies between modules of a crate have one direction, and those of the daemon are
//! listed.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, sources};

/// Crates whose modules are checked for circles.
const ACYCLIC: &[&str] = &[
    "agent",
    "cli",
    "config",
    "daemon",
    "pam-module",
    "policy",
    "protocol",
    "simulation",
    "terminals",
    "texts",
];

/// The top-level modules of the daemon, each with those that it may use.
const DAEMON: &[(&str, &[&str])] = &[
    (
        "actions",
        &[
            "agents", "ends", "groups", "hooks", "idle", "input", "journal", "logind", "pam",
            "sys", "terminal", "text", "unwarned",
        ],
    ),
    ("agents", &["bus", "sys", "text"]),
    ("bus", &[]),
    (
        "control",
        &[
            "agents", "bus", "idle", "input", "journal", "pam", "report", "sys",
        ],
    ),
    (
        "ends",
        &["bus", "input", "journal", "logind", "process", "sys"],
    ),
    ("groups", &[]),
    ("hooks", &["bus", "sys"]),
    (
        "idle",
        &[
            "agents", "bus", "input", "logind", "process", "sys", "terminal",
        ],
    ),
    ("input", &["agents", "process", "report"]),
    (
        "journal",
        &["agents", "policy_file", "sys", "text", "unwarned"],
    ),
    ("logind", &["bus", "input", "process", "sys"]),
    ("pam", &["input", "sys", "terminal", "text"]),
    ("policy_file", &["sys"]),
    ("process", &[]),
    ("report", &["agents", "unwarned"]),
    ("store", &["sys"]),
    ("sys", &[]),
    ("terminal", &["process", "sys"]),
    ("text", &[]),
    (
        "unregistered",
        &["bus", "groups", "input", "journal", "logind", "sys"],
    ),
    ("unwarned", &[]),
];

/// Modules of the daemon that may use any other: the crate root, the command line and the loop.
const TOP: &[&str] = &["", "cli", "driver"];

/// The path of a module from the root of its crate, which is empty.
type Module = Vec<String>;

#[test]
fn modules_use_each_other_in_one_direction() {
    let mut circles = Vec::new();
    for name in ACYCLIC {
        for (parent, arrows) in siblings(&uses(name)) {
            let parent = [&[(*name).to_owned()], parent.as_slice()]
                .concat()
                .join("::");
            circles.extend(circle(&arrows).map(|circle| format!("{parent}: {circle}")));
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn modules_of_the_daemon_use_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = DAEMON.iter().copied().collect();
    let mut wrong = BTreeSet::new();
    let mut used = BTreeSet::new();
    for (user, of) in uses("daemon") {
        let user = user.first().map_or("", String::as_str);
        let of = of.first().map_or("", String::as_str);
        used.insert((user.to_owned(), of.to_owned()));
        let may = allowed.get(user).is_some_and(|may| may.contains(&of));
        if user != of && !of.is_empty() && !may && !TOP.contains(&user) {
            wrong.insert(format!("{user} uses {of}"));
        }
    }
    for (user, may) in DAEMON {
        let unused = may
            .iter()
            .filter(|of| !used.contains(&((*user).to_owned(), (**of).to_owned())));
        wrong.extend(unused.map(|of| format!("{user} does not use {of}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The dependencies between modules of a crate, without tests: user and used module.
fn uses(name: &str) -> BTreeSet<(Module, Module)> {
    let root = format!("{name}/src/");
    let files: BTreeMap<Module, String> = sources()
        .filter_map(|(path, text)| Some((module(path.strip_prefix(&root)?)?, text)))
        .collect();
    assert!(files.len() > 1, "{root} has no modules");
    let mut uses = BTreeSet::new();
    for (user, text) in &files {
        for path in paths(&without_tests(text)) {
            let of = resolved(user, &path);
            let known = (0..=of.len()).rev().map(|length| &of[..length]);
            let of = known.into_iter().find(|of| files.contains_key(*of));
            uses.extend(of.map(|of| (user.clone(), of.to_vec())));
        }
    }
    uses
}

/// The module in this file; `None` for a program in `bin`, which is its own crate.
fn module(path: &str) -> Option<Module> {
    let path = path.strip_suffix(".rs")?;
    let mut names: Vec<String> = path.split('/').map(str::to_owned).collect();
    if names.first().is_some_and(|name| name == "bin") {
        return None;
    }
    if names
        .last()
        .is_some_and(|name| ["lib", "main", "mod"].contains(&name.as_str()))
    {
        names.pop();
    }
    Some(names)
}

/// The code of a file without its tests, which come last.
fn without_tests(text: &str) -> String {
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    code(&lines.collect::<Vec<_>>().join("\n"))
}

/// The paths in the code that begin with `crate`, `self` or `super`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let before = code[..at].rsplit(|c: char| !is_of_name(c)).next();
        let first = before.unwrap_or_default();
        let start = &code[..at - first.len()];
        if ["crate", "self", "super"].contains(&first) && !start.ends_with("::") {
            expand(&mut vec![first.to_owned()], &code[at + 2..], &mut found);
        }
    }
    found
}

/// Parses the rest of a path after `::`, with all branches of a `{...}`. Returns the remaining
/// code.
fn expand<'a>(path: &mut Vec<String>, rest: &'a str, found: &mut Vec<Vec<String>>) -> &'a str {
    let rest = rest.trim_start();
    if let Some(mut rest) = rest.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            if rest.is_empty() {
                return rest;
            }
            let depth = path.len();
            rest = expand(path, rest, found);
            path.truncate(depth);
            // Skips `as NAME`.
            rest = rest.trim_start_matches(|c: char| !matches!(c, ',' | '}'));
        }
    }
    let end = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
    path.push(rest[..end].to_owned());
    match rest[end..].strip_prefix("::") {
        Some(more) => expand(path, more, found),
        None => {
            found.push(path.clone());
            &rest[end..]
        }
    }
}

/// A path in this module as a path from the root of the crate.
fn resolved(user: &[String], path: &[String]) -> Module {
    let mut names = match path.first().map(String::as_str) {
        Some("crate") => Vec::new(),
        _ => user.to_vec(),
    };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => {
                names.pop();
            }
            _ => names.push(name.clone()),
        }
    }
    names
}

/// The dependencies between modules with the same parent, by the parent. A dependency of two
/// modules counts for their first different ancestors. Parents and children may use each other.
fn siblings(uses: &BTreeSet<(Module, Module)>) -> BTreeMap<Module, BTreeSet<(&str, &str)>> {
    let mut siblings = BTreeMap::<Module, BTreeSet<(&str, &str)>>::new();
    for (user, of) in uses {
        let pairs = user.iter().zip(of);
        let common = pairs.take_while(|(one, other)| one == other).count();
        if let (Some(one), Some(other)) = (user.get(common), of.get(common)) {
            let arrows = siblings.entry(user[..common].to_vec()).or_default();
            arrows.insert((one, other));
        }
    }
    siblings
}

/// The dependencies that are part of a circle, if there are any.
fn circle(arrows: &BTreeSet<(&str, &str)>) -> Option<String> {
    let on_circles = arrows.iter().filter(|(user, of)| leads(arrows, of, user));
    let on_circles = on_circles.map(|(user, of)| format!("{user} -> {of}"));
    let on_circles: Vec<_> = on_circles.collect();
    (!on_circles.is_empty()).then(|| on_circles.join(", "))
}

/// Whether one module depends on another, directly or indirectly.
fn leads(arrows: &BTreeSet<(&str, &str)>, from: &str, to: &str) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(one) = waiting.pop() {
        if seen.insert(one) {
            let next = arrows.iter().filter(|(user, _)| *user == one);
            waiting.extend(next.map(|(_, of)| *of));
        }
    }
    seen.contains(to)
}

const fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
