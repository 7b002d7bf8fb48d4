//! A question that is asked outside of the engine: its timeout, its failures and its repetition.

use std::time::Duration;

use crate::BootTime;

/// Timeout and pauses of a question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// A reply that takes longer than this counts as a failure.
    pub(crate) timeout: Duration,
    /// The pause after the first failure is twice this; it is doubled with each.
    pub(crate) pause: Duration,
    /// The longest pause.
    pub(crate) pause_max: Duration,
}

/// The state of one question, which is asked at most once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inquiry {
    /// The question is not open.
    Idle,
    /// It was asked, after this many failures in a row.
    Asked { since: BootTime, failures: u32 },
    /// It failed this many times in a row, and is to be repeated.
    Failed { retry_at: BootTime, failures: u32 },
}

impl Inquiry {
    /// Asks, or repeats the question after failures.
    pub(crate) fn ask(&mut self, now: BootTime) {
        let failures = match *self {
            Self::Idle => 0,
            Self::Asked { failures, .. } | Self::Failed { failures, .. } => failures,
        };
        *self = Self::Asked {
            since: now,
            failures,
        };
    }

    /// The question has failed. Returns how many times in a row; `None` if it was not open, since
    /// it had timed out.
    pub(crate) fn fail(&mut self, now: BootTime, patience: Patience) -> Option<u32> {
        let Self::Asked { failures, .. } = *self else {
            return None;
        };
        let failures = failures.saturating_add(1);
        let pause = patience
            .pause
            .saturating_mul(1 << failures.min(5))
            .min(patience.pause_max);
        *self = Self::Failed {
            retry_at: now.saturating_add(pause),
            failures,
        };
        Some(failures)
    }

    /// When the question times out, or is repeated.
    pub(crate) fn due(&self, patience: Patience) -> Option<BootTime> {
        match *self {
            Self::Idle => None,
            Self::Asked { since, .. } => Some(since.saturating_add(patience.timeout)),
            Self::Failed { retry_at, .. } => Some(retry_at),
        }
    }

    /// What is due now.
    pub(crate) fn step(&self, now: BootTime, patience: Patience) -> Option<Due> {
        let due = self.due(patience).is_some_and(|due| due <= now);
        match self {
            Self::Asked { .. } if due => Some(Due::GiveUp),
            Self::Failed { .. } if due => Some(Due::AskAgain),
            Self::Idle | Self::Asked { .. } | Self::Failed { .. } => None,
        }
    }
}

/// What is due for an [`Inquiry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    GiveUp,
    AskAgain,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        timeout: Duration::from_secs(10),
        pause: Duration::from_secs(1),
        pause_max: Duration::from_secs(30),
    };

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let (mut inquiry, mut now, mut pauses) = (Inquiry::Idle, at(0), Vec::new());
        for _ in 0..6 {
            inquiry.ask(now);
            assert!(inquiry.fail(now, PATIENCE).is_some());
            let due = inquiry.due(PATIENCE).unwrap();
            pauses.push(due.since(now).as_secs());
            assert_eq!(inquiry.step(due, PATIENCE), Some(Due::AskAgain));
            now = due;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn an_answer_that_does_not_come_is_given_up_once() {
        let mut inquiry = Inquiry::Idle;
        assert_eq!(inquiry.fail(at(0), PATIENCE), None);
        inquiry.ask(at(0));
        assert_eq!(inquiry.step(at(9), PATIENCE), None);
        assert_eq!(inquiry.step(at(10), PATIENCE), Some(Due::GiveUp));
        assert_eq!(inquiry.fail(at(10), PATIENCE), Some(1));
        assert_eq!(inquiry.fail(at(10), PATIENCE), None);
    }
}
