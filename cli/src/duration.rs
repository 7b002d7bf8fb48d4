//! Times for people: the two largest units, rounded down.

use std::time::Duration;

/// `23 h 59 min`, `4 min 10 s`, `12 s`.
pub(crate) fn for_people(span: Duration) -> String {
    let seconds = span.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, seconds) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units_are_shown() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (250, "4 min 10 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h"),
            (3659, "1 h"),
            (86_399, "23 h 59 min"),
            (86_400, "24 h"),
            (360_000, "100 h"),
        ] {
            assert_eq!(for_people(Duration::from_secs(seconds)), text);
        }
        assert_eq!(for_people(Duration::from_millis(1999)), "1 s");
    }
}
