//! The simulation: generated machines with faults, and an oracle that checks every promise.
//!
//! Each seed generates one story (`draw/`): a machine, the people who log in on it for some days,
//! the policies in force, and the faults. The machine (`world/`) and the daemon on it (`driver/`)
//! run the story in simulated time. The oracle (`oracle/`) records the whole history of each
//! session (`history/`), shares only the public types with the engine, and computes at each step
//! what the engine may and must do.
//!
//! A story that breaks a promise is shortened (`shrink.rs`) and written as text (`text/`), so that
//! it can be replayed.

mod draw;
mod driver;
mod history;
mod oracle;
mod plan;
mod promise;
mod random;
mod report;
mod shrink;
mod text;
mod twin;
mod world;

pub use promise::{Promise, Violation};
pub use report::{Report, Tally};
pub use text::TextError;

use driver::{Driver, Scrutiny};
use plan::Plan;

/// A story that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed it was drawn from.
    pub seed: u64,
    /// What was promised, and what was seen.
    pub violation: Violation,
    /// The shortest story that was found to break it, as [`replay`] takes it; what the engine was
    /// told and said is in its comments.
    pub story: String,
}

/// Plays the story of a seed, and adds what there was to the report.
///
/// # Errors
///
/// Where a promise is broken, with the story made as short as may be.
pub fn simulate(seed: u64, report: &mut Report) -> Result<(), Box<Failure>> {
    let plan = draw::plan(seed);
    report.seeds += 1;
    let Err(violation) = tell(seed, &plan, report) else {
        return Ok(());
    };
    let mut tell = |plan: &Plan| self::tell(seed, plan, &mut Report::default()).err();
    let (plan, violation) = shrink::shrink(plan, violation, &mut tell);
    Err(Box::new(Failure {
        seed,
        story: written(&plan),
        violation,
    }))
}

/// Replays a story from its text, and compares a story without faults with one that has crashes.
///
/// # Errors
///
/// Where the text is no story.
pub fn replay(story: &str) -> Result<Result<(), Violation>, TextError> {
    let plan = text::parse(story)?;
    let report = &mut Report::default();
    Ok(play(&plan, report, Scrutiny::Close).and_then(|()| {
        if plan.is_calm() {
            twin::compare(&plan, report)
        } else {
            Ok(())
        }
    }))
}

/// Runs a story; some are run twice.
fn tell(seed: u64, plan: &Plan, report: &mut Report) -> Result<(), Violation> {
    if seed % 8 == 5 && plan.is_calm() {
        twin::compare(plan, report)
    } else {
        play(plan, report, scrutiny(seed))
    }
}

/// A detailed check takes long, so only one story in this many gets it.
fn scrutiny(seed: u64) -> Scrutiny {
    if seed.is_multiple_of(64) {
        Scrutiny::Close
    } else {
        Scrutiny::Usual
    }
}

fn play(plan: &Plan, report: &mut Report, scrutiny: Scrutiny) -> Result<(), Violation> {
    Driver::new(plan, report).scrutinised(scrutiny).play()
}

/// The story, with the last of what was told and said in it as comments.
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
    fn a_story_is_read_as_it_was_written() {
        for seed in 0..200 {
            let plan = draw::plan(seed);
            let text = text::write(&plan);
            assert_eq!(text::parse(&text), Ok(plan), "{text}");
        }
    }
}
