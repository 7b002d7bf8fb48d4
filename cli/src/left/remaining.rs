//! Formats the remaining time: hours and minutes, and below five minutes also seconds.

use std::time::Duration;

use session_timeout_texts::{Language, Sentence, State, roughly};

use super::Left;

/// Below this time seconds are shown.
const SECONDS_BELOW: Duration = Duration::from_secs(5 * 60);

/// The precision with which a time of this length is shown.
pub(crate) const fn step(left: Duration) -> Duration {
    if left.as_secs() < SECONDS_BELOW.as_secs() {
        Duration::from_secs(1)
    } else {
        Duration::from_secs(60)
    }
}

/// The time rounded down to what is shown.
pub(crate) fn shown(left: Duration) -> Duration {
    let step = step(left).as_secs();
    Duration::from_secs(left.as_secs() / step * step)
}

/// `1 h 12 min`, `59 min`, `4 min 59 s`.
pub(crate) fn time(left: Duration) -> String {
    roughly(shown(left))
}

/// The time, or the state if no time is counted.
pub(crate) fn time_or_state(language: Language, left: &Left, now: Duration) -> String {
    match left.remaining(now) {
        Some(remaining) => time(remaining),
        None => language.say(Sentence::State(state(left))),
    }
}

/// The reason why no time is counted.
pub(crate) fn state(left: &Left) -> State {
    match left.phase.as_str() {
        // The same for the user: the daemon repeats the end.
        "ending" | "survived" => State::Ending,
        "held" => State::Locked,
        "reported" => State::Passed,
        "undecided" => State::Undecided,
        _ => State::NoLimit,
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
            time_or_state(Language::English, &left, now)
        };
        assert_eq!(said("warned"), "10 min");
        assert_eq!(said("ending"), "ending");
        assert_eq!(said("survived"), "ending");
        assert_eq!(said("held"), "locked");
        assert_eq!(said("reported"), "passed");
        let none = Left {
            phase: "exempt".into(),
            ..Left::default()
        };
        assert_eq!(
            time_or_state(Language::German, &none, Duration::ZERO),
            "kein Limit"
        );
    }
}
