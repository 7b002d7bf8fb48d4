//! One table of limits as it is typed. What is left out is `None`; nothing is filled in here, so
//! that a rule can take it from `[default]` and `[default]` from the built-in values.

use std::collections::BTreeSet;
use std::ops::Range as Span;
use std::time::Duration;

use session_timeout_policy::{ActivityKind, Bell, EndAction, Mesg, UnknownIdle};
use toml::Spanned;
use toml::de::DeTable;

use crate::diagnostic::Problem;
use crate::origin::{At, Placed};
use crate::parse::message;
use crate::parse::range::{self, Minima};
use crate::parse::unknown_key;
use crate::parse::value::{Choice, Entry, keep};
use crate::preset::{PRESETS, Preset};

/// Warnings as they are typed: how long before the end, and where in the text.
pub(crate) type LeadsTyped = Vec<Spanned<Duration>>;

/// A table of limits: every value is good by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragment {
    pub(crate) session_timeout: Option<Placed<Duration>>,
    pub(crate) session_warnings: Option<Placed<LeadsTyped>>,
    pub(crate) inactivity_timeout: Option<Placed<Option<Duration>>>,
    pub(crate) inactivity_warnings: Option<Placed<LeadsTyped>>,
    pub(crate) lock_after: Option<Placed<Option<Duration>>>,
    pub(crate) action: Option<Placed<EndAction>>,
    pub(crate) activity: Option<Placed<BTreeSet<ActivityKind>>>,
    pub(crate) unknown_idle: Option<Placed<UnknownIdle>>,
    pub(crate) grace: Option<Placed<Duration>>,
    pub(crate) extend_times: Option<Placed<u32>>,
    pub(crate) extend_by: Option<Placed<Duration>>,
    pub(crate) message: Option<Placed<String>>,
    pub(crate) bell: Option<Placed<Bell>>,
    pub(crate) mesg: Option<Placed<Mesg>>,
    pub(crate) preset: Option<Placed<&'static Preset>>,
}

/// The words of `action`.
pub(crate) const ACTIONS: [Choice<EndAction>; 4] = [
    Choice::new("terminate", EndAction::Terminate),
    Choice::new("hang-up", EndAction::HangUp),
    Choice::new("lock", EndAction::Lock),
    Choice::new("report", EndAction::Report),
];

/// The words of `unknown-idle`.
pub(crate) const UNKNOWN_IDLE: [Choice<UnknownIdle>; 2] = [
    Choice::new("report", UnknownIdle::Report),
    Choice::new("count-from-login", UnknownIdle::CountFromLogin),
];

/// The words of `activity`.
pub(crate) const ACTIVITIES: [Choice<ActivityKind>; 3] = [
    Choice::new("input", ActivityKind::Input),
    Choice::new("output", ActivityKind::Output),
    Choice::new("inhibitor", ActivityKind::Inhibitor),
];

/// The words of `bell`.
pub(crate) const BELLS: [Choice<Bell>; 2] = [
    Choice::new("off", Bell::Silent),
    Choice::new("on", Bell::Rings),
];

/// The words of `mesg`.
pub(crate) const MESGS: [Choice<Mesg>; 2] = [
    Choice::new("ignore", Mesg::Ignored),
    Choice::new("respect", Mesg::Respected),
];

/// What a text is read with.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// The number of the text.
    pub(crate) text: usize,
    pub(crate) minima: Minima,
}

impl Reading {
    pub(crate) fn at(self, span: Span<usize>) -> At {
        At {
            text: self.text,
            span,
        }
    }

    /// The value, with the place of its entry; or nothing and a problem more.
    fn keep<T>(
        self,
        entry: Entry<'_>,
        value: Result<T, Problem>,
        problems: &mut Vec<Problem>,
    ) -> Option<Placed<T>> {
        let at = self.at(entry.span());
        keep(value, problems).map(|value| Placed { value, at })
    }
}

impl Fragment {
    /// Reads this key of the table, if it is one of [`unknown_key::LIMITS`]. A value that is not good is left out
    /// and becomes a problem.
    pub(crate) fn read(
        &mut self,
        entry: Entry<'_>,
        reading: Reading,
        problems: &mut Vec<Problem>,
    ) -> Known {
        let minima = reading.minima;
        match entry.key {
            "session-timeout" => {
                let limit = absolute_limit(entry, minima);
                self.session_timeout = reading.keep(entry, limit, problems);
            }
            "session-warnings" => {
                self.session_warnings = leads(entry, reading, problems);
            }
            "inactivity-timeout" => {
                let limit = entry.duration_or_off(&range::INACTIVITY.with(minima));
                self.inactivity_timeout = reading.keep(entry, limit, problems);
            }
            "inactivity-warnings" => {
                self.inactivity_warnings = leads(entry, reading, problems);
            }
            "lock-after" => {
                let length = entry.duration_or_off(&range::LOCK_AFTER.with(minima));
                self.lock_after = reading.keep(entry, length, problems);
            }
            "action" => self.action = reading.keep(entry, entry.choice(&ACTIONS), problems),
            "activity" => {
                let kinds = activity(entry, problems);
                self.activity = kinds.and_then(|kinds| reading.keep(entry, kinds, problems));
            }
            "unknown-idle" => {
                let choice = entry.choice(&UNKNOWN_IDLE);
                self.unknown_idle = reading.keep(entry, choice, problems);
            }
            "grace" => {
                let grace = entry.duration(&range::GRACE);
                self.grace = reading.keep(entry, grace, problems);
            }
            "extend" => self.read_extend(entry, reading, problems),
            "message" => self.message = reading.keep(entry, message::read(entry), problems),
            "bell" => self.bell = reading.keep(entry, entry.choice(&BELLS), problems),
            "mesg" => self.mesg = reading.keep(entry, entry.choice(&MESGS), problems),
            "preset" => self.preset = reading.keep(entry, preset(entry), problems),
            _ => return Known::No,
        }
        Known::Yes
    }

    fn read_extend(&mut self, entry: Entry<'_>, reading: Reading, problems: &mut Vec<Problem>) {
        let table = entry.table("{ times = 1, by = \"30min\" }");
        let Some(table) = keep(table, problems) else {
            return;
        };
        for (name, value) in table {
            match name.get_ref().as_ref() {
                "times" => {
                    let key = "extend.times";
                    let entry = Entry { key, value };
                    let times = entry.number(range::EXTENSIONS_MAX);
                    self.extend_times = reading.keep(entry, times, problems);
                }
                "by" => {
                    let key = "extend.by";
                    let entry = Entry { key, value };
                    let by = entry.duration(&range::EXTENSION.with(reading.minima));
                    self.extend_by = reading.keep(entry, by, problems);
                }
                _ => problems.push(unknown_key::unknown_in_extend(name)),
            }
        }
    }
}

/// Whether a key exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
}

/// Every key of `[default]`.
pub(crate) fn read_default(
    table: &DeTable<'_>,
    reading: Reading,
    problems: &mut Vec<Problem>,
) -> Fragment {
    let mut fragment = Fragment::default();
    for (name, value) in table {
        let key = name.get_ref().as_ref();
        if fragment.read(Entry { key, value }, reading, problems) == Known::No {
            problems.push(unknown_key::unknown_in_default(name));
        }
    }
    fragment
}

fn absolute_limit(entry: Entry<'_>, minima: Minima) -> Result<Duration, Problem> {
    let range = range::ABSOLUTE.with(minima);
    if entry.is_off() {
        return Err(entry.error("cannot be off").label(format!(
            "every session has an absolute limit; allowed: {range}"
        )));
    }
    entry.duration(&range)
}

fn leads(
    entry: Entry<'_>,
    reading: Reading,
    problems: &mut Vec<Problem>,
) -> Option<Placed<LeadsTyped>> {
    let value = entry.durations(&range::LEAD, problems)?;
    let at = reading.at(entry.span());
    Some(Placed { value, at })
}

/// What counts as activity. The inner error is about the whole list.
fn activity(
    entry: Entry<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Result<BTreeSet<ActivityKind>, Problem>> {
    let kinds = entry.choices(&ACTIVITIES, problems)?;
    if kinds.is_empty() {
        return None;
    }
    let kinds: BTreeSet<ActivityKind> = kinds.into_iter().collect();
    Some(if kinds.contains(&ActivityKind::Input) {
        Ok(kinds)
    } else {
        Err(entry
            .error("is without \"input\"")
            .label("what the user types always counts: add \"input\""))
    })
}

fn preset(entry: Entry<'_>) -> Result<&'static Preset, Problem> {
    let choices: Vec<Choice<&Preset>> = PRESETS
        .iter()
        .map(|preset| Choice::new(preset.name, preset))
        .collect();
    entry.choice(&choices)
}
