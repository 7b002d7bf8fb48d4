//! Prints a policy as one policy file.

use session_timeout_policy::{Match, Pattern, Reach};

use crate::keys::toml_text::{list, string, word};
use crate::origin::{BUILT_IN_MESSAGE, Setting, Table};
use crate::parse::matching::{CLASSES, TYPES};
use crate::settings::{PrintedSetting, Settings};

impl Settings {
    /// The whole policy as one policy file: `[default]` with every value, and each rule with those
    /// that it sets. Read again, it gives an equal policy.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = "[default]\n".to_owned();
        for PrintedSetting { setting, .. } in &self.default.printed {
            if setting.value != BUILT_IN_MESSAGE {
                text += &line(setting);
            }
        }
        for rule in &self.rules {
            let (name, matching) = (string(&rule.name), matching(&rule.matching));
            text += &format!("\n[[rule]]\nname = {name}\nmatch = {matching}\n");
            let printed = rule.effective.printed.iter();
            for own in printed.filter(|printed| printed.table == Some(Table::Rule)) {
                text += &line(&own.setting);
            }
        }
        text
    }
}

fn line(setting: &Setting) -> String {
    format!("{} = {}\n", setting.key, setting.value)
}

/// The `match` of a rule as a TOML table on one line.
fn matching(asks: &Match) -> String {
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
