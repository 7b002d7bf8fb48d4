//! Rules: their keys, and what they ask for.

use crate::{check, check_text};

/// The `match` of a rule, and the drawing of what is wrong with it.
#[track_caller]
fn check_match(keys: &str, drawing: &str) {
    let text = format!("[[rule]]\nname = \"x\"\nmatch = {{ {keys} }}\n");
    check_text(&text, drawing);
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    check_text(
        r#"
user = "alice"
"#,
        r#"
error: `user` is outside of `[[rule]]`
 --> policy.toml:1:1
  |
1 | user = "alice"
  | ^^^^
  |
  = help: put it below a line `[[rule]]`"#,
    );
    check_text(
        r#"
[default]
match = { user = "alice" }
"#,
        r#"
error: `match` is outside of `[[rule]]`
 --> policy.toml:2:1
  |
2 | match = { user = "alice" }
  | ^^^^^
  |
  = help: put it below a line `[[rule]]`"#,
    );
    check_text(
        r#"
[[rule]]
name = "x"
match = {}
user = "alice"
"#,
        r#"
error: `user` is outside of `match`
 --> policy.toml:4:1
  |
4 | user = "alice"
  | ^^^^
  |
  = help: write `match = { user = ... }`"#,
    );
    check_text(
        r#"
[[rule]]
name = "x"
[rule.match]
user = "alice"
grace = "20s"
"#,
        r#"
error: `grace` is inside of `match`
 --> policy.toml:5:1
  |
5 | grace = "20s"
  | ^^^^^ `match` says for which sessions the rule holds
  |
  = help: put it beside `match`, below the line `[[rule]]`"#,
    );
}

#[test]
fn a_key_of_a_rule_that_is_misspelt_is_shown_with_the_one_that_was_meant() {
    check_text(
        r#"
[[rule]]
name = "x"
mach = { user = "alice" }
match = { user = "alice" }
"#,
        r#"
error: unknown key `mach`
 --> policy.toml:3:1
  |
3 | mach = { user = "alice" }
  | ^^^^
  |
  = help: did you mean `match`?"#,
    );
    check_match(
        r#"users = "alice""#,
        r#"
error: unknown key `users`
 --> policy.toml:3:11
  |
3 | match = { users = "alice" }
  |           ^^^^^
  |
  = help: did you mean `user`?"#,
    );
    check_match(
        r#"host = "10.0.0.1""#,
        r#"
error: unknown key `host`
 --> policy.toml:3:11
  |
3 | match = { host = "10.0.0.1" }
  |           ^^^^
  |
  = help: did you mean `from`?"#,
    );
    check_match(
        r#"weekday = "monday""#,
        r#"
error: unknown key `weekday`
 --> policy.toml:3:11
  |
3 | match = { weekday = "monday" }
  |           ^^^^^^^
  |
  = help: known keys: user, group, service, type, class, remote, from, tty, seat"#,
    );
    check_text(
        r#"
[[rules]]
name = "x"
"#,
        r#"
error: unknown key `rules`
 --> policy.toml:1:3
  |
1 | [[rules]]
  |   ^^^^^
  |
  = help: did you mean `rule`?"#,
    );
}

#[test]
fn a_rule_without_what_it_must_have_is_shown() {
    check_text(
        r#"
[[rule]]
match = { user = "alice" }
"#,
        r#"
error: this rule has no `name`
 --> policy.toml:1:1
  |
1 | [[rule]]
  | ^^^^^^^^
  |
  = help: such as `name = "card data"`; logs and `status` show it"#,
    );
    check_text(
        r#"
[[rule]]
name = "card data"
grace = "20s"
"#,
        r#"
error: rule `card data` has no `match`
 --> policy.toml:1:1
  |
1 | [[rule]]
  | ^^^^^^^^
  |
  = help: such as `match = { group = "staff" }`; what holds for everybody belongs in `[default]`"#,
    );
    check_text(
        r#"
[[rule]]
name = ""
match = { user = "alice" }
"#,
        r#"
error: `name` is empty
 --> policy.toml:2:8
  |
2 | name = ""
  |        ^^ expected a name"#,
    );
    check_text(
        r#"
[[rule]]
name = "a\u001b[2J"
match = { user = "alice" }
"#,
        r#"
error: `name` has a control character in it
 --> policy.toml:2:8
  |
2 | name = "a\u001b[2J"
  |        ^^^^^^^^^^^^ U+001B is not a printable character"#,
    );
    check_text(
        r#"
[[rule]]
name = "a name that is longer than anything that fits on a line of the status"
match = { user = "alice" }
"#,
        r#"
error: `name` is too long
 --> policy.toml:2:8
  |
2 | name = "a name that is longer than anything that fits on a line of the status"
  |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 69 bytes; at most 64"#,
    );
    check_text(
        r#"
[[rule]]
name = "x"
match = "alice"
"#,
        r#"
error: `match` is of the wrong type
 --> policy.toml:3:9
  |
3 | match = "alice"
  |         ^^^^^^^ expected a table such as { user = "alice" }, found a string"#,
    );
}

#[test]
fn two_rules_of_one_name_are_an_error() {
    check_text(
        r#"
[[rule]]
name = "x"
match = { user = "alice" }

[[rule]]
name = "x"
match = { user = "bob" }
"#,
        r#"
error: duplicate rule `x`
 --> policy.toml:6:8
  |
6 | name = "x"
  |        ^^^ the one on line 2 has this name"#,
    );
}

#[test]
fn a_rule_is_one_of_a_list() {
    check_text(
        r#"
[rule]
name = "x"
match = { user = "alice" }
"#,
        r#"
error: `rule` is not a list of rules
 --> policy.toml:1:1
  |
1 | [rule]
  | ^^^^^^ write [[rule]] above each rule"#,
    );
    check_text(
        r#"
rule = "x"
"#,
        r#"
error: `rule` is of the wrong type
 --> policy.toml:1:8
  |
1 | rule = "x"
  |        ^^^ expected a table such as [[rule]], found a string"#,
    );
    check_text(
        r#"
rule = [1]
"#,
        r#"
error: `rule` is of the wrong type
 --> policy.toml:1:9
  |
1 | rule = [1]
  |         ^ expected a table such as [[rule]], found an integer"#,
    );
}

#[test]
fn a_list_that_matches_nothing_is_an_error() {
    check_match(
        r#"user = []"#,
        r#"
error: `user` is empty
 --> policy.toml:3:18
  |
3 | match = { user = [] }
  |                  ^^ an empty list matches nothing
  |
  = help: leave `user` out to match everything"#,
    );
    check_match(
        r#"group = """#,
        r#"
error: `group` is empty
 --> policy.toml:3:19
  |
3 | match = { group = "" }
  |                   ^^ expected a name"#,
    );
    check_match(
        r#"service = " sshd""#,
        r#"
error: `service` has a blank at its start or end
 --> policy.toml:3:21
  |
3 | match = { service = " sshd" }
  |                     ^^^^^^^ write "sshd""#,
    );
    check_match(
        r#"user = ["alice", 7]"#,
        r#"
error: `user` is of the wrong type
 --> policy.toml:3:28
  |
3 | match = { user = ["alice", 7] }
  |                            ^ expected a string, found an integer"#,
    );
    check_match(
        r#"seat = 0"#,
        r#"
error: `seat` is of the wrong type
 --> policy.toml:3:18
  |
3 | match = { seat = 0 }
  |                  ^ expected a string or a list of strings such as "seat0" or ["seat0"], found an integer"#,
    );
}

#[test]
fn types_and_classes_are_those_that_can_match() {
    check_match(
        r#"type = "X11""#,
        r#"
error: `type` has an unknown value
 --> policy.toml:3:18
  |
3 | match = { type = "X11" }
  |                  ^^^^^ available: tty, x11, wayland, mir, unspecified
  |
  = help: did you mean `x11`?"#,
    );
    check_match(
        r#"type = ["tty", "desktop"]"#,
        r#"
error: `type` has an unknown value
 --> policy.toml:3:26
  |
3 | match = { type = ["tty", "desktop"] }
  |                          ^^^^^^^^^ available: tty, x11, wayland, mir, unspecified"#,
    );
    check_match(
        r#"class = "greeter""#,
        r#"
error: sessions of class `greeter` are never judged
 --> policy.toml:3:19
  |
3 | match = { class = "greeter" }
  |                   ^^^^^^^^^ logins of people have: user, user-early, user-light, user-early-light"#,
    );
    check_match(
        r#"class = ["user", "usr-light"]"#,
        r#"
error: `class` has an unknown value
 --> policy.toml:3:28
  |
3 | match = { class = ["user", "usr-light"] }
  |                            ^^^^^^^^^^^ available: user, user-early, user-light, user-early-light
  |
  = help: did you mean `user-light`?"#,
    );
    check_match(
        r#"remote = "yes""#,
        r#"
error: `remote` is of the wrong type
 --> policy.toml:3:20
  |
3 | match = { remote = "yes" }
  |                    ^^^^^ expected true or false, without quotes, found a string"#,
    );
}

#[test]
fn a_network_that_is_none_is_shown_with_the_one_that_was_meant() {
    check_match(
        r#"from = "10.0.0.1/8""#,
        r#"
error: `from` is not a network
 --> policy.toml:3:18
  |
3 | match = { from = "10.0.0.1/8" }
  |                  ^^^^^^^^^^^^ bits after the prefix are set
  |
  = help: did you mean "10.0.0.0/8"?"#,
    );
    check_match(
        r#"from = "10.0.0.0/33""#,
        r#"
error: `from` has a bad prefix
 --> policy.toml:3:18
  |
3 | match = { from = "10.0.0.0/33" }
  |                  ^^^^^^^^^^^^^ the prefix is not a number from 0 to 32"#,
    );
    check_match(
        r#"from = "2001:db8::/129""#,
        r#"
error: `from` has a bad prefix
 --> policy.toml:3:18
  |
3 | match = { from = "2001:db8::/129" }
  |                  ^^^^^^^^^^^^^^^^ the prefix is not a number from 0 to 128"#,
    );
    check_match(
        r#"from = "10.0.0.0/255.0.0.0""#,
        r#"
error: `from` has a bad prefix
 --> policy.toml:3:18
  |
3 | match = { from = "10.0.0.0/255.0.0.0" }
  |                  ^^^^^^^^^^^^^^^^^^^^ the prefix is not a number from 0 to 32
  |
  = help: did you mean "10.0.0.0/8"?"#,
    );
    check_match(
        r#"from = ["10.*", "192.168."]"#,
        r#"
error: `from` is not an address
 --> policy.toml:3:19
  |
3 | match = { from = ["10.*", "192.168."] }
  |                   ^^^^^^ expected such as "192.0.2.7" or "10.0.0.0/8"
  |
  = help: did you mean "10.0.0.0/8"?

error: `from` is not an address
 --> policy.toml:3:27
  |
3 | match = { from = ["10.*", "192.168."] }
  |                           ^^^^^^^^^^ expected such as "192.0.2.7" or "10.0.0.0/8"
  |
  = help: did you mean "192.168.0.0/16"?"#,
    );
    check_match(
        r#"from = "192.0.2.7:22""#,
        r#"
error: `from` is not an address
 --> policy.toml:3:18
  |
3 | match = { from = "192.0.2.7:22" }
  |                  ^^^^^^^^^^^^^^ expected such as "192.0.2.7" or "10.0.0.0/8""#,
    );
    check_match(
        r#"from = "fe80::1%eth0""#,
        r#"
error: `from` is not an address
 --> policy.toml:3:18
  |
3 | match = { from = "fe80::1%eth0" }
  |                  ^^^^^^^^^^^^^^ expected such as "192.0.2.7" or "10.0.0.0/8"
  |
  = help: did you mean "fe80::1"?"#,
    );
    check_match(
        r#"from = "client one""#,
        r#"
error: `from` is neither an address nor the name of a host
 --> policy.toml:3:18
  |
3 | match = { from = "client one" }
  |                  ^^^^^^^^^^^^ ` ` is in no name of a host"#,
    );
    check_match(
        r#"from = "10.0.0.256""#,
        r#"
error: `from` is not an address
 --> policy.toml:3:18
  |
3 | match = { from = "10.0.0.256" }
  |                  ^^^^^^^^^^^^ expected such as "192.0.2.7" or "10.0.0.0/8""#,
    );
}

#[test]
fn a_terminal_is_named_as_logind_does() {
    check_match(
        r#"tty = ["tty1", "/dev/tty2"]"#,
        r#"
error: `tty` has a directory in it
 --> policy.toml:3:26
  |
3 | match = { tty = ["tty1", "/dev/tty2"] }
  |                          ^^^^^^^^^^^ terminals are named as logind does, without `/dev/`
  |
  = help: did you mean "tty2"?"#,
    );
}

#[test]
fn every_action_and_activity_is_shown() {
    check(
        r#"action = "hangup""#,
        r#"
error: `action` has an unknown value
 --> policy.toml:2:10
  |
2 | action = "hangup"
  |          ^^^^^^^^ available: terminate, hang-up, lock, report
  |
  = help: did you mean `hang-up`?"#,
    );
    check(
        r#"activity = ["output"]"#,
        r#"
error: `activity` is without "input"
 --> policy.toml:2:12
  |
2 | activity = ["output"]
  |            ^^^^^^^^^^ what the user types always counts: add "input""#,
    );
    check(
        r#"activity = ["input", "inhibitors"]"#,
        r#"
error: `activity` has an unknown value
 --> policy.toml:2:22
  |
2 | activity = ["input", "inhibitors"]
  |                      ^^^^^^^^^^^^ available: input, output, inhibitor
  |
  = help: did you mean `inhibitor`?"#,
    );
    check(
        r#"lock-after = "30s""#,
        r#"
error: `lock-after` is out of range
 --> policy.toml:2:14
  |
2 | lock-after = "30s"
  |              ^^^^^ 30 s is less than the minimum; allowed: 1min to 24h"#,
    );
    check(
        r#"lock-after = 5"#,
        r#"
error: `lock-after` is of the wrong type
 --> policy.toml:2:14
  |
2 | lock-after = 5
  |              ^ expected a duration such as "10min", found an integer
  |
  = help: write "5s" for seconds, "5min" for minutes"#,
    );
    check(
        r#"extend = { times = 25 }"#,
        r#"
error: `extend.times` is out of range
 --> policy.toml:2:20
  |
2 | extend = { times = 25 }
  |                    ^^ 25 is more than the maximum; allowed: 0 to 24"#,
    );
    check(
        r#"extend = { times = -1 }"#,
        r#"
error: `extend.times` is out of range
 --> policy.toml:2:20
  |
2 | extend = { times = -1 }
  |                    ^^ -1 is less than the minimum; allowed: 0 to 24"#,
    );
    check(
        r#"extend = { times = "2" }"#,
        r#"
error: `extend.times` is of the wrong type
 --> policy.toml:2:20
  |
2 | extend = { times = "2" }
  |                    ^^^ expected a number such as 1, found a string"#,
    );
    check(
        r#"extend = { times = 2, by = "30s" }"#,
        r#"
error: `extend.by` is out of range
 --> policy.toml:2:28
  |
2 | extend = { times = 2, by = "30s" }
  |                            ^^^^^ 30 s is less than the minimum; allowed: 1min to 24h"#,
    );
}

#[test]
fn an_unknown_preset_is_shown_with_the_known_ones() {
    check(
        r#"preset = "pci""#,
        r#"
error: `preset` has an unknown value
 --> policy.toml:2:10
  |
2 | preset = "pci"
  |          ^^^^^ available: pci-dss-4, stig, nist-800-63b-aal2, nist-800-63b-aal3, cis
  |
  = help: did you mean `pci-dss-4`?"#,
    );
    check(
        r#"preset = "hipaa""#,
        r#"
error: `preset` has an unknown value
 --> policy.toml:2:10
  |
2 | preset = "hipaa"
  |          ^^^^^^^ available: pci-dss-4, stig, nist-800-63b-aal2, nist-800-63b-aal3, cis"#,
    );
    check(
        r#"preset = 4"#,
        r#"
error: `preset` is of the wrong type
 --> policy.toml:2:10
  |
2 | preset = 4
  |          ^ expected one of pci-dss-4, stig, nist-800-63b-aal2, nist-800-63b-aal3, cis, found an integer"#,
    );
}

#[test]
fn a_preset_and_a_key_that_exclude_each_other_are_an_error() {
    check(
        r#"preset = "nist-800-63b-aal3"
inactivity-timeout = "13h""#,
        r#"
error: `inactivity-timeout` is longer than the absolute limit
 --> policy.toml:3:22
  |
3 | inactivity-timeout = "13h"
  |                      ^^^^^ 13 h, and `session-timeout` is 12 h (preset "nist-800-63b-aal3", line 2)"#,
    );
}

#[test]
fn a_rule_whose_own_limits_exclude_each_other_is_an_error() {
    check_text(
        r#"
[[rule]]
name = "x"
match = { user = "alice" }
session-timeout = "1h"
inactivity-timeout = "2h"
"#,
        r#"
error: `inactivity-timeout` is longer than the absolute limit
 --> policy.toml:5:22
  |
5 | inactivity-timeout = "2h"
  |                      ^^^^ 2 h, and `session-timeout` is 1 h (line 4)"#,
    );
}
