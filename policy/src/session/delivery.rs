//! The delivery of one request to logind: whether it was accepted, and when it is repeated.

use std::time::Duration;

use crate::BootTime;

/// The first pause before a failed request is repeated, and before a session that still exists is
/// killed again. Each further pause is twice as long, up to the longest.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// How long a request before the kill is repeated: logind may refuse it and still accept the kill.
pub(crate) const SOFT_RETRY_FOR: Duration = Duration::from_secs(30);

/// The pause before a request that did not reach logind is repeated: this one during the first
/// minute without logind, a longer one after that. The longer one bounds how late an end can be
/// after logind is back.
const UNREACHED_BACKOFF: Duration = Duration::from_secs(2);
const UNREACHED_LONG: Duration = Duration::from_secs(60);
const UNREACHED_BACKOFF_MAX: Duration = Duration::from_secs(15);

/// The state of one request, which is repeated if it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// When the request was first sent, or last failed to reach logind.
    since: BootTime,
    /// The number of attempts, without those that did not reach logind.
    attempts: u32,
    answer: Answer,
    /// The first of the consecutive attempts that did not reach logind.
    unreached: Option<BootTime>,
    next: BootTime,
}

/// The result of the last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The attempt is in progress or was accepted.
    Accepted,
    Refused,
    Unreached,
}

impl Delivery {
    /// A request that is sent now.
    pub(crate) const fn begin(now: BootTime) -> Self {
        Self {
            since: now,
            attempts: 1,
            answer: Answer::Accepted,
            unreached: None,
            next: now,
        }
    }

    /// When the request is repeated, or the step after it is due.
    pub(crate) const fn next(&self) -> BootTime {
        self.next
    }

    pub(crate) const fn since(&self) -> BootTime {
        self.since
    }

    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Records that the request was sent; the step after it is due at `next`.
    pub(crate) fn sent(&mut self, next: BootTime) {
        self.answer = Answer::Accepted;
        self.next = next;
    }

    /// Records that logind refused the last attempt.
    pub(crate) fn failed(&mut self, now: BootTime) {
        self.answer = Answer::Refused;
        self.unreached = None;
        self.next = now.saturating_add(backoff(self.attempts));
    }

    /// Limits the time of the next step to `latest`.
    pub(crate) fn no_later_than(&mut self, latest: BootTime) {
        self.next = self.next.min(latest);
    }

    /// Records that the last attempt did not reach logind. No further step follows: the time
    /// allowed for the request counts from logind's next reply.
    pub(crate) fn unreached(&mut self, now: BootTime) {
        self.answer = Answer::Unreached;
        self.since = now;
        let away = now.since(*self.unreached.get_or_insert(now));
        let pause = if away < UNREACHED_LONG {
            UNREACHED_BACKOFF
        } else {
            Duration::from_secs(away.as_secs() / 15).min(UNREACHED_BACKOFF_MAX)
        };
        self.next = now.saturating_add(pause);
    }

    /// Handles a reply of logind after an outage: a request that was not accepted is repeated at
    /// once.
    pub(crate) fn reachable(&mut self, now: BootTime) {
        match self.answer {
            Answer::Refused | Answer::Unreached => self.next = self.next.min(now),
            Answer::Accepted => {}
        }
    }

    /// Whether the request is repeated at [`Self::next`]: it has been refused for less than this
    /// time, or did not reach logind.
    pub(crate) fn is_repeated(&self, now: BootTime, retry_for: Duration) -> bool {
        match self.answer {
            Answer::Accepted => false,
            Answer::Refused => now < self.since.saturating_add(retry_for),
            Answer::Unreached => true,
        }
    }

    /// Repeats the request because it failed.
    pub(crate) fn repeat(&mut self) {
        if self.answer != Answer::Unreached {
            self.attempts += 1;
        }
    }

    /// Repeats the request because it was accepted and had no effect.
    pub(crate) fn insist(&mut self) {
        self.unreached = None;
        self.attempts += 1;
    }
}

/// The pause after this many attempts.
pub(crate) fn backoff(attempts: u32) -> Duration {
    BACKOFF
        .saturating_mul(1 << attempts.min(6))
        .min(BACKOFF_MAX)
}
