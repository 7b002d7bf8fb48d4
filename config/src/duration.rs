//! Reads and writes durations as they stand in a policy.
//!
//! The written form is that of systemd.time(7), in whole numbers and with units up to the day:
//! `30s`, `15min`, `1h30min`, `1h 30min`, `90 min`. As there, `m` is a minute, units may come in
//! any order, and their sum counts. Unlike there, a number without a unit is an error, since some
//! readers take it for seconds and others for minutes.

use std::fmt;
use std::time::Duration;

use crate::diagnostic::shown;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Reads a duration.
///
/// # Errors [`DurationError`], whose text says what is wrong and what to write instead.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim_matches(is_blank);
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = leading(rest, |c| c.is_ascii_digit());
        if number.is_empty() {
            return Err(not_a_number(rest));
        }
        if after.starts_with(['.', ',']) {
            return Err(DurationError::Fraction);
        }
        let (unit, after) = leading(after.trim_start_matches(is_blank), char::is_alphabetic);
        if unit.is_empty() {
            return Err(DurationError::NoUnit(number.to_owned()));
        }
        let length = unit_seconds(unit).ok_or_else(|| DurationError::Unit(unit.to_owned()))?;
        seconds = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(length))
            .and_then(|term| seconds.checked_add(term))
            .ok_or(DurationError::TooLong)?;
        rest = after.trim_start_matches(is_blank);
    }
    Ok(Duration::from_secs(seconds))
}

/// The duration as it is written in a policy: `24h`, `1h30min`, `30s`. Fractions of a second are
/// dropped; the rest is what [`parse`] reads back.
#[must_use]
pub fn print(duration: Duration) -> String {
    let terms = terms(duration).map(|(number, unit)| format!("{number}{unit}"));
    terms.collect::<String>()
}

/// What is wrong with a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// The text is empty.
    Empty,
    /// There is something else where a number is expected.
    NoNumber,
    /// A number with a sign.
    Negative,
    /// A number with a fraction.
    Fraction,
    /// This number has no unit.
    NoUnit(String),
    /// There is no such unit.
    Unit(String),
    /// More seconds than a `u64` can hold.
    TooLong,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty: expected a number and a unit, such as \"15min\""),
            Self::NoNumber => f.write_str("expected a number and a unit, such as \"15min\""),
            Self::Negative => f.write_str("a duration cannot be negative"),
            Self::Fraction => f.write_str("no fractions: write \"1h 30min\" instead of \"1.5h\""),
            Self::NoUnit(number) => {
                let number = shown(number);
                write!(
                    f,
                    "{number} has no unit: write \"{number}min\" or \"{number}s\""
                )
            }
            Self::Unit(unit) => {
                write!(f, "unknown unit `{}`; units: s, min, h, d", shown(unit))
            }
            Self::TooLong => f.write_str("the number is too big"),
        }
    }
}

impl std::error::Error for DurationError {}

fn not_a_number(rest: &str) -> DurationError {
    let negative = rest
        .strip_prefix(['-', '\u{2212}'])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if negative {
        DurationError::Negative
    } else {
        DurationError::NoNumber
    }
}

/// The names of systemd.time(7).
fn unit_seconds(unit: &str) -> Option<u64> {
    match unit {
        "s" | "sec" | "second" | "seconds" => Some(1),
        "m" | "min" | "minute" | "minutes" => Some(MINUTE),
        "h" | "hr" | "hour" | "hours" => Some(HOUR),
        "d" | "day" | "days" => Some(DAY),
        _ => None,
    }
}

/// Hours, minutes and seconds, without those that are zero; never empty. Days are not used: the
/// longest limit is 24 h, and is called that.
fn terms(duration: Duration) -> impl Iterator<Item = (u64, &'static str)> {
    let seconds = duration.as_secs();
    [
        (seconds / HOUR, "h"),
        (seconds % HOUR / MINUTE, "min"),
        (seconds % MINUTE, "s"),
    ]
    .into_iter()
    .filter(move |&(number, unit)| number > 0 || (seconds == 0 && unit == "s"))
}

/// Splits `text` after its leading characters that are `wanted`.
fn leading(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !wanted(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use session_timeout_texts::exactly;

    use super::*;

    #[test]
    fn every_unit_of_the_manual_is_known() {
        for (text, seconds) in [
            ("30s", 30),
            ("30 sec", 30),
            ("1 second", 1),
            ("2 seconds", 2),
            ("15m", 900),
            ("15min", 900),
            ("1 minute", 60),
            ("90 min", 5400),
            ("2minutes", 120),
            ("24h", 86400),
            ("1hr", 3600),
            ("1 hour", 3600),
            ("2 hours", 7200),
            ("1d", 86400),
            ("1 day", 86400),
            ("2days", 172_800),
            ("1h30min", 5400),
            ("1h 30min", 5400),
            (" 1 h\t30 min ", 5400),
            ("30min 1h", 5400),
            ("0s", 0),
            ("007s", 7),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            ("", "empty: expected a number and a unit, such as \"15min\""),
            (
                " \t",
                "empty: expected a number and a unit, such as \"15min\"",
            ),
            ("never", "expected a number and a unit, such as \"15min\""),
            ("h", "expected a number and a unit, such as \"15min\""),
            ("+5min", "expected a number and a unit, such as \"15min\""),
            ("5min,", "expected a number and a unit, such as \"15min\""),
            ("-5min", "a duration cannot be negative"),
            ("1h -5min", "a duration cannot be negative"),
            (
                "1.5h",
                "no fractions: write \"1h 30min\" instead of \"1.5h\"",
            ),
            ("15", "15 has no unit: write \"15min\" or \"15s\""),
            ("1h30", "30 has no unit: write \"30min\" or \"30s\""),
            ("12:30", "12 has no unit: write \"12min\" or \"12s\""),
            ("15 minuets", "unknown unit `minuets`; units: s, min, h, d"),
            ("5M", "unknown unit `M`; units: s, min, h, d"),
            ("500ms", "unknown unit `ms`; units: s, min, h, d"),
            ("18446744073709551616s", "the number is too big"),
            ("18446744073709551615h", "the number is too big"),
            ("18446744073709551615s 1s", "the number is too big"),
        ] {
            let found = parse(text).map_err(|error| error.to_string());
            assert_eq!(found, Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn both_forms_leave_out_what_is_zero() {
        for (seconds, written, read) in [
            (0, "0s", "0 s"),
            (30, "30s", "30 s"),
            (60, "1min", "1 min"),
            (90, "1min30s", "1 min 30 s"),
            (900, "15min", "15 min"),
            (3600, "1h", "1 h"),
            (3601, "1h1s", "1 h 1 s"),
            (5400, "1h30min", "1 h 30 min"),
            (86400, "24h", "24 h"),
            (172_800, "48h", "48 h"),
        ] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(print(duration), written);
            assert_eq!(exactly(duration), read);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(seconds in any::<u64>()) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&print(duration)), Ok(duration));
            prop_assert_eq!(parse(&exactly(duration)), Ok(duration));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC*|[0-9 smhd.-]{0,30}") {
            if let Ok(duration) = parse(&text) {
                prop_assert_eq!(parse(&print(duration)), Ok(duration));
            }
        }
    }
}
