//! The shipped policy file equals the built-in policy, and its comments have the right defaults.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use session_timeout_config::{KEYS, Minima, parse};
use session_timeout_policy::{Leads, Limits};

const SHIPPED: &str = include_str!("../../packaging/policy.toml");

/// The shipped file with every default uncommented.
fn spelled_out() -> String {
    let lines = SHIPPED.lines().map(|line| match line.strip_prefix('#') {
        Some(default) if default.starts_with(|c: char| c.is_ascii_lowercase()) => default,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_changes_nothing() {
    let settings = parse("policy.toml", SHIPPED, Minima::Enforced).unwrap();
    assert_eq!(settings.default.limits, Limits::default());
    assert!(settings.warnings.is_empty());
}

#[test]
fn the_defaults_in_its_comments_are_the_built_in_ones() {
    let settings = parse("policy.toml", &spelled_out(), Minima::Enforced).unwrap();
    assert_eq!(settings.default.limits, Limits::default());
    assert!(settings.warnings.is_empty());
}

#[test]
fn every_key_has_its_default_in_a_comment() {
    let text = spelled_out();
    // The built-in message cannot be written in TOML.
    for key in KEYS.iter().filter(|key| **key != "message") {
        let key = key.split('.').next().unwrap();
        let assignments = text
            .lines()
            .filter(|line| line.starts_with(&format!("{key} = ")));
        assert_eq!(assignments.count(), 1, "{key}");
    }
}

#[test]
fn its_inactivity_warnings_are_those_of_an_enabled_limit() {
    let on = |text: &str| {
        let text = text.replace(
            "inactivity-timeout = \"off\"",
            "inactivity-timeout = \"15min\"",
        );
        let settings = parse("policy.toml", &text, Minima::Enforced).unwrap();
        settings.default.limits.inactivity.unwrap().leads
    };
    let built_in = on("[default]\ninactivity-timeout = \"off\"\n");
    assert_eq!(on(&spelled_out()), built_in);
    assert_ne!(built_in, Leads::default());
}

/// The quoted words at the beginning of the comment lines before this key, in order.
fn words_in_comments(before: &str) -> Vec<&str> {
    let (text, _) = SHIPPED.split_once(&format!("\n#{before} = ")).unwrap();
    let lines = text.lines().rev().take_while(|line| line.starts_with('#'));
    let words = lines.filter_map(|line| line.strip_prefix("#   \"")?.split('"').next());
    words.collect()
}

#[test]
fn the_other_values_in_its_comments_are_valid() {
    for (key, count) in [("action", 4), ("activity", 3), ("unknown-idle", 2)] {
        let words = words_in_comments(key);
        assert_eq!(words.len(), count, "{key}");
        for word in words {
            let value = match key {
                "activity" => format!("[\"input\", \"{word}\"]"),
                _ => format!("\"{word}\""),
            };
            let text = format!("[default]\n{key} = {value}\n");
            assert!(
                parse("policy.toml", &text, Minima::Enforced).is_ok(),
                "{text}"
            );
        }
    }
    let text = spelled_out().replace("#   message = ", "message = ");
    let settings = parse("policy.toml", &text, Minima::Enforced).unwrap();
    assert!(settings.default.limits.message.unwrap().contains("{left}"));
}

/// For a line such as `#   "stig"    inactivity-timeout = "10min"`.
#[test]
fn the_presets_in_its_comments_have_these_numbers() {
    let lines = SHIPPED.lines().filter_map(|line| {
        let (preset, values) = line.strip_prefix("#   \"")?.split_once('"')?;
        values.contains(" = ").then_some((preset, values))
    });
    let mut count = 0;
    for (preset, values) in lines {
        count += 1;
        let by_preset = format!("[default]\npreset = \"{preset}\"\n");
        let by_keys = format!("[default]\n{}\n", values.replace(", ", "\n"));
        let limits = |text: &str| {
            let settings = parse("policy.toml", text, Minima::Enforced).unwrap();
            settings.default.limits
        };
        assert_eq!(limits(&by_preset), limits(&by_keys), "{preset}");
    }
    assert_eq!(count, 5);
}

#[test]
fn the_rule_in_its_comments_is_one() {
    let from = SHIPPED.find("#   [[rule]]").unwrap();
    let lines = SHIPPED[from..].lines();
    let lines = lines.map_while(|line| line.strip_prefix("#   "));
    let text = lines.collect::<Vec<_>>().join("\n");
    let settings = parse("policy.toml", &text, Minima::Enforced).unwrap();
    assert!(settings.warnings.is_empty());
    let [rule] = settings.rules.as_slice() else {
        unreachable!("{text}");
    };
    assert_eq!(rule.name, "card data");
    assert_eq!(
        rule.effective.limits.absolute.length.as_secs(),
        12 * 60 * 60
    );
}
