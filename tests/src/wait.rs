//! Waits for a condition, with a bound: the only file of the tests that sleeps.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};

/// The interval between two checks: short compared to every time that a case measures, and long
/// enough that several waiting machines leave the processors to the product.
const INTERVAL: Duration = Duration::from_millis(30);

/// The interval between two checks that take long.
const LONGEST_INTERVAL: Duration = Duration::from_millis(200);

/// Checks until `condition` gives a value, or `bound` is over.
///
/// The last error of the condition becomes part of the failure.
///
/// # Errors
/// The condition returned no value within `bound`.
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

/// Checks for the whole of `bound` that `condition` never fails: for what must *not* happen.
///
/// # Errors
/// The condition failed once.
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
        let mut attempts = 0;
        let error = wait_until(Duration::from_millis(50), "the end", || {
            attempts += 1;
            Err::<(), _>(format!("attempt {attempts}"))
        })
        .unwrap_err();
        let last = format!("waited 0.05 s for the end; last seen: attempt {attempts}");
        assert_eq!(error.to_string(), last);
        assert!(attempts > 1);
    }

    #[test]
    fn a_condition_that_holds_is_not_waited_for() {
        let value = wait_until(Duration::ZERO, "nothing", || Ok::<_, String>(7));
        assert_eq!(value.unwrap(), 7);
    }

    #[test]
    fn what_must_hold_is_checked_until_it_fails() {
        let mut attempts = 0;
        let held = hold_for(Duration::from_secs(60), "peace", || {
            attempts += 1;
            if attempts < 3 { Ok(()) } else { Err("war") }
        });
        assert!(held.unwrap_err().to_string().ends_with("war"));
    }
}
