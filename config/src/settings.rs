//! The texts of a policy to its settings: each value good by itself, and all of them good
//! together.

use session_timeout_policy::{Limits, Match, Policy, Rule, Uid};

use crate::diagnostic::{Diagnostic, Severity, Source, floor_char_boundary};
use crate::keys::Resolved;
use crate::keys::range::Minima;
use crate::lint;
use crate::lint::contradiction;
use crate::lint::unreachable;
use crate::origin::{Origin, Place, Setting, Table};
use crate::parse::document::{Document, MAX_FILE_BYTES};
use crate::parse::fragment::Reading;
use crate::parse::rule::Syntax;
use crate::resolve::merge::{Merged, merge};
use crate::resolve::tables::Tables;
use crate::source_map::Texts;

/// What a policy says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What holds for every session that is judged and that no rule matches.
    pub default: Effective,
    /// The rules, in the order in which they are tried.
    pub rules: Vec<RuleSettings>,
    /// What is allowed and hardly meant, in the order of the files and of their lines.
    pub warnings: Vec<Diagnostic>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleSettings {
    /// Its name, which no other rule has.
    pub name: String,
    /// For which sessions it holds.
    pub matching: Match,
    /// What holds for them.
    pub effective: Effective,
    /// Where the rule is.
    pub place: Place,
}

/// Every value that holds for some sessions, from any file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The values.
    pub limits: Limits,
    /// The same as text, with their origins, in the order of [`KEYS`](crate::KEYS).
    pub(crate) printed: Vec<Printed>,
}

/// A setting, and the table that it was found in; `None`: it is built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Printed {
    pub(crate) setting: Setting,
    pub(crate) table: Option<Table>,
}

/// Reads a policy of one text. `name` is what diagnostics call it, usually its path.
///
/// # Errors
/// Everything that is wrong, in the order of the text (the first fifty, of a text that has more).
pub fn parse(name: &str, text: &str, minima: Minima) -> Result<Settings, Vec<Diagnostic>> {
    // What is longer is refused, and need not be kept for that.
    let most = usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX);
    let kept = text.get(..floor_char_boundary(text, most.saturating_add(4)));
    read(vec![Source::new(name, kept.unwrap_or(text))], minima)
}

/// Reads a policy of several texts, of which a later one adds to the earlier ones.
pub(crate) fn read(sources: Vec<Source>, minima: Minima) -> Result<Settings, Vec<Diagnostic>> {
    let mut texts = Texts::new(sources);
    let mut documents = Vec::new();
    for (text, source) in texts.sources() {
        let mut problems = Vec::new();
        let reading = Reading { text, minima };
        documents.push(Document::read(&source, reading, &mut problems));
        texts.found(text, problems);
    }
    let is_whole = documents
        .iter()
        .all(|document| document.syntax == Syntax::Good);
    let tables = Tables::of(merge(documents, &mut texts));
    if is_whole {
        contradiction::check(&tables, &mut texts);
    }
    if texts.has_errors() {
        return Err(texts.diagnostics(Severity::Error));
    }
    lint::check(&tables, &mut texts);
    unreachable::check(&tables, &mut texts);
    let settings = Settings::of(&tables, &texts);
    Ok(Settings {
        warnings: texts.diagnostics(Severity::Warning),
        ..settings
    })
}

impl Settings {
    fn of(tables: &Tables, texts: &Texts) -> Self {
        let rules = tables.rules.iter().map(|rule| RuleSettings {
            name: rule.name.value.clone(),
            matching: rule.matching.asks.clone(),
            effective: Effective::of(&rule.values, texts),
            place: texts.place(&rule.name.at),
        });
        Self {
            default: Effective::of(&tables.default, texts),
            rules: rules.collect(),
            warnings: Vec::new(),
        }
    }

    /// The policy, for the engine.
    #[must_use]
    pub fn policy(&self, first_regular_uid: Uid) -> Policy {
        let rules = self.rules.iter().map(|rule| Rule {
            name: rule.name.clone(),
            matching: rule.matching.clone(),
            limits: rule.effective.limits.clone(),
        });
        Policy {
            default: Some(self.default.limits.clone()),
            rules: rules.collect(),
            first_regular_uid,
        }
    }

    /// Every value that holds under this rule, or under none, in the order of [`KEYS`](crate::KEYS), and
    /// where it was set. `None`: there is no such rule.
    #[must_use]
    pub fn explain(&self, rule: Option<&str>) -> Option<Vec<Setting>> {
        let effective = match rule {
            None => &self.default,
            Some(name) => {
                let mut rules = self.rules.iter();
                &rules.find(|rule| rule.name == name)?.effective
            }
        };
        let settings = effective.printed.iter().map(|printed| &printed.setting);
        Some(settings.cloned().collect())
    }
}

impl Default for Settings {
    /// The built-in policy: what holds where there is no file.
    fn default() -> Self {
        Self::of(&Tables::of(Merged::default()), &Texts::new(Vec::new()))
    }
}

impl Effective {
    fn of(resolved: &Resolved, texts: &Texts) -> Self {
        Self {
            limits: resolved.limits(),
            printed: printed(resolved, texts),
        }
    }

    /// Who set this key (`grace`, `extend.times`). `None`: there is no such key.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        let mut settings = self.printed.iter().map(|printed| &printed.setting);
        settings
            .find(|setting| setting.key == key)
            .map(|setting| &setting.origin)
    }
}

/// Every value as text, in the order of the keys.
fn printed(resolved: &Resolved, texts: &Texts) -> Vec<Printed> {
    let values = resolved.print().into_iter();
    let printed = values.map(|(key, value, by)| Printed {
        setting: Setting {
            key,
            value,
            origin: texts.origin(by),
        },
        table: by.at().map(|(table, _)| table),
    });
    printed.collect()
}
