//! What is left, in words: hours and minutes while there is time, seconds at the end.

use std::time::Duration;

use super::Left;
use crate::duration::for_people;

/// From here on seconds are shown.
const SOON: Duration = Duration::from_secs(5 * 60);

/// How fine a time of this length is shown.
pub(crate) const fn step(left: Duration) -> Duration {
    if left.as_secs() < SOON.as_secs() {
        Duration::from_secs(1)
    } else {
        Duration::from_secs(60)
    }
}

/// `1 h 12 min`, `59 min`, `4 min 59 s`.
pub(crate) fn time(left: Duration) -> String {
    let step = step(left).as_secs();
    for_people(Duration::from_secs(left.as_secs() / step * step))
}

/// The time, or a word that says why there is none.
pub(crate) fn state(left: &Left, now: Duration) -> String {
    match (left.remaining(now), left.phase.as_str()) {
        (Some(remaining), _) => time(remaining),
        (None, "ending") => "ending".to_owned(),
        (None, "held") => "locked".to_owned(),
        (None, "reported") => "passed".to_owned(),
        (None, "undecided") => "undecided".to_owned(),
        (None, _) => "no limit".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn seconds_are_shown_when_they_matter() {
        for (seconds, text) in [
            (86_399, "23 h 59 min"),
            (3600, "1 h"),
            (3599, "59 min"),
            (301, "5 min"),
            (300, "5 min"),
            (299, "4 min 59 s"),
            (60, "1 min"),
            (59, "59 s"),
            (0, "0 s"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn where_there_is_no_time_a_word_says_why() {
        let said = |phase: &str| {
            let (mut left, now) = sample(600);
            left.phase = phase.into();
            state(&left, now)
        };
        assert_eq!(said("warned"), "10 min");
        assert_eq!(said("ending"), "ending");
        assert_eq!(said("held"), "locked");
        assert_eq!(said("reported"), "passed");
        let none = Left {
            phase: "exempt".into(),
            ..Left::default()
        };
        assert_eq!(state(&none, Duration::ZERO), "no limit");
    }
}
