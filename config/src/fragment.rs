//! One table of limits as it is typed. What is left out is `None`; nothing is filled in here, so
//! that a rule can take it from `[default]` and `[default]` from the built-in values.

use std::time::Duration;

use session_timeout_policy::{EndAction, UnknownIdle};
use toml::Spanned;
use toml::de::DeTable;

use crate::diagnostic::{Problem, shown};
use crate::message;
use crate::range::{self, Minima};
use crate::value::{Choice, Entry, did_you_mean, keep};

/// The keys of a table of limits.
pub(crate) const KEYS: [&str; 11] = [
    "session-timeout",
    "session-warnings",
    "inactivity-timeout",
    "inactivity-warnings",
    "lock-after",
    "action",
    "activity",
    "unknown-idle",
    "grace",
    "extend",
    "message",
];

/// A table of limits: every value is good by itself.
#[derive(Default)]
pub(crate) struct Fragment {
    pub(crate) session_timeout: Option<Spanned<Duration>>,
    pub(crate) session_warnings: Option<Spanned<Vec<Spanned<Duration>>>>,
    pub(crate) inactivity_timeout: Option<Spanned<Option<Duration>>>,
    pub(crate) inactivity_warnings: Option<Spanned<Vec<Spanned<Duration>>>>,
    pub(crate) action: Option<EndAction>,
    pub(crate) unknown_idle: Option<UnknownIdle>,
    pub(crate) grace: Option<Duration>,
    pub(crate) message: Option<String>,
}

const ACTIONS: [Choice<EndAction>; 4] = [
    Choice::new("terminate", EndAction::Terminate),
    Choice::new("report", EndAction::Report),
    Choice::later("hang-up"),
    Choice::later("lock"),
];

const UNKNOWN_IDLE: [Choice<UnknownIdle>; 2] = [
    Choice::new("report", UnknownIdle::Report),
    Choice::new("count-from-login", UnknownIdle::CountFromLogin),
];

const ACTIVITIES: [Choice<()>; 3] = [
    Choice::new("input", ()),
    Choice::later("output"),
    Choice::later("inhibitor"),
];

const EXTEND_KEYS: [&str; 2] = ["times", "by"];

impl Fragment {
    /// Reads every key of the table. A value that is not good is left out and becomes a problem.
    pub(crate) fn read(table: &DeTable<'_>, minima: Minima, problems: &mut Vec<Problem>) -> Self {
        let mut fragment = Self::default();
        for (name, value) in table {
            let key = name.get_ref().as_ref();
            let entry = Entry { key, value };
            match key {
                "session-timeout" => {
                    fragment.session_timeout = keep(absolute_limit(entry, minima), problems);
                }
                "session-warnings" => {
                    fragment.session_warnings = entry.durations(&range::LEAD, problems);
                }
                "inactivity-timeout" => {
                    let range = range::INACTIVITY.with(minima);
                    fragment.inactivity_timeout = keep(entry.duration_or_off(&range), problems);
                }
                "inactivity-warnings" => {
                    fragment.inactivity_warnings = entry.durations(&range::LEAD, problems);
                }
                "action" => fragment.action = keep(entry.choice(&ACTIONS), problems),
                "unknown-idle" => {
                    fragment.unknown_idle = keep(entry.choice(&UNKNOWN_IDLE), problems);
                }
                "grace" => {
                    let grace = entry.duration(&range::GRACE);
                    fragment.grace = keep(grace, problems).map(Spanned::into_inner);
                }
                "message" => fragment.message = keep(message::read(entry), problems),
                // The rest has one value in this version, and the limits know nothing of it.
                "activity" => drop(entry.choices(&ACTIVITIES, problems)),
                "extend" => check_extend(entry, minima, problems),
                "lock-after" => drop(keep(entry.only_off(), problems)),
                _ => problems.push(unknown_key(name, &KEYS)),
            }
        }
        fragment
    }
}

/// The error for a key that does not exist.
pub(crate) fn unknown_key(name: &Spanned<impl AsRef<str>>, known: &[&str]) -> Problem {
    let typed = name.get_ref().as_ref();
    let problem = Problem::error(name.span(), format!("unknown key `{}`", shown(typed)))
        .help(format!("known keys: {}", known.join(", ")));
    did_you_mean(problem, typed, known.iter().copied())
}

fn absolute_limit(entry: Entry<'_>, minima: Minima) -> Result<Spanned<Duration>, Problem> {
    let range = range::ABSOLUTE.with(minima);
    if entry.is_off() {
        return Err(entry.error("cannot be off").label(format!(
            "every session has an absolute limit; allowed: {range}"
        )));
    }
    entry.duration(&range)
}

/// Extensions: none may be granted in this version.
fn check_extend(entry: Entry<'_>, minima: Minima, problems: &mut Vec<Problem>) {
    let table = entry.table("{ times = 0, by = \"30min\" }");
    let Some(table) = keep(table, problems) else {
        return;
    };
    for (name, value) in table {
        match name.get_ref().as_ref() {
            "times" => {
                let key = "extend.times";
                keep(Entry { key, value }.only_zero(), problems);
            }
            "by" => {
                let key = "extend.by";
                let range = range::EXTENSION.with(minima);
                keep(Entry { key, value }.duration(&range), problems);
            }
            _ => problems.push(unknown_key(name, &EXTEND_KEYS)),
        }
    }
}
