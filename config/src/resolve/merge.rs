//! Merges the documents of a policy: a later one adds to the earlier ones, or replaces their
//! values.

use crate::parse::document::{Document, MAX_RULES, too_many};
use crate::parse::fragment::Fragment;
use crate::parse::rule::RuleFragment;
use crate::source_map::SourceMap;

/// The merged documents.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) default: Fragment,
    pub(crate) rules: Vec<RuleFragment>,
}

/// Merges the documents in their order. A key of `[default]` replaces the same key of an earlier
/// text; a rule replaces the earlier rule of the same name in its place, or is added after all
/// others.
pub(crate) fn merge(documents: Vec<Document>, source_map: &mut SourceMap) -> Merged {
    let mut merged = Merged::default();
    for document in documents {
        merged.default.replace_with(document.default);
        for rule in document.rules {
            let count = merged.rules.len();
            let mut others = merged.rules.iter_mut();
            match others.find(|other| other.name.value == rule.name.value) {
                Some(other) => *other = rule,
                None if count < MAX_RULES => merged.rules.push(rule),
                None => {
                    let at = rule.name.at;
                    source_map.report(at.text, [too_many(at.span)]);
                    return merged;
                }
            }
        }
    }
    merged
}
