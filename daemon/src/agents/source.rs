//! The source of an agent's idle time.

use session_timeout_protocol::bus::agent::source;

/// The source of an agent's idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    ExtIdleNotify,
    KdeIdle,
    Mutter,
    X11,
    /// The agent has no source.
    None,
}

impl Source {
    const ALL: [Self; 5] = [
        Self::ExtIdleNotify,
        Self::KdeIdle,
        Self::Mutter,
        Self::X11,
        Self::None,
    ];

    /// The name in D-Bus calls and in the journal.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ExtIdleNotify => source::EXT_IDLE_NOTIFY,
            Self::KdeIdle => source::KDE_IDLE,
            Self::Mutter => source::MUTTER,
            Self::X11 => source::X11,
            Self::None => source::NONE,
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_read_by_its_word() {
        for source in Source::ALL {
            assert_eq!(Source::parse(source.as_str()), Some(source));
        }
        assert_eq!(Source::parse("evdev"), None);
    }
}
