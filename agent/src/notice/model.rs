//! The data of notifications: warnings, ends and extensions, as the daemon has sent them.

use std::time::Duration;

use session_timeout_texts::{self as texts, Cause, When, sanitize};

use crate::clock::BootTime;

/// Maximum length of a text from outside that is shown, in characters.
const MAX_TEXT_CHARS: usize = 400;

/// One of the two limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Absolute,
    Inactivity,
}

impl Limit {
    /// Both limits.
    pub(crate) const ALL: [Self; 2] = [Self::Absolute, Self::Inactivity];

    /// From its name on D-Bus.
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

/// What happens to the session at its limit, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It ends.
    Ends,
    /// Its screen is locked.
    Locks,
}

impl End {
    /// From the action on D-Bus. An action of a newer daemon counts as the end of the session.
    pub(crate) fn from_action(action: &str) -> Self {
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

/// The urgency of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    Normal,
    /// For the last warning, and for the end.
    Critical,
}

/// A warning that the session ends at `ends`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) limit: Limit,
    pub(crate) ends: BootTime,
    pub(crate) length: Duration,
    pub(crate) urgency: Urgency,
    pub(crate) end: End,
    /// The rule that sets the limit, unless `[default]` does.
    pub(crate) rule: Option<SanitizedText>,
    /// The administrator's own text.
    pub(crate) message: Option<SanitizedText>,
    pub(crate) extensions: Option<ExtensionOffer>,
}

/// The extensions that the user can still request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtensionOffer {
    /// How many; at least one.
    pub(crate) left: u32,
    pub(crate) by: Duration,
}

/// The end of the session, which is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndNotice {
    pub(crate) limit: Limit,
    pub(crate) length: Duration,
    pub(crate) end: End,
}

/// An extension that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) by: Duration,
    pub(crate) ends: BootTime,
    pub(crate) left: u32,
}

/// How the user's last session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastEnding {
    /// A terminal or a seat.
    pub(crate) place: Option<SanitizedText>,
    /// The time of its end. The notification may stay for long, so this is no age.
    pub(crate) ended: When,
    pub(crate) cause: Cause,
    /// The length of the limit.
    pub(crate) length: Duration,
}

/// Text from outside that is safe to show: it has no line breaks, control characters or
/// direction marks, and at most [`MAX_TEXT_CHARS`] characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SanitizedText(String);

impl SanitizedText {
    pub(crate) fn new(text: &str) -> Self {
        let shortened: String = text.chars().take(MAX_TEXT_CHARS).collect();
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
            let plain = SanitizedText::new(hostile);
            assert!(!plain.as_str().chars().any(is_unprintable), "{plain:?}");
        }
        let long = SanitizedText::new(&"é".repeat(5000));
        assert_eq!(long.as_str().chars().count(), MAX_TEXT_CHARS);
    }
}
