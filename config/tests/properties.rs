//! Any text at all: it is a policy, or it is told where it is none.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use session_timeout_config::{Diagnostic, Minima, Style, duration, parse};
use session_timeout_policy::{EndAction, Leads, Limit, Limits, UnknownIdle};

/// The policy that says the same as these limits.
fn to_toml(limits: &Limits) -> String {
    let leads = |limit: &Limit| {
        let leads = limit
            .leads
            .iter()
            .map(|lead| format!("\"{}\"", duration::print(lead)));
        format!("[{}]", leads.collect::<Vec<_>>().join(", "))
    };
    let mut text = format!(
        "[default]\nsession-timeout = \"{}\"\nsession-warnings = {}\ngrace = \"{}\"\n",
        duration::print(limits.absolute.length),
        leads(&limits.absolute),
        duration::print(limits.grace),
    );
    if let Some(inactivity) = &limits.inactivity {
        let length = duration::print(inactivity.length);
        text += &format!("inactivity-timeout = \"{length}\"\n");
        text += &format!("inactivity-warnings = {}\n", leads(inactivity));
    }
    text += match limits.end_action {
        EndAction::Terminate => "action = \"terminate\"\n",
        EndAction::Report => "action = \"report\"\n",
    };
    text += match limits.unknown_idle {
        UnknownIdle::Report => "unknown-idle = \"report\"\n",
        UnknownIdle::CountFromLogin => "unknown-idle = \"count-from-login\"\n",
    };
    if let Some(message) = &limits.message {
        text += &format!("message = {}\n", toml::Value::from(message.as_str()));
    }
    text
}

fn limit(length: impl Strategy<Value = u64>) -> impl Strategy<Value = Limit> {
    let leads = prop::collection::vec(1..=86400_u64, 0..5);
    (length, leads).prop_map(|(length, leads)| Limit {
        length: Duration::from_secs(length),
        leads: Leads::new(leads.into_iter().map(Duration::from_secs)),
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        limit(3600..=86400_u64),
        prop::option::of(limit(300..=3600_u64)),
        select(vec![EndAction::Terminate, EndAction::Report]),
        select(vec![UnknownIdle::Report, UnknownIdle::CountFromLogin]),
        1..=600_u64,
        prop::option::of("[a-z\"'\\\\}#üß日]{1,40}( \\{(user|limit|left|reason)\\})?"),
    )
        .prop_map(
            |(absolute, inactivity, end_action, unknown_idle, grace, message)| Limits {
                absolute,
                inactivity,
                end_action,
                unknown_idle,
                grace: Duration::from_secs(grace),
                message,
            },
        )
}

/// Texts that look like policies: lines that are right, lines that are nearly right, and noise.
fn policy_like() -> impl Strategy<Value = String> {
    let key = select(vec![
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
        "extend.times",
        "extend.by",
        "message",
        "mesage",
        "\"\"",
        "'a b'",
        "",
    ]);
    let value = prop_oneof![
        select(vec![
            "\"1h\"",
            "\"off\"",
            "\"2h 30min\"",
            "\"1s\"",
            "\"15\"",
            "[\"20min\", \"1min\"]",
            "[]",
            "[1, [2], \"x\"]",
            "\"terminate\"",
            "\"report\"",
            "\"lock\"",
            "[\"input\"]",
            "0",
            "-1",
            "3.5",
            "true",
            "1979-05-27",
            "{ times = 0, by = \"1h\" }",
            "{ times = 1 }",
            "{",
            "\"{left}\"",
            "\"{lefft}\"",
            "\"\"\"a\nb\"\"\"",
            "\"ü",
            "'''\n",
            "[",
            "",
        ])
        .prop_map(str::to_owned),
        "\"[0-9]{1,6}(s|min|h|d|)\"",
        "\\PC{0,10}",
    ];
    let assignment = (key, value).prop_map(|(key, value)| format!("{key} = {value}"));
    let line = prop_oneof![
        8 => assignment,
        2 => select(vec!["[default]", "[[rule]]", "[[default]]", "[default", "# x", ""])
            .prop_map(str::to_owned),
        1 => ".{0,10}",
    ];
    let lines = prop::collection::vec(line, 0..8);
    (
        lines,
        select(vec!["\n", "\r\n"]),
        select(vec!["[default]\n", "", "\u{feff}"]),
    )
        .prop_map(|(lines, end, start)| start.to_owned() + &lines.join(end))
}

/// The place is in the text, on whole characters, and both forms can be written.
fn check_place(diagnostic: &Diagnostic, text: &str) -> Result<(), TestCaseError> {
    let span = diagnostic.span();
    prop_assert!(
        text.get(span.clone()).is_some(),
        "{:?} of {}",
        span,
        text.len()
    );
    let before = &text[..span.start];
    prop_assert_eq!(diagnostic.line(), before.matches('\n').count() + 1);
    let line = text.split('\n').nth(diagnostic.line() - 1).unwrap();
    prop_assert!(diagnostic.column() <= line.chars().count() + 1);
    let place = format!("policy.toml:{}:{}", diagnostic.line(), diagnostic.column());
    prop_assert!(diagnostic.to_string().starts_with(&place));
    prop_assert!(diagnostic.render(Style::Plain).contains(&place));
    let unwanted = |c: char| c.is_control();
    prop_assert!(!diagnostic.to_string().contains(unwanted));
    prop_assert!(
        !diagnostic
            .render(Style::Plain)
            .replace('\n', "")
            .contains(unwanted)
    );
    let coloured = diagnostic.render(Style::Coloured);
    prop_assert!(coloured.contains('\x1b'));
    Ok(())
}

fn check_text(text: &str) -> Result<(), TestCaseError> {
    for minima in [Minima::Enforced, Minima::Lifted] {
        match parse("policy.toml", text, minima) {
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in &errors {
                    check_place(error, text)?;
                }
            }
            Ok(settings) => {
                for warning in &settings.warnings {
                    check_place(warning, text)?;
                }
                let printed = to_toml(&settings.limits);
                let again = parse("policy.toml", &printed, minima).unwrap();
                prop_assert_eq!(again.limits, settings.limits);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_a_policy_or_has_its_errors_placed(text in policy_like()) {
        check_text(&text)?;
    }

    #[test]
    fn so_is_noise(text in any::<String>()) {
        check_text(&text)?;
        check_text(&format!("[default]\nmessage = \"{text}\"\n"))?;
    }

    #[test]
    fn limits_that_are_printed_are_read_back(limits in limits()) {
        let text = to_toml(&limits);
        let settings = parse("policy.toml", &text, Minima::Enforced);
        prop_assert_eq!(settings.map(|settings| settings.limits).ok(), Some(limits), "{}", text);
    }
}
