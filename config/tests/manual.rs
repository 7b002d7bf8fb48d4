//! The manual of the policy agrees with the code: its examples are valid, and it has all keys and
//! values.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use session_timeout_config::{KEYS, Minima, Settings, parse};

const MANUAL: &str = include_str!("../../docs/man/session-timeout.toml.5");

/// The text of the manual, without troff escapes.
fn read() -> String {
    MANUAL
        .replace("\\-", "-")
        .replace("\\(dq", "\"")
        .replace("\\(ga", "`")
}

/// The examples that are policies.
fn policies() -> Vec<String> {
    let text = read();
    let examples = text.split("\n.EX\n").skip(1);
    let examples = examples.filter_map(|rest| rest.split("\n.EE").next());
    let policies = examples.filter(|example| example.starts_with('['));
    policies.map(str::to_owned).collect()
}

/// The entry of this word, up to the next heading.
fn entry(word: &str) -> String {
    let text = read();
    let start = text.find(&format!("\n.TP\n.B {word}\n"));
    let start = start.unwrap_or_else(|| unreachable!("no entry for {word}"));
    let rest = &text[start + 5..];
    rest.split("\n.TP").next().unwrap().to_owned()
}

fn settings(text: &str) -> Settings {
    parse("manual", text, Minima::Enforced).unwrap()
}

#[test]
fn its_examples_are_policies_without_a_warning() {
    let policies = policies();
    assert_eq!(policies.len(), 5);
    for policy in policies {
        let settings = settings(&policy);
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    }
}

#[test]
fn its_defaults_are_the_built_in_ones() {
    let text = read().replace("\n.BR ", " ").replace("\n.B ", " ");
    for setting in Settings::default().explain(None).unwrap() {
        let (key, default) = match setting.key {
            "message" | "extend.by" => continue,
            "extend.times" => ("extend", "{ times = 0, by = \"30min\" }".to_owned()),
            key => (key, setting.value),
        };
        let (_, entry) = text.split_once(&format!("\n.TP {key}\n")).unwrap();
        let (_, found) = entry.split_once("Default: ").unwrap();
        let found = found.lines().next().unwrap().trim_matches('"');
        let found = found.trim_end_matches(" .").replace("\" .", "\"");
        assert_eq!(found.trim_matches('"'), default.trim_matches('"'), "{key}");
    }
}

#[test]
fn its_presets_have_their_numbers_and_sources() {
    for preset in [
        "pci-dss-4",
        "stig",
        "nist-800-63b-aal2",
        "nist-800-63b-aal3",
        "cis",
    ] {
        let settings = settings(&format!("[default]\npreset = \"{preset}\"\n"));
        let entry = entry(&format!("\"{preset}\""));
        for key in ["session-timeout", "inactivity-timeout"] {
            let mut explained = settings.explain(None).unwrap().into_iter();
            let setting = explained.find(|setting| setting.key == key).unwrap();
            let origin = setting.origin.to_string();
            let sets = origin.starts_with("preset");
            // The manual uses the unit of the source: 60min.
            let value = setting.value.replace("\"1h\"", "\"60min\"");
            assert_eq!(
                entry.contains(&format!("{key} = {value}")),
                sets,
                "{preset}"
            );
            if sets {
                let source = origin.split(['(', ')']).nth(1).unwrap();
                assert!(entry.contains(&format!("\n({source})")), "{entry}");
            }
        }
    }
}

#[test]
fn it_has_an_entry_for_every_key_and_every_word() {
    let keys = KEYS.iter().map(|key| key.split('.').next().unwrap());
    let words = [
        "preset",
        "name",
        "match",
        "user",
        "group",
        "service",
        "type",
        "class",
        "remote",
        "from",
        "tty",
        "seat",
        "\"terminate\"",
        "\"hang-up\"",
        "\"lock\"",
        "\"report\"",
        "\"input\"",
        "\"output\"",
        "\"inhibitor\"",
    ];
    for word in keys.chain(words) {
        assert!(entry(word).lines().count() > 1, "{word}");
    }
}
