//! What the daemon tells of the end, out of its dictionaries.

use std::collections::HashMap;
use std::time::Duration;

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
        left: told.some("ExtensionsLeft").unwrap_or(0),
        by: told.span("ExtendByUSec").unwrap_or_default(),
    };
    Ok(Warning {
        limit: limit(&told.word("Limit")?)?,
        ends: now.after(told.span("EndsInUSec")?),
        length: told.span("LengthUSec")?,
        urgency: match told.needed("Last")? {
            true => Urgency::Critical,
            false => Urgency::Normal,
        },
        end: End::of(&told.word("Action")?),
        rule: told.plain("Rule"),
        message: told.plain("Message"),
        extensions: (extensions.left > 0).then_some(extensions),
    })
}

/// What ends.
pub(crate) fn parting(told: Dictionary) -> fdo::Result<Parting> {
    let mut told = Told(told);
    Ok(Parting {
        limit: limit(&told.word("Limit")?)?,
        length: told.span("LengthUSec")?,
        end: End::of(&told.word("Action")?),
    })
}

/// What became of the last session, if anything did.
pub(crate) fn last_ending(told: Dictionary) -> Option<LastEnding> {
    let mut told = Told(told);
    Some(LastEnding {
        place: told.plain("Place"),
        ago: told.span("AgoUSec").ok()?,
        cause: match told.word("Cause").ok()?.as_str() {
            "login" => Cause::Login,
            "unlock" => Cause::Unlock,
            _ => Cause::Input,
        },
        length: told.span("LengthUSec").ok()?,
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
            ("Limit", Variant::from("absolute")),
            ("EndsInUSec", Variant::from(300_000_000_u64)),
            ("LengthUSec", Variant::from(900_000_000_u64)),
            ("LeadUSec", Variant::from(300_000_000_u64)),
            ("Last", Variant::from(false)),
            ("Action", Variant::from("hang-up")),
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
                ("Limit", Variant::from("inactivity")),
                ("Action", Variant::from("lock")),
                ("Last", Variant::from(true)),
                ("Rule", Variant::from("a\u{202e}b")),
                ("Message", Variant::from("c\u{1b}d")),
                ("ExtensionsLeft", Variant::from(2_u32)),
                ("ExtendByUSec", Variant::from(60_000_000_u64)),
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
            ("Limit", Variant::from("monthly")),
            ("EndsInUSec", Variant::from("soon")),
            ("Last", Variant::from(1_u32)),
        ] {
            let read = warning(at(100), told(vec![wrong.clone()]));
            assert!(read.is_err(), "{wrong:?}");
        }
        assert!(parting(HashMap::new()).is_err());
        assert!(parting(told(vec![])).is_ok());
    }
}
