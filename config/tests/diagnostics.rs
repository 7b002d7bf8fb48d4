//! The diagnostics for each mistake in a policy. Each `NAME.toml` below `diagnostics/` has
//! policies, separated by lines `#---`, and `NAME.out` has the errors or warnings of each. The name
//! is the claim.
//!
//! `UPDATE=1 cargo test -p session-timeout-config --test diagnostics` writes the actual diagnostics
//! into the `.out` files; read them before you commit them.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by a panic, in its helpers as well"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use session_timeout_config::{Diagnostic, Minima, Style, parse};

/// The line between two policies of a file, and between their diagnostics.
const SEPARATOR: &str = "#---\n";

#[test]
fn every_mistake_is_shown_as_written() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut failures = String::new();
    for path in policies() {
        let expected = fs::read_to_string(path.with_extension("out")).unwrap_or_default();
        let found = rendered_each(&fs::read_to_string(&path).unwrap());
        if found == expected {
            continue;
        }
        if update {
            fs::write(path.with_extension("out"), found).unwrap();
        } else {
            let name = path.display();
            write!(failures, "\n{name}, expected:\n{expected}found:\n{found}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_output_belongs_to_a_policy() {
    for path in files("out") {
        assert!(path.with_extension("toml").exists(), "{}", path.display());
    }
}

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_text() {
    let text = "\
[default]
session-warnings = [\"0s\", \"5min\", 3]
action = \"kill\"
sesion-timeout = \"12h\"
session-timeout = \"1h\"
inactivity-timeout = \"2h\"
";
    let lines: Vec<String> = diagnostics(text).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "policy.toml:2:21: error: `session-warnings` is out of range; \
             0 s is less than the minimum; allowed: 1s to 24h",
            "policy.toml:2:35: error: `session-warnings` is of the wrong type; \
             expected a duration such as \"5min\", found an integer; \
             write \"3s\" for seconds, \"3min\" for minutes",
            "policy.toml:3:10: error: `action` has an unknown value; \
             available: terminate, hang-up, lock, report",
            "policy.toml:4:1: error: unknown key `sesion-timeout`; \
             did you mean `session-timeout`?",
            "policy.toml:6:22: error: `inactivity-timeout` is longer than the absolute limit; \
             2 h, and `session-timeout` is 1 h (line 5)",
        ]
    );
}

#[test]
fn errors_of_the_syntax_do_not_hide_others_and_bring_no_false_ones() {
    let text = "\
[default]
grace = 10s
session-warnings = [\"20min\" \"5min\"]
sesion-timeout = \"12h\"
action = \"kill\"
";
    let found = diagnostics(text);
    let lines: Vec<usize> = found.iter().map(Diagnostic::line).collect();
    assert_eq!(lines, [2, 3, 4, 5], "{found:?}");

    // The lines after a broken header belong to no table, so they are not checked.
    let found = diagnostics("[default\ngrace = \"10s\"\nsession-timeout = \"12h\"\n");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_text_full_of_errors_gives_a_list_that_can_be_read() {
    for text in ["=\n".repeat(1000), "=\n".repeat(500_000)] {
        let found = diagnostics(&text);
        assert!((1..=50).contains(&found.len()), "{}", found.len());
        assert_eq!((found[0].line(), found[0].column()), (1, 1));
    }
}

fn policies() -> Vec<PathBuf> {
    let paths = files("toml");
    assert!(paths.len() >= 37, "only {} were found", paths.len());
    paths
}

/// The files with this extension, in all directories below `diagnostics/`.
fn files(extension: &str) -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let entries = |directory: &Path| {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    let mut paths: Vec<PathBuf> = entries(&top).flat_map(|group| entries(&group)).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

/// The diagnostics of each policy in this file.
fn rendered_each(file: &str) -> String {
    let each = file.split(SEPARATOR).map(|policy| rendered(policy) + "\n");
    each.collect::<Vec<_>>().join(SEPARATOR)
}

fn rendered(policy: &str) -> String {
    let found = diagnostics(policy);
    let rendered = found.iter().map(|one| one.render(Style::Plain));
    rendered.collect::<Vec<_>>().join("\n\n")
}

/// The errors of a policy, or the warnings of one without errors.
fn diagnostics(policy: &str) -> Vec<Diagnostic> {
    let parsed = parse("policy.toml", policy, Minima::Enforced);
    parsed.map_or_else(|errors| errors, |settings| settings.warnings)
}
