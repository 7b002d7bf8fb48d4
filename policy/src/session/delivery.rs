//! A request to logind about one session: whether it was accepted, and when it is repeated.

use std::time::Duration;

use crate::BootTime;

/// The first pause before a failed request is repeated, and before a session that still exists is
/// killed again; doubled each time up to the longest.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Each request before the kill is given up after this time: logind may refuse it but not the kill.
pub(crate) const SOFT_RETRY_FOR: Duration = Duration::from_secs(30);

/// The pause before a request that did not reach logind is repeated: the first one while logind has
/// been away for less than a minute, and then longer, up to the last. When logind is back, an end
/// must not be late by more than that.
const UNREACHED_BACKOFF: Duration = Duration::from_secs(2);
const UNREACHED_LONG: Duration = Duration::from_secs(60);
const UNREACHED_BACKOFF_MAX: Duration = Duration::from_secs(15);

/// The state of one request, which is repeated where it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// When the request was first made; later if it did not reach logind.
    since: BootTime,
    /// How often it was made, without attempts that did not reach logind.
    attempts: u32,
    answer: Answer,
    /// Since when no attempt has reached logind.
    unreached: Option<BootTime>,
    next: BootTime,
}

/// The result of the last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is under way, or was accepted.
    Accepted,
    Refused,
    Unreached,
}

impl Delivery {
    /// A request that is made now.
    pub(crate) const fn begin(now: BootTime) -> Self {
        Self {
            since: now,
            attempts: 1,
            answer: Answer::Accepted,
            unreached: None,
            next: now,
        }
    }

    /// When the request is to be repeated, or what follows it is due.
    pub(crate) const fn next(&self) -> BootTime {
        self.next
    }

    pub(crate) const fn since(&self) -> BootTime {
        self.since
    }

    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The request is sent; what follows it is due at `next`.
    pub(crate) fn sent(&mut self, next: BootTime) {
        self.answer = Answer::Accepted;
        self.next = next;
    }

    /// logind refused the last attempt.
    pub(crate) fn failed(&mut self, now: BootTime) {
        self.answer = Answer::Refused;
        self.unreached = None;
        self.next = now.saturating_add(backoff(self.attempts));
    }

    /// What follows the request comes at this time at the latest.
    pub(crate) fn no_later_than(&mut self, latest: BootTime) {
        self.next = self.next.min(latest);
    }

    /// The last attempt did not reach logind. Nothing follows from that: the time of the request
    /// counts from when logind replies.
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

    /// logind replies again: a request that it has not accepted is repeated at once.
    pub(crate) fn reachable(&mut self, now: BootTime) {
        match self.answer {
            Answer::Refused | Answer::Unreached => self.next = self.next.min(now),
            Answer::Accepted => {}
        }
    }

    /// Whether the request is to be made again at [`Self::next`]: it was refused, for less than
    /// this time, or did not reach logind.
    pub(crate) fn is_repeated(&self, now: BootTime, retry_for: Duration) -> bool {
        match self.answer {
            Answer::Accepted => false,
            Answer::Refused => now < self.since.saturating_add(retry_for),
            Answer::Unreached => true,
        }
    }

    /// The same request is made again because it failed.
    pub(crate) fn repeat(&mut self) {
        if self.answer != Answer::Unreached {
            self.attempts += 1;
        }
    }

    /// The same request is made again because it was accepted and had no result.
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
