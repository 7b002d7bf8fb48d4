//! Property tests: random events in any order violate no invariant of the engine. The oracle in
//! `support/oracle/` checks every call.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic, in its helpers as well"
)]

#[expect(dead_code, reason = "only the scenarios use all of it")]
mod support;

#[path = "support/events.rs"]
mod events;
#[path = "support/policies.rs"]
mod policies;

use std::sync::{Mutex, PoisonError};

use events::{Run, Starts};
use proptest::prelude::*;
use session_timeout_policy::{Action, BootTime, Engine, Finding, Output, Transition};

fn config(cases: u32) -> ProptestConfig {
    print_only_the_last_panic();
    // A failure prints the shortest failing sequence, which is more useful than a seed in a file.
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// While proptest shortens a failing sequence, the oracle panics at each attempt. Prints only the
/// last panic, with the place of the one before it, which is the failed assertion.
fn print_only_the_last_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let mut assertion = ASSERTION.lock().unwrap_or_else(PoisonError::into_inner);
        let why = panic.payload().downcast_ref::<String>();
        if why.is_some_and(|why| why.starts_with("Test failed")) {
            eprintln!("{assertion}: {panic}");
        } else {
            *assertion = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
        }
    }));
}

/// The place of the last failed assertion.
static ASSERTION: Mutex<String> = Mutex::new(String::new());

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn any_events_in_any_order_violate_no_invariant(
        policy in events::any_policy(),
        ops in events::ops(Starts::Future, 120),
    ) {
        let mut run = Run::new(policy);
        for op in &ops {
            run.take(op);
        }
    }

    #[test]
    fn a_call_before_the_deadline_does_nothing(
        policy in events::any_policy(),
        ops in events::ops(Starts::Past, 60),
        part in 0.0..1.0,
    ) {
        let mut run = Run::new(policy);
        for op in &ops {
            run.take(op);
            run.timeout();
            let before = visible_state(&run.engine);
            let end = run.engine.next_deadline().map_or(run.now, |deadline| deadline.at);
            let span = end.since(run.now).mul_f64(part);
            let early = run.now.saturating_add(span).min(BootTime::from_micros(
                end.as_micros().saturating_sub(1).max(run.now.as_micros()),
            ));
            let mut engine = run.engine.clone();
            prop_assert_eq!(engine.handle_timeout(early), Vec::new());
            prop_assert_eq!(visible_state(&engine), before);
        }
    }

    #[test]
    fn a_restart_changes_nothing(
        policy in events::any_policy(),
        before in events::ops(Starts::Past, 60),
        after in events::ops(Starts::Past, 60),
    ) {
        let mut run = Run::new(policy);
        for op in &before {
            run.take(op);
        }
        run.settle();
        let mut restarted = run.clone();
        restarted.restart(None);
        restarted.find_displaced();
        run.find_displaced();
        prop_assert_eq!(restarted.engine.next_deadline(), run.engine.next_deadline());
        prop_assert!(restarted.engine.records().eq(run.engine.records()));
        for op in &after {
            prop_assert_eq!(comparable(restarted.take(op)), comparable(run.take(op)));
        }
    }
}

/// The whole visible state of an engine.
fn visible_state(engine: &Engine) -> String {
    let views: Vec<_> = engine.sessions().collect();
    let records: Vec<_> = engine.records().collect();
    format!(
        "{:?} {views:?} {records:?} {}",
        engine.next_deadline(),
        engine.revision()
    )
}

/// The outputs that must be the same after a restart. Records do not contain whether an unknown
/// idle time was reported, whether a login was adopted, or what PAM said of a login that logind had
/// not announced.
fn comparable(outputs: Vec<Output>) -> Vec<String> {
    let is_comparable = |output: &Output| {
        !matches!(
            output,
            Output::Transition(Transition::Found(_, Finding::UnknownIdle))
                | Output::Action(Action::Adopt(_))
        )
    };
    let word = |output: Output| match output {
        Output::Transition(Transition::Left(facts, reason)) => {
            format!("{:?} left: {reason:?}", facts.key)
        }
        other => format!("{other:?}"),
    };
    outputs
        .into_iter()
        .filter(is_comparable)
        .map(word)
        .collect()
}
