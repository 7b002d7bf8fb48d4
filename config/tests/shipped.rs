//! The shipped file says what the built-in policy is, and both are the same.

use session_timeout_config::{Minima, parse};
use session_timeout_policy::{EndAction, Leads, Limits};

const SHIPPED: &str = include_str!("../../packaging/policy.toml");

/// The shipped file with every default taken out of its comment.
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
    assert_eq!(settings.limits, Limits::default());
    assert!(settings.warnings.is_empty());
}

#[test]
fn the_defaults_in_its_comments_are_the_built_in_ones() {
    let settings = parse("policy.toml", &spelled_out(), Minima::Enforced).unwrap();
    assert_eq!(settings.limits, Limits::default());
    assert!(settings.warnings.is_empty());
}

#[test]
fn every_key_has_its_default_in_a_comment() {
    let text = spelled_out();
    for key in [
        "session-timeout",
        "session-warnings",
        "inactivity-timeout",
        "inactivity-warnings",
        "lock-after",
        "action",
        "activity",
        "unknown-idle",
        "grace",
        "extend",
    ] {
        let assignments = text
            .lines()
            .filter(|line| line.starts_with(&format!("{key} = ")));
        assert_eq!(assignments.count(), 1, "{key}");
    }
}

#[test]
fn its_inactivity_warnings_are_those_of_a_limit_that_is_on() {
    let on = |text: &str| {
        let text = text.replace(
            "inactivity-timeout = \"off\"",
            "inactivity-timeout = \"15min\"",
        );
        let settings = parse("policy.toml", &text, Minima::Enforced).unwrap();
        settings.limits.inactivity.unwrap().leads
    };
    let built_in = on("[default]\ninactivity-timeout = \"off\"\n");
    assert_eq!(on(&spelled_out()), built_in);
    assert_ne!(built_in, Leads::default());
}

#[test]
fn the_other_values_in_its_comments_are_taken() {
    let text = spelled_out()
        .replace("action = \"terminate\"", "action = \"report\"")
        .replace(
            "unknown-idle = \"report\"",
            "unknown-idle = \"count-from-login\"",
        )
        .replace("#   message = ", "message = ");
    let settings = parse("policy.toml", &text, Minima::Enforced).unwrap();
    assert_eq!(settings.limits.end_action, EndAction::Report);
    assert!(settings.limits.message.unwrap().contains("{left}"));
}
