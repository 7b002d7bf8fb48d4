//! Reads one text into a document: `[default]` and the rules as they are written.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Problem, Source, shown};
use crate::keys::value::{Entry, keep};
use crate::parse::fragment::{self, Fragment, ReadContext};
use crate::parse::rule::{self, RuleFragment, Syntax};
use crate::parse::syntax;
use crate::parse::unknown_key;

/// The maximum length of a policy, in bytes, all files together.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The maximum number of rules; few enough to compare each with each other.
pub(crate) const MAX_RULES: usize = 1000;

/// The maximum number of `.` and `{`, those in addresses included.
const MAX_TABLES: usize = 64 * 1024;

/// The content of one text.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) default: Fragment,
    pub(crate) rules: Vec<RuleFragment>,
    /// Whether the text is valid TOML. If not, its parts are not checked against each other.
    pub(crate) syntax: Syntax,
}

impl Document {
    /// Reads a text. Invalid parts are left out and become problems.
    pub(crate) fn read(source: &Source, reading: ReadContext, problems: &mut Vec<Problem>) -> Self {
        let text = source.text();
        let not_utf8 = source.not_utf8().map(|span| {
            let problem = Problem::error(span, "not UTF-8");
            problem.label("save the file in UTF-8")
        });
        if let Some(problem) = not_utf8.or_else(|| too_big(text)) {
            problems.push(problem);
            return Self::empty();
        }
        let (table, mut errors) = syntax::read(text);
        let root = table.get_ref();
        let syntax = if errors.is_empty() {
            Syntax::Good
        } else {
            Syntax::Broken
        };
        let mut found = Vec::new();
        let document = Self {
            default: read_default(root, reading, &mut found),
            rules: read_rules(root, reading, syntax, source, &mut found),
            syntax,
        };
        match syntax {
            Syntax::Good => check_tables(root, &mut found),
            Syntax::Broken => {
                // What the parser recovers from a broken line is meaningless, and a broken header
                // moves keys to another table. So problems on such lines are dropped.
                let line = |problem: &Problem| source.line_number(problem.span.start);
                let broken: BTreeSet<usize> = errors.iter().map(line).collect();
                found.retain(|problem| !broken.contains(&line(problem)));
            }
        }
        problems.append(&mut errors);
        problems.append(&mut found);
        document
    }

    fn empty() -> Self {
        Self {
            default: Fragment::default(),
            rules: Vec::new(),
            syntax: Syntax::Broken,
        }
    }
}

/// The problem of a text that would cost too much to read.
fn too_big(text: &str) -> Option<Problem> {
    if text.len() as u64 > MAX_FILE_BYTES {
        let message = format!("the policy is longer than {} KiB", MAX_FILE_BYTES / 1024);
        return Some(Problem::error(0..0, message));
    }
    // For each the parser may create a table, which takes about a thousand bytes.
    let mut costly = text.match_indices(['.', '{']);
    let (start, _) = costly.nth(MAX_TABLES)?;
    let label = format!("there are more than {MAX_TABLES} of `.` and `{{`");
    Some(Problem::error(start..start + 1, "the policy is too big").label(label))
}

/// The fragment of `[default]`; an empty one where it is absent.
fn read_default(root: &DeTable<'_>, reading: ReadContext, problems: &mut Vec<Problem>) -> Fragment {
    match root.get("default").map(Spanned::get_ref) {
        Some(DeValue::Table(table)) => fragment::read_default(table, reading, problems),
        _ => Fragment::default(),
    }
}

/// Every rule that has a name and a match.
fn read_rules(
    root: &DeTable<'_>,
    reading: ReadContext,
    syntax: Syntax,
    source: &Source,
    problems: &mut Vec<Problem>,
) -> Vec<RuleFragment> {
    let Some(DeValue::Array(array)) = root.get("rule").map(Spanned::get_ref) else {
        return Vec::new();
    };
    if let Some(beyond) = array.get(MAX_RULES) {
        problems.push(too_many(beyond.span()));
    }
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut read = Vec::new();
    for value in array.iter().take(MAX_RULES) {
        let Some(rule) = rule::read(value, reading, syntax, problems) else {
            continue;
        };
        let span = rule.name.at.span.clone();
        match lines.get(&rule.name.value) {
            None => {
                lines.insert(rule.name.value.clone(), source.line_number(span.start));
                read.push(rule);
            }
            Some(line) => {
                let message = format!("duplicate rule `{}`", shown(&rule.name.value));
                let label = format!("the one on line {line} has this name");
                problems.push(Problem::error(span, message).label(label));
            }
        }
    }
    read
}

pub(crate) fn too_many(span: std::ops::Range<usize>) -> Problem {
    let label = format!("at most {MAX_RULES}");
    Problem::error(span, "too many rules").label(label)
}

/// Reports everything in the text besides `[default]` and `[[rule]]`.
fn check_tables(root: &DeTable<'_>, problems: &mut Vec<Problem>) {
    for (name, value) in root {
        let key = name.get_ref().as_ref();
        let entry = Entry { key, value };
        match key {
            "default" => drop(keep(entry.table("[default]"), problems)),
            "rule" => problems.extend(not_rules(entry)),
            _ => problems.push(unknown_key::in_text(name)),
        }
    }
}

/// The problem of a `rule` that is not a list.
fn not_rules(entry: Entry<'_>) -> Option<Problem> {
    match entry.value.get_ref() {
        DeValue::Array(_) => None,
        DeValue::Table(_) => {
            let problem = entry.error("is not a list of rules");
            Some(problem.label("write [[rule]] above each rule"))
        }
        _ => entry.table("[[rule]]").err(),
    }
}
