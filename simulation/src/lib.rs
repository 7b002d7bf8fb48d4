//! The simulation: generated machines with faults, and an oracle that checks every invariant.
//!
//! Each seed generates one scenario (`generate/`): a machine, the people who log in on it for some days,
//! the policies in force, and the faults. The machine (`world/`) and the daemon on it (`driver/`)
//! run the scenario in simulated time. The oracle (`oracle/`) records the whole history of each
//! session (`history/`), shares only the public types with the engine, and computes at each step
//! what the engine may and must do.
//!
//! A scenario that violates an invariant is shortened (`shrink.rs`) and written as text (`text/`), so that
//! it can be replayed.

mod crash_equivalence;
mod driver;
mod generate;
mod history;
mod input;
mod invariant;
mod limits;
mod oracle;
mod plan;
mod random;
mod report;
mod shrink;
mod text;
mod world;

pub use invariant::{Invariant, Violation};
pub use report::{Report, Tally};
pub use text::TextError;

use driver::{CheckLevel, Driver};
use plan::Plan;

/// A scenario that violated an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that generated it.
    pub seed: u64,
    /// The invariant, and the observed behaviour.
    pub violation: Violation,
    /// The shortest scenario that was found to violate it, in the form for [`replay`]; its comments
    /// contain the events and the actions of the engine.
    pub scenario: String,
}

/// Runs the scenario of a seed, and adds its statistics to the report.
///
/// # Errors
///
/// An invariant was violated; the scenario in the error is shortened.
pub fn simulate(seed: u64, report: &mut Report) -> Result<(), Box<Failure>> {
    let plan = generate::plan(seed);
    report.seeds += 1;
    let Err(violation) = run(seed, &plan, report) else {
        return Ok(());
    };
    let mut run = |plan: &Plan| self::run(seed, plan, &mut Report::default()).err();
    let (plan, violation) = shrink::shrink(plan, violation, &mut run);
    Err(Box::new(Failure {
        seed,
        scenario: written(&plan),
        violation,
    }))
}

/// Replays a scenario from its text; a scenario without faults is also compared with one that has
/// crashes.
///
/// # Errors
///
/// The text is not a scenario.
pub fn replay(scenario: &str) -> Result<Result<(), Violation>, TextError> {
    let plan = text::parse(scenario)?;
    let report = &mut Report::default();
    Ok(play(&plan, report, CheckLevel::Close).and_then(|()| {
        if plan.is_calm() {
            crash_equivalence::compare(&plan, report)
        } else {
            Ok(())
        }
    }))
}

/// Runs a scenario; some are run twice.
fn run(seed: u64, plan: &Plan, report: &mut Report) -> Result<(), Violation> {
    if seed % 8 == 5 && plan.is_calm() {
        crash_equivalence::compare(plan, report)
    } else {
        play(plan, report, check_level(seed))
    }
}

/// Detailed checks are slow, so only one scenario in this many has them.
fn check_level(seed: u64) -> CheckLevel {
    if seed.is_multiple_of(64) {
        CheckLevel::Close
    } else {
        CheckLevel::Usual
    }
}

fn play(plan: &Plan, report: &mut Report, check_level: CheckLevel) -> Result<(), Violation> {
    Driver::new(plan, report).with_checks(check_level).play()
}

/// The text of the scenario, with the last events and actions as comments.
fn written(plan: &Plan) -> String {
    const LINES: usize = 150;
    let mut report = Report::default();
    let mut driver = Driver::new(plan, &mut report).tracing();
    let _ = driver.play();
    let trace = driver.into_trace();
    let lines: Vec<&str> = trace.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    let last = lines.into_iter().skip(from);
    last.fold(text::write(plan), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_read_as_it_was_written() {
        for seed in 0..200 {
            let plan = generate::plan(seed);
            let text = text::write(&plan);
            assert_eq!(text::parse(&text), Ok(plan), "{text}");
        }
    }
}
