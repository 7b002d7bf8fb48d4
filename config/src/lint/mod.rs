//! Values that are allowed and hardly meant.
//!
//! Two values that do not go together are pointed out at the more particular one, which makes it
//! so, and once, however many rules inherit them. Nobody is bothered about what is built in.

pub(crate) mod contradiction;
mod subsumption;
pub(crate) mod unreachable;

use std::time::Duration;

use session_timeout_policy::{ABSOLUTE_MAX, EndAction, SessionType};
use session_timeout_texts::exactly;

use crate::diagnostic::Problem;
use crate::keys::LeadsTyped;
use crate::keys::Resolved;
use crate::keys::layer::Chosen;
use crate::origin::{At, By, Placed, Table};
use crate::preset::Preset;
use crate::resolve::tables::{Rule, Tables};
use crate::source_map::Texts;

pub(crate) fn check(tables: &Tables, texts: &mut Texts) {
    for (_, values) in tables.all() {
        contradiction::too_long(values, Problem::warning, texts);
        all_leads(values, texts);
        late_lock(values, texts);
        reported_lock(values, texts);
    }
    weakened(&tables.default, tables.preset.as_ref(), texts);
    for rule in &tables.rules {
        weakened(&rule.values, rule.preset.as_ref(), texts);
        screenless_lock(rule, texts);
        pseudo_terminals(rule, texts);
    }
    vain_extensions(tables, texts);
}

/// A limit with its key, and its leads with theirs.
struct Warned<'a> {
    limit_key: &'static str,
    leads_key: &'static str,
    length: Duration,
    limit_by: &'a By,
    leads: &'a Chosen<LeadsTyped>,
}

fn all_leads(values: &Resolved, texts: &mut Texts) {
    // Where nothing is ended, nobody is warned, and no lead means anything.
    if values.action.value == EndAction::Report {
        return;
    }
    let absolute = Warned {
        limit_key: "session-timeout",
        leads_key: "session-warnings",
        length: values.session_timeout.value,
        limit_by: &values.session_timeout.by,
        leads: &values.session_warnings,
    };
    leads(&absolute, texts);
    if let Some(length) = values.inactivity_timeout.value {
        let inactivity = Warned {
            limit_key: "inactivity-timeout",
            leads_key: "inactivity-warnings",
            length,
            limit_by: &values.inactivity_timeout.by,
            leads: &values.inactivity_warnings,
        };
        leads(&inactivity, texts);
    }
}

fn leads(warned: &Warned<'_>, texts: &mut Texts) {
    let Some((_, leads_at)) = warned.leads.by.at() else {
        return;
    };
    if warned.leads.value.is_empty() {
        let problem = Problem::warning(leads_at.span.clone(), "sessions end without warning");
        let label = format!("`{}` is empty", warned.leads_key);
        texts.advise(leads_at, problem.label(label));
    }
    let late = warned.leads.value.iter();
    let late = late.filter(|lead| *lead.get_ref() >= warned.length);
    let limit = exactly(warned.length);
    match warned.limit_by.at() {
        Some((_, limit_at)) if warned.limit_by.rank() > warned.leads.by.rank() => {
            let late: Vec<String> = late.map(|lead| exactly(*lead.get_ref())).collect();
            if late.is_empty() {
                return;
            }
            let message = format!("`{}` is not longer than its warnings", warned.limit_key);
            let label = format!(
                "{}, and `{}`{} has {}: never shown",
                warned.limit_by.sets(&limit),
                warned.leads_key,
                texts.seen_from(limit_at, &warned.leads.by),
                late.join(", ")
            );
            let problem = Problem::warning(limit_at.span.clone(), message).label(label);
            texts.advise(limit_at, problem);
        }
        _ => {
            for lead in late {
                let label = format!(
                    "{} is not shorter than `{}`, which is {limit}{}",
                    exactly(*lead.get_ref()),
                    warned.limit_key,
                    texts.seen_from(leads_at, warned.limit_by)
                );
                let problem = Problem::warning(lead.span(), "this warning is never shown");
                texts.advise(leads_at, problem.label(label));
            }
        }
    }
}

/// A lock that would come when the session has ended already.
fn late_lock(values: &Resolved, texts: &mut Texts) {
    let lock = &values.lock_after;
    let Some(lock_after) = lock.value else { return };
    if values.action.value == EndAction::Report {
        return;
    }
    let inactivity = &values.inactivity_timeout;
    let absolute = &values.session_timeout;
    let (key, length, by) = match inactivity.value {
        Some(length) if lock_after >= length => ("inactivity-timeout", length, &inactivity.by),
        _ if lock_after >= absolute.value => ("session-timeout", absolute.value, &absolute.by),
        _ => return,
    };
    let (lock_length, length) = (exactly(lock_after), exactly(length));
    let advice = match (lock.by.at(), by.at()) {
        (_, Some((_, at))) if by.rank() > lock.by.rank() => {
            let message = format!("`{key}` is not longer than `lock-after`");
            let seen = texts.seen_from(at, &lock.by);
            let label = format!(
                "{}, and `lock-after` is {lock_length}{seen}",
                by.sets(&length)
            );
            Some((at, message, label))
        }
        (Some((_, at)), _) => {
            let message = format!("`lock-after` is not shorter than `{key}`");
            let seen = texts.seen_from(at, by);
            let label = format!("{lock_length}, and `{key}` is {length}{seen}");
            Some((at, message, label))
        }
        (None, _) => None,
    };
    if let Some((at, message, label)) = advice {
        let problem = Problem::warning(at.span.clone(), message).label(label);
        texts.advise(at, problem);
    }
}

/// A lock in a table that ends nothing, and locks nothing either.
fn reported_lock(values: &Resolved, texts: &mut Texts) {
    let (lock, action) = (&values.lock_after, &values.action);
    let Some((_, at)) = lock.by.at() else { return };
    let is_meant = action.by.rank() <= lock.by.rank();
    if lock.value.is_some() && action.value == EndAction::Report && is_meant {
        let seen = texts.seen_from(at, &action.by);
        let label = format!("`action` is \"report\"{seen}: nothing is locked");
        let problem = Problem::warning(at.span.clone(), "`lock-after` has no effect");
        texts.advise(at, problem.label(label));
    }
}

/// A rule about sessions without a screen that wants one locked.
fn screenless_lock(rule: &Rule, texts: &mut Texts) {
    let Some(types) = &rule.matching.asks.session_type else {
        return;
    };
    if types.iter().copied().any(SessionType::is_graphical) {
        return;
    }
    let names: Vec<&str> = types.iter().map(|one| one.as_str()).collect();
    let screenless = format!(
        "sessions of type {} have no screen to lock",
        names.join(", ")
    );
    let (lock, action) = (&rule.values.lock_after, &rule.values.action);
    if let By::Key(Table::Rule, at) = &lock.by
        && lock.value.is_some()
    {
        let problem = Problem::warning(at.span.clone(), "`lock-after` has no effect");
        texts.advise(at, problem.label(screenless.clone()));
    }
    if let By::Key(Table::Rule, at) = &action.by
        && action.value == EndAction::Lock
    {
        let problem = Problem::warning(at.span.clone(), "`action = \"lock\"` locks nothing");
        texts.advise(
            at,
            problem.label(format!("{screenless}: they are terminated")),
        );
    }
}

fn pseudo_terminals(rule: &Rule, texts: &mut Texts) {
    let Some(patterns) = &rule.matching.asks.tty else {
        return;
    };
    let at = rule.matching.key("tty");
    for (pattern, element) in patterns.iter().zip(rule.matching.elements("tty")) {
        if pattern.as_str() == "pts" || pattern.as_str().starts_with("pts/") {
            let problem = Problem::warning(element, "pseudo-terminals seldom match")
                .label("logind seldom knows the terminal of an SSH session")
                .help("`remote = true` or `service = \"sshd\"` matches SSH sessions");
            texts.advise(&at, problem);
        }
    }
}

/// A key that is laxer than the preset that is named beside it.
fn weakened(values: &Resolved, preset: Option<&Placed<&'static Preset>>, texts: &mut Texts) {
    let Some(preset) = preset else { return };
    let session = values.session_timeout.value;
    let limits = [
        (
            "session-timeout",
            preset.value.session_timeout,
            Some(session),
            &values.session_timeout.by,
        ),
        (
            "inactivity-timeout",
            preset.value.inactivity_timeout,
            values.inactivity_timeout.value,
            &values.inactivity_timeout.by,
        ),
    ];
    for (key, asked, length, by) in limits {
        // What the preset sets, only a key beside it can have set otherwise.
        let (By::Key(_, at), Some(asked)) = (by, asked) else {
            continue;
        };
        if length.is_some_and(|length| length <= asked) {
            continue;
        }
        let message = format!("`{key}` is longer than the preset has it");
        let name = preset.value.name;
        let place = texts.place_seen_from(at, &preset.at);
        let length = length.map_or_else(|| "off".to_owned(), exactly);
        let asked = exactly(asked);
        let label = format!("{length}, and preset \"{name}\" ({place}) has {asked}");
        let problem = Problem::warning(at.span.clone(), message).label(label);
        texts.advise(at, problem);
    }
}

/// Extensions that no session can be granted, under any table that has them.
fn vain_extensions(tables: &Tables, texts: &mut Texts) {
    let granted: Vec<(&At, bool)> = tables
        .all()
        .filter(|(_, values)| values.extend_times.value > 0)
        .filter_map(|(_, values)| {
            let (_, at) = values.extend_times.by.at()?;
            Some((at, values.session_timeout.value < ABSOLUTE_MAX))
        })
        .collect();
    let is_ever_granted = |at: &At| granted.iter().any(|(other, is)| *is && *other == at);
    for (at, _) in &granted {
        if !is_ever_granted(at) {
            let longest = exactly(ABSOLUTE_MAX);
            let label =
                format!("`session-timeout` is {longest} already, and no session lasts longer");
            let problem = Problem::warning(at.span.clone(), "this extension is never granted");
            texts.advise(at, problem.label(label));
        }
    }
}
