//! Reads one `[[rule]]` as it is written.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Problem, shown};
use crate::keys::Known;
use crate::keys::value::{Entry, keep};
use crate::origin::{Placed, TextSpan};
use crate::parse::fragment::{Fragment, ReadContext};
use crate::parse::matching::{self, Matching};
use crate::parse::unknown_key;

/// The maximum length of a rule's name, which `status` shows in a table.
const MAX_NAME_BYTES: usize = 64;

/// A rule in which every value is valid by itself.
#[derive(Clone, Debug)]
pub(crate) struct RuleFragment {
    pub(crate) name: Placed<String>,
    pub(crate) matching: Matching,
    pub(crate) fragment: Fragment,
}

/// Whether a text is valid TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Good,
    Broken,
}

/// Reads a rule, if it has a name and a `match`. Invalid parts become problems.
pub(crate) fn read(
    value: &Spanned<DeValue<'_>>,
    reading: ReadContext,
    syntax: Syntax,
    problems: &mut Vec<Problem>,
) -> Option<RuleFragment> {
    let entry = Entry { key: "rule", value };
    let table = keep(entry.table("[[rule]]"), problems)?;
    let mut name = None;
    let mut matching = None;
    let mut fragment = Fragment::default();
    for (key_typed, value) in table {
        let key = key_typed.get_ref().as_ref();
        let entry = Entry { key, value };
        match key {
            "name" => name = keep(read_name(entry, reading), problems),
            "match" => matching = matching::read(entry, reading, problems),
            _ => {
                if fragment.read(entry, reading, problems) == Known::No {
                    problems.push(unknown_key::in_rule(key_typed));
                }
            }
        }
    }
    if syntax == Syntax::Good {
        let header = reading.at(entry.span());
        problems.extend(missing(table, &header));
    }
    Some(RuleFragment {
        name: name?,
        matching: matching?,
        fragment,
    })
}

fn read_name(entry: Entry<'_>, reading: ReadContext) -> Result<Placed<String>, Problem> {
    let value = entry.name(MAX_NAME_BYTES)?.to_owned();
    let at = reading.at(entry.span());
    Ok(Placed { value, at })
}

/// The problems of a rule without a name or a `match`.
fn missing(table: &DeTable<'_>, header: &TextSpan) -> Vec<Problem> {
    let error = |message: String| Problem::error(header.span.clone(), message);
    let name = table.get("name").map(Spanned::get_ref);
    let rule = match name {
        Some(DeValue::String(name)) => format!("rule `{}`", shown(name)),
        _ => "this rule".to_owned(),
    };
    let mut problems = Vec::new();
    if name.is_none() {
        let problem = error("this rule has no `name`".to_owned());
        problems.push(problem.help("such as `name = \"card data\"`; logs and `status` show it"));
    }
    if !table.contains_key("match") {
        let problem = error(format!("{rule} has no `match`"));
        let help = "such as `match = { group = \"staff\" }`; \
                    what holds for everybody belongs in `[default]`";
        problems.push(problem.help(help));
    }
    problems
}
