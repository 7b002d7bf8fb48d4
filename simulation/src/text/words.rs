//! The text form of spans, times and names.

use std::time::Duration;

use session_timeout_policy::BootTime;

/// The reason why a text is not a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The number of the line, from 1.
    pub line: usize,
    /// The error.
    pub why: String,
}

impl std::fmt::Display for TextError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for TextError {}

pub(super) type Parsed<T> = Result<T, String>;

const HOUR: u64 = 3600;
const MICROS: u64 = 1_000_000;

/// `1h2min3.5s`.
pub(super) fn span(span: Duration) -> String {
    let secs = span.as_secs();
    let (hours, minutes, rest) = (secs / HOUR, secs / 60 % 60, secs % 60);
    let mut text = String::new();
    if hours > 0 {
        text += &format!("{hours}h");
    }
    if minutes > 0 {
        text += &format!("{minutes}min");
    }
    if rest > 0 || span.subsec_micros() > 0 || text.is_empty() {
        text += &fraction(rest, span.subsec_micros(), 1);
        text.push('s');
    }
    text
}

pub(super) fn parse_span(text: &str) -> Parsed<Duration> {
    let mut rest = text;
    let mut micros = 0u64;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale = match unit {
            "h" => HOUR,
            "min" => 60,
            "s" => 1,
            _ => return Err(format!("`{text}` is no span")),
        };
        let number = parse_fraction(number).ok_or_else(|| format!("`{text}` is no span"))?;
        micros = micros.saturating_add(number.saturating_mul(scale));
        rest = tail;
    }
    if text.is_empty() {
        return Err("a span is missing".to_owned());
    }
    Ok(Duration::from_micros(micros))
}

/// `26:03:07.5`.
pub(super) fn time(at: BootTime) -> String {
    let secs = at.as_micros() / MICROS;
    let micros = u32::try_from(at.as_micros() % MICROS).unwrap_or_default();
    let (hours, minutes) = (secs / HOUR, secs / 60 % 60);
    format!("{hours}:{minutes:02}:{}", fraction(secs % 60, micros, 2))
}

pub(super) fn parse_time(text: &str) -> Parsed<BootTime> {
    let wrong = || format!("`{text}` is no time");
    let mut parts = text.split(':');
    let mut part = || parts.next().and_then(parse_fraction).ok_or_else(wrong);
    let (hours, minutes, secs) = (part()?, part()?, part()?);
    Ok(BootTime::from_micros(
        hours
            .saturating_mul(HOUR)
            .saturating_add(minutes.saturating_mul(60))
            .saturating_add(secs),
    ))
}

fn fraction(secs: u64, micros: u32, width: usize) -> String {
    let mut text = format!("{secs:0width$}");
    if micros > 0 {
        text += format!(".{micros:06}").trim_end_matches('0');
    }
    text
}

/// A number of seconds in microseconds.
fn parse_fraction(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let micros: u64 = format!("{part:0<6}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    (part.len() <= 6).then_some(whole.saturating_mul(MICROS).saturating_add(micros))
}

/// The `key=value` words of a line.
pub(super) struct Words<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a str) -> Self {
        let words = line.split_whitespace();
        Self(
            words
                .map(|word| word.split_once('=').unwrap_or((word, "")))
                .collect(),
        )
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find_map(|(other, value)| (*other == key).then_some(*value))
    }

    pub(super) fn need(&self, key: &str) -> Parsed<&'a str> {
        self.get(key).ok_or_else(|| format!("`{key}=` is missing"))
    }

    pub(super) fn span(&self, key: &str) -> Parsed<Duration> {
        parse_span(self.need(key)?)
    }

    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = &'a str> {
        let list = self.get(key).unwrap_or_default().split(',');
        list.filter(|item| !item.is_empty())
    }

    pub(super) fn number<T: std::str::FromStr>(&self, key: &str) -> Parsed<T> {
        number(self.need(key)?)
    }
}

pub(super) fn number<T: std::str::FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_times_are_read_as_they_are_written() {
        for micros in [
            0,
            1,
            700_000,
            1_000_000,
            61_500_000,
            3_600_000_000,
            90_061_000_007,
        ] {
            let whole = Duration::from_micros(micros);
            assert_eq!(parse_span(&span(whole)), Ok(whole), "{}", span(whole));
            let at = BootTime::from_micros(micros);
            assert_eq!(parse_time(&time(at)), Ok(at), "{}", time(at));
        }
        assert_eq!(span(Duration::from_millis(3_723_500)), "1h2min3.5s");
        assert_eq!(time(BootTime::from_micros(93_787_500_000)), "26:03:07.5");
    }
}
