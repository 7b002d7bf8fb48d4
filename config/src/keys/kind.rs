//! The kinds of values that keys have: how each is read from TOML and printed as TOML.

use std::collections::BTreeSet;
use std::time::Duration;

use session_timeout_policy::{ActivityKind, Leads};
use toml::Spanned;

use super::message;
use super::range::{self, Minima, Range};
use super::toml_text::{list, string, word};
use super::value::{Choice, Entry, keep};
use crate::diagnostic::Problem;
use crate::duration;
use crate::origin::BUILT_IN_MESSAGE;

/// The entry that a value is read from, and where its problems go.
pub(crate) struct Input<'a, 'p> {
    pub(crate) entry: Entry<'a>,
    pub(crate) minima: Minima,
    pub(crate) problems: &'p mut Vec<Problem>,
}

impl Input<'_, '_> {
    fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        keep(result, self.problems)
    }
}

/// A kind of value.
pub(crate) trait Kind {
    /// The type of a value of this kind.
    type Value;

    /// The value of the entry; or `None`, and its problems are added.
    fn read(&self, input: &mut Input<'_, '_>) -> Option<Self::Value>;

    /// The value as TOML, which [`Self::read`] reads back.
    fn print(&self, value: &Self::Value) -> String;
}

/// The absolute limit: a duration, never "off".
pub(crate) struct AbsoluteLimit;

impl Kind for AbsoluteLimit {
    type Value = Duration;

    fn read(&self, input: &mut Input<'_, '_>) -> Option<Duration> {
        if input.entry.is_off() {
            let range = range::ABSOLUTE.with(input.minima);
            let label = format!("every session has an absolute limit; allowed: {range}");
            let problem = input.entry.error("cannot be off").label(label);
            return input.keep(Err(problem));
        }
        Length(range::ABSOLUTE).read(input)
    }

    fn print(&self, value: &Duration) -> String {
        length(*value)
    }
}

/// A duration in this range.
pub(crate) struct Length(pub(crate) Range);

impl Kind for Length {
    type Value = Duration;

    fn read(&self, input: &mut Input<'_, '_>) -> Option<Duration> {
        input.keep(input.entry.duration(&self.0.with(input.minima)))
    }

    fn print(&self, value: &Duration) -> String {
        length(*value)
    }
}

/// A duration in this range, or "off".
pub(crate) struct LengthOrOff(pub(crate) Range);

impl Kind for LengthOrOff {
    type Value = Option<Duration>;

    fn read(&self, input: &mut Input<'_, '_>) -> Option<Option<Duration>> {
        input.keep(input.entry.duration_or_off(&self.0.with(input.minima)))
    }

    fn print(&self, value: &Option<Duration>) -> String {
        value.map_or_else(|| string("off"), length)
    }
}

/// The leads of warnings as they are written: how long before the end, and where in the text.
pub(crate) type SpannedLeads = Vec<Spanned<Duration>>;

/// The leads of a limit's warnings.
pub(crate) struct WarningLeads;

impl Kind for WarningLeads {
    type Value = SpannedLeads;

    fn read(&self, input: &mut Input<'_, '_>) -> Option<SpannedLeads> {
        let range = range::LEAD.with(input.minima);
        input.entry.durations(&range, input.problems)
    }

    fn print(&self, value: &SpannedLeads) -> String {
        list(to_leads(value).iter().map(length))
    }
}

/// The leads, in the order in which they come.
pub(crate) fn to_leads(typed: &SpannedLeads) -> Leads {
    Leads::new(typed.iter().map(|lead| *lead.get_ref()))
}

/// Built-in leads, which have no location in a text.
pub(crate) fn without_spans(leads: impl IntoIterator<Item = Duration>) -> SpannedLeads {
    let leads = leads.into_iter();
    leads.map(|lead| Spanned::new(0..0, lead)).collect()
}

/// One of these words.
pub(crate) struct Word<T: 'static>(pub(crate) &'static [Choice<T>]);

impl<T: Clone + PartialEq> Kind for Word<T> {
    type Value = T;

    fn read(&self, input: &mut Input<'_, '_>) -> Option<T> {
        input.keep(input.entry.choice(self.0))
    }

    fn print(&self, value: &T) -> String {
        word(self.0, value)
    }
}

/// A list of these kinds of activity, with "input" in it.
pub(crate) struct Activities(pub(crate) &'static [Choice<ActivityKind>]);

impl Kind for Activities {
    type Value = BTreeSet<ActivityKind>;

    fn read(&self, input: &mut Input<'_, '_>) -> Option<BTreeSet<ActivityKind>> {
        let kinds = input.entry.choices(self.0, input.problems)?;
        if kinds.is_empty() {
            return None;
        }
        let kinds: BTreeSet<ActivityKind> = kinds.into_iter().collect();
        if !kinds.contains(&ActivityKind::Input) {
            let problem = input.entry.error("is without \"input\"");
            let problem = problem.label("what the user types always counts: add \"input\"");
            return input.keep(Err(problem));
        }
        Some(kinds)
    }

    fn print(&self, value: &BTreeSet<ActivityKind>) -> String {
        let counted = self.0.iter();
        let counted = counted.filter(|choice| value.contains(&choice.meaning));
        list(counted.map(|choice| string(choice.word)))
    }
}

/// A whole number from 0 to `max`.
pub(crate) struct Number {
    pub(crate) max: u32,
}

impl Kind for Number {
    type Value = u32;

    fn read(&self, input: &mut Input<'_, '_>) -> Option<u32> {
        input.keep(input.entry.number(self.max))
    }

    fn print(&self, value: &u32) -> String {
        value.to_string()
    }
}

/// The administrator's own text for warnings. `None`, the built-in text, cannot be written: the
/// key is left out for it.
pub(crate) struct Message;

impl Kind for Message {
    type Value = Option<String>;

    fn read(&self, input: &mut Input<'_, '_>) -> Option<Option<String>> {
        input.keep(message::read(input.entry)).map(Some)
    }

    fn print(&self, value: &Option<String>) -> String {
        let text = value.as_deref();
        text.map_or_else(|| BUILT_IN_MESSAGE.to_owned(), string)
    }
}

fn length(value: Duration) -> String {
    string(&duration::print(value))
}
