//! Formats durations for people. The unit symbols are those of the SI and those accepted for use
//! with it, the same in every language.

use std::time::Duration;

/// `24 h`, `1 h 30 min`, `30 s`. Fractions of a second are dropped.
#[must_use]
pub fn exactly(time: Duration) -> String {
    let (hours, minutes, seconds) = parts(time);
    joined(&[(hours, "h"), (minutes, "min"), (seconds, "s")])
}

/// The same in its two largest units only: `23 h 59 min`, `4 min 10 s`. The rest is dropped.
#[must_use]
pub fn roughly(time: Duration) -> String {
    match parts(time) {
        (0, minutes, seconds) => joined(&[(minutes, "min"), (seconds, "s")]),
        (hours, minutes, _) => joined(&[(hours, "h"), (minutes, "min")]),
    }
}

fn parts(time: Duration) -> (u64, u64, u64) {
    let seconds = time.as_secs();
    (seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn joined(terms: &[(u64, &str)]) -> String {
    let terms = terms.iter().filter(|(number, _)| *number > 0);
    let terms = terms.map(|(number, unit)| format!("{number} {unit}"));
    let terms: Vec<_> = terms.collect();
    if terms.is_empty() {
        return "0 s".to_owned();
    }
    terms.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_with_a_zero_are_omitted() {
        for (seconds, whole, coarse) in [
            (0, "0 s", "0 s"),
            (30, "30 s", "30 s"),
            (60, "1 min", "1 min"),
            (250, "4 min 10 s", "4 min 10 s"),
            (3659, "1 h 59 s", "1 h"),
            (5430, "1 h 30 min 30 s", "1 h 30 min"),
            (86_400, "24 h", "24 h"),
            (360_000, "100 h", "100 h"),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!(exactly(time), whole);
            assert_eq!(roughly(time), coarse);
        }
        assert_eq!(exactly(Duration::from_millis(1999)), "1 s");
    }
}
