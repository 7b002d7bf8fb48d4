//! The effect and the range of every key.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by a panic")]

use std::time::Duration;

use session_timeout_config::{KEYS, Minima, parse};
use session_timeout_policy::{
    ActivityKind, Bell, EndAction, Extensions, Leads, Limits, Mesg, UnknownIdle,
};

fn limits(lines: &str, minima: Minima) -> Option<Limits> {
    let text = format!("[default]\n{lines}\n");
    let settings = parse("policy.toml", &text, minima);
    settings.ok().map(|settings| settings.default.limits)
}

fn enforced(lines: &str) -> Limits {
    limits(lines, Minima::Enforced).unwrap_or_else(|| panic!("{lines} is an error"))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_file_without_keys_is_the_built_in_policy() {
    for text in ["", "# nothing\n", "[default]\n", "\u{feff}[default]\r\n"] {
        let settings = parse("policy.toml", text, Minima::Enforced).unwrap();
        assert_eq!(settings.default.limits, Limits::default());
        assert!(settings.warnings.is_empty());
    }
}

/// A key with `{}` for its duration, and the minimum and maximum in seconds.
const RANGES: [(&str, u64, u64); 8] = [
    ("session-timeout = \"{}\"", 3600, 86400),
    ("session-warnings = [\"5min\", \"{}\"]", 1, 86400),
    ("inactivity-timeout = \"{}\"", 300, 86400),
    ("inactivity-warnings = [\"{}\"]", 1, 86400),
    ("lock-after = \"{}\"", 60, 86400),
    ("grace = \"{}\"", 1, 600),
    ("extend = { by = \"{}\" }", 60, 86400),
    ("extend.by = \"{}\"", 60, 86400),
];

#[test]
fn every_range_is_that_of_the_manual() {
    for (line, shortest, longest) in RANGES {
        let taken = |seconds: u64| {
            let line = line.replace("{}", &format!("{seconds}s"));
            limits(&line, Minima::Enforced).is_some()
        };
        assert!(!taken(shortest - 1), "{line}, too short");
        assert!(taken(shortest), "{line}, shortest");
        assert!(taken(longest), "{line}, longest");
        assert!(!taken(longest + 1), "{line}, too long");
    }
}

#[test]
fn without_minima_a_second_is_enough_and_the_maxima_stay() {
    for (line, _, longest) in RANGES {
        let taken = |seconds: u64| {
            let line = line.replace("{}", &format!("{seconds}s"));
            limits(&line, Minima::Lifted).is_some()
        };
        assert!(!taken(0), "{line}, zero");
        assert!(taken(1), "{line}, shortest");
        assert!(!taken(longest + 1), "{line}, too long");
    }
}

#[test]
fn every_key_outside_of_its_table_is_recognized() {
    let in_table = KEYS.iter().map(|key| key.split('.').next().unwrap());
    for key in in_table.chain(["preset"]) {
        let outside = parse("policy.toml", &format!("{key} = 1\n"), Minima::Enforced);
        let errors = outside.unwrap_err();
        assert_eq!(
            errors[0].message(),
            format!("`{key}` is outside of `[default]`")
        );

        let inside = parse(
            "policy.toml",
            &format!("[default]\n{key} = 1\n"),
            Minima::Enforced,
        );
        let errors = inside.unwrap_err();
        assert!(!errors[0].message().starts_with("unknown key"), "{key}");
    }
}

#[test]
fn durations_become_limits() {
    let found = enforced(
        "session-timeout = \"12h\"\n\
         session-warnings = [\"1min\", \"10min\", \"60s\"]\n\
         inactivity-timeout = \"15min\"\n\
         inactivity-warnings = [\"1min\"]\n\
         grace = \"30s\"",
    );
    assert_eq!(found.absolute.length, secs(12 * 3600));
    assert_eq!(found.absolute.leads, Leads::new([secs(600), secs(60)]));
    let inactivity = found.inactivity.unwrap();
    assert_eq!(inactivity.length, secs(900));
    assert_eq!(inactivity.leads, Leads::new([secs(60)]));
    assert_eq!(found.grace, secs(30));
}

#[test]
fn an_inactivity_limit_has_warnings_of_its_own() {
    assert_eq!(enforced("inactivity-timeout = \"off\"").inactivity, None);
    assert_eq!(
        enforced("inactivity-warnings = [\"1min\"]").inactivity,
        None
    );
    let inactivity = enforced("inactivity-timeout = \"15min\"").inactivity;
    assert_eq!(inactivity.unwrap().leads, Leads::new([secs(120), secs(30)]));
}

#[test]
fn the_inactivity_limit_may_be_as_long_as_the_absolute_one() {
    enforced("session-timeout = \"1h\"\ninactivity-timeout = \"1h\"");
    enforced("inactivity-timeout = \"24h\"");
    let longer = "session-timeout = \"1h\"\ninactivity-timeout = \"3601s\"";
    assert_eq!(limits(longer, Minima::Enforced), None);
}

#[test]
fn every_word_has_its_value() {
    let action = |word| enforced(&format!("action = \"{word}\"")).end_action;
    assert_eq!(action("terminate"), EndAction::Terminate);
    assert_eq!(action("hang-up"), EndAction::HangUp);
    assert_eq!(action("lock"), EndAction::Lock);
    assert_eq!(action("report"), EndAction::Report);
    let unknown_idle = |word| enforced(&format!("unknown-idle = \"{word}\"")).unknown_idle;
    assert_eq!(unknown_idle("report"), UnknownIdle::Report);
    assert_eq!(
        unknown_idle("count-from-login"),
        UnknownIdle::CountFromLogin
    );
    let bell = |word| enforced(&format!("bell = \"{word}\"")).bell;
    assert_eq!(bell("off"), Bell::Silent);
    assert_eq!(bell("on"), Bell::Rings);
    let mesg = |word| enforced(&format!("mesg = \"{word}\"")).mesg;
    assert_eq!(mesg("ignore"), Mesg::Ignored);
    assert_eq!(mesg("respect"), Mesg::Respected);
}

#[test]
fn input_always_counts_and_others_may() {
    let activity = |list: &str| {
        let found = limits(&format!("activity = {list}"), Minima::Enforced);
        found.map(|limits| limits.activity)
    };
    let input = ActivityKind::Input;
    let all = [input, ActivityKind::Output, ActivityKind::Inhibitor];
    assert_eq!(activity(r#"["input"]"#), Some([input].into()));
    assert_eq!(
        activity(r#"["inhibitor", "output", "input", "output"]"#),
        Some(all.into())
    );
    for bad in [
        "[]",
        r#"["output"]"#,
        r#"["inhibitor", "output"]"#,
        r#""input""#,
    ] {
        assert_eq!(activity(bad), None, "{bad}");
    }
}

#[test]
fn a_screen_may_be_locked_first_or_not() {
    let lock_after = |line| enforced(line).lock_after;
    assert_eq!(lock_after("lock-after = \"10min\""), Some(secs(600)));
    assert_eq!(lock_after("lock-after = \"off\""), None);
    assert_eq!(limits("lock-after = true", Minima::Enforced), None);
}

#[test]
fn extensions_are_up_to_24_and_each_part_may_be_left_out() {
    let extensions = |line: &str| limits(line, Minima::Enforced).map(|limits| limits.extensions);
    let expected = |times, minutes: u64| {
        let by = secs(minutes * 60);
        Some(Extensions { times, by })
    };
    assert_eq!(extensions("extend = {}"), expected(0, 30));
    assert_eq!(extensions("extend.times = 24"), expected(24, 30));
    assert_eq!(extensions("extend.times = 0x2"), expected(2, 30));
    assert_eq!(extensions("extend = { by = \"1h\" }"), expected(0, 60));
    for bad in ["25", "-1", "1.5", "\"1\"", "99999999999999999999"] {
        assert_eq!(extensions(&format!("extend.times = {bad}")), None, "{bad}");
    }
}

#[test]
fn a_message_has_at_most_200_characters_and_known_placeholders() {
    let message = |text: &str| limits(&format!("message = \"{text}\""), Minima::Enforced);
    let all = "{user} {limit} {left} {reason} } 100 %";
    assert_eq!(message(all).unwrap().message.as_deref(), Some(all));
    assert!(message(&"ü".repeat(200)).is_some());
    assert!(message(&"ü".repeat(201)).is_none());
    for bad in [
        "", " ", "{}", "{ user }", "{{user}}", "{user", "a\\tb", "a\\rb", "\\u2028", "\\u202e",
    ] {
        assert!(message(bad).is_none(), "{bad}");
    }
}

#[test]
fn lints_report_only_keys_in_the_file() {
    let warnings = |text: &str| {
        let settings = parse("policy.toml", text, Minima::Lifted).unwrap();
        settings.warnings.len()
    };
    let short = "[default]\nsession-timeout = \"20s\"\ninactivity-timeout = \"10s\"\n";
    assert_eq!(warnings(short), 0);
    assert_eq!(
        warnings(&format!("{short}session-warnings = [\"20s\", \"19s\"]\n")),
        1
    );
    assert_eq!(
        warnings(&format!("{short}inactivity-warnings = [\"10s\"]\n")),
        1
    );
    assert_eq!(warnings(&format!("{short}session-warnings = []\n")), 1);
    // A report ends nothing, so the lint about missing warnings does not apply.
    let report = "action = \"report\"\nsession-warnings = []\n";
    assert_eq!(warnings(&format!("{short}{report}")), 0);
}
