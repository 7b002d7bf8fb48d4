//! Rules that never match, and values of `[default]` that nobody gets.

use session_timeout_policy::Reach;

use crate::diagnostic::{Problem, shown};
use crate::lint::subsumption::{Asked, Budget, reach_of};
use crate::origin::{At, By, Table};
use crate::resolve::tables::{Rule, Tables};
use crate::source_map::Texts;

pub(crate) fn check(tables: &Tables, texts: &mut Texts) {
    let mut budget = Budget::new();
    // Rules that can match, and come before the one that is looked at.
    let mut earlier: Vec<(&Rule, Asked<'_>)> = Vec::new();
    for rule in &tables.rules {
        if rule.matching.asks.is_empty() {
            matches_all(rule, texts);
        }
        if let Some((at, label)) = excludes_itself(rule) {
            never(rule, &at, texts, |problem| problem.label(label));
            continue;
        }
        let asked = Asked::of(&rule.matching.asks);
        let mut wide = earlier.iter();
        match wide.find(|(_, wide)| wide.covers(&asked, &mut budget)) {
            Some((first, _)) => hidden(rule, first, texts),
            None => earlier.push((rule, asked)),
        }
    }
    pointless_defaults(tables, texts);
}

fn matches_all(rule: &Rule, texts: &mut Texts) {
    let at = &rule.matching.at;
    let message = format!("rule `{}` matches every session", shown(&rule.name.value));
    let problem = Problem::warning(at.span.clone(), message)
        .label("nothing is asked for")
        .help("what holds for everybody belongs in `[default]`");
    texts.advise(at, problem);
}

fn never(rule: &Rule, at: &At, texts: &mut Texts, more: impl FnOnce(Problem) -> Problem) {
    let message = format!("rule `{}` never matches", shown(&rule.name.value));
    texts.advise(at, more(Problem::warning(at.span.clone(), message)));
}

/// Keys of one `match` that no session has together.
fn excludes_itself(rule: &Rule) -> Option<(At, String)> {
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

/// A rule whose every session another rule takes before.
fn hidden(rule: &Rule, first: &Rule, texts: &mut Texts) {
    let at = &rule.matching.at;
    let name = shown(&first.name.value);
    let place = texts.place_seen_from(at, &first.name.at);
    let label = format!("rule `{name}` ({place}) comes first and matches all of it");
    never(rule, at, texts, |problem| {
        let help = format!("the first rule that matches holds: put this one before `{name}`");
        problem.label(label).help(help)
    });
}

/// Keys of `[default]` that every rule sets, up to one that matches every session.
///
/// `[default]` also holds where the groups of a user cannot be had, so a rule that asks for them
/// leaves it something to do.
fn pointless_defaults(tables: &Tables, texts: &mut Texts) {
    let asks_everybody = |rule: &Rule| Asked::of(&rule.matching.asks).is_catch_all();
    let Some(last) = tables.rules.iter().position(asks_everybody) else {
        return;
    };
    let rules = tables.rules.get(..=last).unwrap_or_default();
    if rules.iter().any(|rule| rule.matching.asks.group.is_some()) {
        return;
    }
    let Some(all) = rules.last() else { return };
    for (index, (key, by)) in tables.default.by_key().into_iter().enumerate() {
        let sets = |rule: &Rule| {
            let by_key = rule.values.by_key();
            let by = by_key.get(index).map(|(_, by)| *by);
            by.is_some_and(|by| by.is_of(Table::Rule))
        };
        if let By::Key(_, at) = by
            && rules.iter().all(sets)
        {
            let name = shown(&all.name.value);
            let place = texts.place_seen_from(at, &all.name.at);
            let message = format!("`{key}` of `[default]` never holds");
            let label = format!("rule `{name}` ({place}) matches every session and sets it");
            let problem = Problem::warning(at.span.clone(), message).label(label);
            texts.advise(at, problem);
        }
    }
}
