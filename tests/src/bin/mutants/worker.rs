//! One copy of the source, in which bugs are planted.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use session_timeout_tests::{Context as _, Failure, Outcome, workspace_dir};

use crate::list::Mutant;

/// What is copied: the engine, what its tests stand on, and what the workspace wants to see.
const PARTS: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "agent",
    "cli",
    "config",
    "daemon",
    "docs",
    "packaging",
    "pam-module",
    "policy",
    "protocol",
    "terminals",
    "tests",
    "texts",
];

/// The tests, those that take the least time first.
const STAGES: &[&[&str]] = &[
    &["--lib"],
    &["--test", "scenarios"],
    &["--test", "properties"],
    &["--test", "simulation"],
];

/// A bug may make a test go on for ever; the longest of them takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(600);

/// What became of a bug.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// These tests failed, in this stage.
    Caught(Vec<String>),
    /// A test went on for ever.
    Hung,
    /// No test failed.
    Missed,
    /// The source does not compile with it: a bug that nobody can make.
    Unplantable(String),
}

impl Verdict {
    /// Whether a test noticed.
    pub(crate) const fn is_catch(&self) -> bool {
        matches!(self, Self::Caught(_) | Self::Hung)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(tests) => {
                let shown = tests.first().map_or("?", String::as_str);
                write!(f, "caught by {shown}")?;
                match tests.len() {
                    0 | 1 => Ok(()),
                    more => write!(f, " and {} more", more - 1),
                }
            }
            Self::Hung => f.write_str("caught: the tests did not end"),
            Self::Missed => f.write_str("NOT CAUGHT"),
            Self::Unplantable(why) => write!(f, "NOT PLANTED: {why}"),
        }
    }
}

/// A copy of the source.
pub(crate) struct Worker {
    tree: PathBuf,
    target: PathBuf,
}

impl Worker {
    /// Copies the source as it is.
    ///
    /// # Errors
    /// Where it cannot be copied.
    pub(crate) fn new(number: usize) -> Outcome<Self> {
        let dir = workspace_dir().join(format!("target/mutants/{number}"));
        let tree = dir.join("source");
        if tree.exists() {
            fs::remove_dir_all(&tree).context("remove an old copy")?;
        }
        fs::create_dir_all(&tree).context("make a copy")?;
        for part in PARTS {
            copy(&workspace_dir().join(part), &tree.join(part))?;
        }
        Ok(Self {
            tree,
            target: dir.join("target"),
        })
    }

    /// Makes sure that the tests pass where there is no bug.
    ///
    /// # Errors
    /// Where they do not.
    pub(crate) fn passes_without(&self) -> Outcome {
        match self.tests()? {
            Verdict::Missed => Ok(()),
            other => Err(Failure::new(format!("with no bug planted: {other}"))),
        }
    }

    /// Plants a bug, runs the tests, and takes it out again.
    ///
    /// # Errors
    /// Where the source cannot be written or the tests cannot be run.
    pub(crate) fn test(&self, mutant: &Mutant) -> Outcome<Verdict> {
        let path = self.tree.join("policy/src").join(&mutant.file);
        let sound = fs::read_to_string(&path).context("read the source")?;
        let broken = sound.replacen(&mutant.find, &mutant.put, 1);
        fs::write(&path, broken).context("plant a bug")?;
        let verdict = self.tests();
        fs::write(&path, sound).context("take a bug out")?;
        verdict
    }

    fn tests(&self) -> Outcome<Verdict> {
        for stage in STAGES {
            let verdict = self.stage(stage)?;
            if !matches!(verdict, Verdict::Missed) {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Missed)
    }

    fn stage(&self, stage: &[&str]) -> Outcome<Verdict> {
        let seconds = PATIENCE.as_secs().to_string();
        let output = Command::new("timeout")
            .args(["--kill-after=5", &seconds, "cargo", "test", "--quiet"])
            .args(["-p", "session-timeout-policy", "--features", "sim"])
            .args(stage)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            // The bugs leave warnings behind, of code that is not used any more.
            .env("RUSTFLAGS", "-Awarnings")
            .stdin(Stdio::null())
            .output()
            .context("run cargo test")?;
        if output.status.success() {
            return Ok(Verdict::Missed);
        }
        // timeout(1): 124 where the time was up, 137 where the command had to be killed.
        if matches!(output.status.code(), Some(124 | 137)) {
            return Ok(Verdict::Hung);
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let tests = failed(&said);
        if tests.is_empty() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let first = errors.lines().find(|line| line.starts_with("error"));
            return Ok(Verdict::Unplantable(first.unwrap_or("?").to_owned()));
        }
        Ok(Verdict::Caught(tests))
    }
}

/// The names of the tests that failed: the list after the last `failures:`.
fn failed(said: &str) -> Vec<String> {
    let list = said.rsplit("\nfailures:\n").next().unwrap_or_default();
    list.lines()
        .take_while(|line| line.starts_with("    ") || line.is_empty())
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Each file is as new as the copy: what was compiled from an earlier one, with a bug in it, is
/// older for cargo.
fn copy(from: &Path, to: &Path) -> Outcome {
    let status = Command::new("cp")
        .args(["--recursive", "--no-target-directory"])
        .args([from, to])
        .status();
    let status = status.context("run cp")?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("cannot copy {}", from.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_failed_are_those_of_the_last_list() {
        let said = "failures:\n\n---- a stdout ----\nfailures:\n\nfailures:\n    a\n    b\n\n\
                    test result: FAILED.";
        assert_eq!(failed(said), ["a", "b"]);
        assert!(failed("error: could not compile").is_empty());
    }
}
