//! Plants bugs in the engine and sees its tests catch them: `make teeth`.
//!
//! Tests that pass say little until they have failed. `policy/teeth.toml` lists bugs, each a
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

use list::Tooth;
use worker::{Bite, Worker};

/// Compilers and tests are busy with one processor each.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    match bite() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("teeth: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn bite() -> Outcome {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut teeth = list::read()?;
    let is_wanted = |tooth: &Tooth| wanted.iter().any(|words| tooth.bug.contains(words));
    teeth.retain(|tooth| wanted.is_empty() || is_wanted(tooth));
    eprintln!("teeth: {} bugs; the tests without any first", teeth.len());
    let bites = all(&teeth)?;
    let width = teeth.iter().map(|tooth| tooth.bug.chars().count()).max();
    let width = width.unwrap_or_default();
    for (tooth, bite) in teeth.iter().zip(&bites) {
        println!("  {:width$}  {bite}", tooth.bug);
    }
    let caught = bites.iter().filter(|bite| bite.is_catch()).count();
    println!("teeth: {caught} of {} bugs were caught", teeth.len());
    if caught == teeth.len() {
        Ok(())
    } else {
        Err(Failure::new("some bugs were caught by no test"))
    }
}

/// What became of each bug.
fn all(teeth: &[Tooth]) -> Outcome<Vec<Bite>> {
    let next = AtomicUsize::new(0);
    let bites = Mutex::new(vec![Bite::Missed; teeth.len()]);
    thread::scope(|scope| {
        let work = |number: usize| -> Outcome {
            let worker = Worker::new(number)?;
            worker.passes_without()?;
            while let Some((at, tooth)) = take(&next, teeth) {
                let bite = worker.bite(tooth)?;
                eprintln!("teeth: {}: {bite}", tooth.bug);
                let mut bites = bites.lock().map_err(|_| Failure::new("a worker died"))?;
                if let Some(place) = bites.get_mut(at) {
                    *place = bite;
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
    bites
        .into_inner()
        .map_err(|_| Failure::new("a worker died"))
}

fn take<'a>(next: &AtomicUsize, teeth: &'a [Tooth]) -> Option<(usize, &'a Tooth)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, teeth.get(at)?))
}
