//! Rules: their conditions, and which of several values applies.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

use std::time::Duration;

use session_timeout_config::{BUILT_IN_MESSAGE, Diagnostic, KEYS, Minima, Origin, Settings, parse};
use session_timeout_policy::{
    Bell, EndAction, Groups, Limits, Match, Mesg, Reach, SessionClass, SessionType, Subject, Uid,
    Verdict,
};

fn settings(text: &str) -> Settings {
    let found = parse("policy.toml", text, Minima::Enforced);
    found.unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn errors(text: &str) -> Vec<Diagnostic> {
    let found = parse("policy.toml", text, Minima::Enforced);
    found.err().unwrap_or_default()
}

/// The conditions of a rule whose `match` has these keys.
fn matching(keys: &str) -> Match {
    let text = format!("[[rule]]\nname = \"x\"\nmatch = {{ {keys} }}\n");
    settings(&text).rules.remove(0).matching
}

fn is_error(keys: &str) -> bool {
    let text = format!("[[rule]]\nname = \"x\"\nmatch = {{ {keys} }}\n");
    errors(&text).len() == 1
}

fn limits<'a>(settings: &'a Settings, rule: &str) -> &'a Limits {
    let mut rules = settings.rules.iter();
    let rule = rules.find(|other| other.name == rule);
    &rule.unwrap().effective.limits
}

/// A value of a rule and its origin; without a rule, of `[default]`.
fn explained(settings: &Settings, rule: Option<&str>, key: &str) -> (String, String) {
    let all = settings.explain(rule).unwrap();
    let found = all.into_iter().find(|setting| setting.key == key).unwrap();
    (found.value, found.origin.to_string())
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

fn hours(number: u64) -> Duration {
    Duration::from_secs(number * HOUR)
}

fn minutes(number: u64) -> Duration {
    Duration::from_secs(number * MINUTE)
}

#[test]
fn every_key_of_match_becomes_a_condition() {
    let asks = matching(
        "user = [\"alice\", \"adm-*\"], group = \"pci\", service = [\"sshd\"], \
         type = [\"tty\", \"x11\", \"wayland\", \"mir\", \"web\", \"unspecified\"], \
         class = [\"user\", \"user-early\", \"user-light\", \"user-early-light\"], \
         remote = true, from = [\"10.0.0.0/8\", \"*.example.org\"], tty = \"tty1\", \
         seat = [\"seat0\"]",
    );
    let names = |patterns: Option<Vec<_>>| {
        let patterns = patterns.unwrap_or_default().into_iter();
        let names = patterns.map(|pattern: session_timeout_policy::Pattern| pattern.to_string());
        names.collect::<Vec<_>>()
    };
    let hosts = asks.from.clone().unwrap().into_iter();
    let hosts = hosts.map(|host| host.to_string()).collect::<Vec<_>>();
    assert_eq!(names(asks.user), ["alice", "adm-*"]);
    assert_eq!(names(asks.group), ["pci"]);
    assert_eq!(names(asks.service), ["sshd"]);
    assert_eq!(
        asks.session_type,
        Some(
            ["tty", "x11", "wayland", "mir", "web", "unspecified"]
                .map(SessionType::parse)
                .into()
        )
    );
    assert_eq!(
        asks.class,
        Some(
            ["user", "user-early", "user-light", "user-early-light"]
                .map(SessionClass::parse)
                .into()
        )
    );
    assert_eq!(asks.reach, Some(Reach::Remote));
    assert_eq!(hosts, ["10.0.0.0/8", "*.example.org"]);
    assert_eq!(names(asks.tty), ["tty1"]);
    assert_eq!(names(asks.seat), ["seat0"]);
}

#[test]
fn a_string_is_as_good_as_a_list_of_one() {
    for (key, value) in [
        ("user", "alice"),
        ("group", "domain users"),
        ("service", "sshd"),
        ("type", "tty"),
        ("class", "user"),
        ("from", "::1"),
        ("tty", ":0"),
        ("seat", "seat0"),
    ] {
        let one = matching(&format!("{key} = \"{value}\""));
        let list = matching(&format!("{key} = [\"{value}\"]"));
        assert_eq!(one, list, "{key}");
        assert!(!one.is_empty(), "{key}");
        assert!(is_error(&format!("{key} = []")), "{key}");
        assert!(is_error(&format!("{key} = \"\"")), "{key}");
        assert!(is_error(&format!("{key} = 1")), "{key}");
        let long = vec![format!("\"{value}\""); 257].join(", ");
        assert!(is_error(&format!("{key} = [{long}]")), "{key}");
    }
}

#[test]
fn a_repeated_type_or_class_counts_once() {
    let twice = matching("type = [\"tty\", \"x11\", \"tty\"], class = [\"user\", \"user\"]");
    assert_eq!(
        twice,
        matching("type = [\"tty\", \"x11\"], class = \"user\"")
    );
}

#[test]
fn a_text_that_would_cost_too_much_is_not_even_parsed() {
    let addresses = |count: usize| {
        let rules = (0..count).map(|number| {
            let from = "\"10.0.0.0/8\",".repeat(200);
            format!(
                "[[rule]]\nname = \"r{number}\"\nmatch = {{ remote = true, from = [{from}] }}\n"
            )
        });
        rules.collect::<String>()
    };
    // 200 addresses have 600 dots, and the `match` has one brace.
    assert!(errors(&addresses(65_536 / 601)).is_empty());
    let found = errors(&addresses(65_536 / 601 + 1));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message(), "the policy is too big");
    let found = errors(&"#".repeat(1024 * 1024 + 1));
    assert_eq!(found[0].message(), "the policy is longer than 1024 KiB");
}

#[test]
fn a_value_that_no_session_can_have_is_an_error() {
    for keys in [
        "class = \"greeter\"",
        "class = [\"user\", \"background\"]",
        "type = \"desktop\"",
        "remote = \"true\"",
        "user = \"a\\u0007\"",
        "user = \" alice\"",
        "tty = \"/dev/tty1\"",
        "from = \"10.0.0.1/8\"",
        "from = \"10.0.0.0/33\"",
        "from = \"10.*\"",
        "from = \"192.168.\"",
        "from = \"host name\"",
        "from = \"fe80::1%eth0\"",
    ] {
        assert!(is_error(keys), "{keys}");
    }
    assert!(is_error(&format!("user = \"{}\"", "a".repeat(257))));
    assert!(!is_error(&format!("user = \"{}\"", "a".repeat(256))));
}

#[test]
fn a_rule_needs_a_unique_name_and_a_match() {
    let rule = |lines: &str| format!("[[rule]]\n{lines}\n");
    let named = |name: &str| rule(&format!("name = \"{name}\"\nmatch.user = \"{name}\""));
    assert!(errors(&(named("a") + &named("b"))).is_empty());
    assert_eq!(errors(&(named("a") + &named("a"))).len(), 1);
    assert_eq!(errors(&rule("match.user = \"a\"")).len(), 1);
    assert_eq!(errors(&rule("name = \"a\"")).len(), 1);
    assert_eq!(errors(&rule("")).len(), 2);
    for (name, count) in [
        ("ü".repeat(32), 0),
        ("ü".repeat(33), 1),
        ("a b".to_owned(), 0),
        ("a ".to_owned(), 1),
        ("a\\nb".to_owned(), 1),
    ] {
        let text = rule(&format!("name = \"{name}\"\nmatch.user = \"a\""));
        assert_eq!(errors(&text).len(), count, "{name}");
    }
}

#[test]
fn missing_keys_of_a_rule_come_from_default() {
    let found = settings(
        r#"
[default]
session-timeout = "12h"
session-warnings = ["10min"]
inactivity-timeout = "30min"
action = "hang-up"
extend = { times = 2, by = "1h" }
message = "Bye {user}"
bell = "on"
mesg = "respect"

[[rule]]
name = "same"
match = { user = "a" }

[[rule]]
name = "other"
match = { user = "b" }
session-timeout = "2h"
inactivity-timeout = "off"
action = "report"
extend.times = 1
mesg = "ignore"
"#,
    );
    assert_eq!(limits(&found, "same"), &found.default.limits);
    let other = limits(&found, "other");
    assert_eq!(other.absolute.length, hours(2));
    assert_eq!(other.absolute.leads, found.default.limits.absolute.leads);
    assert_eq!(other.inactivity, None);
    assert_eq!(other.end_action, EndAction::Report);
    assert_eq!((other.extensions.times, other.extensions.by), (1, hours(1)));
    assert_eq!(other.message.as_deref(), Some("Bye {user}"));
    assert_eq!((other.bell, other.mesg), (Bell::Rings, Mesg::Ignored));
}

#[test]
fn an_inactivity_limit_that_a_rule_turns_on_has_the_warnings_of_default() {
    let found = settings(
        r#"
[default]
inactivity-warnings = ["4min"]

[[rule]]
name = "x"
match = { user = "a" }
inactivity-timeout = "10min"
"#,
    );
    assert_eq!(found.default.limits.inactivity, None);
    let inactivity = limits(&found, "x").inactivity.clone().unwrap();
    assert!(inactivity.leads.iter().eq([minutes(4)]));
}

/// A policy with these lines in `[default]` and in a rule.
fn layered(default: &str, rule: &str) -> Settings {
    settings(&format!(
        "[default]\n{default}\n\n[[rule]]\nname = \"x\"\nmatch.user = \"a\"\n{rule}\n"
    ))
}

#[test]
fn a_key_comes_before_a_preset_and_a_rule_before_default() {
    let inactivity = |default, rule| {
        let found = layered(default, rule);
        let (value, origin) = explained(&found, Some("x"), "inactivity-timeout");
        let limit = limits(&found, "x").inactivity.clone();
        let as_limit = limit.map_or("off".to_owned(), |limit| {
            format!("{}min", limit.length.as_secs() / MINUTE)
        });
        assert_eq!(value, format!("\"{as_limit}\""));
        (as_limit, origin)
    };
    let (stig, key) = ("preset = \"stig\"", "inactivity-timeout = \"5min\"");
    let (pci, other) = ("preset = \"pci-dss-4\"", "inactivity-timeout = \"off\"");
    let both = format!("{stig}\n{key}");
    let pci_and_other = format!("{pci}\n{other}");
    assert_eq!(inactivity("", ""), ("off".into(), "built-in".into()));
    let expected = "preset \"stig\" (DISA STIG for RHEL 9, RHEL-09-412080), policy.toml:2";
    assert_eq!(inactivity(stig, ""), ("10min".into(), expected.into()));
    assert_eq!(
        inactivity(&both, ""),
        ("5min".into(), "policy.toml:3".into())
    );
    let expected = "preset \"pci-dss-4\" (PCI DSS v4, 8.2.8), policy.toml:8";
    assert_eq!(inactivity(&both, pci), ("15min".into(), expected.into()));
    let found = inactivity(&both, &pci_and_other);
    assert_eq!(found, ("off".into(), "policy.toml:9".into()));
}

#[test]
fn presets_have_the_numbers_of_their_sources_and_no_others() {
    for (preset, absolute, inactivity, source) in [
        ("pci-dss-4", None, minutes(15), "PCI DSS v4, 8.2.8"),
        (
            "stig",
            None,
            minutes(10),
            "DISA STIG for RHEL 9, RHEL-09-412080",
        ),
        (
            "nist-800-63b-aal2",
            Some(hours(24)),
            minutes(60),
            "NIST SP 800-63B-4, AAL2",
        ),
        (
            "nist-800-63b-aal3",
            Some(hours(12)),
            minutes(15),
            "NIST SP 800-63B-4, AAL3",
        ),
        ("cis", None, minutes(15), "CIS Benchmark for Debian, TMOUT"),
    ] {
        // Not the built-in value, to see which presets inherit it.
        let default = "session-timeout = \"23h\"";
        let found = layered(default, &format!("preset = \"{preset}\""));
        let mut expected = found.default.limits.clone();
        expected.absolute.length = absolute.unwrap_or(hours(23));
        assert_eq!(limits(&found, "x").absolute, expected.absolute, "{preset}");
        let limit = limits(&found, "x").inactivity.clone().unwrap();
        assert_eq!(limit.length, inactivity, "{preset}");

        let origin = found.rules[0].effective.origin("inactivity-timeout");
        let Some(Origin::Preset {
            name,
            source: found,
            ..
        }) = origin
        else {
            panic!("{origin:?}");
        };
        assert_eq!((*name, *found), (preset, source));
    }
}

#[test]
fn every_value_is_explained_once_and_in_the_order_of_the_keys() {
    let found = layered("grace = \"20s\"", "action = \"lock\"");
    for rule in [None, Some("x")] {
        let all = found.explain(rule).unwrap();
        let found: Vec<&str> = all.iter().map(|setting| setting.key).collect();
        assert_eq!(found, KEYS);
    }
    assert_eq!(found.explain(Some("y")), None);
    let of_rule = |key| explained(&found, Some("x"), key);
    assert_eq!(of_rule("grace"), ("\"20s\"".into(), "policy.toml:2".into()));
    assert_eq!(
        of_rule("action"),
        ("\"lock\"".into(), "policy.toml:7".into())
    );
    let (message, origin) = of_rule("message");
    assert_eq!(
        (message.as_str(), origin.as_str()),
        (BUILT_IN_MESSAGE, "built-in")
    );
    let of_default = explained(&found, None, "action");
    assert_eq!(of_default, ("\"terminate\"".into(), "built-in".into()));
    assert_eq!(found.rules[0].location.to_string(), "policy.toml:5");
}

#[test]
fn the_policy_has_the_rules_in_their_order() {
    let found = settings(
        r#"
[[rule]]
name = "z"
match = { user = "bob" }

[[rule]]
name = "a"
match = { remote = true, from = "10.0.0.0/8" }
"#,
    );
    let policy = found.policy(Uid::new(500));
    assert_eq!(policy.first_regular_uid, Uid::new(500));
    let groups = Groups::Unknown;
    let rule_of = |user, remote_host| {
        let subject = Subject {
            user,
            uid: Uid::new(1000),
            groups: &groups,
            class: &SessionClass::User,
            session_type: SessionType::Tty,
            service: None,
            remote_host,
            terminal: None,
            seat: None,
        };
        match policy.evaluate(&subject) {
            Verdict::Limited { rule, .. } => rule,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(rule_of("bob", Some("10.0.0.1")), Some("z"));
    assert_eq!(rule_of("alice", Some("10.0.0.1")), Some("a"));
    assert_eq!(rule_of("alice", Some("11.0.0.1")), None);
}

#[test]
fn the_built_in_policy_is_that_of_an_empty_text() {
    let (built_in, empty) = (Settings::default(), settings(""));
    let uid = Uid::new(1000);
    assert_eq!(built_in.policy(uid), empty.policy(uid));
    assert_eq!(built_in.explain(None), empty.explain(None));
    assert_eq!(built_in.default.limits, Limits::default());
}

#[test]
fn at_most_a_thousand_rules_are_accepted() {
    let text = |count: usize| {
        let rules = (0..count)
            .map(|number| format!("[[rule]]\nname = \"r{number}\"\nmatch.user = \"u{number}\"\n"));
        rules.collect::<String>()
    };
    assert_eq!(settings(&text(1000)).rules.len(), 1000);
    let found = errors(&text(1001));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].message(), found[0].line()),
        ("too many rules", 3001)
    );
}
