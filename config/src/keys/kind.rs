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

/// A kind of value.
pub(crate) trait Kind {
    /// The type of a value of this kind.
    type Value;

    /// The value of this entry, or `None` and at least one problem more.
    fn read(
        &self,
        entry: Entry<'_>,
        minima: Minima,
        problems: &mut Vec<Problem>,
    ) -> Option<Self::Value>;

    /// The value as TOML, which [`Self::read`] reads back.
    fn print(&self, value: &Self::Value) -> String;
}

/// The absolute limit: a duration, never "off".
pub(crate) struct AbsoluteLimit;

impl Kind for AbsoluteLimit {
    type Value = Duration;

    fn read(
        &self,
        entry: Entry<'_>,
        minima: Minima,
        problems: &mut Vec<Problem>,
    ) -> Option<Duration> {
        if entry.is_off() {
            let range = range::ABSOLUTE.with(minima);
            let label = format!("every session has an absolute limit; allowed: {range}");
            problems.push(entry.error("cannot be off").label(label));
            return None;
        }
        Length(range::ABSOLUTE).read(entry, minima, problems)
    }

    fn print(&self, value: &Duration) -> String {
        length(*value)
    }
}

/// A duration in this range.
pub(crate) struct Length(pub(crate) Range);

impl Kind for Length {
    type Value = Duration;

    fn read(
        &self,
        entry: Entry<'_>,
        minima: Minima,
        problems: &mut Vec<Problem>,
    ) -> Option<Duration> {
        keep(entry.duration(&self.0.with(minima)), problems)
    }

    fn print(&self, value: &Duration) -> String {
        length(*value)
    }
}

/// A duration in this range, or "off".
pub(crate) struct LengthOrOff(pub(crate) Range);

impl Kind for LengthOrOff {
    type Value = Option<Duration>;

    fn read(
        &self,
        entry: Entry<'_>,
        minima: Minima,
        problems: &mut Vec<Problem>,
    ) -> Option<Option<Duration>> {
        keep(entry.duration_or_off(&self.0.with(minima)), problems)
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

    fn read(
        &self,
        entry: Entry<'_>,
        minima: Minima,
        problems: &mut Vec<Problem>,
    ) -> Option<SpannedLeads> {
        entry.durations(&range::LEAD.with(minima), problems)
    }

    fn print(&self, value: &SpannedLeads) -> String {
        list(to_leads(value).iter().map(length))
    }
}

/// The leads, in the order in which they come.
pub(crate) fn to_leads(typed: &SpannedLeads) -> Leads {
    Leads::new(typed.iter().map(|lead| *lead.get_ref()))
}

/// Leads that are written in no text.
pub(crate) fn written(leads: impl IntoIterator<Item = Duration>) -> SpannedLeads {
    let leads = leads.into_iter();
    leads.map(|lead| Spanned::new(0..0, lead)).collect()
}

/// One of these words.
pub(crate) struct Word<T: 'static>(pub(crate) &'static [Choice<T>]);

impl<T: Clone + PartialEq> Kind for Word<T> {
    type Value = T;

    fn read(&self, entry: Entry<'_>, _: Minima, problems: &mut Vec<Problem>) -> Option<T> {
        keep(entry.choice(self.0), problems)
    }

    fn print(&self, value: &T) -> String {
        word(self.0, value)
    }
}

/// A list of these kinds of activity, with "input" in it.
pub(crate) struct Activities(pub(crate) &'static [Choice<ActivityKind>]);

impl Kind for Activities {
    type Value = BTreeSet<ActivityKind>;

    fn read(
        &self,
        entry: Entry<'_>,
        _: Minima,
        problems: &mut Vec<Problem>,
    ) -> Option<BTreeSet<ActivityKind>> {
        let kinds = entry.choices(self.0, problems)?;
        if kinds.is_empty() {
            return None;
        }
        let kinds: BTreeSet<ActivityKind> = kinds.into_iter().collect();
        if !kinds.contains(&ActivityKind::Input) {
            let problem = entry.error("is without \"input\"");
            problems.push(problem.label("what the user types always counts: add \"input\""));
            return None;
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

    fn read(&self, entry: Entry<'_>, _: Minima, problems: &mut Vec<Problem>) -> Option<u32> {
        keep(entry.number(self.max), problems)
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

    fn read(
        &self,
        entry: Entry<'_>,
        _: Minima,
        problems: &mut Vec<Problem>,
    ) -> Option<Option<String>> {
        keep(message::read(entry), problems).map(Some)
    }

    fn print(&self, value: &Option<String>) -> String {
        let text = value.as_deref();
        text.map_or_else(|| BUILT_IN_MESSAGE.to_owned(), string)
    }
}

fn length(value: Duration) -> String {
    string(&duration::print(value))
}
