//! The end of a session: asked for first, forced after the grace, and never given up.
//!
//! A login at a seat or with a desktop is asked to end by its leader first: display managers clean
//! up and show their greeter again only where they end the login themselves. What is left of it
//! after that is terminated, and killed a moment later.

use std::time::Duration;

use crate::locking::LockCause;
use crate::{Action, BootTime, EndAction, LimitKind, SessionKey};

/// The first pause before a request that failed is made again, and before a session that is
/// still there is killed again; doubled each time up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Each way of asking politely is given up after this long: logind may refuse it and still kill.
const POLITE: Duration = Duration::from_secs(30);

/// What is left of a login whose leader was asked first is killed this long after it was
/// terminated: it has had the grace already.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// The pause before a request that did not reach logind is made again: the first while it is away
/// for less than a minute, and then longer up to the last, since an end must not be late by more
/// when it is back.
const AWAY: Duration = Duration::from_secs(2);
const AWAY_LONG: Duration = Duration::from_secs(60);
const AWAY_MAX: Duration = Duration::from_secs(15);

/// A session that is being ended. Only its disappearance ends this; or, while it is no more than
/// locked or hung up, that this has come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) limit: LimitKind,
    /// The user was warned of it under terms that hold no more. That is taken back should it be
    /// called off.
    pub(crate) outdated: bool,
    pace: Pace,
    stage: Stage,
    /// When the stage began.
    since: BootTime,
    /// How often this stage has been tried, but for requests that did not reach logind.
    tries: u32,
    answer: Answer,
    /// Since when no request has reached logind.
    unreached: Option<BootTime>,
    next: BootTime,
}

/// How long each stage of an end has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// From a request to the next, harder one.
    grace: Duration,
    /// From the request to terminate to the one to kill.
    killed_after: Duration,
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
    AskLeader,
    Terminate,
    Kill,
}

impl Pace {
    /// For a session whose processes are asked at once.
    pub(crate) const fn at_once(grace: Duration) -> Self {
        Self {
            grace,
            killed_after: grace,
        }
    }

    /// For a session whose leader is asked first.
    pub(crate) const fn by_leader(grace: Duration) -> Self {
        Self {
            grace,
            killed_after: LEFT_BEHIND,
        }
    }
}

impl Ending {
    /// Begins the end of a session with this stage.
    pub(crate) fn begin(
        now: BootTime,
        limit: LimitKind,
        stage: Stage,
        pace: Pace,
        key: &SessionKey,
        out: &mut Vec<Action>,
    ) -> Self {
        let mut ending = Self {
            limit,
            outdated: false,
            pace,
            stage,
            since: now,
            tries: 1,
            answer: Answer::Taken,
            unreached: None,
            next: now,
        };
        ending.tell(key, out);
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
        self.unreached = None;
        let again = now.saturating_add(pause(self.tries));
        self.next = match self.stage {
            // What follows comes in its time, refused or not.
            Stage::AskLeader => again.min(self.since.saturating_add(self.pace.grace)),
            _ => again,
        };
    }

    /// The last request did not reach logind. Nobody was asked anything, so nothing harder follows
    /// from it: the stage begins when logind answers.
    pub(crate) fn unreached(&mut self, now: BootTime) {
        self.answer = Answer::Unreached;
        self.since = now;
        let away = now.since(*self.unreached.get_or_insert(now));
        let pause = if away < AWAY_LONG {
            AWAY
        } else {
            Duration::from_secs(away.as_secs() / 15).min(AWAY_MAX)
        };
        self.next = now.saturating_add(pause);
    }

    /// logind answers again: what it has not taken is asked for at once.
    pub(crate) fn reachable(&mut self, now: BootTime) {
        match self.answer {
            Answer::Refused | Answer::Unreached => self.next = self.next.min(now),
            Answer::Taken => {}
        }
    }

    /// Nobody is logged in there any more, which is what its leader was asked for: the rest is
    /// terminated. Says whether that was so.
    pub(crate) fn leader_ended(
        &mut self,
        now: BootTime,
        key: &SessionKey,
        out: &mut Vec<Action>,
    ) -> bool {
        let asked = self.stage == Stage::AskLeader;
        if asked {
            self.escalate(now, key, out);
            self.request(now, key, out);
        }
        asked
    }

    /// Whether a harder stage comes now.
    pub(crate) fn escalates(&self, now: BootTime) -> bool {
        now >= self.next && !self.asks_again(now)
    }

    pub(crate) fn tick(&mut self, now: BootTime, key: &SessionKey, out: &mut Vec<Action>) {
        if now < self.next {
            return;
        }
        if !self.asks_again(now) {
            self.escalate(now, key, out);
        } else if self.answer != Answer::Unreached {
            self.tries += 1;
        }
        self.request(now, key, out);
    }

    fn escalate(&mut self, now: BootTime, key: &SessionKey, out: &mut Vec<Action>) {
        // What came before was taken.
        self.unreached = None;
        let before = self.stage;
        self.stage = before.harder();
        if self.stage == before {
            self.tries += 1;
            return;
        }
        (self.tries, self.since) = (1, now);
        if matches!(before, Stage::Lock | Stage::HangUp) {
            // It did not come about, and something else is done to the session from here on.
            self.tell(key, out);
        }
    }

    /// A request that failed is made again for a while before a harder one is.
    fn asks_again(&self, now: BootTime) -> bool {
        let polite = match self.stage {
            Stage::Kill => Duration::ZERO,
            Stage::AskLeader => self.pace.grace,
            Stage::LockAgain | Stage::Lock | Stage::HangUp | Stage::Terminate => POLITE,
        };
        match self.answer {
            Answer::Taken => false,
            Answer::Refused => now < self.since.saturating_add(polite),
            Answer::Unreached => true,
        }
    }

    /// Says how the session ends from here on; that a lock is made sure of is no end.
    fn tell(&self, key: &SessionKey, out: &mut Vec<Action>) {
        let how = match self.stage {
            Stage::LockAgain => return,
            Stage::Lock => EndAction::Lock,
            Stage::HangUp => EndAction::HangUp,
            Stage::AskLeader | Stage::Terminate | Stage::Kill => EndAction::Terminate,
        };
        out.push(Action::EndBegins(key.clone(), self.limit, how));
    }

    fn request(&mut self, now: BootTime, key: &SessionKey, out: &mut Vec<Action>) {
        let (key, limit) = (key.clone(), self.limit);
        out.push(match self.stage {
            Stage::LockAgain => Action::Lock(key, LockCause::Again(limit)),
            Stage::Lock => Action::Lock(key, LockCause::Limit(limit)),
            Stage::HangUp => Action::HangUp(key, limit),
            Stage::AskLeader => Action::AskLeader(key, limit),
            Stage::Terminate => Action::Terminate(key, limit),
            Stage::Kill => Action::Kill(key, limit),
        });
        self.answer = Answer::Taken;
        self.next = now.saturating_add(match self.stage {
            Stage::LockAgain | Stage::Lock | Stage::HangUp | Stage::AskLeader => self.pace.grace,
            Stage::Terminate => self.pace.killed_after,
            Stage::Kill => pause(self.tries),
        });
    }
}

/// The pause after so many tries.
pub(crate) fn pause(tries: u32) -> Duration {
    PAUSE.saturating_mul(1 << tries.min(6)).min(PAUSE_MAX)
}

impl Stage {
    /// Whether a screen is to be locked.
    pub(crate) const fn locks(self) -> bool {
        matches!(self, Self::LockAgain | Self::Lock)
    }

    const fn harder(self) -> Self {
        match self {
            // Only a desktop is locked, and the leader of one is asked first.
            Self::LockAgain | Self::Lock => Self::AskLeader,
            // A hang-up has asked the leader already.
            Self::HangUp | Self::AskLeader => Self::Terminate,
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
        let grace = Duration::from_secs(10);
        let pace = match stage {
            Stage::LockAgain | Stage::Lock | Stage::AskLeader => Pace::by_leader(grace),
            Stage::HangUp | Stage::Terminate | Stage::Kill => Pace::at_once(grace),
        };
        let (mut out, kind) = (Vec::new(), LimitKind::Absolute);
        let mut ending = Ending::begin(at(0), kind, stage, pace, &key(), &mut out);
        let (mut now, mut seen) = (at(0), Vec::new());
        while now < at(end) {
            for action in out.drain(..) {
                let name = match action {
                    Action::EndBegins(..) => continue,
                    Action::Lock(..) => "lock",
                    Action::HangUp(..) => "hang up",
                    Action::AskLeader(..) => "ask leader",
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
    fn a_desktop_is_asked_by_its_leader_and_is_gone_soon_after_the_grace() {
        let seen = run(Stage::AskLeader, 60, |_| false);
        let first = [(0, "ask leader"), (10, "terminate"), (12, "kill")];
        assert_eq!(seen[..3], first);
    }

    #[test]
    fn a_leader_that_cannot_be_asked_has_no_longer_than_the_grace() {
        let seen = run(Stage::AskLeader, 60, |now| now < at(10));
        let asked = seen.iter().filter(|(_, name)| *name == "ask leader");
        assert_eq!(asked.count(), 3);
        assert!(seen.contains(&(10, "terminate")) && seen.contains(&(12, "kill")));
    }

    #[test]
    fn what_is_left_when_the_leader_has_ended_is_terminated_at_once() {
        let (mut out, kind) = (Vec::new(), LimitKind::Absolute);
        let pace = Pace::by_leader(Duration::from_secs(10));
        let mut ending = Ending::begin(at(0), kind, Stage::AskLeader, pace, &key(), &mut out);
        assert!(ending.leader_ended(at(3), &key(), &mut out));
        assert!(!ending.leader_ended(at(3), &key(), &mut out));
        assert!(matches!(out.last(), Some(Action::Terminate(..))));
        assert_eq!(ending.next(), at(5));
    }

    #[test]
    fn each_way_of_ending_is_told_once() {
        for (stage, ways) in [
            (Stage::LockAgain, &[][..]),
            (Stage::Lock, &[EndAction::Lock, EndAction::Terminate]),
            (Stage::HangUp, &[EndAction::HangUp, EndAction::Terminate]),
            (Stage::AskLeader, &[EndAction::Terminate]),
            (Stage::Terminate, &[EndAction::Terminate]),
        ] {
            let (mut out, kind) = (Vec::new(), LimitKind::Absolute);
            let pace = Pace::by_leader(Duration::from_secs(10));
            let mut ending = Ending::begin(at(0), kind, stage, pace, &key(), &mut out);
            for _ in 0..20 {
                ending.failed(ending.next());
                // Whoever makes sure of a lock gives that up, and asks for nothing harder.
                if stage != Stage::LockAgain || !ending.escalates(ending.next()) {
                    ending.tick(ending.next(), &key(), &mut out);
                }
            }
            let told = out.iter().filter_map(|action| match action {
                Action::EndBegins(_, _, how) => Some(*how),
                _ => None,
            });
            assert!(told.eq(ways.iter().copied()), "{stage:?}: {out:?}");
        }
    }

    #[test]
    fn a_session_that_does_not_lock_or_hang_up_is_terminated_after_the_grace() {
        let seen = run(Stage::Lock, 60, |_| false);
        let first = [(0, "lock"), (10, "ask leader"), (20, "terminate")];
        assert_eq!(seen[..3], first);
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
        let pace = Pace::at_once(Duration::from_secs(10));
        let mut ending = Ending::begin(at(0), limit, Stage::HangUp, pace, &key(), &mut out);
        let (mut now, mut pauses) = (at(0), Vec::new());
        while now < at(900) {
            ending.unreached(now);
            pauses.push((now.as_micros() / 1_000_000, ending.next().since(now)));
            now = ending.next();
            ending.tick(now, &key(), &mut out);
        }
        let told = out.remove(0);
        assert!(matches!(told, Action::EndBegins(..)));
        assert!(
            out.iter()
                .all(|action| matches!(action, Action::HangUp(..)))
        );
        // It is asked often at first, and never seldom.
        assert!(pauses.iter().all(|(since, pause)| {
            *pause <= Duration::from_secs(if *since < 60 { 2 } else { 15 })
        }));
        assert_eq!(pauses.last().unwrap().1, Duration::from_secs(15));
        // Once it is reached, the grace counts from there.
        let next = ending.next();
        assert_eq!(next.since(now), Duration::from_secs(10));
        ending.tick(next, &key(), &mut out);
        assert!(matches!(out.last(), Some(Action::Terminate(..))));
    }

    #[test]
    fn what_was_not_taken_is_asked_for_at_once_when_logind_is_back() {
        let (mut out, kind) = (Vec::new(), LimitKind::Absolute);
        let pace = Pace::at_once(Duration::from_secs(10));
        let mut ending = Ending::begin(at(0), kind, Stage::Terminate, pace, &key(), &mut out);
        ending.reachable(at(1));
        assert_eq!(ending.next(), at(10), "it was taken");
        ending.unreached(at(1));
        ending.reachable(at(2));
        assert_eq!(ending.next(), at(2));
        ending.failed(at(2));
        ending.reachable(at(3));
        assert_eq!(ending.next(), at(3));
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
