//! A policy with all values of every table, its own and the inherited ones.

use super::resolve;
use crate::keys::Resolved;
use crate::origin::{Placed, Table};
use crate::parse::matching::Matching;
use crate::preset::Preset;
use crate::resolve::merge::Merged;

/// `[default]` and the rules.
pub(crate) struct ResolvedPolicy {
    pub(crate) default: Resolved,
    /// The preset that `[default]` names.
    pub(crate) preset: Option<Placed<&'static Preset>>,
    pub(crate) rules: Vec<ResolvedRule>,
}

/// A rule.
pub(crate) struct ResolvedRule {
    pub(crate) name: Placed<String>,
    pub(crate) matching: Matching,
    pub(crate) values: Resolved,
    /// The preset that the rule names.
    pub(crate) preset: Option<Placed<&'static Preset>>,
}

impl ResolvedPolicy {
    pub(crate) fn of(merged: Merged) -> Self {
        let Merged { default, rules } = merged;
        let rules = rules.into_iter().map(|rule| ResolvedRule {
            name: rule.name,
            matching: rule.matching,
            values: resolve(Some(&rule.fragment), &default),
            preset: rule.fragment.preset,
        });
        Self {
            rules: rules.collect(),
            default: resolve(None, &default),
            preset: default.preset,
        }
    }

    /// The values of `[default]`, then those of each rule.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Table, &Resolved)> {
        let rules = self.rules.iter().map(|rule| (Table::Rule, &rule.values));
        std::iter::once((Table::Default, &self.default)).chain(rules)
    }
}
