//! The origin of each value of a policy: the line of a file, a preset, or built in.

use std::fmt;
use std::ops::Range;

use crate::preset::Preset;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Location {
    /// `/etc/session-timeout/policy.toml:12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// No file: it is the built-in value.
    BuiltIn,
    /// A key that is written here.
    File(Location),
    /// A preset.
    Preset {
        /// Its name in the policy.
        name: &'static str,
        /// The standard that its numbers are from.
        source: &'static str,
        /// Where the policy names it.
        location: Location,
    },
}

impl fmt::Display for Origin {
    /// `built-in`, `/etc/session-timeout/policy.toml:12`,
    /// `preset "stig" (DISA STIG ...), /etc/session-timeout/policy.toml:3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::File(location) => location.fmt(f),
            Self::Preset {
                name,
                source,
                location,
            } => write!(f, "preset \"{name}\" ({source}), {location}"),
        }
    }
}

/// One value that holds, and what set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key as it is written in a table: `grace`, `extend.times`.
    pub key: &'static str,
    /// The value as TOML. The built-in `message` has no form in TOML: it is
    /// [`BUILT_IN_MESSAGE`].
    pub value: String,
    /// What set it.
    pub origin: Origin,
}

/// The value of [`Setting`] for the built-in `message`.
pub const BUILT_IN_MESSAGE: &str = "(the built-in text)";

/// A span of one of the texts that make up a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextSpan {
    /// The index of the text, in the order of merging.
    pub(crate) text: usize,
    pub(crate) span: Range<usize>,
}

/// A value, and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) at: TextSpan,
}

/// Which table a value was found in. A rule's own values come before those of `[default]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Default,
    Rule,
}

/// What set a value: an [`Origin`] whose places are spans of the texts.
#[derive(Clone, Debug)]
pub(crate) enum SetBy {
    BuiltIn,
    Key(Table, TextSpan),
    Preset(Table, &'static Preset, TextSpan),
}

impl SetBy {
    /// The table and the location.
    pub(crate) const fn at(&self) -> Option<(Table, &TextSpan)> {
        match self {
            Self::BuiltIn => None,
            Self::Key(table, at) | Self::Preset(table, _, at) => Some((*table, at)),
        }
    }

    /// Whether it was set in this table.
    pub(crate) fn is_of(&self, table: Table) -> bool {
        self.at().is_some_and(|(own, _)| own == table)
    }

    /// A value for people: `15 min`, `15 min by preset "stig"`.
    pub(crate) fn sets(&self, value: &str) -> String {
        match self {
            Self::BuiltIn | Self::Key(..) => value.to_owned(),
            Self::Preset(_, preset, _) => format!("{value} by preset \"{}\"", preset.name),
        }
    }

    /// How specific it is: a rule is more specific than `[default]`, a later file than an earlier
    /// one, a key than a preset. A conflict of two values is reported at the more specific one.
    pub(crate) fn rank(&self) -> (Option<Table>, usize, bool) {
        let (table, text) = match self.at() {
            Some((table, at)) => (Some(table), at.text),
            None => (None, 0),
        };
        (table, text, matches!(self, Self::Key(..)))
    }
}
