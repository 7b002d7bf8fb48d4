//! Waiting for a condition, with a bound: the only place that sleeps.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};

/// Between two looks. Short against every figure that a case checks, long enough that a few
/// machines waiting at once leave the processors to what is being tested.
const INTERVAL: Duration = Duration::from_millis(30);

/// Between two looks of which each takes long.
const LONGEST_INTERVAL: Duration = Duration::from_millis(200);

/// Looks until `condition` gives a value, or `bound` is over.
///
/// The condition's error is what was seen instead; the last one ends up in the failure.
///
/// # Errors
/// Where `bound` is over first.
pub fn wait_until<T, E: Display>(
    bound: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<T, E>,
) -> Outcome<T> {
    let started = Instant::now();
    loop {
        let looked = Instant::now();
        let seen = match condition() {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if started.elapsed() >= bound {
            return Err(Failure::new(format!(
                "waited {} s for {what}; last seen: {seen}",
                bound.as_secs_f32()
            )));
        }
        // On a busy host a look that starts programs takes longer, and leaves the processors to others
        // for as long as it took.
        thread::sleep(looked.elapsed().clamp(INTERVAL, LONGEST_INTERVAL));
    }
}

/// Looks for the whole of `bound` that `condition` never fails: for what must *not* happen.
///
/// # Errors
/// At once where the condition fails.
pub fn hold_for<E: Display>(
    bound: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<(), E>,
) -> Outcome {
    let started = Instant::now();
    while started.elapsed() < bound {
        if let Err(seen) = condition() {
            return Err(Failure::new(format!(
                "{what} did not hold for {} s: after {:.1} s, {seen}",
                bound.as_secs_f32(),
                started.elapsed().as_secs_f32()
            )));
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_ends_the_wait_and_says_what_was_seen() {
        let mut looks = 0;
        let error = wait_until(Duration::from_millis(50), "the end", || {
            looks += 1;
            Err::<(), _>(format!("look {looks}"))
        })
        .unwrap_err();
        let last = format!("waited 0.05 s for the end; last seen: look {looks}");
        assert_eq!(error.to_string(), last);
        assert!(looks > 1);
    }

    #[test]
    fn a_condition_that_holds_is_not_waited_for() {
        let value = wait_until(Duration::ZERO, "nothing", || Ok::<_, String>(7));
        assert_eq!(value.unwrap(), 7);
    }

    #[test]
    fn what_must_hold_is_looked_at_until_it_fails() {
        let mut looks = 0;
        let held = hold_for(Duration::from_secs(60), "peace", || {
            looks += 1;
            if looks < 3 { Ok(()) } else { Err("war") }
        });
        assert!(held.unwrap_err().to_string().ends_with("war"));
    }
}
