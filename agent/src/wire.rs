//! What the daemon tells of the end, out of its dictionaries.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_protocol::bus::{last_ending, warning};
use session_timeout_texts::Cause;
use zbus::fdo;
use zbus::wire::OwnedVariant;

use crate::clock::Now;
use crate::notice::{End, Extensions, LastEnding, Limit, Parting, Plain, Urgency, Warning};

/// What is told, by name. Names that are not known are for agents to come.
pub(crate) type Dictionary = HashMap<String, OwnedVariant>;

/// What is warned of.
pub(crate) fn warning(now: Now, told: Dictionary) -> fdo::Result<Warning> {
    let mut told = Told(told);
    let extensions = Extensions {
        left: told.some(warning::EXTENSIONS_LEFT).unwrap_or(0),
        by: told.span(warning::EXTEND_BY_USEC).unwrap_or_default(),
    };
    Ok(Warning {
        limit: limit(&told.word(warning::LIMIT)?)?,
        ends: now.after(told.span(warning::ENDS_IN_USEC)?),
        length: told.span(warning::LENGTH_USEC)?,
        urgency: match told.needed(warning::LAST)? {
            true => Urgency::Critical,
            false => Urgency::Normal,
        },
        end: End::of(&told.word(warning::ACTION)?),
        rule: told.plain(warning::RULE),
        message: told.plain(warning::MESSAGE),
        extensions: (extensions.left > 0).then_some(extensions),
    })
}

/// What ends.
pub(crate) fn parting(told: Dictionary) -> fdo::Result<Parting> {
    let mut told = Told(told);
    Ok(Parting {
        limit: limit(&told.word(warning::LIMIT)?)?,
        length: told.span(warning::LENGTH_USEC)?,
        end: End::of(&told.word(warning::ACTION)?),
    })
}

/// What became of the last session, if anything did.
pub(crate) fn last_ending(told: Dictionary) -> Option<LastEnding> {
    let mut told = Told(told);
    Some(LastEnding {
        place: told.plain(last_ending::PLACE),
        ago: told.span(last_ending::AGO_USEC).ok()?,
        cause: match told.word(last_ending::CAUSE).ok()?.as_str() {
            "login" => Cause::Login,
            "unlock" => Cause::Unlock,
            _ => Cause::Input,
        },
        length: told.span(last_ending::LENGTH_USEC).ok()?,
    })
}

/// Which limit this is.
pub(crate) fn limit(word: &str) -> fdo::Result<Limit> {
    Limit::parse(word).ok_or_else(|| fdo::Error::InvalidArgs(format!("there is no limit {word:?}")))
}

struct Told(Dictionary);

impl Told {
    fn some<T: TryFrom<OwnedVariant>>(&mut self, name: &str) -> Option<T> {
        self.0
            .remove(name)
            .and_then(|value| T::try_from(value).ok())
    }

    fn needed<T: TryFrom<OwnedVariant>>(&mut self, name: &str) -> fdo::Result<T> {
        let missing = || fdo::Error::InvalidArgs(format!("{name} is missing"));
        self.some(name).ok_or_else(missing)
    }

    fn word(&mut self, name: &str) -> fdo::Result<String> {
        self.needed(name)
    }

    fn span(&mut self, name: &str) -> fdo::Result<Duration> {
        self.needed(name).map(Duration::from_micros)
    }

    fn plain(&mut self, name: &str) -> Option<Plain> {
        self.some(name).map(|text: String| Plain::of(&text))
    }
}

#[cfg(test)]
mod tests {
    use zbus::wire::Variant;

    use super::*;
    use crate::clock::tests::at;

    fn told(more: Vec<(&str, Variant<'static>)>) -> Dictionary {
        let all = [
            (warning::LIMIT, Variant::from("absolute")),
            (warning::ENDS_IN_USEC, Variant::from(300_000_000_u64)),
            (warning::LENGTH_USEC, Variant::from(900_000_000_u64)),
            (warning::LEAD_USEC, Variant::from(300_000_000_u64)),
            (warning::LAST, Variant::from(false)),
            (warning::ACTION, Variant::from("hang-up")),
        ];
        let all = all.into_iter().chain(more);
        let owned =
            |(name, value): (&str, Variant<'static>)| (name.to_owned(), value.try_into().unwrap());
        all.map(owned).collect()
    }

    #[test]
    fn a_warning_is_read_with_what_is_not_there() {
        let told = warning(at(100), told(vec![]));
        let read = Warning {
            limit: Limit::Absolute,
            ends: at(400).after(Duration::ZERO),
            length: Duration::from_secs(900),
            urgency: Urgency::Normal,
            end: End::Ends,
            rule: None,
            message: None,
            extensions: None,
        };
        assert_eq!(told.unwrap(), read);
    }

    #[test]
    fn what_is_from_outside_is_made_harmless_when_it_is_read() {
        let told = warning(
            at(100),
            told(vec![
                (warning::LIMIT, Variant::from("inactivity")),
                (warning::ACTION, Variant::from("lock")),
                (warning::LAST, Variant::from(true)),
                (warning::RULE, Variant::from("a\u{202e}b")),
                (warning::MESSAGE, Variant::from("c\u{1b}d")),
                (warning::EXTENSIONS_LEFT, Variant::from(2_u32)),
                (warning::EXTEND_BY_USEC, Variant::from(60_000_000_u64)),
                ("Fanfare", Variant::from("loud")),
            ]),
        )
        .unwrap();
        assert_eq!(told.limit, Limit::Inactivity);
        assert_eq!(told.end, End::Locks);
        assert_eq!(told.urgency, Urgency::Critical);
        assert_eq!(told.rule, Some(Plain::of("a\u{fffd}b")));
        assert_eq!(told.message, Some(Plain::of("c\u{fffd}d")));
        let by = Duration::from_secs(60);
        assert_eq!(told.extensions, Some(Extensions { left: 2, by }));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            (warning::LIMIT, Variant::from("monthly")),
            (warning::ENDS_IN_USEC, Variant::from("soon")),
            (warning::LAST, Variant::from(1_u32)),
        ] {
            let read = warning(at(100), told(vec![wrong.clone()]));
            assert!(read.is_err(), "{wrong:?}");
        }
        assert!(parting(HashMap::new()).is_err());
        assert!(parting(told(vec![])).is_ok());
    }
}
