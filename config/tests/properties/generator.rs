//! Generates random policies, as text.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use session_timeout_config::KEYS;

/// Names and patterns of few letters, so that rules overlap and hide each other.
const NAMES: [&str; 7] = ["a", "b", "ab", "root", "a*", "*b", "*"];
const HOSTS: [&str; 9] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3",
    "::/0",
    "::ffff:10.1.2.3",
    "localhost",
    "*.example.org",
    "pc.example.org",
    "*",
];
const TYPES: [&str; 6] = ["tty", "x11", "wayland", "mir", "web", "unspecified"];
const CLASSES: [&str; 4] = ["user", "user-early", "user-light", "user-early-light"];
const PRESETS: [&str; 5] = [
    "pci-dss-4",
    "stig",
    "nist-800-63b-aal2",
    "nist-800-63b-aal3",
    "cis",
];

/// A complete policy.
pub(crate) fn policy() -> impl Strategy<Value = String> {
    let default = prop::option::of(limits());
    let rule = (matching(), limits());
    let rules = prop::collection::vec(rule, 0..6);
    (default, rules).prop_map(|(default, rules)| {
        let mut text = default.map_or(String::new(), |lines| format!("[default]\n{lines}\n"));
        for (number, (matching, lines)) in rules.into_iter().enumerate() {
            text += &format!("[[rule]]\nname = \"r{number}\"\nmatch = {matching}\n{lines}\n");
        }
        text
    })
}

/// Some keys of a table of limits, one on each line.
fn limits() -> impl Strategy<Value = String> {
    let keys = (
        key("session-timeout", (60..=1440_u32).prop_map(minutes)),
        key("session-warnings", leads()),
        key("inactivity-timeout", limit_or_off(5)),
        key("inactivity-warnings", leads()),
        key("lock-after", limit_or_off(1)),
        key("action", word(&["terminate", "hang-up", "lock", "report"])),
        key("activity", activity()),
        key("unknown-idle", word(&["report", "count-from-login"])),
        key("grace", (1..=600_u32).prop_map(|n| format!("\"{n}s\""))),
        key("extend.times", (0..=24_u32).prop_map(|n| n.to_string())),
        key("extend.by", (1..=1440_u32).prop_map(minutes)),
    );
    let more = (
        key("message", message()),
        key("bell", word(&["off", "on"])),
        key("mesg", word(&["ignore", "respect"])),
        key("preset", word(&PRESETS)),
    );
    (keys, more).prop_map(|(keys, (message, bell, mesg, preset))| {
        let (a, b, c, d, e, f, g, h, i, j, k) = keys;
        let lines = [a, b, c, d, e, f, g, h, i, j, k, message, bell, mesg, preset];
        lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
    })
}

/// A key with its value, with a probability of one third.
fn key(
    key: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = Option<String>> {
    sometimes(0.33, key, value)
}

/// A condition of a `match`, with a probability of one sixth: rules with many conditions never
/// cover each other.
fn condition(
    key: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = Option<String>> {
    sometimes(0.17, key, value)
}

fn sometimes(
    probability: f64,
    key: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = Option<String>> {
    let assignment = value.prop_map(move |value| format!("{key} = {value}"));
    prop::option::weighted(probability, assignment)
}

/// A `match`, as a table on one line.
fn matching() -> impl Strategy<Value = String> {
    let keys = (
        condition("user", some_of(&NAMES)),
        condition("group", some_of(&NAMES)),
        condition("service", some_of(&NAMES)),
        condition("type", some_of(&TYPES)),
        condition("class", some_of(&CLASSES)),
        key(
            "remote",
            any::<bool>().prop_map(|remote| remote.to_string()),
        ),
        condition("from", some_of(&HOSTS)),
        condition("tty", some_of(&NAMES)),
        condition("seat", some_of(&NAMES)),
    );
    keys.prop_map(|(a, b, c, d, e, f, g, h, i)| {
        let keys = [a, b, c, d, e, f, g, h, i].into_iter().flatten();
        format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
    })
}

fn some_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let one = select(words).prop_map(|word| format!("\"{word}\""));
    let list = subsequence(words, 1..=words.len()).prop_map(|words| format!("{words:?}"));
    prop_oneof![one, list]
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(|word| format!("\"{word}\""))
}

fn limit_or_off(shortest: u32) -> impl Strategy<Value = String> {
    // Mostly short, so that few tables have limits that exclude each other.
    prop_oneof![
        4 => (shortest..=60).prop_map(minutes),
        1 => (shortest..=1440).prop_map(minutes),
        1 => Just("\"off\"".to_owned()),
    ]
}

fn minutes(number: u32) -> String {
    format!("\"{number}min\"")
}

fn leads() -> impl Strategy<Value = String> {
    let lead = prop_oneof![1..=120_u32, 1..=86_400_u32].prop_map(|n| format!("{n}s"));
    prop::collection::vec(lead, 0..4).prop_map(|leads| format!("{leads:?}"))
}

fn activity() -> impl Strategy<Value = String> {
    subsequence(vec!["output", "inhibitor"], 0..=2).prop_map(|mut others| {
        others.push("input");
        format!("{others:?}")
    })
}

/// Messages with characters that TOML escapes.
fn message() -> impl Strategy<Value = String> {
    let text = "[a-z\"'\\\\}#üß日]{1,40}( \\{(user|limit|left|reason)\\})?";
    text.prop_map(|text: String| toml::Value::from(text).to_string())
}

/// The properties test no key that is never generated.
#[test]
fn every_key_is_generated() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let texts = (0..50).map(|_| limits().new_tree(&mut runner).unwrap().current());
    let texts: String = texts.map(|text| format!("\n{text}")).collect();
    for key in KEYS {
        assert!(texts.contains(&format!("\n{key} = ")), "{key}");
    }
}
