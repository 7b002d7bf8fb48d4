//! Scenarios: text files with events and the actions that the engine must return. Each file in
//! `scenarios/` makes one claim, which is its name; `support/script.rs` describes the format.
//!
//! `UPDATE=1 cargo test -p session-timeout-policy --test scenarios` writes the actual result into
//! the files; read it before you commit it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic, in its helpers as well"
)]

#[expect(dead_code, reason = "only the properties use all of it")]
mod support;

#[path = "support/script.rs"]
mod script;
#[path = "support/words.rs"]
mod words;

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use script::Script;

#[test]
fn every_scenario_comes_out_as_written() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut failures = String::new();
    for path in scenarios() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        match came_out(&text) {
            Err(why) => write!(failures, "\n{name}\n  {why}\n").unwrap(),
            Ok((script, out)) if script.out == out => {}
            Ok((script, out)) if update => fs::write(&path, script.head.to_owned() + &out).unwrap(),
            Ok((script, out)) => {
                write!(failures, "\n{name}\n{}", difference(script.out, &out)).unwrap();
            }
        }
    }
    assert!(
        failures.is_empty(),
        "not as written (- expected, + came out):\n{failures}"
    );
}

#[test]
fn a_line_that_is_not_as_written_is_shown_among_those_that_are() {
    let shown = difference("begins\nis warned\nends\n", "begins\nends\nis gone\n");
    assert_eq!(shown, "    begins\n  - is warned\n    ends\n  + is gone\n");
}

#[test]
fn a_scenario_that_cannot_be_read_is_no_success() {
    for text in [
        "in\n  0:00:00  c1  alice logs in over ssh\n",
        "in\n  0:00  c1  types\nout\n",
        "in\n  0:00:00  c1  dances\nout\n",
        "in\n  0:00:10  c1  types\n  0:00:00  c1  types\nout\n",
        "policy\n  session-timeout = 1\nout\n",
        "out of order\nout of bounds\n",
    ] {
        assert!(came_out(text).is_err(), "{text}");
    }
}

fn scenarios() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(
        paths.len() >= 20,
        "only {} scenarios were found",
        paths.len()
    );
    paths
}

/// The result of a scenario. The oracle panics if an invariant is violated, which must not stop the
/// other scenarios.
fn came_out(text: &str) -> Result<(Script<'_>, String), String> {
    let script = Script::parse(text)?;
    let out = catch_unwind(AssertUnwindSafe(|| script.play()));
    let out = out.map_err(|_| "violates an invariant; see the panic above")??;
    Ok((script, out))
}

/// The differences between the expected and the actual lines, with the lines that both have.
fn difference(expected: &str, got: &str) -> String {
    let (left, right): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    // The length of the longest common subsequence, for each pair of remaining lines.
    let mut common = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for l in (0..left.len()).rev() {
        for r in (0..right.len()).rev() {
            common[l][r] = if left[l] == right[r] {
                common[l + 1][r + 1] + 1
            } else {
                common[l + 1][r].max(common[l][r + 1])
            };
        }
    }
    let (mut l, mut r, mut shown) = (0, 0, String::new());
    while l < left.len() || r < right.len() {
        let (mark, line) = if l < left.len() && r < right.len() && left[l] == right[r] {
            (l, r) = (l + 1, r + 1);
            (' ', left[l - 1])
        } else if r == right.len() || (l < left.len() && common[l + 1][r] >= common[l][r + 1]) {
            l += 1;
            ('-', left[l - 1])
        } else {
            r += 1;
            ('+', right[r - 1])
        };
        writeln!(shown, "  {mark} {line}").unwrap();
    }
    shown
}
