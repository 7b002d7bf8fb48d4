//! `left`: prints how long a session may still last, for prompts and status bars.

pub(crate) mod format;
pub(crate) mod remaining;
pub(crate) mod waybar;

use std::time::Duration;

/// The daemon's reply about one session.
///
/// Words of the daemon are kept as text, as in `status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Left {
    pub(crate) session: String,
    pub(crate) phase: String,
    /// The limit that is reached first, if any.
    pub(crate) end: Option<NextEnd>,
    /// `terminate`, `hang-up`, `lock` or `report`; absent if no limit holds.
    pub(crate) end_action: Option<String>,
    /// The number of extensions that may still be granted.
    pub(crate) extensions: u32,
}

/// The end that comes first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NextEnd {
    /// The limit: `absolute` or `inactivity`.
    pub(crate) limit: String,
    /// When, by [`crate::clock::now`].
    pub(crate) at: Duration,
    /// How long the limit is.
    pub(crate) length: Option<Duration>,
}

impl Left {
    /// How long until the end, at this time; `None` if no limit holds, or the session is past it.
    pub(crate) fn remaining(&self, now: Duration) -> Option<Duration> {
        let counts = !matches!(
            self.phase.as_str(),
            "ending" | "survived" | "held" | "reported"
        );
        let end = self.end.as_ref().filter(|_| counts)?;
        Some(end.at.saturating_sub(now))
    }

    /// The remaining part of the limit, in percent, rounded down.
    pub(crate) fn percent(&self, now: Duration) -> Option<u64> {
        let left = self.remaining(now)?.as_millis();
        let length = self.end.as_ref()?.length?.as_millis();
        let percent = (left * 100).checked_div(length)?;
        u64::try_from(percent.min(100)).ok()
    }
}

/// The precision of a shown time, which determines when its text changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Never.
    Fixed,
    /// As [`remaining::time`] does.
    Words,
    Seconds,
    Minutes,
    Percent,
}

/// Added to the time until the next change, so that the text has changed when the timer fires.
const ROUNDING_MARGIN: Duration = Duration::from_millis(1);

impl Precision {
    /// The time until the text changes.
    pub(crate) fn changes_in(self, left: &Left, now: Duration) -> Option<Duration> {
        let remaining = left.remaining(now)?;
        let step = match self {
            Self::Fixed => return None,
            Self::Words => remaining::step(remaining),
            Self::Seconds => Duration::from_secs(1),
            Self::Minutes => Duration::from_secs(60),
            Self::Percent => {
                let length = left.end.as_ref()?.length?;
                let whole = left.percent(now)?;
                let shown = length.saturating_mul(u32::try_from(whole).ok()?) / 100;
                return (whole > 0).then(|| remaining.saturating_sub(shown) + ROUNDING_MARGIN);
            }
        };
        let past_the_step = remaining.as_nanos() % step.as_nanos();
        let past_the_step = Duration::from_nanos(u64::try_from(past_the_step).ok()?);
        (remaining >= step).then_some(past_the_step + ROUNDING_MARGIN)
    }
}

/// A session with `left` seconds left, for the tests of the output; the time is 1000 s.
#[cfg(test)]
pub(crate) fn sample(left: u64) -> (Left, Duration) {
    let now = Duration::from_secs(1000);
    let left = Left {
        session: "c1".into(),
        phase: "running".into(),
        end: Some(NextEnd {
            limit: "absolute".into(),
            at: now + Duration::from_secs(left),
            length: Some(Duration::from_secs(7200)),
        }),
        end_action: Some("terminate".into()),
        extensions: 2,
    };
    (left, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Precision; 4] = [
        Precision::Words,
        Precision::Seconds,
        Precision::Minutes,
        Precision::Percent,
    ];

    fn shown(precision: Precision, left: &Left, now: Duration) -> String {
        let remaining = left.remaining(now).unwrap();
        match precision {
            Precision::Fixed => String::new(),
            Precision::Words => remaining::time(remaining),
            Precision::Seconds => remaining.as_secs().to_string(),
            Precision::Minutes => (remaining.as_secs() / 60).to_string(),
            Precision::Percent => left.percent(now).unwrap().to_string(),
        }
    }

    #[test]
    fn the_next_update_is_when_the_text_changes_and_not_before() {
        for precision in ALL {
            let (left, mut now) = sample(7000);
            now += Duration::from_millis(123);
            let mut updates = 0;
            while let Some(wait) = precision.changes_in(&left, now) {
                let text = shown(precision, &left, now);
                assert_eq!(
                    shown(precision, &left, now + wait - 2 * ROUNDING_MARGIN),
                    text
                );
                now += wait;
                updates += 1;
                assert_ne!(shown(precision, &left, now), text, "{precision:?}");
            }
            // Minutes down to 5, and then seconds: 111 and 300.
            let expected = match precision {
                Precision::Words => 411,
                Precision::Seconds => 6999,
                Precision::Minutes => 116,
                Precision::Percent => 97,
                Precision::Fixed => 0,
            };
            assert_eq!(updates, expected, "{precision:?}");
        }
    }

    #[test]
    fn where_nothing_is_counted_nothing_changes() {
        for phase in ["ending", "survived", "held", "reported"] {
            let (mut left, now) = sample(100);
            left.phase = phase.into();
            assert_eq!(left.percent(now), None);
            for precision in ALL {
                assert_eq!(precision.changes_in(&left, now), None);
            }
        }
        let nothing = Left::default();
        assert_eq!(nothing.remaining(Duration::ZERO), None);
        assert_eq!(nothing.percent(Duration::ZERO), None);
    }

    #[test]
    fn a_limit_of_nothing_is_no_percentage() {
        let (mut left, now) = sample(10);
        left.end.as_mut().unwrap().length = Some(Duration::ZERO);
        assert_eq!(left.percent(now), None);
        left.end.as_mut().unwrap().length = Some(Duration::from_secs(5));
        assert_eq!(left.percent(now), Some(100));
    }
}
