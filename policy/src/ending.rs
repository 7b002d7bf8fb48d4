//! The end of a session: asked for first, forced after the grace, and never given up.

use std::time::Duration;

use crate::locking::LockCause;
use crate::{Action, BootTime, LimitKind, SessionKey};

/// The first pause before a request that failed is made again, and before a session that is
/// still there is killed again; doubled each time up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Each way of asking politely is given up after this long: logind may refuse it and still kill.
const POLITE: Duration = Duration::from_secs(30);

/// A session that is being ended. Only its disappearance ends this; or, while it is no more than
/// locked or hung up, that this has come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) limit: LimitKind,
    /// The user was warned of it under terms that hold no more. That is taken back should it be
    /// called off.
    pub(crate) outdated: bool,
    grace: Duration,
    stage: Stage,
    /// When the stage began.
    since: BootTime,
    /// How often this stage has been tried.
    tries: u32,
    answer: Answer,
    next: BootTime,
}

/// What became of the last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is under way, or was taken.
    Taken,
    Refused,
    Unreached,
}

/// How hard a session is asked; each stage is the next one's predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// To make sure of a lock that is there, as far as is known.
    LockAgain,
    Lock,
    HangUp,
    Terminate,
    Kill,
}

impl Ending {
    /// Begins the end of a session with this stage.
    pub(crate) fn begin(
        now: BootTime,
        limit: LimitKind,
        stage: Stage,
        grace: Duration,
        key: &SessionKey,
        out: &mut Vec<Action>,
    ) -> Self {
        let mut ending = Self {
            limit,
            outdated: false,
            grace,
            stage,
            since: now,
            tries: 1,
            answer: Answer::Taken,
            next: now.saturating_add(grace),
        };
        ending.request(now, key, out);
        ending
    }

    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    /// When the next stage is due.
    pub(crate) const fn next(&self) -> BootTime {
        self.next
    }

    /// logind refused the last request.
    pub(crate) fn failed(&mut self, now: BootTime) {
        self.answer = Answer::Refused;
        self.next = now.saturating_add(self.pause());
    }

    /// The last request did not reach logind. Nobody was asked anything, so nothing harder follows
    /// from it: the stage begins when logind answers.
    pub(crate) fn unreached(&mut self, now: BootTime) {
        self.answer = Answer::Unreached;
        self.since = now;
        self.next = now.saturating_add(self.pause());
    }

    /// Whether a harder stage comes now.
    pub(crate) fn escalates(&self, now: BootTime) -> bool {
        now >= self.next && !self.asks_again(now)
    }

    pub(crate) fn tick(&mut self, now: BootTime, key: &SessionKey, out: &mut Vec<Action>) {
        if now < self.next {
            return;
        }
        if self.asks_again(now) {
            self.tries += 1;
        } else {
            let harder = self.stage.harder();
            if harder == self.stage {
                self.tries += 1;
            } else {
                (self.tries, self.since) = (1, now);
            }
            self.stage = harder;
        }
        self.request(now, key, out);
    }

    /// A request that failed is made again for a while before a harder one is.
    fn asks_again(&self, now: BootTime) -> bool {
        match self.answer {
            Answer::Taken => false,
            Answer::Refused => self.stage != Stage::Kill && now < self.since.saturating_add(POLITE),
            Answer::Unreached => true,
        }
    }

    fn request(&mut self, now: BootTime, key: &SessionKey, out: &mut Vec<Action>) {
        let (key, limit) = (key.clone(), self.limit);
        out.push(match self.stage {
            Stage::LockAgain => Action::Lock(key, LockCause::Again(limit)),
            Stage::Lock => Action::Lock(key, LockCause::Limit(limit)),
            Stage::HangUp => Action::HangUp(key, limit),
            Stage::Terminate => Action::Terminate(key, limit),
            Stage::Kill => Action::Kill(key, limit),
        });
        self.answer = Answer::Taken;
        self.next = now.saturating_add(match self.stage {
            Stage::LockAgain | Stage::Lock | Stage::HangUp | Stage::Terminate => self.grace,
            Stage::Kill => self.pause(),
        });
    }

    fn pause(&self) -> Duration {
        PAUSE.saturating_mul(1 << self.tries.min(6)).min(PAUSE_MAX)
    }
}

impl Stage {
    /// Whether a screen is to be locked.
    pub(crate) const fn locks(self) -> bool {
        matches!(self, Self::LockAgain | Self::Lock)
    }

    const fn harder(self) -> Self {
        match self {
            Self::LockAgain | Self::Lock | Self::HangUp => Self::Terminate,
            Self::Terminate | Self::Kill => Self::Kill,
        }
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
    fn run(stage: Stage, end: u64, fails: impl Fn(BootTime) -> bool) -> Vec<(u64, &'static str)> {
        let mut out = Vec::new();
        let mut ending = Ending::begin(
            at(0),
            LimitKind::Absolute,
            stage,
            Duration::from_secs(10),
            &key(),
            &mut out,
        );
        let (mut now, mut seen) = (at(0), Vec::new());
        while now < at(end) {
            for action in out.drain(..) {
                let name = match action {
                    Action::Lock(..) => "lock",
                    Action::HangUp(..) => "hang up",
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
        let seen = run(Stage::Terminate, 60, |_| false);
        assert_eq!(seen[..3], [(0, "terminate"), (10, "kill"), (12, "kill")]);
    }

    #[test]
    fn a_session_that_does_not_lock_or_hang_up_is_terminated_after_the_grace() {
        let seen = run(Stage::Lock, 60, |_| false);
        assert_eq!(seen[..3], [(0, "lock"), (10, "terminate"), (20, "kill")]);
        let seen = run(Stage::HangUp, 60, |_| false);
        assert_eq!(seen[..3], [(0, "hang up"), (10, "terminate"), (20, "kill")]);
    }

    #[test]
    fn a_request_that_failed_is_made_again_before_anything_is_killed() {
        let seen = run(Stage::Terminate, 60, |now| now < at(1));
        assert_eq!(
            seen[..3],
            [(0, "terminate"), (2, "terminate"), (12, "kill")]
        );
    }

    #[test]
    fn nothing_harder_is_asked_while_logind_cannot_be_reached() {
        let mut out = Vec::new();
        let limit = LimitKind::Absolute;
        let grace = Duration::from_secs(10);
        let mut ending = Ending::begin(at(0), limit, Stage::HangUp, grace, &key(), &mut out);
        let mut now = at(0);
        while now < at(600) {
            ending.unreached(now);
            now = ending.next();
            ending.tick(now, &key(), &mut out);
        }
        assert!(
            out.iter()
                .all(|action| matches!(action, Action::HangUp(..)))
        );
        // Once it is reached, the grace counts from there.
        ending.tick(ending.next(), &key(), &mut out);
        assert!(matches!(out.last(), Some(Action::Terminate(..))));
    }

    #[test]
    fn a_softer_request_that_fails_is_repeated_before_a_harder_one() {
        let seen = run(Stage::HangUp, 60, |now| now < at(1));
        assert_eq!(
            seen[..3],
            [(0, "hang up"), (2, "hang up"), (12, "terminate")]
        );
    }

    #[test]
    fn a_harder_request_that_fails_is_repeated_before_anything_is_killed() {
        let seen = run(Stage::HangUp, 90, |_| true);
        let first = |wanted| seen.iter().position(|(_, name)| *name == wanted);
        let asked = first("terminate").map(|at| seen[at].0);
        let killed = first("kill").map(|at| seen[at].0);
        assert_eq!((asked, killed), (Some(30), Some(60)));
    }

    #[test]
    fn an_end_is_never_given_up_and_never_a_storm() {
        let seen = run(Stage::Terminate, 3600, |_| true);
        assert_eq!(seen.first(), Some(&(0, "terminate")));
        assert!(seen.iter().any(|(_, name)| *name == "kill"));
        assert!(seen.last().is_some_and(|(at, _)| *at > 3500));
        assert!(seen.len() < 80, "{} requests in an hour", seen.len());
    }
}
