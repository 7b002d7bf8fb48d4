//! What the daemon says of the end that is near.

use std::time::Duration;

use session_timeout_texts::{self as texts, Cause, sanitize};

use crate::clock::Boot;

/// The longest text of others that is shown, in characters.
const MAX: usize = 400;

/// Which limit it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Absolute,
    Inactivity,
}

impl Limit {
    /// Each of them.
    pub(crate) const ALL: [Self; 2] = [Self::Absolute, Self::Inactivity];

    /// By the daemon's word for it.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "absolute" => Some(Self::Absolute),
            "inactivity" => Some(Self::Inactivity),
            _ => None,
        }
    }
}

impl From<Limit> for texts::Limit {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Absolute => Self::Absolute,
            Limit::Inactivity => Self::Inactivity,
        }
    }
}

/// What becomes of the session at its limit, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It ends.
    Ends,
    /// Its screen is locked.
    Locks,
}

impl End {
    /// By the daemon's word for the action. Whatever else there may be one day ends the session.
    pub(crate) fn of(action: &str) -> Self {
        match action {
            "lock" => Self::Locks,
            _ => Self::Ends,
        }
    }
}

impl From<End> for texts::End {
    fn from(end: End) -> Self {
        match end {
            End::Ends => Self::Ends,
            End::Locks => Self::Locks,
        }
    }
}

/// How much it matters that this warning is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    Normal,
    /// It is the last one.
    Critical,
}

/// That the session is going to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) limit: Limit,
    pub(crate) ends: Boot,
    pub(crate) length: Duration,
    pub(crate) urgency: Urgency,
    pub(crate) end: End,
    /// The rule that the limit is from, unless it is everybody's.
    pub(crate) rule: Option<Plain>,
    /// The administrator's own text.
    pub(crate) message: Option<Plain>,
    pub(crate) extensions: Option<Extensions>,
}

/// More time that the user may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// How often; at least once.
    pub(crate) left: u32,
    pub(crate) by: Duration,
}

/// That the session ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parting {
    pub(crate) limit: Limit,
    pub(crate) length: Duration,
    pub(crate) end: End,
}

/// More time that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) by: Duration,
    pub(crate) ends: Boot,
    pub(crate) left: u32,
}

/// What became of the user's last session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastEnding {
    /// A terminal or a seat.
    pub(crate) place: Option<Plain>,
    /// How long ago it was ended.
    pub(crate) ago: Duration,
    pub(crate) cause: Cause,
    /// How long the limit was.
    pub(crate) length: Duration,
}

/// Text from outside as it may be shown: nothing in it begins a line, commands anything that shows
/// it or turns the direction of writing, and it is not endless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plain(String);

impl Plain {
    pub(crate) fn of(text: &str) -> Self {
        let shortened: String = text.chars().take(MAX).collect();
        Self(sanitize(&shortened))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_texts::is_unprintable;

    use super::*;

    #[test]
    fn text_from_outside_is_one_line_and_commands_nothing() {
        for hostile in ["\u{1b}[2J", "a\nb", "\u{9b}2J", "\u{202e}abc", "\u{2028}"] {
            let plain = Plain::of(hostile);
            assert!(!plain.as_str().chars().any(is_unprintable), "{plain:?}");
        }
        let long = Plain::of(&"é".repeat(5000));
        assert_eq!(long.as_str().chars().count(), MAX);
    }
}
