//! What is allowed and hardly meant.

use crate::{check, check_text};

#[test]
fn a_rule_that_another_one_hides_is_pointed_out() {
    check_text(
        r#"
[[rule]]
name = "ssh"
match = { service = "sshd" }

[[rule]]
name = "alice"
match = { service = "sshd", user = "alice" }
"#,
        r#"
warning: rule `alice` never matches
 --> policy.toml:7:9
  |
7 | match = { service = "sshd", user = "alice" }
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ rule `ssh` (line 2) comes first and matches all of it
  |
  = help: the first rule that matches holds: put this one before `ssh`"#,
    );
    check_text(
        r#"
[[rule]]
name = "private"
match = { from = ["10.0.0.0/8", "*.example.org"] }

[[rule]]
name = "office"
match = { from = ["10.1.0.0/16", "PC-*.Example.org"], remote = true }
"#,
        r#"
warning: rule `office` never matches
 --> policy.toml:7:9
  |
7 | match = { from = ["10.1.0.0/16", "PC-*.Example.org"], remote = true }
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ rule `private` (line 2) comes first and matches all of it
  |
  = help: the first rule that matches holds: put this one before `private`"#,
    );
    check_text(
        r#"
[[rule]]
name = "web"
match = { user = "web-*" }

[[rule]]
name = "web one"
match = { user = ["web-1", "web-1-*"] }
"#,
        r#"
warning: rule `web one` never matches
 --> policy.toml:7:9
  |
7 | match = { user = ["web-1", "web-1-*"] }
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ rule `web` (line 2) comes first and matches all of it
  |
  = help: the first rule that matches holds: put this one before `web`"#,
    );
}

#[test]
fn a_rule_that_excludes_itself_is_pointed_out() {
    check_text(
        r#"
[[rule]]
name = "ssh"
match = { service = "sshd" }

[[rule]]
name = "x"
match = { service = "sshd", remote = false, from = "10.0.0.0/8" }
"#,
        r#"
warning: rule `x` never matches
 --> policy.toml:7:52
  |
7 | match = { service = "sshd", remote = false, from = "10.0.0.0/8" }
  |                                                    ^^^^^^^^^^^^ a login from another host is remote, and `remote` is false"#,
    );
    check_text(
        r#"
[[rule]]
name = "x"
match = { remote = false, from = "10.0.0.0/8" }
"#,
        r#"
warning: rule `x` never matches
 --> policy.toml:3:34
  |
3 | match = { remote = false, from = "10.0.0.0/8" }
  |                                  ^^^^^^^^^^^^ a login from another host is remote, and `remote` is false"#,
    );
    check_text(
        r#"
[[rule]]
name = "x"
match = { remote = true, from = "localhost" }
"#,
        r#"
warning: rule `x` never matches
 --> policy.toml:3:33
  |
3 | match = { remote = true, from = "localhost" }
  |                                 ^^^^^^^^^^^ a login from the machine itself is not remote, and `remote` is true"#,
    );
}

#[test]
fn a_rule_that_alone_reaches_root_is_not_hidden() {
    check_text(
        r#"
[[rule]]
name = "ssh"
match = { service = "sshd" }

[[rule]]
name = "root"
match = { service = "sshd", user = "root" }
"#,
        "",
    );
}

#[test]
fn a_rule_for_everybody_is_pointed_out() {
    check_text(
        r#"
[[rule]]
name = "x"
match = {}
"#,
        r#"
warning: rule `x` matches every session
 --> policy.toml:3:9
  |
3 | match = {}
  |         ^^ nothing is asked for
  |
  = help: what holds for everybody belongs in `[default]`"#,
    );
}

#[test]
fn values_of_default_that_nobody_gets_are_pointed_out() {
    check_text(
        r#"
[default]
grace = "20s"
action = "hang-up"

[[rule]]
name = "all"
match = { user = "*" }
grace = "30s"
"#,
        r#"
warning: `grace` of `[default]` never holds
 --> policy.toml:2:9
  |
2 | grace = "20s"
  |         ^^^^^ rule `all` (line 6) matches every session and sets it"#,
    );
    // A rule before that one leaves the value to `[default]`, and so may one about groups.
    check_text(
        r#"
[default]
grace = "20s"

[[rule]]
name = "some"
match = { user = "alice" }

[[rule]]
name = "all"
match = { user = "*" }
grace = "30s"
"#,
        "",
    );
    check_text(
        r#"
[default]
grace = "20s"

[[rule]]
name = "some"
match = { group = "staff" }
grace = "40s"

[[rule]]
name = "all"
match = { user = "*" }
grace = "30s"
"#,
        "",
    );
}

#[test]
fn an_inherited_limit_that_does_not_fit_is_pointed_out_where_it_is_made_so() {
    check_text(
        r#"
[default]
inactivity-timeout = "2h"

[[rule]]
name = "x"
match = { user = "alice" }
session-timeout = "1h"
"#,
        r#"
warning: `session-timeout` is shorter than the inactivity limit
 --> policy.toml:7:19
  |
7 | session-timeout = "1h"
  |                   ^^^^ 1 h, and `inactivity-timeout` is 2 h (line 2)"#,
    );
    check_text(
        r#"
[default]
session-timeout = "1h"

[[rule]]
name = "x"
match = { user = "alice" }
inactivity-timeout = "2h"
"#,
        r#"
warning: `inactivity-timeout` is longer than the absolute limit
 --> policy.toml:7:22
  |
7 | inactivity-timeout = "2h"
  |                      ^^^^ 2 h, and `session-timeout` is 1 h (line 2)"#,
    );
}

#[test]
fn an_inherited_lead_that_is_too_long_is_pointed_out_where_it_is_made_so() {
    check_text(
        r#"
[default]
session-warnings = ["3h", "2h", "5min"]

[[rule]]
name = "x"
match = { user = "alice" }
session-timeout = "2h"
"#,
        r#"
warning: `session-timeout` is not longer than its warnings
 --> policy.toml:7:19
  |
7 | session-timeout = "2h"
  |                   ^^^^ 2 h, and `session-warnings` (line 2) has 3 h, 2 h: never shown"#,
    );
    check_text(
        r#"
[default]
session-timeout = "2h"

[[rule]]
name = "x"
match = { user = "alice" }
session-warnings = ["3h", "5min"]
"#,
        r#"
warning: this warning is never shown
 --> policy.toml:7:21
  |
7 | session-warnings = ["3h", "5min"]
  |                     ^^^^ 3 h is not shorter than `session-timeout`, which is 2 h (line 2)"#,
    );
    check_text(
        r#"
[default]
inactivity-warnings = ["12min", "1min"]

[[rule]]
name = "x"
match = { user = "alice" }
preset = "stig"
"#,
        r#"
warning: `inactivity-timeout` is not longer than its warnings
 --> policy.toml:7:10
  |
7 | preset = "stig"
  |          ^^^^^^ 10 min by preset "stig", and `inactivity-warnings` (line 2) has 12 min: never shown"#,
    );
}

#[test]
fn what_is_inherited_is_pointed_out_once() {
    check_text(
        r#"
[default]
session-timeout = "2h"
session-warnings = ["2h"]

[[rule]]
name = "x"
match = { user = "alice" }

[[rule]]
name = "y"
match = { user = "bob" }
"#,
        r#"
warning: this warning is never shown
 --> policy.toml:3:21
  |
3 | session-warnings = ["2h"]
  |                     ^^^^ 2 h is not shorter than `session-timeout`, which is 2 h (line 2)"#,
    );
    check_text(
        r#"
[default]
inactivity-warnings = []

[[rule]]
name = "x"
match = { user = "alice" }
inactivity-timeout = "10min"

[[rule]]
name = "y"
match = { user = "bob" }
inactivity-timeout = "10min"
"#,
        r#"
warning: sessions end without warning
 --> policy.toml:2:23
  |
2 | inactivity-warnings = []
  |                       ^^ `inactivity-warnings` is empty"#,
    );
}

#[test]
fn a_lock_that_comes_too_late_is_pointed_out() {
    check(
        r#"lock-after = "15min"
inactivity-timeout = "15min""#,
        r#"
warning: `lock-after` is not shorter than `inactivity-timeout`
 --> policy.toml:2:14
  |
2 | lock-after = "15min"
  |              ^^^^^^^ 15 min, and `inactivity-timeout` is 15 min (line 3)"#,
    );
    check(
        r#"lock-after = "15min"
preset = "stig""#,
        r#"
warning: `lock-after` is not shorter than `inactivity-timeout`
 --> policy.toml:2:14
  |
2 | lock-after = "15min"
  |              ^^^^^^^ 15 min, and `inactivity-timeout` is 10 min (preset "stig", line 3)"#,
    );
    check(
        r#"session-timeout = "2h"
lock-after = "2h""#,
        r#"
warning: `lock-after` is not shorter than `session-timeout`
 --> policy.toml:3:14
  |
3 | lock-after = "2h"
  |              ^^^^ 2 h, and `session-timeout` is 2 h (line 2)"#,
    );
    check_text(
        r#"
[default]
lock-after = "15min"

[[rule]]
name = "x"
match = { user = "alice" }
inactivity-timeout = "10min"
"#,
        r#"
warning: `inactivity-timeout` is not longer than `lock-after`
 --> policy.toml:7:22
  |
7 | inactivity-timeout = "10min"
  |                      ^^^^^^^ 10 min, and `lock-after` is 15 min (line 2)"#,
    );
    check_text(
        r#"
[default]
lock-after = "12min"

[[rule]]
name = "x"
match = { user = "alice" }
preset = "stig"
"#,
        r#"
warning: `inactivity-timeout` is not longer than `lock-after`
 --> policy.toml:7:10
  |
7 | preset = "stig"
  |          ^^^^^^ 10 min by preset "stig", and `lock-after` is 12 min (line 2)"#,
    );
}

#[test]
fn a_lock_without_a_screen_is_pointed_out() {
    check_text(
        r#"
[[rule]]
name = "console"
match = { type = "tty" }
lock-after = "10min"
"#,
        r#"
warning: `lock-after` has no effect
 --> policy.toml:4:14
  |
4 | lock-after = "10min"
  |              ^^^^^^^ sessions of type tty have no screen to lock"#,
    );
    check_text(
        r#"
[[rule]]
name = "console"
match = { type = ["tty", "unspecified"] }
action = "lock"
"#,
        r#"
warning: `action = "lock"` locks nothing
 --> policy.toml:4:10
  |
4 | action = "lock"
  |          ^^^^^^ sessions of type tty, unspecified have no screen to lock: they are terminated"#,
    );
    check_text(
        r#"
[[rule]]
name = "x"
match = { type = ["tty", "wayland"] }
action = "lock"
lock-after = "10min"
"#,
        "",
    );
}

#[test]
fn a_lock_in_a_report_is_pointed_out() {
    check(
        r#"lock-after = "10min"
action = "report""#,
        r#"
warning: `lock-after` has no effect
 --> policy.toml:2:14
  |
2 | lock-after = "10min"
  |              ^^^^^^^ `action` is "report" (line 3): nothing is locked"#,
    );
    check_text(
        r#"
[default]
action = "report"

[[rule]]
name = "x"
match = { user = "alice" }
lock-after = "10min"
"#,
        r#"
warning: `lock-after` has no effect
 --> policy.toml:7:14
  |
7 | lock-after = "10min"
  |              ^^^^^^^ `action` is "report" (line 2): nothing is locked"#,
    );
}

#[test]
fn pseudo_terminals_are_pointed_out() {
    check_text(
        r#"
[[rule]]
name = "x"
match = { tty = ["tty1", "pts/*"] }
"#,
        r#"
warning: pseudo-terminals seldom match
 --> policy.toml:3:26
  |
3 | match = { tty = ["tty1", "pts/*"] }
  |                          ^^^^^^^ logind seldom knows the terminal of an SSH session
  |
  = help: `remote = true` or `service = "sshd"` matches SSH sessions"#,
    );
}

#[test]
fn an_extension_that_is_never_granted_is_pointed_out() {
    check(
        r#"extend = { times = 2 }"#,
        r#"
warning: this extension is never granted
 --> policy.toml:2:20
  |
2 | extend = { times = 2 }
  |                    ^ `session-timeout` is 24 h already, and no session lasts longer"#,
    );
    check(
        r#"session-timeout = "24h"
extend = { times = 2 }"#,
        r#"
warning: this extension is never granted
 --> policy.toml:3:20
  |
3 | extend = { times = 2 }
  |                    ^ `session-timeout` is 24 h already, and no session lasts longer"#,
    );
    check_text(
        r#"
[[rule]]
name = "x"
match = { user = "alice" }
extend.times = 1
"#,
        r#"
warning: this extension is never granted
 --> policy.toml:4:16
  |
4 | extend.times = 1
  |                ^ `session-timeout` is 24 h already, and no session lasts longer"#,
    );
    // A rule that inherits it is where it is granted.
    check_text(
        r#"
[default]
extend = { times = 2 }

[[rule]]
name = "x"
match = { user = "alice" }
session-timeout = "8h"
"#,
        "",
    );
}

#[test]
fn a_key_that_is_laxer_than_the_preset_beside_it_is_pointed_out() {
    check(
        r#"preset = "stig"
inactivity-timeout = "20min""#,
        r#"
warning: `inactivity-timeout` is longer than the preset has it
 --> policy.toml:3:22
  |
3 | inactivity-timeout = "20min"
  |                      ^^^^^^^ 20 min, and preset "stig" (line 2) has 10 min"#,
    );
    check(
        r#"preset = "pci-dss-4"
inactivity-timeout = "off""#,
        r#"
warning: `inactivity-timeout` is longer than the preset has it
 --> policy.toml:3:22
  |
3 | inactivity-timeout = "off"
  |                      ^^^^^ off, and preset "pci-dss-4" (line 2) has 15 min"#,
    );
    check(
        r#"preset = "nist-800-63b-aal3"
session-timeout = "13h""#,
        r#"
warning: `session-timeout` is longer than the preset has it
 --> policy.toml:3:19
  |
3 | session-timeout = "13h"
  |                   ^^^^^ 13 h, and preset "nist-800-63b-aal3" (line 2) has 12 h"#,
    );
    // A stricter one, and one of a rule, which is an exception.
    check(
        r#"preset = "stig"
inactivity-timeout = "5min""#,
        "",
    );
    check_text(
        r#"
[default]
preset = "stig"

[[rule]]
name = "x"
match = { user = "alice" }
inactivity-timeout = "20min"
"#,
        "",
    );
}
