//! Checks for rules whose conditions users can change themselves.

use session_timeout_config::{RuleSettings, Settings};

use crate::doctor::checks::Check;
use crate::doctor::finding::Finding;
use crate::text::{listed, one_line};

/// Whether the absolute limit depends on a session's type, class or terminal. The owner of the
/// session can change them (`SetType`, `SetClass` and `SetTTY` of org.freedesktop.login1(5)).
pub(crate) fn examine(settings: &Settings) -> Finding {
    let check = Check::PolicyByType;
    let rules: Vec<String> = (0..settings.rules.len())
        .filter(|index| decides(settings, *index))
        .filter_map(|index| settings.rules.get(index))
        .map(|rule| format!("\"{}\"", one_line(&rule.name)))
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let rules = match rules.as_slice() {
        [] => {
            let what = "no absolute limit depends on what users can change";
            return Finding::ok(check, what);
        }
        [one] => format!("the rule {one} asks"),
        more => format!("the rules {} ask", listed(more, "and")),
    };
    let what = format!(
        "{rules} for the type, the class or the terminal of a session, and the absolute limit \
         depends on it: users can change these, and the earliest end of those that held is the \
         one that counts"
    );
    Finding::note(check, &what)
}

/// Whether the absolute limit of this rule differs from the one that would hold without it: that of
/// a later rule, or of `[default]`.
fn decides(settings: &Settings, index: usize) -> bool {
    let Some((rule, later)) = settings.rules.get(index..).and_then(<[_]>::split_first) else {
        return false;
    };
    let length = |rule: &RuleSettings| rule.effective.limits.absolute.length;
    let everybody = settings.default.limits.absolute.length;
    let mut others = later.iter().map(length).chain([everybody]);
    let asked = &rule.matching;
    let changeable = asked.session_type.is_some() || asked.class.is_some() || asked.tty.is_some();
    changeable && others.any(|other| other != length(rule))
}

#[cfg(test)]
mod tests {
    use session_timeout_config::{Minima, parse};

    use super::*;
    use crate::doctor::finding::Level;

    fn found(rules: &str) -> Finding {
        let policy = format!("[default]\nsession-timeout = \"10h\"\n{rules}");
        examine(&parse("x", &policy, Minima::Enforced).unwrap())
    }

    #[test]
    fn a_longer_limit_for_a_type_or_a_terminal_is_noted_and_the_same_one_is_not() {
        let rule = |name: &str, matching: &str, limit: &str| {
            format!(
                "[[rule]]\nname = \"{name}\"\nmatch = {{ {matching} }}\n\
                 session-timeout = \"{limit}\"\n"
            )
        };
        let by_type = rule("lab", "type = [\"x11\"]", "12h");
        assert_eq!(found(&by_type).level, Level::Note);
        assert!(
            found(&by_type)
                .what
                .starts_with("the rule \"lab\" asks for")
        );
        let by_terminal = rule("desk", "tty = [\"tty*\"]", "12h");
        let both = found(&format!("{by_type}{by_terminal}"));
        assert!(both.what.starts_with("the rules \"lab\" and \"desk\" ask"));
        for equal in [
            rule("lab", "type = [\"x11\"]", "10h"),
            rule("alice", "user = [\"alice\"]", "2h"),
            String::new(),
        ] {
            assert_eq!(found(&equal).level, Level::Ok, "{equal}");
        }
    }

    #[test]
    fn a_rule_that_comes_later_would_hold_as_well() {
        let rules = "[[rule]]\nname = \"lab\"\nmatch = { type = [\"x11\"] }\n\
                     [[rule]]\nname = \"alice\"\nmatch = { user = [\"alice\"] }\n\
                     session-timeout = \"2h\"\n";
        assert_eq!(found(rules).level, Level::Note);
    }
}
