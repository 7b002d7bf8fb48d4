//! Plants bugs in the engine and checks that its tests catch each: `make mutants`.
//!
//! A test that never failed proves little. `policy/mutants.toml` lists bugs, each a change of one
//! place. A copy of the source contains all of them behind a switch that is read at run time, so
//! that the tests are compiled once. Then the tests run with each mutant alone, the quick ones
//! first, until one fails. A table shows which test caught which bug. With arguments, only the
//! mutants whose description contains one of them are tested. The run fails if no test catches a
//! mutant, or if a test fails without a mutant.

mod build;
mod list;
mod parallel;
mod plant;
mod suite;

use std::process::ExitCode;
use std::time::Instant;

use anstream::{eprintln, println};
use session_timeout_tests::{Failure, Outcome};

use list::Mutant;
use parallel::in_parallel;
use suite::{Suite, Verdict};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mutants: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let started = Instant::now();
    let say = |what: &str| eprintln!("mutants: {} s: {what}", started.elapsed().as_secs());
    let mutants = list::read()?;
    say("building the tests");
    let programs = build::build(&mutants)?;
    say("running the tests without a mutant");
    let suite = Suite::new(&programs)?;
    let is_wanted = |mutant: &Mutant| words.iter().any(|word| mutant.bug.contains(word));
    let numbered = mutants.iter().enumerate();
    let wanted: Vec<_> = numbered
        .filter(|(_, mutant)| words.is_empty() || is_wanted(mutant))
        .collect();
    say(&format!(
        "running the tests with each of {} mutants",
        wanted.len()
    ));
    let verdicts = in_parallel(&wanted, |_, (number, mutant)| {
        let verdict = suite.test(*number)?;
        say(&format!("{}: {verdict}", mutant.bug));
        Ok(verdict)
    })?;
    report(&wanted, &verdicts)
}

/// Prints the table.
fn report(mutants: &[(usize, &Mutant)], verdicts: &[Verdict]) -> Outcome {
    let widths = mutants.iter().map(|(_, mutant)| mutant.bug.chars().count());
    let width = widths.max().unwrap_or_default();
    for ((_, mutant), verdict) in mutants.iter().zip(verdicts) {
        println!("  {:width$}  {verdict}", mutant.bug);
    }
    let caught = verdicts.iter().filter(|verdict| verdict.is_catch()).count();
    println!("mutants: {caught} of {} were caught", mutants.len());
    if caught == mutants.len() {
        Ok(())
    } else {
        Err(Failure::new("no test catches some of them"))
    }
}
