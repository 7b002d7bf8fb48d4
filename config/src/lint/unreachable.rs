//! Warnings about rules that never match, and about values of `[default]` that never hold.

use session_timeout_policy::Reach;

use crate::diagnostic::{Problem, shown};
use crate::lint::subsumption::{CompareBudget, PreparedMatch, reach_of};
use crate::origin::{SetBy, Table, TextSpan};
use crate::resolve::policy::{ResolvedPolicy, ResolvedRule};
use crate::source_map::SourceMap;

pub(crate) fn check(policy: &ResolvedPolicy, source_map: &mut SourceMap) {
    let mut budget = CompareBudget::new();
    // The rules before the current one that can match.
    let mut earlier: Vec<(&ResolvedRule, PreparedMatch<'_>)> = Vec::new();
    for rule in &policy.rules {
        if rule.matching.asks.is_empty() {
            matches_all(rule, source_map);
        }
        if let Some((at, label)) = excludes_itself(rule) {
            never(rule, &at, source_map, |problem| problem.label(label));
            continue;
        }
        let asked = PreparedMatch::of(&rule.matching.asks);
        let mut wide = earlier.iter();
        match wide.find(|(_, wide)| wide.covers(&asked, &mut budget)) {
            Some((first, _)) => hidden(rule, first, source_map),
            None => earlier.push((rule, asked)),
        }
    }
    pointless_defaults(policy, source_map);
}

fn matches_all(rule: &ResolvedRule, source_map: &mut SourceMap) {
    let at = &rule.matching.at;
    let message = format!("rule `{}` matches every session", shown(&rule.name.value));
    let problem = Problem::warning(at.span.clone(), message)
        .label("nothing is asked for")
        .help("what holds for everybody belongs in `[default]`");
    source_map.warn(at, problem);
}

fn never(
    rule: &ResolvedRule,
    at: &TextSpan,
    source_map: &mut SourceMap,
    more: impl FnOnce(Problem) -> Problem,
) {
    let message = format!("rule `{}` never matches", shown(&rule.name.value));
    source_map.warn(at, more(Problem::warning(at.span.clone(), message)));
}

/// Keys of one `match` that exclude each other.
fn excludes_itself(rule: &ResolvedRule) -> Option<(TextSpan, String)> {
    let asks = &rule.matching.asks;
    let wanted = asks.reach?;
    let found = reach_of(asks.from.as_deref()?)?;
    let label = match (wanted, found) {
        (Reach::Local, Reach::Remote) => {
            "a login from another host is remote, and `remote` is false"
        }
        (Reach::Remote, Reach::Local) => {
            "a login from the machine itself is not remote, and `remote` is true"
        }
        (Reach::Local, Reach::Local) | (Reach::Remote, Reach::Remote) => return None,
    };
    Some((rule.matching.key("from"), label.to_owned()))
}

/// A rule all of whose sessions are matched by an earlier rule.
fn hidden(rule: &ResolvedRule, first: &ResolvedRule, source_map: &mut SourceMap) {
    let at = &rule.matching.at;
    let name = shown(&first.name.value);
    let location = source_map.location_seen_from(at, &first.name.at);
    let label = format!("rule `{name}` ({location}) comes first and matches all of it");
    never(rule, at, source_map, |problem| {
        let help = format!("the first rule that matches holds: put this one before `{name}`");
        problem.label(label).help(help)
    });
}

/// Keys of `[default]` that every rule sets, up to a rule that matches every session.
///
/// `[default]` also holds if the groups of a user are unavailable, so it is needed if a rule
/// depends on groups.
fn pointless_defaults(policy: &ResolvedPolicy, source_map: &mut SourceMap) {
    let asks_everybody =
        |rule: &ResolvedRule| PreparedMatch::of(&rule.matching.asks).is_catch_all();
    let Some(last) = policy.rules.iter().position(asks_everybody) else {
        return;
    };
    let rules = policy.rules.get(..=last).unwrap_or_default();
    if rules.iter().any(|rule| rule.matching.asks.group.is_some()) {
        return;
    }
    let Some(all) = rules.last() else { return };
    for (index, (key, by)) in policy.default.by_key().into_iter().enumerate() {
        let sets = |rule: &ResolvedRule| {
            let by_key = rule.values.by_key();
            let by = by_key.get(index).map(|(_, by)| *by);
            by.is_some_and(|by| by.is_of(Table::Rule))
        };
        if let SetBy::Key(_, at) = by
            && rules.iter().all(sets)
        {
            let name = shown(&all.name.value);
            let location = source_map.location_seen_from(at, &all.name.at);
            let message = format!("`{key}` of `[default]` never holds");
            let label = format!("rule `{name}` ({location}) matches every session and sets it");
            let problem = Problem::warning(at.span.clone(), message).label(label);
            source_map.warn(at, problem);
        }
    }
}
