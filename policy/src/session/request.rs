//! A request to the daemon that expects a reply: its timeout, its failures and its repetition.

use std::time::Duration;

use crate::BootTime;

/// The timeout and the pauses of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// A reply that takes longer than this counts as a failure.
    pub(crate) timeout: Duration,
    /// The base of the exponential backoff: the pause after the first failure is twice this.
    pub(crate) pause: Duration,
    /// The longest pause.
    pub(crate) pause_max: Duration,
}

/// The state of one request; at most one is pending at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// No request is pending.
    Idle,
    /// The request was sent, after this many consecutive failures.
    Pending { since: BootTime, failures: u32 },
    /// The request failed this many times in a row, and is to be repeated.
    Failed { retry_at: BootTime, failures: u32 },
}

impl Request {
    /// Records that the request is sent, for the first time or again after failures.
    pub(crate) fn send(&mut self, now: BootTime) {
        let failures = match *self {
            Self::Idle => 0,
            Self::Pending { failures, .. } | Self::Failed { failures, .. } => failures,
        };
        *self = Self::Pending {
            since: now,
            failures,
        };
    }

    /// Records a failure. Returns the number of consecutive failures; `None` if no request was
    /// pending, because it had timed out.
    pub(crate) fn fail(&mut self, now: BootTime, retry: RetryPolicy) -> Option<u32> {
        let Self::Pending { failures, .. } = *self else {
            return None;
        };
        let failures = failures.saturating_add(1);
        let pause = retry
            .pause
            .saturating_mul(1 << failures.min(5))
            .min(retry.pause_max);
        *self = Self::Failed {
            retry_at: now.saturating_add(pause),
            failures,
        };
        Some(failures)
    }

    /// When the request times out or is repeated.
    pub(crate) fn due(&self, retry: RetryPolicy) -> Option<BootTime> {
        match *self {
            Self::Idle => None,
            Self::Pending { since, .. } => Some(since.saturating_add(retry.timeout)),
            Self::Failed { retry_at, .. } => Some(retry_at),
        }
    }

    /// What is due now.
    pub(crate) fn step(&self, now: BootTime, retry: RetryPolicy) -> Option<Due> {
        let due = self.due(retry).is_some_and(|due| due <= now);
        match self {
            Self::Pending { .. } if due => Some(Due::TimedOut),
            Self::Failed { .. } if due => Some(Due::Retry),
            Self::Idle | Self::Pending { .. } | Self::Failed { .. } => None,
        }
    }
}

/// What is due for a [`Request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    TimedOut,
    Retry,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: RetryPolicy = RetryPolicy {
        timeout: Duration::from_secs(10),
        pause: Duration::from_secs(1),
        pause_max: Duration::from_secs(30),
    };

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let (mut request, mut now, mut pauses) = (Request::Idle, at(0), Vec::new());
        for _ in 0..6 {
            request.send(now);
            assert!(request.fail(now, RETRY).is_some());
            let due = request.due(RETRY).unwrap();
            pauses.push(due.since(now).as_secs());
            assert_eq!(request.step(due, RETRY), Some(Due::Retry));
            now = due;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn an_answer_that_does_not_come_is_given_up_once() {
        let mut request = Request::Idle;
        assert_eq!(request.fail(at(0), RETRY), None);
        request.send(at(0));
        assert_eq!(request.step(at(9), RETRY), None);
        assert_eq!(request.step(at(10), RETRY), Some(Due::TimedOut));
        assert_eq!(request.fail(at(10), RETRY), Some(1));
        assert_eq!(request.fail(at(10), RETRY), None);
    }
}
