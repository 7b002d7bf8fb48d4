//! Makes settings of the texts of a policy, and checks the values against each other.

use session_timeout_policy::{Limits, Match, Policy, Rule, Uid};

use crate::diagnostic::{Diagnostic, Severity, Source, floor_char_boundary};
use crate::keys::Resolved;
use crate::keys::range::Minima;
use crate::lint;
use crate::lint::contradiction;
use crate::lint::unreachable;
use crate::origin::{Location, Origin, Setting, Table};
use crate::parse::document::{Document, MAX_FILE_BYTES};
use crate::parse::fragment::ReadContext;
use crate::parse::rule::Syntax;
use crate::resolve::merge::{Merged, merge};
use crate::resolve::policy::ResolvedPolicy;
use crate::source_map::SourceMap;

/// The settings of a policy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The values for sessions that no rule matches.
    pub default: Effective,
    /// The rules, in the order in which they are tried.
    pub rules: Vec<RuleSettings>,
    /// The warnings, in the order of the files and of their lines.
    pub warnings: Vec<Diagnostic>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleSettings {
    /// Its name, which no other rule has.
    pub name: String,
    /// For which sessions it holds.
    pub matching: Match,
    /// The values for these sessions.
    pub effective: Effective,
    /// Where the rule is.
    pub location: Location,
}

/// All values that hold for some sessions, merged from all files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The values.
    pub limits: Limits,
    /// The same as text, with their origins, in the order of [`KEYS`](crate::KEYS).
    pub(crate) printed: Vec<PrintedSetting>,
}

/// A setting, and the table that it was found in; `None`: it is built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrintedSetting {
    pub(crate) setting: Setting,
    pub(crate) table: Option<Table>,
}

/// Reads a policy of one text. `name` is its name in diagnostics, usually its path.
///
/// # Errors All errors in the order of the text, at most fifty.
pub fn parse(name: &str, text: &str, minima: Minima) -> Result<Settings, Vec<Diagnostic>> {
    // A longer text is refused, so the rest of it is not copied.
    let most = usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX);
    let kept = text.get(..floor_char_boundary(text, most.saturating_add(4)));
    read(vec![Source::new(name, kept.unwrap_or(text))], minima)
}

/// Reads a policy of several texts, in the order of merging.
pub(crate) fn read(sources: Vec<Source>, minima: Minima) -> Result<Settings, Vec<Diagnostic>> {
    let mut source_map = SourceMap::new(sources);
    let mut documents = Vec::new();
    for (text, source) in source_map.sources() {
        let mut problems = Vec::new();
        let reading = ReadContext { text, minima };
        documents.push(Document::read(&source, reading, &mut problems));
        source_map.report(text, problems);
    }
    let is_whole = documents
        .iter()
        .all(|document| document.syntax == Syntax::Good);
    let policy = ResolvedPolicy::of(merge(documents, &mut source_map));
    if is_whole {
        contradiction::check(&policy, &mut source_map);
    }
    if source_map.has_errors() {
        return Err(source_map.diagnostics(Severity::Error));
    }
    lint::check(&policy, &mut source_map);
    unreachable::check(&policy, &mut source_map);
    let settings = Settings::of(&policy, &source_map);
    Ok(Settings {
        warnings: source_map.diagnostics(Severity::Warning),
        ..settings
    })
}

impl Settings {
    fn of(policy: &ResolvedPolicy, source_map: &SourceMap) -> Self {
        let rules = policy.rules.iter().map(|rule| RuleSettings {
            name: rule.name.value.clone(),
            matching: rule.matching.asks.clone(),
            effective: Effective::of(&rule.values, source_map),
            location: source_map.location(&rule.name.at),
        });
        Self {
            default: Effective::of(&policy.default, source_map),
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
    /// The built-in policy, which holds if there is no file.
    fn default() -> Self {
        Self::of(
            &ResolvedPolicy::of(Merged::default()),
            &SourceMap::new(Vec::new()),
        )
    }
}

impl Effective {
    fn of(resolved: &Resolved, source_map: &SourceMap) -> Self {
        Self {
            limits: resolved.limits(),
            printed: printed(resolved, source_map),
        }
    }

    /// What set this key (`grace`, `extend.times`). `None`: there is no such key.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        let mut settings = self.printed.iter().map(|printed| &printed.setting);
        settings
            .find(|setting| setting.key == key)
            .map(|setting| &setting.origin)
    }
}

/// Every value as text, in the order of the keys.
fn printed(resolved: &Resolved, source_map: &SourceMap) -> Vec<PrintedSetting> {
    let values = resolved.print().into_iter();
    let printed = values.map(|(key, value, by)| PrintedSetting {
        setting: Setting {
            key,
            value,
            origin: source_map.origin(by),
        },
        table: by.at().map(|(table, _)| table),
    });
    printed.collect()
}
