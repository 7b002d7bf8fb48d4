//! Warnings about values that are allowed and probably not intended.
//!
//! If two values conflict, the warning is at the more specific one, and is given once even if
//! several rules inherit them. There are no warnings about built-in values.

pub(crate) mod contradiction;
mod subsumption;
pub(crate) mod unreachable;

use std::time::Duration;

use session_timeout_policy::{ABSOLUTE_MAX, EndAction, SessionType};
use session_timeout_texts::exactly;

use crate::diagnostic::Problem;
use crate::keys::Resolved;
use crate::keys::SpannedLeads;
use crate::keys::layer::Chosen;
use crate::origin::{Placed, SetBy, Table, TextSpan};
use crate::preset::Preset;
use crate::resolve::policy::{ResolvedPolicy, ResolvedRule};
use crate::source_map::SourceMap;

pub(crate) fn check(policy: &ResolvedPolicy, source_map: &mut SourceMap) {
    for (_, values) in policy.all() {
        contradiction::inactivity_exceeds_absolute(values, Problem::warning, source_map);
        leads_of_each_limit(values, source_map);
        lock_after_the_end(values, source_map);
        lock_without_an_end(values, source_map);
    }
    laxer_than_preset(&policy.default, policy.preset.as_ref(), source_map);
    for rule in &policy.rules {
        laxer_than_preset(&rule.values, rule.preset.as_ref(), source_map);
        screenless_lock(rule, source_map);
        pseudo_terminals(rule, source_map);
    }
    useless_extensions(policy, source_map);
}

/// A limit and its leads, with their keys.
struct LimitWithLeads<'a> {
    limit_key: &'static str,
    leads_key: &'static str,
    length: Duration,
    limit_by: &'a SetBy,
    leads: &'a Chosen<SpannedLeads>,
}

fn leads_of_each_limit(values: &Resolved, source_map: &mut SourceMap) {
    // Without an end there are no warnings, so leads have no effect.
    if values.action.value == EndAction::Report {
        return;
    }
    let absolute = LimitWithLeads {
        limit_key: "session-timeout",
        leads_key: "session-warnings",
        length: values.session_timeout.value,
        limit_by: &values.session_timeout.by,
        leads: &values.session_warnings,
    };
    leads(&absolute, source_map);
    if let Some(length) = values.inactivity_timeout.value {
        let inactivity = LimitWithLeads {
            limit_key: "inactivity-timeout",
            leads_key: "inactivity-warnings",
            length,
            limit_by: &values.inactivity_timeout.by,
            leads: &values.inactivity_warnings,
        };
        leads(&inactivity, source_map);
    }
}

fn leads(warned: &LimitWithLeads<'_>, source_map: &mut SourceMap) {
    let Some((_, leads_at)) = warned.leads.by.at() else {
        return;
    };
    if warned.leads.value.is_empty() {
        let problem = Problem::warning(leads_at.span.clone(), "sessions end without warning");
        let label = format!("`{}` is empty", warned.leads_key);
        source_map.warn(leads_at, problem.label(label));
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
                source_map.seen_from(limit_at, &warned.leads.by),
                late.join(", ")
            );
            let problem = Problem::warning(limit_at.span.clone(), message).label(label);
            source_map.warn(limit_at, problem);
        }
        _ => {
            for lead in late {
                let label = format!(
                    "{} is not shorter than `{}`, which is {limit}{}",
                    exactly(*lead.get_ref()),
                    warned.limit_key,
                    source_map.seen_from(leads_at, warned.limit_by)
                );
                let problem = Problem::warning(lead.span(), "this warning is never shown");
                source_map.warn(leads_at, problem.label(label));
            }
        }
    }
}

/// A `lock-after` that is not shorter than the limit that ends the session.
fn lock_after_the_end(values: &Resolved, source_map: &mut SourceMap) {
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
    let warning = match (lock.by.at(), by.at()) {
        (_, Some((_, at))) if by.rank() > lock.by.rank() => {
            let message = format!("`{key}` is not longer than `lock-after`");
            let seen = source_map.seen_from(at, &lock.by);
            let label = format!(
                "{}, and `lock-after` is {lock_length}{seen}",
                by.sets(&length)
            );
            Some((at, message, label))
        }
        (Some((_, at)), _) => {
            let message = format!("`lock-after` is not shorter than `{key}`");
            let seen = source_map.seen_from(at, by);
            let label = format!("{lock_length}, and `{key}` is {length}{seen}");
            Some((at, message, label))
        }
        (None, _) => None,
    };
    if let Some((at, message, label)) = warning {
        let problem = Problem::warning(at.span.clone(), message).label(label);
        source_map.warn(at, problem);
    }
}

/// A `lock-after` with the action `report`, which locks nothing.
fn lock_without_an_end(values: &Resolved, source_map: &mut SourceMap) {
    let (lock, action) = (&values.lock_after, &values.action);
    let Some((_, at)) = lock.by.at() else { return };
    let is_meant = action.by.rank() <= lock.by.rank();
    if lock.value.is_some() && action.value == EndAction::Report && is_meant {
        let seen = source_map.seen_from(at, &action.by);
        let label = format!("`action` is \"report\"{seen}: nothing is locked");
        let problem = Problem::warning(at.span.clone(), "`lock-after` has no effect");
        source_map.warn(at, problem.label(label));
    }
}

/// A rule for sessions without a screen that locks screens.
fn screenless_lock(rule: &ResolvedRule, source_map: &mut SourceMap) {
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
    if let SetBy::Key(Table::Rule, at) = &lock.by
        && lock.value.is_some()
    {
        let problem = Problem::warning(at.span.clone(), "`lock-after` has no effect");
        source_map.warn(at, problem.label(screenless.clone()));
    }
    if let SetBy::Key(Table::Rule, at) = &action.by
        && action.value == EndAction::Lock
    {
        let problem = Problem::warning(at.span.clone(), "`action = \"lock\"` locks nothing");
        source_map.warn(
            at,
            problem.label(format!("{screenless}: they are terminated")),
        );
    }
}

fn pseudo_terminals(rule: &ResolvedRule, source_map: &mut SourceMap) {
    let Some(patterns) = &rule.matching.asks.tty else {
        return;
    };
    let at = rule.matching.key("tty");
    for (pattern, element) in patterns.iter().zip(rule.matching.elements("tty")) {
        if pattern.as_str() == "pts" || pattern.as_str().starts_with("pts/") {
            let problem = Problem::warning(element, "pseudo-terminals seldom match")
                .label("logind seldom knows the terminal of an SSH session")
                .help("`remote = true` or `service = \"sshd\"` matches SSH sessions");
            source_map.warn(&at, problem);
        }
    }
}

/// A key that is laxer than the preset of the same table.
fn laxer_than_preset(
    values: &Resolved,
    preset: Option<&Placed<&'static Preset>>,
    source_map: &mut SourceMap,
) {
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
        // Only a key of the same table overrides the preset.
        let (SetBy::Key(_, at), Some(asked)) = (by, asked) else {
            continue;
        };
        if length.is_some_and(|length| length <= asked) {
            continue;
        }
        let message = format!("`{key}` is longer than the preset has it");
        let name = preset.value.name;
        let location = source_map.location_seen_from(at, &preset.at);
        let length = length.map_or_else(|| "off".to_owned(), exactly);
        let asked = exactly(asked);
        let label = format!("{length}, and preset \"{name}\" ({location}) has {asked}");
        let problem = Problem::warning(at.span.clone(), message).label(label);
        source_map.warn(at, problem);
    }
}

/// Extensions that are never granted, since the limit is already the maximum.
fn useless_extensions(policy: &ResolvedPolicy, source_map: &mut SourceMap) {
    let granted: Vec<(&TextSpan, bool)> = policy
        .all()
        .filter(|(_, values)| values.extend_times.value > 0)
        .filter_map(|(_, values)| {
            let (_, at) = values.extend_times.by.at()?;
            Some((at, values.session_timeout.value < ABSOLUTE_MAX))
        })
        .collect();
    let is_ever_granted = |at: &TextSpan| granted.iter().any(|(other, is)| *is && *other == at);
    for (at, _) in &granted {
        if !is_ever_granted(at) {
            let longest = exactly(ABSOLUTE_MAX);
            let label =
                format!("`session-timeout` is {longest} already, and no session lasts longer");
            let problem = Problem::warning(at.span.clone(), "this extension is never granted");
            source_map.warn(at, problem.label(label));
        }
    }
}
