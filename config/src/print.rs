//! A policy back to text: value by value, and whole.

use std::time::Duration;

use session_timeout_policy::{Match, Pattern, Reach};

use crate::duration;
use crate::origin::{BUILT_IN_MESSAGE, Setting, Table};
use crate::parse::fragment::{ACTIONS, ACTIVITIES, BELLS, LeadsTyped, MESGS, UNKNOWN_IDLE};
use crate::parse::matching::{CLASSES, TYPES};
use crate::parse::value::Choice;
use crate::resolve::{Resolved, VALUES, leads};
use crate::settings::{Effective, RuleSettings};
use crate::source_map::Texts;

/// A setting, and the table that it was found in; `None`: it is built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Printed {
    pub(crate) setting: Setting,
    pub(crate) table: Option<Table>,
}

/// Every value, in the order of the manual.
pub(crate) fn settings(resolved: &Resolved, texts: &Texts) -> Vec<Printed> {
    let printed = resolved.by_key().into_iter().zip(values(resolved));
    let printed = printed.map(|((key, by), value)| Printed {
        setting: Setting {
            key,
            value,
            origin: texts.origin(by),
        },
        table: by.at().map(|(table, _)| table),
    });
    printed.collect()
}

/// The values as TOML, in the order of [`Resolved::by_key`].
fn values(resolved: &Resolved) -> [String; VALUES] {
    let Resolved {
        session_timeout,
        session_warnings,
        inactivity_timeout,
        inactivity_warnings,
        lock_after,
        action,
        activity,
        unknown_idle,
        grace,
        extend_times,
        extend_by,
        message,
        bell,
        mesg,
    } = resolved;
    let counted = ACTIVITIES.iter();
    let counted = counted.filter(|choice| activity.value.contains(&choice.meaning));
    let message = message.value.as_deref();
    [
        length(session_timeout.value),
        lengths(&session_warnings.value),
        length_or_off(inactivity_timeout.value),
        lengths(&inactivity_warnings.value),
        length_or_off(lock_after.value),
        word(&ACTIONS, &action.value),
        list(counted.map(|choice| string(choice.word))),
        word(&UNKNOWN_IDLE, &unknown_idle.value),
        length(grace.value),
        extend_times.value.to_string(),
        length(extend_by.value),
        message.map_or_else(|| BUILT_IN_MESSAGE.to_owned(), string),
        word(&BELLS, &bell.value),
        word(&MESGS, &mesg.value),
    ]
}

/// A whole policy: `[default]` with every value, and each rule with those that it sets.
pub(crate) fn policy(default: &Effective, rules: &[RuleSettings]) -> String {
    let mut text = "[default]\n".to_owned();
    for Printed { setting, .. } in &default.printed {
        if setting.key != "message" || default.limits.message.is_some() {
            text += &line(setting);
        }
    }
    for rule in rules {
        let (name, matching) = (string(&rule.name), matching(&rule.matching));
        text += &format!("\n[[rule]]\nname = {name}\nmatch = {matching}\n");
        let printed = rule.effective.printed.iter();
        for own in printed.filter(|printed| printed.table == Some(Table::Rule)) {
            text += &line(&own.setting);
        }
    }
    text
}

fn line(setting: &Setting) -> String {
    format!("{} = {}\n", setting.key, setting.value)
}

/// The questions of a rule, as one table.
pub(crate) fn matching(asks: &Match) -> String {
    let types = asks.session_type.as_ref();
    let classes = asks.class.as_ref();
    let from = asks.from.as_ref();
    let reach = asks.reach.map(|reach| match reach {
        Reach::Local => "false".to_owned(),
        Reach::Remote => "true".to_owned(),
    });
    let keys = [
        ("user", asks.user.as_deref().map(patterns)),
        ("group", asks.group.as_deref().map(patterns)),
        ("service", asks.service.as_deref().map(patterns)),
        (
            "type",
            types.map(|types| list(types.iter().map(|one| word(&TYPES, one)))),
        ),
        (
            "class",
            classes.map(|classes| list(classes.iter().map(|one| word(&CLASSES, one)))),
        ),
        ("remote", reach),
        (
            "from",
            from.map(|hosts| list(hosts.iter().map(|host| string(&host.to_string())))),
        ),
        ("tty", asks.tty.as_deref().map(patterns)),
        ("seat", asks.seat.as_deref().map(patterns)),
    ];
    let asked = keys.into_iter().filter_map(|(key, value)| {
        let value = value?;
        Some(format!("{key} = {value}"))
    });
    let asked: Vec<String> = asked.collect();
    if asked.is_empty() {
        "{}".to_owned()
    } else {
        format!("{{ {} }}", asked.join(", "))
    }
}

fn patterns(patterns: &[Pattern]) -> String {
    list(patterns.iter().map(|pattern| string(pattern.as_str())))
}

fn lengths(typed: &LeadsTyped) -> String {
    list(leads(typed).iter().map(length))
}

fn length_or_off(value: Option<Duration>) -> String {
    value.map_or_else(|| string("off"), length)
}

fn length(value: Duration) -> String {
    string(&duration::print(value))
}

fn word<T: PartialEq>(choices: &[Choice<T>], meaning: &T) -> String {
    let choice = choices.iter().find(|choice| choice.meaning == *meaning);
    string(choice.map_or("", |choice| choice.word))
}

fn list(elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<String> = elements.collect();
    format!("[{}]", elements.join(", "))
}

/// The text between quotes, with what TOML wants to be escaped.
fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}
