//! Runs the tests of the engine with one mutant, and reads their result.

use std::fmt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use session_timeout_tests::{Context as _, Failure, Outcome};

use crate::build::Program;
use crate::parallel::in_parallel;

/// A program with more tests than this runs as a whole. The tests of other programs run one by one,
/// so that a quick test can fail before a long one begins.
const MANY: usize = 20;

/// A mutant can make a test run forever. The time limit of a test is this factor times its duration
/// without a mutant, plus [`ALLOWANCE`].
const FACTOR: u32 = 4;
const ALLOWANCE: Duration = Duration::from_secs(30);

/// The time limit of a test without a mutant.
const LIMIT: Duration = Duration::from_secs(600);

/// The result for one mutant.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// These tests failed.
    Caught(Vec<String>),
    /// A test exceeded its time limit.
    Hung,
    /// A test program was ended by a signal, or aborted.
    Crashed,
    /// No test failed.
    Missed,
}

impl Verdict {
    /// Whether a test caught the mutant.
    pub(crate) const fn is_catch(&self) -> bool {
        !matches!(self, Self::Missed)
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
            Self::Crashed => f.write_str("caught: the tests crashed"),
            Self::Missed => f.write_str("NOT CAUGHT"),
        }
    }
}

/// A test program, or one test of it.
struct Step {
    program: Program,
    test: Option<String>,
}

/// All tests with their durations without a mutant, the shortest first.
pub(crate) struct Suite {
    steps: Vec<(Duration, Step)>,
}

impl Suite {
    /// Runs the tests without a mutant.
    ///
    /// # Errors
    /// A test fails, or cannot be run.
    pub(crate) fn new(programs: &[Program]) -> Outcome<Self> {
        let mut steps = Vec::new();
        for program in programs {
            steps.extend(steps_of(program)?);
        }
        let times = in_parallel(&steps, |_, step| step.time())?;
        let mut steps: Vec<_> = times.into_iter().zip(steps).collect();
        // In whole seconds, so that quick tests keep the order of the programs and the table is the
        // same each time.
        steps.sort_by_key(|(took, _)| took.as_secs());
        Ok(Self { steps })
    }

    /// Runs the tests with one mutant, until one fails.
    ///
    /// # Errors
    /// A test cannot be run.
    pub(crate) fn test(&self, mutant: usize) -> Outcome<Verdict> {
        for (took, step) in &self.steps {
            let verdict = step.run(Some(mutant), *took * FACTOR + ALLOWANCE)?;
            if verdict.is_catch() {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Missed)
    }
}

/// The steps of one program.
fn steps_of(program: &Program) -> Outcome<Vec<Step>> {
    let output = Command::new(&program.path)
        .args(["--list", "--format=terse"])
        .current_dir(&program.directory)
        .output()
        .context("list the tests")?;
    let list = String::from_utf8_lossy(&output.stdout);
    let tests = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let tests: Vec<String> = tests.map(str::to_owned).collect();
    let step = |test| Step {
        program: program.clone(),
        test,
    };
    if tests.len() > MANY {
        return Ok(vec![step(None)]);
    }
    Ok(tests.into_iter().map(|test| step(Some(test))).collect())
}

impl Step {
    /// The duration without a mutant.
    fn time(&self) -> Outcome<Duration> {
        let started = Instant::now();
        match self.run(None, LIMIT)? {
            Verdict::Missed => Ok(started.elapsed()),
            other => Err(Failure::new(format!("without a mutant: {other}"))),
        }
    }

    fn run(&self, mutant: Option<usize>, limit: Duration) -> Outcome<Verdict> {
        let seconds = limit.as_secs().to_string();
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", &seconds])
            .arg(&self.program.path)
            .args(self.test.iter().flat_map(|test| ["--exact", test]))
            .current_dir(&self.program.directory)
            // A shorter failing sequence of events is not needed.
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null());
        if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
            command.env("PROPTEST_RNG_SEED", "1");
        }
        match mutant {
            Some(number) => command.env("MUTANT", number.to_string()),
            None => command.env_remove("MUTANT"),
        };
        let output = command.output().context("run the tests")?;
        Ok(verdict(&output))
    }
}

fn verdict(output: &Output) -> Verdict {
    if output.status.success() {
        return Verdict::Missed;
    }
    // The exit status of timeout(1): 124 after SIGTERM, 137 after SIGKILL.
    if matches!(output.status.code(), Some(124 | 137)) {
        return Verdict::Hung;
    }
    let tests = failed(&String::from_utf8_lossy(&output.stdout));
    if tests.is_empty() {
        return Verdict::Crashed;
    }
    Verdict::Caught(tests)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_failed_are_those_of_the_last_list() {
        let said = "failures:\n\n---- a stdout ----\nfailures:\n\nfailures:\n    a\n    b\n\n\
                    test result: FAILED.";
        assert_eq!(failed(said), ["a", "b"]);
        assert!(failed("thread 'main' has overflowed its stack").is_empty());
    }
}
