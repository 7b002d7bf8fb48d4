//! The errors for keys that a table does not have.

use toml::Spanned;

use crate::diagnostic::{Problem, shown};
use crate::keys::value::did_you_mean;
use crate::keys::{keys_in_extend, names_in_table};

/// The keys of a rule that `[default]` does not have.
const RULE: [&str; 2] = ["name", "match"];

/// The keys of `match`.
pub(crate) const MATCH: [&str; 9] = [
    "user", "group", "service", "type", "class", "remote", "from", "tty", "seat",
];

/// Names that other systems use for our keys.
const SYNONYMS: [(&str, &str); 14] = [
    ("absolute-timeout", "session-timeout"),
    ("absolute-limit", "session-timeout"),
    ("max-session-time", "session-timeout"),
    ("absolute-warnings", "session-warnings"),
    ("warnings", "session-warnings"),
    ("idle-timeout", "inactivity-timeout"),
    ("idle-limit", "inactivity-timeout"),
    ("idle-warnings", "inactivity-warnings"),
    ("on-timeout", "action"),
    ("extensions", "extend"),
    ("host", "from"),
    ("address", "from"),
    ("terminal", "tty"),
    ("pam-service", "service"),
];

/// The error for an unknown key outside of a table.
pub(crate) fn in_text(name: &Spanned<impl AsRef<str>>) -> Problem {
    let key = name.get_ref().as_ref();
    if names_in_table().contains(&key) {
        return outside(name, "[default]");
    }
    if is_of_rules(key) {
        return outside(name, "[[rule]]");
    }
    unknown(name, &["default", "rule"])
}

/// The error for an unknown key in `[default]`.
pub(crate) fn in_default(name: &Spanned<impl AsRef<str>>) -> Problem {
    if is_of_rules(name.get_ref().as_ref()) {
        return outside(name, "[[rule]]");
    }
    unknown(name, &names_in_table())
}

/// The error for an unknown key in a rule.
pub(crate) fn in_rule(name: &Spanned<impl AsRef<str>>) -> Problem {
    let key = name.get_ref().as_ref();
    if MATCH.contains(&key) {
        let problem = Problem::error(name.span(), format!("`{key}` is outside of `match`"));
        return problem.help(format!("write `match = {{ {key} = ... }}`"));
    }
    let known: Vec<&str> = RULE.into_iter().chain(names_in_table()).collect();
    unknown(name, &known)
}

/// The error for an unknown key in `match`.
pub(crate) fn in_match(name: &Spanned<impl AsRef<str>>) -> Problem {
    let key = name.get_ref().as_ref();
    if names_in_table().contains(&key) {
        return Problem::error(name.span(), format!("`{key}` is inside of `match`"))
            .label("`match` says for which sessions the rule holds")
            .help("put it beside `match`, below the line `[[rule]]`");
    }
    unknown(name, &MATCH)
}

/// The error for an unknown key in `extend`.
pub(crate) fn in_extend(name: &Spanned<impl AsRef<str>>) -> Problem {
    let names: Vec<&str> = keys_in_extend().map(|(name, _)| name).collect();
    unknown(name, &names)
}

fn is_of_rules(key: &str) -> bool {
    RULE.contains(&key) || MATCH.contains(&key)
}

fn outside(name: &Spanned<impl AsRef<str>>, table: &str) -> Problem {
    let key = name.get_ref().as_ref();
    Problem::error(name.span(), format!("`{key}` is outside of `{table}`"))
        .help(format!("put it below a line `{table}`"))
}

fn unknown(name: &Spanned<impl AsRef<str>>, known: &[&str]) -> Problem {
    let typed = name.get_ref().as_ref();
    let problem = Problem::error(name.span(), format!("unknown key `{}`", shown(typed)))
        .help(format!("known keys: {}", known.join(", ")));
    // Synonyms are suggested, not accepted: each key has one name.
    let same = SYNONYMS.iter().find(|(other, _)| *other == typed);
    match same.filter(|(_, word)| known.contains(word)) {
        Some((_, word)) => problem.help(format!("did you mean `{word}`?")),
        None => did_you_mean(problem, typed, known.iter().copied()),
    }
}
