//! A printed policy is the same policy when it is read again.

use std::collections::BTreeSet;

use proptest::prelude::*;
use session_timeout_config::{KEYS, Minima, Settings, parse};
use session_timeout_policy::{Policy, Uid};

use crate::generator;

fn policy(settings: &Settings) -> Policy {
    settings.policy(Uid::new(1000))
}

/// Every value, without its origin: a printed policy sets all values itself.
fn values(settings: &Settings, rule: Option<&str>) -> Vec<(&'static str, String)> {
    let all = settings.explain(rule).unwrap().into_iter();
    all.map(|setting| (setting.key, setting.value)).collect()
}

/// Checks that the printed policy is read as the same policy.
pub(crate) fn check_printed(settings: &Settings, minima: Minima) -> Result<(), TestCaseError> {
    let printed = settings.print();
    let again = parse("printed.toml", &printed, minima);
    let again = again.map_err(|errors| TestCaseError::fail(format!("{errors:?}\n{printed}")))?;
    prop_assert_eq!(policy(&again), policy(settings), "{}", printed);
    prop_assert_eq!(again.print(), printed);
    Ok(())
}

/// Checks that the explanation has every key once, with the same value for the printed policy.
pub(crate) fn check_explained(settings: &Settings) -> Result<(), TestCaseError> {
    let printed = parse("printed.toml", &settings.print(), Minima::Lifted).unwrap();
    let names = settings.rules.iter().map(|rule| Some(rule.name.as_str()));
    for rule in std::iter::once(None).chain(names) {
        let found = values(settings, rule);
        let keys: BTreeSet<&str> = found.iter().map(|(key, _)| *key).collect();
        prop_assert_eq!((found.len(), keys.len()), (KEYS.len(), KEYS.len()));
        prop_assert_eq!(&values(&printed, rule), &found);
        for setting in settings.explain(rule).unwrap() {
            prop_assert!(!setting.origin.to_string().is_empty());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_policy_that_is_printed_is_read_back_and_printed_the_same(text in generator::policy()) {
        if let Ok(settings) = parse("policy.toml", &text, Minima::Enforced) {
            check_printed(&settings, Minima::Enforced)?;
            check_explained(&settings)?;
        }
    }

    /// The explained values of one rule, as a policy, give the same limits.
    #[test]
    fn the_printed_values_of_a_rule_give_the_same_limits(text in generator::policy()) {
        let Ok(settings) = parse("policy.toml", &text, Minima::Enforced) else {
            return Ok(());
        };
        for rule in &settings.rules {
            let lines = values(&settings, Some(&rule.name)).into_iter();
            let lines = lines.filter(|(key, _)| {
                *key != "message" || rule.effective.limits.message.is_some()
            });
            let lines = lines.map(|(key, value)| format!("{key} = {value}\n"));
            let text = format!("[default]\n{}", lines.collect::<String>());
            // A rule may inherit values that are an error in one table.
            if let Ok(alone) = parse("alone.toml", &text, Minima::Enforced) {
                prop_assert_eq!(&alone.default.limits, &rule.effective.limits);
            }
        }
    }
}

/// The properties say little if most of the generated policies are refused.
#[test]
fn most_generated_policies_are_valid() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let policies = generator::policy();
    let taken = (0..200).filter(|_| {
        let text = policies.new_tree(&mut runner).unwrap().current();
        parse("policy.toml", &text, Minima::Enforced).is_ok()
    });
    assert!(taken.count() > 100);
}
