//! A text to settings: each value good by itself, and all of them good together.

use std::collections::BTreeSet;
use std::time::Duration;

use session_timeout_policy::{EndAction, Leads, Limit, Limits};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Problem, Source, locate};
use crate::duration::for_people;
use crate::fragment::{self, Fragment, unknown_key};
use crate::range::Minima;
use crate::syntax;
use crate::value::{Entry, keep, not_available};

/// What a policy file says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[default]`: what holds for every session that is judged.
    pub limits: Limits,
    // The rules of `[[rule]]` go here: for each its match, and its fragment over that of
    // `[default]`, made limits by `limits()` below.
    /// What is allowed and hardly meant, in the order of the text.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a policy. `name` is what diagnostics call the text, usually its path.
///
/// # Errors
/// Everything that is wrong, in the order of the text (the first fifty, of a text that has more).
pub fn parse(name: &str, text: &str, minima: Minima) -> Result<Settings, Vec<Diagnostic>> {
    let source = Source::new(name, text);
    let (table, mut errors) = syntax::read(text);
    let mut found = Vec::new();
    let fragment = read_default(table.get_ref(), minima, &mut found);
    if errors.is_empty() {
        check_tables(table.get_ref(), &mut found);
        found.extend(contradiction(&fragment));
    } else {
        // What the parser made of a broken line means nothing, and a broken header moves keys to
        // another table: judge neither.
        let line = |problem: &Problem| source.line_number(problem.span.start);
        let broken: BTreeSet<usize> = errors.iter().map(line).collect();
        found.retain(|problem| !broken.contains(&line(problem)));
    }
    errors.append(&mut found);
    if !errors.is_empty() {
        return Err(locate(source, errors));
    }

    let limits = limits(&fragment);
    let warnings = locate(source, warnings(&fragment, &limits));
    Ok(Settings { limits, warnings })
}

/// The fragment of `[default]`; an empty one where it is absent.
fn read_default(root: &DeTable<'_>, minima: Minima, problems: &mut Vec<Problem>) -> Fragment {
    match root.get("default").map(Spanned::get_ref) {
        Some(DeValue::Table(table)) => Fragment::read(table, minima, problems),
        _ => Fragment::default(),
    }
}

/// Whether there is anything in the text besides `[default]`.
fn check_tables(root: &DeTable<'_>, problems: &mut Vec<Problem>) {
    for (name, value) in root {
        let key = name.get_ref().as_ref();
        match key {
            "default" => drop(keep(Entry { key, value }.table("[default]"), problems)),
            "rule" => problems.push(not_available(name.span(), "[[rule]]")),
            _ if fragment::KEYS.contains(&key) => problems.push(
                Problem::error(name.span(), format!("`{key}` is outside of `[default]`"))
                    .help("put it below a line `[default]`"),
            ),
            _ => problems.push(unknown_key(name, &["default"])),
        }
    }
}

/// The fragment over the built-in defaults.
fn limits(fragment: &Fragment) -> Limits {
    let built_in = Limits::default();
    let absolute = Limit {
        length: value(fragment.session_timeout.as_ref()).unwrap_or(built_in.absolute.length),
        leads: leads(fragment.session_warnings.as_ref()).unwrap_or(built_in.absolute.leads),
    };
    let inactivity = value(fragment.inactivity_timeout.as_ref())
        .flatten()
        .map(|length| Limit {
            length,
            leads: leads(fragment.inactivity_warnings.as_ref()).unwrap_or_else(inactivity_leads),
        });
    Limits {
        absolute,
        inactivity,
        end_action: fragment.action.unwrap_or(built_in.end_action),
        unknown_idle: fragment.unknown_idle.unwrap_or(built_in.unknown_idle),
        grace: fragment.grace.unwrap_or(built_in.grace),
        message: fragment.message.clone().or(built_in.message),
    }
}

/// `inactivity-warnings` where the file has none. They are not in [`Limits::default`], because
/// there the limit is off.
fn inactivity_leads() -> Leads {
    Leads::new([120, 30].map(Duration::from_secs))
}

/// Values that exclude each other.
///
/// Only what the file says is compared: no range goes beyond the built-in absolute limit.
fn contradiction(fragment: &Fragment) -> Option<Problem> {
    let inactivity = fragment.inactivity_timeout.as_ref()?;
    let length = (*inactivity.get_ref())?;
    let absolute = *fragment.session_timeout.as_ref()?.get_ref();
    (length > absolute).then(|| {
        let (length, absolute) = (for_people(length), for_people(absolute));
        Problem::error(
            inactivity.span(),
            "`inactivity-timeout` is longer than the absolute limit",
        )
        .label(format!("{length}, and `session-timeout` is {absolute}"))
    })
}

/// What is allowed and hardly meant. Only of values that the file has: nobody is bothered about
/// the built-in ones.
fn warnings(fragment: &Fragment, limits: &Limits) -> Vec<Problem> {
    // Where nothing is ended, nobody is warned, and no lead means anything.
    if limits.end_action == EndAction::Report {
        return Vec::new();
    }
    let absolute = (
        fragment.session_warnings.as_ref(),
        ("session-warnings", "session-timeout"),
        Some(&limits.absolute),
    );
    let inactivity = (
        fragment.inactivity_warnings.as_ref(),
        ("inactivity-warnings", "inactivity-timeout"),
        limits.inactivity.as_ref(),
    );
    let mut warnings = Vec::new();
    for (leads, (leads_key, limit_key), limit) in [absolute, inactivity] {
        let (Some(leads), Some(limit)) = (leads, limit) else {
            continue;
        };
        if leads.get_ref().is_empty() {
            let problem = Problem::warning(leads.span(), "sessions end without warning");
            warnings.push(problem.label(format!("`{leads_key}` is empty")));
        }
        let late = leads.get_ref().iter();
        warnings.extend(
            late.filter(|lead| *lead.get_ref() >= limit.length)
                .map(|lead| {
                    let (lead_length, limit) =
                        (for_people(*lead.get_ref()), for_people(limit.length));
                    let label = format!(
                        "{lead_length} is not shorter than `{limit_key}`, which is {limit}"
                    );
                    Problem::warning(lead.span(), "this warning is never shown").label(label)
                }),
        );
    }
    warnings
}

fn value<T: Copy>(written: Option<&Spanned<T>>) -> Option<T> {
    written.map(|written| *written.get_ref())
}

fn leads(written: Option<&Spanned<Vec<Spanned<Duration>>>>) -> Option<Leads> {
    let leads = written?.get_ref().iter();
    Some(Leads::new(leads.map(|lead| *lead.get_ref())))
}
