//! Reads the `match` of a rule: for which sessions the rule holds.

use std::collections::BTreeMap;
use std::ops::Range as Span;

use session_timeout_policy::{Match, Pattern, Reach, SessionClass, SessionType};

use crate::diagnostic::{Problem, shown};
use crate::keys::value::{Choice, Entry, available, keep};
use crate::origin::TextSpan;
use crate::parse::fragment::ReadContext;
use crate::parse::host;
use crate::parse::unknown_key;

/// A `match` as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Matching {
    pub(crate) asks: Match,
    /// The location of the whole `match`.
    pub(crate) at: TextSpan,
    /// The places of the elements of each key.
    pub(crate) spans: BTreeMap<&'static str, Vec<Span<usize>>>,
}

/// The words of `type`.
pub(crate) const TYPES: [Choice<SessionType>; 6] = [
    Choice::new("tty", SessionType::Tty),
    Choice::new("x11", SessionType::X11),
    Choice::new("wayland", SessionType::Wayland),
    Choice::new("mir", SessionType::Mir),
    Choice::new("web", SessionType::Web),
    Choice::new("unspecified", SessionType::Unspecified),
];

/// The words of `class`: the classes of people's logins. Sessions of others are exempt.
pub(crate) const CLASSES: [Choice<SessionClass>; 4] = [
    Choice::new("user", SessionClass::User),
    Choice::new("user-early", SessionClass::UserEarly),
    Choice::new("user-light", SessionClass::UserLight),
    Choice::new("user-early-light", SessionClass::UserEarlyLight),
];

/// logind's other classes.
const NEVER_JUDGED: [&str; 7] = [
    "user-incomplete",
    "greeter",
    "lock-screen",
    "background",
    "background-light",
    "manager",
    "manager-early",
];

/// The longest name: `LOGIN_NAME_MAX` of Linux, and longer than any host name (253, RFC 1035).
const MAX_NAME_BYTES: usize = 256;

/// Reads a `match`. An invalid key is left out and becomes a problem.
pub(crate) fn read(
    entry: Entry<'_>,
    reading: ReadContext,
    problems: &mut Vec<Problem>,
) -> Option<Matching> {
    let table = keep(entry.table("{ user = \"alice\" }"), problems)?;
    let mut matching = Matching {
        asks: Match::default(),
        at: reading.at(entry.span()),
        spans: BTreeMap::new(),
    };
    for (name, value) in table {
        let typed = name.get_ref().as_ref();
        match unknown_key::MATCH.iter().find(|key| **key == typed) {
            Some(key) => matching.read_key(Entry { key, value }, key, problems),
            None => problems.push(unknown_key::in_match(name)),
        }
    }
    Some(matching)
}

impl Matching {
    /// The location of the value of this key, or of the whole `match` without it.
    pub(crate) fn key(&self, key: &str) -> TextSpan {
        let span = self.elements(key).into_iter().next();
        TextSpan {
            span: span.unwrap_or_else(|| self.at.span.clone()),
            ..self.at.clone()
        }
    }

    /// The places of the elements of this key.
    pub(crate) fn elements(&self, key: &str) -> Vec<Span<usize>> {
        self.spans.get(key).cloned().unwrap_or_default()
    }

    fn read_key(&mut self, entry: Entry<'_>, key: &'static str, problems: &mut Vec<Problem>) {
        let asks = &mut self.asks;
        match key {
            "user" => asks.user = elements(entry, "alice", name, problems),
            "group" => asks.group = elements(entry, "staff", name, problems),
            "service" => asks.service = elements(entry, "sshd", name, problems),
            "type" => {
                let types = elements(entry, "tty", session_type, problems);
                asks.session_type = types.map(once_each);
            }
            "class" => {
                let classes = elements(entry, "user", class, problems);
                asks.class = classes.map(once_each);
            }
            "remote" => asks.reach = keep(reach(entry), problems),
            "from" => asks.from = elements(entry, "10.0.0.0/8", host::read, problems),
            "tty" => asks.tty = elements(entry, "tty1", tty, problems),
            _ => asks.seat = elements(entry, "seat0", name, problems),
        }
        self.spans.insert(key, spans(entry));
    }
}

/// Reads each element; `None`, and a problem for each invalid one, unless all are valid.
fn elements<'a, T>(
    entry: Entry<'a>,
    example: &str,
    read: impl Fn(Entry<'a>) -> Result<T, Problem>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<T>> {
    let strings = keep(entry.strings(example), problems)?;
    let elements = strings.into_iter().map(|entry| keep(read(entry), problems));
    // Two steps: collecting into an Option would stop at the first bad element.
    let elements: Vec<Option<T>> = elements.collect();
    elements.into_iter().collect()
}

/// The words without duplicates, in their order.
fn once_each<T: PartialEq>(words: Vec<T>) -> Vec<T> {
    words.into_iter().fold(Vec::new(), |mut kept, word| {
        if !kept.contains(&word) {
            kept.push(word);
        }
        kept
    })
}

fn spans(entry: Entry<'_>) -> Vec<Span<usize>> {
    match entry.strings("") {
        Ok(strings) => strings.into_iter().map(Entry::span).collect(),
        Err(_) => vec![entry.span()],
    }
}

/// A name or a pattern of names.
fn name(entry: Entry<'_>) -> Result<Pattern, Problem> {
    entry.name(MAX_NAME_BYTES).map(Pattern::new)
}

/// A terminal as logind names it: without `/dev/`.
fn tty(entry: Entry<'_>) -> Result<Pattern, Problem> {
    let pattern = name(entry)?;
    match pattern.as_str().strip_prefix("/dev/") {
        None => Ok(pattern),
        Some(short) => Err(entry
            .error("has a directory in it")
            .label("terminals are named as logind does, without `/dev/`")
            .help(format!("did you mean \"{}\"?", shown(short)))),
    }
}

fn session_type(entry: Entry<'_>) -> Result<SessionType, Problem> {
    entry.choice(&TYPES)
}

fn class(entry: Entry<'_>) -> Result<SessionClass, Problem> {
    let word = entry.text(&format!("one of {}", available(&CLASSES)))?;
    if NEVER_JUDGED.contains(&word) {
        let message = format!("sessions of class `{word}` are never judged");
        return Err(Problem::error(entry.span(), message)
            .label(format!("logins of people have: {}", available(&CLASSES))));
    }
    entry.choice(&CLASSES)
}

fn reach(entry: Entry<'_>) -> Result<Reach, Problem> {
    entry.boolean().map(|remote| match remote {
        true => Reach::Remote,
        false => Reach::Local,
    })
}
