//! The layers of values, the most specific first.

use std::borrow::Cow;

use super::Values;
use crate::origin::{Placed, SetBy, Table, TextSpan};
use crate::preset::Preset;

/// The values of one source.
pub(crate) struct Layer<'a> {
    pub(crate) values: Cow<'a, Values>,
    pub(crate) table: Table,
    pub(crate) source: LayerSource,
}

/// What a layer is made of.
pub(crate) enum LayerSource {
    /// Keys that are written in the table.
    Keys,
    /// The preset that the table names.
    Preset(&'static Preset),
}

/// A value that holds, and what set it.
#[derive(Clone, Debug)]
pub(crate) struct Chosen<T> {
    pub(crate) value: T,
    pub(crate) by: SetBy,
}

/// The value of the first layer that has one, or the built-in one.
pub(crate) fn first<T: Clone>(
    layers: &[Layer<'_>],
    value: impl Fn(&Values) -> Option<&Placed<T>>,
    built_in: T,
) -> Chosen<T> {
    let found = layers.iter().find_map(|layer| {
        let placed = value(&layer.values)?;
        Some(Chosen {
            value: placed.value.clone(),
            by: layer.by(placed.at.clone()),
        })
    });
    found.unwrap_or(Chosen {
        value: built_in,
        by: SetBy::BuiltIn,
    })
}

impl Layer<'_> {
    fn by(&self, at: TextSpan) -> SetBy {
        match self.source {
            LayerSource::Keys => SetBy::Key(self.table, at),
            LayerSource::Preset(preset) => SetBy::Preset(self.table, preset, at),
        }
    }
}
