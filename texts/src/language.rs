//! The languages, and which one a user's locale selects.

use std::env;

/// A language with a catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, also for languages without a catalogue.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The language tag (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language that the environment of this process selects.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::of(|name| env::var(name).ok())
    }

    /// The language that these environment variables select: the first available one of `LANGUAGE`
    /// (GNU gettext, 2.3), unless the locale is `C`, and otherwise that of the locale in `LC_ALL`,
    /// `LC_MESSAGES` or `LANG` (POSIX.1-2024, 8.2).
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
        let Some(locale) = locale.as_deref().map(Locale::parse) else {
            return Self::default();
        };
        // The texts are UTF-8, which other locales cannot show beyond ASCII.
        if locale.is_c() || !locale.is_utf8() {
            return Self::default();
        }
        let wished = set("LANGUAGE").unwrap_or_default();
        let wished = wished.split(':').map(|wish| Locale::parse(wish).language);
        let mut wished = wished.chain([locale.language]);
        wished.find_map(Self::by_tag).unwrap_or_default()
    }

    fn by_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.tag() == tag)
    }
}

/// The relevant parts of a locale's name: `language_TERRITORY.codeset@modifier`.
struct Locale<'a> {
    language: &'a str,
    codeset: Option<&'a str>,
}

impl<'a> Locale<'a> {
    fn parse(name: &'a str) -> Self {
        let name = name.split('@').next().unwrap_or_default();
        let (place, codeset) = match name.split_once('.') {
            Some((place, codeset)) => (place, Some(codeset)),
            None => (name, None),
        };
        Self {
            language: place.split('_').next().unwrap_or_default(),
            codeset,
        }
    }

    fn is_c(&self) -> bool {
        matches!(self.language, "C" | "POSIX")
    }

    /// A locale without a codeset does not use UTF-8.
    fn is_utf8(&self) -> bool {
        let codeset = self.codeset.unwrap_or_default();
        codeset.eq_ignore_ascii_case("utf-8") || codeset.eq_ignore_ascii_case("utf8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Language {
        Language::of(|wanted| {
            let found = set.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_locale_of_messages_decides() {
        assert_eq!(of(&[]), Language::English);
        assert_eq!(of(&[("LANG", "de_DE.UTF-8")]), Language::German);
        assert_eq!(of(&[("LANG", "de_AT.utf8@euro")]), Language::German);
        assert_eq!(of(&[("LANG", "fr_FR.UTF-8")]), Language::English);
        let both = [("LANG", "de_DE.UTF-8"), ("LC_MESSAGES", "en_GB.UTF-8")];
        assert_eq!(of(&both), Language::English);
        let all = [("LC_ALL", "de_DE.UTF-8"), ("LC_MESSAGES", "en_GB.UTF-8")];
        assert_eq!(of(&all), Language::German);
        let empty = [("LC_ALL", ""), ("LANG", "de_DE.UTF-8")];
        assert_eq!(of(&empty), Language::German);
    }

    #[test]
    fn a_list_of_wishes_comes_before_the_locale() {
        let list = [("LANG", "en_US.UTF-8"), ("LANGUAGE", "nds:de_CH:en")];
        assert_eq!(of(&list), Language::German);
        let none = [("LANG", "de_DE.UTF-8"), ("LANGUAGE", "nds:fr")];
        assert_eq!(of(&none), Language::German);
        let plain = [("LANG", "C.UTF-8"), ("LANGUAGE", "de")];
        assert_eq!(of(&plain), Language::English);
    }

    #[test]
    fn a_terminal_without_umlauts_shows_english() {
        assert_eq!(of(&[("LANG", "de_DE")]), Language::English);
        assert_eq!(of(&[("LANG", "de_DE.ISO-8859-1")]), Language::English);
    }
}
