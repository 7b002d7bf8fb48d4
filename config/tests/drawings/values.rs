//! Single values, and the tables that they are in.

use session_timeout_config::Diagnostic;

use crate::{check, diagnostics, drawings};

#[test]
fn a_duration_out_of_range_is_shown_with_its_range() {
    check(
        r#"session-timeout = "48h""#,
        r#"
error: `session-timeout` is out of range
 --> policy.toml:2:19
  |
2 | session-timeout = "48h"
  |                   ^^^^^ 48 h is more than the maximum; allowed: 60min to 24h"#,
    );
    check(
        r#"inactivity-timeout = "1min""#,
        r#"
error: `inactivity-timeout` is out of range
 --> policy.toml:2:22
  |
2 | inactivity-timeout = "1min"
  |                      ^^^^^^ 1 min is less than the minimum; allowed: 5min to 24h"#,
    );
    check(
        r#"grace = "11min""#,
        r#"
error: `grace` is out of range
 --> policy.toml:2:9
  |
2 | grace = "11min"
  |         ^^^^^^^ 11 min is more than the maximum; allowed: 1s to 10min"#,
    );
}

#[test]
fn a_key_that_is_misspelt_is_shown_with_the_one_that_was_meant() {
    check(
        r#"sesion-timeout = "12h""#,
        r#"
error: unknown key `sesion-timeout`
 --> policy.toml:2:1
  |
2 | sesion-timeout = "12h"
  | ^^^^^^^^^^^^^^
  |
  = help: did you mean `session-timeout`?"#,
    );
    check(
        "Session_Warnings = []",
        r#"
error: unknown key `Session_Warnings`
 --> policy.toml:2:1
  |
2 | Session_Warnings = []
  | ^^^^^^^^^^^^^^^^
  |
  = help: did you mean `session-warnings`?"#,
    );
    check(
        "extend = { times = 0, until = 3 }",
        r#"
error: unknown key `until`
 --> policy.toml:2:23
  |
2 | extend = { times = 0, until = 3 }
  |                       ^^^^^
  |
  = help: known keys: times, by"#,
    );
}

#[test]
fn a_duration_without_a_unit_is_shown_with_what_to_write() {
    check(
        "session-timeout = 3600",
        r#"
error: `session-timeout` is of the wrong type
 --> policy.toml:2:19
  |
2 | session-timeout = 3600
  |                   ^^^^ expected a duration such as "24h", found an integer
  |
  = help: write "3600s" for seconds, "3600min" for minutes"#,
    );
    check(
        r#"grace = "15""#,
        r#"
error: `grace` is not a duration
 --> policy.toml:2:9
  |
2 | grace = "15"
  |         ^^^^ 15 has no unit: write "15min" or "15s""#,
    );
    check(
        r#"grace = "15 sceonds""#,
        r#"
error: `grace` is not a duration
 --> policy.toml:2:9
  |
2 | grace = "15 sceonds"
  |         ^^^^^^^^^^^^ unknown unit `sceonds`; units: s, min, h, d"#,
    );
}

#[test]
fn a_value_of_the_wrong_type_is_shown_with_the_right_one() {
    check(
        "session-timeout = true",
        r#"
error: `session-timeout` is of the wrong type
 --> policy.toml:2:19
  |
2 | session-timeout = true
  |                   ^^^^ expected a duration such as "24h", found a boolean"#,
    );
    check(
        "inactivity-timeout = false",
        r#"
error: `inactivity-timeout` is of the wrong type
 --> policy.toml:2:22
  |
2 | inactivity-timeout = false
  |                      ^^^^^ expected a duration such as "15min", found a boolean
  |
  = help: `inactivity-timeout = "off"` turns it off"#,
    );
    check(
        r#"session-warnings = "5min""#,
        r#"
error: `session-warnings` is of the wrong type
 --> policy.toml:2:20
  |
2 | session-warnings = "5min"
  |                    ^^^^^^ expected a list of durations such as ["5min"], found a string"#,
    );
    check(
        "action = 3",
        r#"
error: `action` is of the wrong type
 --> policy.toml:2:10
  |
2 | action = 3
  |          ^ expected one of terminate, hang-up, lock, report, found an integer"#,
    );
    check(
        "extend = 1979-05-27",
        r#"
error: `extend` is of the wrong type
 --> policy.toml:2:10
  |
2 | extend = 1979-05-27
  |          ^^^^^^^^^^ expected a table such as { times = 1, by = "30min" }, found a date or time"#,
    );
}

#[test]
fn an_unknown_word_is_shown_with_the_known_ones() {
    check(
        r#"action = "terminat""#,
        r#"
error: `action` has an unknown value
 --> policy.toml:2:10
  |
2 | action = "terminat"
  |          ^^^^^^^^^^ available: terminate, hang-up, lock, report
  |
  = help: did you mean `terminate`?"#,
    );
    check(
        r#"unknown-idle = "kill""#,
        r#"
error: `unknown-idle` has an unknown value
 --> policy.toml:2:16
  |
2 | unknown-idle = "kill"
  |                ^^^^^^ available: report, count-from-login"#,
    );
    check(
        "bell = true",
        r#"
error: `bell` is of the wrong type
 --> policy.toml:2:8
  |
2 | bell = true
  |        ^^^^ expected one of off, on, found a boolean
  |
  = help: write `bell = "on"`"#,
    );
    check(
        r#"idle-timeout = "15min""#,
        r#"
error: unknown key `idle-timeout`
 --> policy.toml:2:1
  |
2 | idle-timeout = "15min"
  | ^^^^^^^^^^^^
  |
  = help: did you mean `inactivity-timeout`?"#,
    );
    check(
        "activity = []",
        r#"
error: `activity` is empty
 --> policy.toml:2:12
  |
2 | activity = []
  |            ^^ expected at least one of: input, output, inhibitor"#,
    );
}

#[test]
fn a_message_that_cannot_be_shown_is_an_error() {
    check(
        r#"message = "Bye {user}, {lefft} to go""#,
        r#"
error: unknown placeholder `{lefft}` in `message`
 --> policy.toml:2:24
  |
2 | message = "Bye {user}, {lefft} to go"
  |                        ^^^^^^^ available: {user} {limit} {left} {reason}
  |
  = help: did you mean `{left}`?"#,
    );
    check(
        r#"message = 'ends in {left'"#,
        r#"
error: `{` without `}` in `message`
 --> policy.toml:2:20
  |
2 | message = 'ends in {left'
  |                    ^^^^^ available: {user} {limit} {left} {reason}
  |
  = help: did you mean `{left}`?"#,
    );
    // With an escape in it, the place in the string is not the place in the file.
    check(
        r#"message = "\u00fc {when}""#,
        r#"
error: unknown placeholder `{when}` in `message`
 --> policy.toml:2:11
  |
2 | message = "\u00fc {when}"
  |           ^^^^^^^^^^^^^^^ available: {user} {limit} {left} {reason}"#,
    );
    check(
        r#"message = "a\u001b[2J""#,
        r#"
error: `message` has a control character in it
 --> policy.toml:2:11
  |
2 | message = "a\u001b[2J"
  |           ^^^^^^^^^^^^ U+001B is not a printable character"#,
    );
    check(
        r#"message = "one\ntwo""#,
        r#"
error: `message` has a line break in it
 --> policy.toml:2:11
  |
2 | message = "one\ntwo"
  |           ^^^^^^^^^^ warnings are one line"#,
    );
    check(
        r#"message = " ""#,
        r#"
error: `message` is empty
 --> policy.toml:2:11
  |
2 | message = " "
  |           ^^^
  |
  = help: leave the key out for the built-in text"#,
    );
}

#[test]
fn limits_that_exclude_each_other_are_an_error() {
    check(
        "session-timeout = \"1h\"\ninactivity-timeout = \"90min\"",
        r#"
error: `inactivity-timeout` is longer than the absolute limit
 --> policy.toml:3:22
  |
3 | inactivity-timeout = "90min"
  |                      ^^^^^^^ 1 h 30 min, and `session-timeout` is 1 h (line 2)"#,
    );
    check(
        r#"session-timeout = "off""#,
        r#"
error: `session-timeout` cannot be off
 --> policy.toml:2:19
  |
2 | session-timeout = "off"
  |                   ^^^^^ every session has an absolute limit; allowed: 60min to 24h"#,
    );
}

#[test]
fn warnings_that_are_hardly_meant_are_pointed_out() {
    check(
        "session-timeout = \"1h\"\nsession-warnings = [\"1h\", \"5min\"]",
        r#"
warning: this warning is never shown
 --> policy.toml:3:21
  |
3 | session-warnings = ["1h", "5min"]
  |                     ^^^^ 1 h is not shorter than `session-timeout`, which is 1 h (line 2)"#,
    );
    check(
        "inactivity-timeout = \"5min\"\ninactivity-warnings = []",
        r#"
warning: sessions end without warning
 --> policy.toml:3:23
  |
3 | inactivity-warnings = []
  |                       ^^ `inactivity-warnings` is empty"#,
    );
    // While the limit is off, its warnings are nobody's business.
    check("inactivity-warnings = []", "");
    check("inactivity-warnings = [\"24h\"]", "");
}

#[test]
fn errors_of_the_syntax_are_drawn_like_all_others() {
    check(
        "session-timeout = 24h",
        r#"
error: string values must be quoted
 --> policy.toml:2:19
  |
2 | session-timeout = 24h
  |                   ^^^ write "24h""#,
    );
    check(
        "session-timeout =",
        r#"
error: the value is missing
 --> policy.toml:2:18
  |
2 | session-timeout =
  |                  ^ expected a value, such as "24h""#,
    );
    check(
        r#"session-timeout = "24h"#,
        r#"
error: the string has no end
 --> policy.toml:2:23
  |
2 | session-timeout = "24h
  |                       ^ expected `"`"#,
    );
    check(
        "session-timeout = \"2h\"\nsession-timeout = \"1h\"",
        r#"
error: duplicate key `session-timeout`
 --> policy.toml:3:1
  |
3 | session-timeout = "1h"
  | ^^^^^^^^^^^^^^^ it is already set above"#,
    );
    assert_eq!(
        drawings("[default\nsession-timeout = \"24h\"\n"),
        "\
error: unclosed table
 --> policy.toml:1:9
  |
1 | [default
  |         ^ expected `]`"
    );
}

#[test]
fn keys_in_the_wrong_table_are_told_where_they_belong() {
    assert_eq!(
        drawings("grace = \"10s\"\n"),
        "\
error: `grace` is outside of `[default]`
 --> policy.toml:1:1
  |
1 | grace = \"10s\"
  | ^^^^^
  |
  = help: put it below a line `[default]`"
    );
    assert_eq!(
        drawings("[defaults]\ngrace = \"10s\"\n"),
        "\
error: unknown key `defaults`
 --> policy.toml:1:2
  |
1 | [defaults]
  |  ^^^^^^^^
  |
  = help: did you mean `default`?"
    );
    assert_eq!(
        drawings("[[default]]\ngrace = \"10s\"\n"),
        "\
error: `default` is of the wrong type
 --> policy.toml:1:1
  |
1 | [[default]]
  | ^^^^^^^^^^^ expected a table such as [default], found a list"
    );
}

#[test]
fn all_errors_come_in_one_go_and_in_the_order_of_the_text() {
    let text = "\
[default]
session-warnings = [\"0s\", \"5min\", 3]
action = \"kill\"
sesion-timeout = \"12h\"
session-timeout = \"1h\"
inactivity-timeout = \"2h\"
";
    let lines: Vec<String> = diagnostics(text).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "policy.toml:2:21: error: `session-warnings` is out of range; \
             0 s is less than the minimum; allowed: 1s to 24h",
            "policy.toml:2:35: error: `session-warnings` is of the wrong type; \
             expected a duration such as \"5min\", found an integer; \
             write \"3s\" for seconds, \"3min\" for minutes",
            "policy.toml:3:10: error: `action` has an unknown value; \
             available: terminate, hang-up, lock, report",
            "policy.toml:4:1: error: unknown key `sesion-timeout`; \
             did you mean `session-timeout`?",
            "policy.toml:6:22: error: `inactivity-timeout` is longer than the absolute limit; \
             2 h, and `session-timeout` is 1 h (line 5)",
        ]
    );
}

#[test]
fn errors_of_the_syntax_do_not_hide_others_and_bring_no_false_ones() {
    let text = "\
[default]
grace = 10s
session-warnings = [\"20min\" \"5min\"]
sesion-timeout = \"12h\"
action = \"kill\"
";
    let found = diagnostics(text);
    let lines: Vec<usize> = found.iter().map(Diagnostic::line).collect();
    assert_eq!(lines, [2, 3, 4, 5], "{found:?}");

    // What follows a broken header belongs to no table that could be judged.
    let found = diagnostics("[default\ngrace = \"10s\"\nsession-timeout = \"12h\"\n");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_text_full_of_errors_gives_a_list_that_can_be_read() {
    for text in ["=\n".repeat(1000), "=\n".repeat(500_000)] {
        let found = diagnostics(&text);
        assert!((1..=50).contains(&found.len()), "{}", found.len());
        assert_eq!((found[0].line(), found[0].column()), (1, 1));
    }
}
