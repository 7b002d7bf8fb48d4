//! Parses and fills `--format`, a text of the user with placeholders.

use std::str::FromStr;
use std::time::Duration;

use session_timeout_texts::Language;

use super::{Left, Precision, remaining};

/// A text with placeholders in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

/// The placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Extensions,
    Left,
    Limit,
    Minutes,
    Percent,
    Phase,
    Seconds,
    Session,
    Short,
}

impl Placeholder {
    const ALL: [Self; 9] = [
        Self::Left,
        Self::Short,
        Self::Seconds,
        Self::Minutes,
        Self::Percent,
        Self::Limit,
        Self::Phase,
        Self::Session,
        Self::Extensions,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Extensions => "extensions",
            Self::Left => "left",
            Self::Limit => "limit",
            Self::Minutes => "minutes",
            Self::Percent => "percent",
            Self::Phase => "phase",
            Self::Seconds => "seconds",
            Self::Session => "session",
            Self::Short => "short",
        }
    }

    const fn precision(self) -> Precision {
        match self {
            Self::Extensions | Self::Limit | Self::Phase | Self::Session => Precision::Fixed,
            Self::Left | Self::Short => Precision::Words,
            Self::Minutes => Precision::Minutes,
            Self::Percent => Precision::Percent,
            Self::Seconds => Precision::Seconds,
        }
    }

    /// Its text; empty if it is unknown or does not apply.
    fn filled(self, language: Language, left: &Left, now: Duration) -> String {
        let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
        let seconds = left.remaining(now).map(|remaining| remaining.as_secs());
        match self {
            Self::Extensions => left.extensions.to_string(),
            Self::Left => remaining::time_or_state(language, left, now),
            Self::Limit => left
                .end
                .as_ref()
                .map(|end| end.limit.clone())
                .unwrap_or_default(),
            Self::Minutes => number(seconds.map(|seconds| seconds / 60)),
            Self::Percent => number(left.percent(now)),
            Self::Phase => left.phase.clone(),
            Self::Seconds => number(seconds),
            Self::Session => left.session.clone(),
            Self::Short => short(&remaining::time_or_state(language, left, now)),
        }
    }
}

/// `1h12m` for `1 h 12 min`.
fn short(words: &str) -> String {
    if words.starts_with(|c: char| c.is_ascii_digit()) {
        words.replace("min", "m").replace(' ', "")
    } else {
        words.to_owned()
    }
}

impl Format {
    /// The text with the placeholders filled.
    pub(crate) fn filled(&self, language: Language, left: &Left, now: Duration) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Placeholder(placeholder) => placeholder.filled(language, left, now),
        });
        pieces.collect()
    }

    /// The time until the text changes.
    pub(crate) fn changes_in(&self, left: &Left, now: Duration) -> Option<Duration> {
        let placeholders = self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Placeholder(placeholder) => placeholder.precision().changes_in(left, now),
        });
        placeholders.min()
    }
}

impl Default for Format {
    fn default() -> Self {
        Self(vec![Piece::Placeholder(Placeholder::Left)])
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            // A double brace stands for a brace.
            if let Some(after) = ["{{", "}}"].iter().find_map(|two| brace.strip_prefix(two)) {
                plain.extend(brace.chars().next());
                rest = after;
                continue;
            }
            let inside = brace
                .strip_prefix('{')
                .and_then(|brace| brace.split_once('}'));
            let (name, after) =
                inside.ok_or("a brace is alone; {{ and }} are braces themselves")?;
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
            pieces.push(Piece::Placeholder(placeholder(name)?));
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self(pieces))
    }
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    let known = Placeholder::ALL
        .into_iter()
        .find(|placeholder| placeholder.name() == name);
    known.ok_or_else(|| {
        let names = Placeholder::ALL.map(|placeholder| format!("{{{}}}", placeholder.name()));
        format!("there is no {{{name}}}; there are {}", names.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn filled(format: &str) -> String {
        let (left, now) = sample(4350);
        format
            .parse::<Format>()
            .unwrap()
            .filled(Language::English, &left, now)
    }

    #[test]
    fn each_placeholder_is_filled() {
        assert_eq!(filled("{left}|{short}"), "1 h 12 min|1h12m");
        assert_eq!(filled("{seconds} {minutes} {percent}%"), "4350 72 60%");
        assert_eq!(
            filled("{limit} {phase} {session} {extensions}"),
            "absolute running c1 2"
        );
        assert_eq!(filled("⏳ {{{left}}}"), "⏳ {1 h 12 min}");
        assert_eq!(filled(""), "");
    }

    #[test]
    fn where_nothing_is_counted_numbers_are_empty_and_words_say_why() {
        let (mut left, now) = sample(4350);
        left.phase = "held".into();
        let format: Format = "{left}|{short}|{seconds}|{minutes}|{percent}"
            .parse()
            .unwrap();
        assert_eq!(
            format.filled(Language::English, &left, now),
            "locked|locked|||"
        );
        assert_eq!(format.changes_in(&left, now), None);
        left.end = None;
        left.phase = "exempt".into();
        assert_eq!(
            format.filled(Language::English, &left, now),
            "no limit|no limit|||"
        );
    }

    #[test]
    fn an_unknown_placeholder_is_refused_with_those_that_exist() {
        let refused = |format: &str| format.parse::<Format>().unwrap_err();
        let said = refused("{lft}");
        assert!(
            said.starts_with("there is no {lft}; there are {left} {short}"),
            "{said}"
        );
        for alone in ["{", "}", "{left", "left}", "{left}}", "{{left}"] {
            assert!(refused(alone).contains("alone"), "{alone}");
        }
    }

    #[test]
    fn the_most_precise_placeholder_decides_when_the_text_changes() {
        let (left, now) = sample(4350);
        let wait = |format: &str| {
            let format = format.parse::<Format>().unwrap();
            format.changes_in(&left, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("{session} {limit}"), None);
        assert_eq!(wait("{left}"), Some(30));
        assert_eq!(wait("{left} {percent}"), Some(30));
        assert_eq!(wait("{left} {seconds}"), Some(0));
    }
}
