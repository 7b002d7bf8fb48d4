//! The simulation as a test of limited length; `make simulate` runs longer.
//!
//! Scenarios that violated an invariant once are in `regressions/`, and run first.

use std::fs;
use std::path::Path;

use session_timeout_simulation::{Report, replay, simulate};

/// The total duration of the simulated sessions.
const SESSION_DAYS: u64 = 100_000;

#[test]
fn regressions_violate_no_invariant() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let mut replayed = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let scenario = fs::read_to_string(&path).unwrap();
        match replay(&scenario) {
            Ok(Ok(())) => replayed += 1,
            Ok(Err(violation)) => panic!("{}: {violation}", path.display()),
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
    assert!(replayed > 0, "no scenario was replayed");
}

#[test]
fn a_hundred_thousand_days_of_sessions_violate_no_invariant() {
    let mut report = Report::default();
    let mut seed = 0;
    while report.session_days() < SESSION_DAYS {
        if let Err(failure) = simulate(seed, &mut report) {
            panic!("seed {seed}: {}\n{}", failure.violation, failure.scenario);
        }
        seed += 1;
    }
    // A kind of event that did not occur was not tested.
    let kinds = |words: &mut dyn Iterator<Item = (&'static str, u64)>| words.count();
    assert!(kinds(&mut report.actions.iter()) >= 20, "{report}");
    assert!(kinds(&mut report.handled.iter()) >= 18, "{report}");
    assert!(report.faults.len() >= 8, "{report}");
    println!("{report}");
}
