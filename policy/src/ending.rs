//! The end of a session: asked for first, forced after the grace, and never given up.

use std::time::Duration;

use crate::{Action, BootTime, LimitKind, SessionKey};

/// The first pause before a request that failed is made again, and before a session that is
/// still there is killed again; doubled each time up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Asking politely is given up after this long: logind may refuse it and still kill.
const POLITE: Duration = Duration::from_secs(30);

/// A session that is being ended. Only its disappearance ends this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) limit: LimitKind,
    grace: Duration,
    since: BootTime,
    stage: Stage,
    /// How often this stage has been tried.
    tries: u32,
    failed: bool,
    next: BootTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Terminate,
    Kill,
}

impl Ending {
    /// Asks the session to end.
    pub(crate) fn begin(
        now: BootTime,
        limit: LimitKind,
        grace: Duration,
        key: &SessionKey,
        out: &mut Vec<Action>,
    ) -> Self {
        out.push(Action::Terminate(key.clone(), limit));
        Self {
            limit,
            grace,
            since: now,
            stage: Stage::Terminate,
            tries: 1,
            failed: false,
            next: now.saturating_add(grace),
        }
    }

    /// When the next stage is due.
    pub(crate) const fn next(&self) -> BootTime {
        self.next
    }

    /// The last request did not reach logind, or it refused.
    pub(crate) fn failed(&mut self, now: BootTime) {
        self.failed = true;
        self.next = now.saturating_add(self.pause());
    }

    pub(crate) fn tick(&mut self, now: BootTime, key: &SessionKey, out: &mut Vec<Action>) {
        if now < self.next {
            return;
        }
        let again = self.failed && now < self.since.saturating_add(POLITE);
        match self.stage {
            Stage::Terminate if again => {
                self.tries += 1;
                self.next = now.saturating_add(self.grace);
                out.push(Action::Terminate(key.clone(), self.limit));
            }
            Stage::Terminate => {
                self.stage = Stage::Kill;
                self.tries = 1;
                self.next = now.saturating_add(self.pause());
                out.push(Action::Kill(key.clone(), self.limit));
            }
            Stage::Kill => {
                self.tries += 1;
                self.next = now.saturating_add(self.pause());
                out.push(Action::Kill(key.clone(), self.limit));
            }
        }
        self.failed = false;
    }

    fn pause(&self) -> Duration {
        PAUSE.saturating_mul(1 << self.tries.min(6)).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    fn key() -> SessionKey {
        SessionKey {
            id: "c1".into(),
            stamp: 1,
        }
    }

    /// Ticks at each deadline until `end`, failing every request where told so.
    fn run(end: u64, fails: impl Fn(BootTime) -> bool) -> Vec<(u64, &'static str)> {
        let mut out = Vec::new();
        let mut ending = Ending::begin(
            at(0),
            LimitKind::Absolute,
            Duration::from_secs(10),
            &key(),
            &mut out,
        );
        let (mut now, mut seen) = (at(0), Vec::new());
        while now < at(end) {
            for action in out.drain(..) {
                let name = match action {
                    Action::Terminate(..) => "terminate",
                    Action::Kill(..) => "kill",
                    other => panic!("{other:?}"),
                };
                seen.push((now.as_micros() / 1_000_000, name));
                if fails(now) {
                    ending.failed(now);
                }
            }
            now = ending.next();
            ending.tick(now, &key(), &mut out);
        }
        seen
    }

    #[test]
    fn a_session_that_ignores_the_request_is_killed_after_the_grace() {
        let seen = run(60, |_| false);
        assert_eq!(seen[..3], [(0, "terminate"), (10, "kill"), (12, "kill")]);
    }

    #[test]
    fn a_request_that_failed_is_made_again_before_anything_is_killed() {
        let seen = run(60, |now| now < at(1));
        assert_eq!(
            seen[..3],
            [(0, "terminate"), (2, "terminate"), (12, "kill")]
        );
    }

    #[test]
    fn an_end_is_never_given_up_and_never_a_storm() {
        let seen = run(3600, |_| true);
        assert_eq!(seen.first(), Some(&(0, "terminate")));
        assert!(seen.iter().any(|(_, name)| *name == "kill"));
        assert!(seen.last().is_some_and(|(at, _)| *at > 3500));
        assert!(seen.len() < 80, "{} requests in an hour", seen.len());
    }
}
