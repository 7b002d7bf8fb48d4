//! Any text is either a policy, or has errors with valid places.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use session_timeout_config::{Diagnostic, KEYS, Minima, Style, parse};

use crate::printing::{check_explained, check_printed};

/// Texts that resemble policies: valid lines, almost valid lines, and noise.
fn policy_like() -> impl Strategy<Value = String> {
    let others = [
        "extend",
        "mesage",
        "preset",
        "name",
        "match",
        "match.user",
        "match.from",
        "rule",
        "\"\"",
        "'a b'",
        "",
    ];
    let key = select([KEYS, &others].concat());
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
            "{ times = 25 }",
            "{ user = \"*\", type = \"tty\" }",
            "{ from = [\"10.0.0.1/8\", \"::1\"], remote = false }",
            "{ group = [], users = 1 }",
            "\"stig\"",
            "\"*\"",
            "[{}, { name = \"x\" }]",
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
        3 => select(vec![
            "[default]", "[[rule]]", "[rule.match]", "[[default]]", "[default", "[[rule]", "# x", "",
        ])
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

/// Checks that the place is in the text, at a character boundary, and that both forms are rendered.
fn check_location(diagnostic: &Diagnostic, text: &str) -> Result<(), TestCaseError> {
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
    let location = format!("policy.toml:{}:{}", diagnostic.line(), diagnostic.column());
    prop_assert!(diagnostic.to_string().starts_with(&location));
    prop_assert!(diagnostic.render(Style::Plain).contains(&location));
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
                    check_location(error, text)?;
                }
            }
            Ok(settings) => {
                for warning in &settings.warnings {
                    check_location(warning, text)?;
                }
                check_printed(&settings, minima)?;
                check_explained(&settings)?;
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
    fn any_noise_is_a_policy_or_has_its_errors_placed(text in any::<String>()) {
        check_text(&text)?;
        check_text(&format!("[default]\nmessage = \"{text}\"\n"))?;
    }
}

/// Texts that could take a parser much time or memory.
fn bombs() -> Vec<String> {
    let rules = |count: usize| {
        let rules = (0..count).map(|n| format!("[[rule]]\nname=\"r{n}\"\nmatch={{user=\"u\"}}\n"));
        rules.collect::<String>()
    };
    let long_lists = (0..1000).map(|n| {
        let users = (0..120)
            .map(|user| format!("\"u{user}\""))
            .collect::<Vec<_>>();
        let users = users.join(",");
        format!("[[rule]]\nname=\"r{n}\"\nmatch={{user=[{users},\"x{n}\"]}}\n")
    });
    let stars = (0..1000).map(|n| {
        let star = "*a".repeat(100);
        format!("[[rule]]\nname=\"r{n}\"\nmatch={{user=[\"{star}{n}\",\"{star}b{n}*\"]}}\n")
    });
    let hosts = (0..1000).map(|n| {
        let hosts = "\"*a\",".repeat(150);
        format!("[[rule]]\nname=\"r{n}\"\nmatch={{remote=true,from=[{hosts}\"b{n}\"]}}\n")
    });
    let types = (0..1000).map(|n| {
        let types = "\"tty\",".repeat(100);
        format!("[[rule]]\nname=\"r{n}\"\nmatch={{user=\"{n}\",type=[{types}\"x11\"]}}\n")
    });
    vec![
        hosts.collect(),
        types.collect(),
        "#".repeat(100_000_000),
        rules(1_000_000),
        rules(30_000),
        "[[rule]]\n".repeat(110_000),
        "[".repeat(1_000_000),
        format!("x = {}", "[".repeat(1_000_000)),
        format!("x = [{}]", "{a=1},".repeat(150_000)),
        format!("x = {}", "{a=".repeat(300_000)),
        format!("a{} = 1", ".a".repeat(500_000)),
        format!("a{} = 1\n", ".a".repeat(70)).repeat(7_000),
        format!(
            "[default]\nsession-warnings = [{}]\n",
            "\"1s\",".repeat(200_000)
        ),
        format!(
            "[[rule]]\nname=\"x\"\nmatch={{user=[{}]}}\n",
            "\"a\",".repeat(250_000)
        ),
        format!("[default]\nmessage = \"{}\"\n", "{".repeat(1_000_000)),
        "\"".repeat(1_000_000),
        "=\n".repeat(500_000),
        long_lists.collect(),
        stars.collect(),
    ]
}

#[test]
fn every_text_is_parsed_in_time() {
    for text in bombs() {
        let start: String = text.chars().take(60).collect();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let found = parse("policy.toml", &text, Minima::Enforced);
            drop(sender.send(found.map_err(|errors| (errors, text))));
        });
        // Generous, since the test is not optimized and runs beside others.
        let found = receiver.recv_timeout(Duration::from_secs(20));
        if let Err((errors, text)) = found.unwrap_or_else(|error| panic!("{start}: {error}")) {
            assert!((1..=50).contains(&errors.len()), "{start}");
            for error in errors {
                check_location(&error, &text).unwrap();
            }
        }
    }
}
