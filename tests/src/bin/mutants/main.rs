//! Plants bugs in the engine and sees its tests catch them: `make mutants`.
//!
//! Tests that pass say little until they have failed. `policy/mutants.toml` lists bugs, each a
//! change of one place. Two workers, each with a copy of the source of its own, plant one after
//! the other and run the engine's tests, the quick ones first, until one fails. The table says
//! which test caught which bug. Where words are given, only the bugs whose text has one of them are
//! planted. A bug that none catches makes the run fail, and so do tests that
//! fail with no bug planted.

mod list;
mod worker;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anstream::{eprintln, println};
use session_timeout_tests::{Failure, Outcome};

use list::Mutant;
use worker::{Verdict, Worker};

/// Compilers and tests are busy with one processor each.
const WORKERS: usize = 2;

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
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut mutants = list::read()?;
    let is_wanted = |mutant: &Mutant| wanted.iter().any(|words| mutant.bug.contains(words));
    mutants.retain(|mutant| wanted.is_empty() || is_wanted(mutant));
    eprintln!(
        "mutants: {} bugs; the tests without any first",
        mutants.len()
    );
    let verdicts = all(&mutants)?;
    let width = mutants
        .iter()
        .map(|mutant| mutant.bug.chars().count())
        .max();
    let width = width.unwrap_or_default();
    for (mutant, verdict) in mutants.iter().zip(&verdicts) {
        println!("  {:width$}  {verdict}", mutant.bug);
    }
    let caught = verdicts.iter().filter(|verdict| verdict.is_catch()).count();
    println!("mutants: {caught} of {} bugs were caught", mutants.len());
    if caught == mutants.len() {
        Ok(())
    } else {
        Err(Failure::new("some bugs were caught by no test"))
    }
}

/// What became of each bug.
fn all(mutants: &[Mutant]) -> Outcome<Vec<Verdict>> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(vec![Verdict::Missed; mutants.len()]);
    thread::scope(|scope| {
        let work = |number: usize| -> Outcome {
            let worker = Worker::new(number)?;
            worker.passes_without()?;
            while let Some((at, mutant)) = take(&next, mutants) {
                let verdict = worker.test(mutant)?;
                eprintln!("mutants: {}: {verdict}", mutant.bug);
                let mut verdicts = verdicts.lock().map_err(|_| Failure::new("a worker died"))?;
                if let Some(place) = verdicts.get_mut(at) {
                    *place = verdict;
                }
            }
            Ok(())
        };
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        for worker in workers {
            worker.join().map_err(|_| Failure::new("a worker died"))??;
        }
        Ok::<(), Failure>(())
    })?;
    verdicts
        .into_inner()
        .map_err(|_| Failure::new("a worker died"))
}

fn take<'a>(next: &AtomicUsize, mutants: &'a [Mutant]) -> Option<(usize, &'a Mutant)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, mutants.get(at)?))
}
