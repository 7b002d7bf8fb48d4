//! Finds for each rule, and for `[default]`, the value of each key that holds, and what set it.
//!
//! A rule's own key comes first, then the rule's preset, then a key of `[default]`, then the
//! preset of `[default]`, and then the built-in value.

pub(crate) mod merge;
pub(crate) mod policy;

use std::borrow::Cow;

use crate::keys::layer::{Layer, LayerSource};
use crate::keys::{Resolved, Values};
use crate::origin::{Placed, Table, TextSpan};
use crate::parse::fragment::Fragment;
use crate::preset::Preset;

/// The values that hold under a rule with this fragment, or where no rule matches.
pub(crate) fn resolve(rule: Option<&Fragment>, default: &Fragment) -> Resolved {
    let rule = rule.into_iter().flat_map(|rule| layers(Table::Rule, rule));
    let layers: Vec<Layer<'_>> = rule.chain(layers(Table::Default, default)).collect();
    Resolved::of(&layers)
}

/// The layers of one table: its keys come before its preset.
fn layers(table: Table, fragment: &Fragment) -> impl Iterator<Item = Layer<'_>> {
    let keys = Layer {
        values: Cow::Borrowed(&fragment.values),
        table,
        source: LayerSource::Keys,
    };
    let preset = fragment.preset.as_ref().map(|preset| Layer {
        values: Cow::Owned(values_of(preset.value, &preset.at)),
        table,
        source: LayerSource::Preset(preset.value),
    });
    std::iter::once(keys).chain(preset)
}

/// The values of a preset, each placed where the table names the preset.
fn values_of(preset: &Preset, at: &TextSpan) -> Values {
    let (session, inactivity) = (preset.session_timeout, preset.inactivity_timeout);
    Values {
        session_timeout: session.map(|length| placed(length, at)),
        inactivity_timeout: inactivity.map(|length| placed(Some(length), at)),
        ..Values::default()
    }
}

fn placed<T>(value: T, at: &TextSpan) -> Placed<T> {
    Placed {
        value,
        at: at.clone(),
    }
}
