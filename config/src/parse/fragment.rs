//! One table of limits as it is written. A key that is left out is `None`; nothing is filled in here,
//! so that a rule can take it from `[default]`, and `[default]` from the built-in values.

use std::ops::Range as Span;

use toml::de::DeTable;

use super::unknown_key;
use crate::diagnostic::Problem;
use crate::keys::range::Minima;
use crate::keys::value::{Choice, Entry, keep};
use crate::keys::{self, Known, Values};
use crate::origin::{Placed, TextSpan};
use crate::preset::{PRESETS, Preset};

/// A table of limits: every value is valid by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragment {
    pub(crate) values: Values,
    pub(crate) preset: Option<Placed<&'static Preset>>,
}

/// The context of reading a text.
#[derive(Clone, Copy)]
pub(crate) struct ReadContext {
    /// The index of the text.
    pub(crate) text: usize,
    pub(crate) minima: Minima,
}

impl ReadContext {
    pub(crate) fn at(self, span: Span<usize>) -> TextSpan {
        TextSpan {
            text: self.text,
            span,
        }
    }
}

impl Fragment {
    /// Reads an entry of the table, if a table of limits has this key. An invalid value is left out
    /// and becomes a problem.
    pub(crate) fn read(
        &mut self,
        entry: Entry<'_>,
        reading: ReadContext,
        problems: &mut Vec<Problem>,
    ) -> Known {
        match entry.key {
            keys::EXTEND => self.read_extend(entry, reading, problems),
            keys::PRESET => {
                let at = reading.at(entry.span());
                let preset = keep(preset(entry), problems);
                self.preset = preset.map(|value| Placed { value, at });
            }
            // The quoted key `"extend.times"` is not the key `times` of the table `extend`.
            key if key.contains('.') => return Known::No,
            _ => return self.read_key(entry, reading, problems),
        }
        Known::Yes
    }

    /// Takes every key that a later table sets.
    pub(crate) fn replace_with(&mut self, later: Self) {
        self.values.replace_with(later.values);
        if later.preset.is_some() {
            self.preset = later.preset;
        }
    }

    fn read_extend(&mut self, entry: Entry<'_>, reading: ReadContext, problems: &mut Vec<Problem>) {
        let table = entry.table("{ times = 1, by = \"30min\" }");
        let Some(table) = keep(table, problems) else {
            return;
        };
        for (name, value) in table {
            match keys::keys_in_extend().find(|(known, _)| known == name.get_ref()) {
                Some((_, key)) => {
                    self.read_key(Entry { key, value }, reading, problems);
                }
                None => problems.push(unknown_key::in_extend(name)),
            }
        }
    }

    fn read_key(
        &mut self,
        entry: Entry<'_>,
        reading: ReadContext,
        problems: &mut Vec<Problem>,
    ) -> Known {
        let at = reading.at(entry.span());
        self.values.read(entry, at, reading.minima, problems)
    }
}

/// Every key of `[default]`.
pub(crate) fn read_default(
    table: &DeTable<'_>,
    reading: ReadContext,
    problems: &mut Vec<Problem>,
) -> Fragment {
    let mut fragment = Fragment::default();
    for (name, value) in table {
        let key = name.get_ref().as_ref();
        if fragment.read(Entry { key, value }, reading, problems) == Known::No {
            problems.push(unknown_key::in_default(name));
        }
    }
    fragment
}

fn preset(entry: Entry<'_>) -> Result<&'static Preset, Problem> {
    let choices: Vec<Choice<&Preset>> = PRESETS
        .iter()
        .map(|preset| Choice::new(preset.name, preset))
        .collect();
    entry.choice(&choices)
}
