//! Decodes the dictionaries that the daemon sends: warnings, ends, and the end of the last session.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use session_timeout_protocol::bus::{last_ending, warning};
use session_timeout_texts::Cause;
use zbus::fdo;
use zbus::wire::OwnedVariant;

use crate::clock::Now;
use crate::local_time;
use crate::notice::{
    End, EndNotice, ExtensionOffer, LastEnding, Limit, SanitizedText, Urgency, Warning,
};

/// An `a{sv}`. Unknown keys are ignored: they are from a newer daemon.
pub(crate) type Dictionary = HashMap<String, OwnedVariant>;

/// Decodes a warning ([`warning`](mod@warning)).
///
/// # Errors
/// A required key is missing, or a value has another type or is unknown.
pub(crate) fn warning(now: Now, dictionary: Dictionary) -> fdo::Result<Warning> {
    let mut values = Values(dictionary);
    let extensions = ExtensionOffer {
        left: values.optional(warning::EXTENSIONS_LEFT).unwrap_or(0),
        by: values.duration(warning::EXTEND_BY_USEC).unwrap_or_default(),
    };
    Ok(Warning {
        limit: limit(&values.text(warning::LIMIT)?)?,
        ends: now.after(values.duration(warning::ENDS_IN_USEC)?),
        length: values.duration(warning::LENGTH_USEC)?,
        urgency: match values.required(warning::LAST)? {
            true => Urgency::Critical,
            false => Urgency::Normal,
        },
        end: End::from_action(&values.text(warning::ACTION)?),
        rule: values.sanitized(warning::RULE),
        message: values.sanitized(warning::MESSAGE),
        extensions: (extensions.left > 0).then_some(extensions),
    })
}

/// Decodes the end of this session.
///
/// # Errors
/// A required key is missing, or a value has another type or is unknown.
pub(crate) fn end_notice(dictionary: Dictionary) -> fdo::Result<EndNotice> {
    let mut values = Values(dictionary);
    Ok(EndNotice {
        limit: limit(&values.text(warning::LIMIT)?)?,
        length: values.duration(warning::LENGTH_USEC)?,
        end: End::from_action(&values.text(warning::ACTION)?),
    })
}

/// Decodes the end of the user's last session ([`last_ending`](mod@last_ending)); `None` if the
/// dictionary is empty.
pub(crate) fn last_ending(now: SystemTime, dictionary: Dictionary) -> Option<LastEnding> {
    let mut values = Values(dictionary);
    Some(LastEnding {
        place: values.sanitized(last_ending::PLACE),
        ended: local_time::when(now, values.duration(last_ending::AGO_USEC).ok()?),
        cause: match values.text(last_ending::CAUSE).ok()?.as_str() {
            "login" => Cause::Login,
            "unlock" => Cause::Unlock,
            _ => Cause::Input,
        },
        length: values.duration(last_ending::LENGTH_USEC).ok()?,
    })
}

/// Decodes the name of a limit.
///
/// # Errors
/// The name is unknown.
pub(crate) fn limit(name: &str) -> fdo::Result<Limit> {
    Limit::parse(name).ok_or_else(|| fdo::Error::InvalidArgs(format!("there is no limit {name:?}")))
}

/// Takes values out of a dictionary by key.
struct Values(Dictionary);

impl Values {
    fn optional<T: TryFrom<OwnedVariant>>(&mut self, key: &str) -> Option<T> {
        self.0.remove(key).and_then(|value| T::try_from(value).ok())
    }

    fn required<T: TryFrom<OwnedVariant>>(&mut self, key: &str) -> fdo::Result<T> {
        let missing = || fdo::Error::InvalidArgs(format!("{key} is missing"));
        self.optional(key).ok_or_else(missing)
    }

    fn text(&mut self, key: &str) -> fdo::Result<String> {
        self.required(key)
    }

    fn duration(&mut self, key: &str) -> fdo::Result<Duration> {
        self.required(key).map(Duration::from_micros)
    }

    fn sanitized(&mut self, key: &str) -> Option<SanitizedText> {
        self.optional(key)
            .map(|text: String| SanitizedText::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use zbus::wire::Variant;

    use super::*;
    use crate::clock::tests::at;

    fn dictionary(more: Vec<(&str, Variant<'static>)>) -> Dictionary {
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
    fn a_warning_is_decoded_without_its_optional_keys() {
        let decoded = warning(at(100), dictionary(vec![]));
        let expected = Warning {
            limit: Limit::Absolute,
            ends: at(400).after(Duration::ZERO),
            length: Duration::from_secs(900),
            urgency: Urgency::Normal,
            end: End::Ends,
            rule: None,
            message: None,
            extensions: None,
        };
        assert_eq!(decoded.unwrap(), expected);
    }

    #[test]
    fn texts_from_outside_are_sanitized_when_they_are_decoded() {
        let decoded = warning(
            at(100),
            dictionary(vec![
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
        assert_eq!(decoded.limit, Limit::Inactivity);
        assert_eq!(decoded.end, End::Locks);
        assert_eq!(decoded.urgency, Urgency::Critical);
        assert_eq!(decoded.rule, Some(SanitizedText::new("a\u{fffd}b")));
        assert_eq!(decoded.message, Some(SanitizedText::new("c\u{fffd}d")));
        let by = Duration::from_secs(60);
        assert_eq!(decoded.extensions, Some(ExtensionOffer { left: 2, by }));
    }

    #[test]
    fn wrong_types_and_unknown_values_are_errors() {
        for wrong in [
            (warning::LIMIT, Variant::from("monthly")),
            (warning::ENDS_IN_USEC, Variant::from("soon")),
            (warning::LAST, Variant::from(1_u32)),
        ] {
            let decoded = warning(at(100), dictionary(vec![wrong.clone()]));
            assert!(decoded.is_err(), "{wrong:?}");
        }
        assert!(end_notice(HashMap::new()).is_err());
        assert!(end_notice(dictionary(vec![])).is_ok());
    }
}
