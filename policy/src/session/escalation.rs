//! The end of a session in stages: a request first, SIGKILL after the grace, repeated until it is
//! gone.
//!
//! For a login at a seat or with a desktop, the leader gets the first request: a display manager
//! cleans up and shows its greeter only if it ends the login itself. Processes that remain are
//! terminated, and killed shortly afterwards.

use std::time::Duration;

use crate::session::delivery::{Delivery, SOFT_RETRY_FOR, backoff};
use crate::session::locking::LockCause;
use crate::session::outputs::Outputs;
use crate::{Action, BootTime, EndAction, LimitKind, SessionKey, Transition};

/// The time from [`Stage::Terminate`] to [`Stage::Kill`] for processes that remain after the leader
/// got the first request; the grace has passed by then.
const KILL_AFTER_LEADER: Duration = Duration::from_secs(2);

/// A session that is being ended. This state ends when the session is gone, or when a lock or a
/// hang-up is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Escalation {
    pub(crate) limit: LimitKind,
    /// The user was warned under other limits than those in force. The warning is withdrawn if the
    /// end is cancelled.
    pub(crate) outdated: bool,
    timing: Timing,
    stage: Stage,
    /// The state of the stage's request.
    delivery: Delivery,
}

/// The duration of the stages of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// The time from one stage to the next.
    grace: Duration,
    /// The time from [`Stage::Terminate`] to [`Stage::Kill`].
    kill_after: Duration,
}

/// The stages of an end; each is followed by the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Lock,
    HangUp,
    AskLeader,
    Terminate,
    Kill,
}

impl Timing {
    /// Timing for a session whose processes get the first request.
    pub(crate) const fn processes_first(grace: Duration) -> Self {
        Self {
            grace,
            kill_after: grace,
        }
    }

    /// Timing for a session whose leader gets the first request.
    pub(crate) const fn leader_first(grace: Duration) -> Self {
        Self {
            grace,
            kill_after: KILL_AFTER_LEADER,
        }
    }
}

impl Escalation {
    /// Begins the end of a session with this stage.
    pub(crate) fn begin(
        now: BootTime,
        limit: LimitKind,
        stage: Stage,
        timing: Timing,
        key: &SessionKey,
        out: &mut Outputs,
    ) -> Self {
        let mut ending = Self {
            limit,
            outdated: false,
            timing,
            stage,
            delivery: Delivery::begin(now),
        };
        ending.announce(key, out);
        ending.request(now, key, out);
        ending
    }

    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    /// When the next stage is due.
    pub(crate) const fn next(&self) -> BootTime {
        self.delivery.next()
    }

    /// Handles a request that logind refused.
    pub(crate) fn failed(&mut self, now: BootTime) {
        self.delivery.failed(now);
        if self.stage == Stage::AskLeader {
            // A refusal does not delay the next stage.
            let end = self.delivery.since().saturating_add(self.timing.grace);
            self.delivery.no_later_than(end);
        }
    }

    /// Handles a request that did not reach logind. It does not lead to the next stage: this stage
    /// begins when logind replies.
    pub(crate) fn unreached(&mut self, now: BootTime) {
        self.delivery.unreached(now);
    }

    /// Handles a reply of logind after an outage: a request that was not accepted is repeated at
    /// once.
    pub(crate) fn reachable(&mut self, now: BootTime) {
        self.delivery.reachable(now);
    }

    /// The leader has ended the login as requested: remaining processes are terminated. Returns
    /// whether the end had requested the logout.
    pub(crate) fn leader_ended(
        &mut self,
        now: BootTime,
        key: &SessionKey,
        out: &mut Outputs,
    ) -> bool {
        let asked = self.stage == Stage::AskLeader;
        if asked {
            self.escalate(now, key, out);
            self.request(now, key, out);
        }
        asked
    }

    /// Repeats a request that failed, or begins the next stage, if that is due.
    pub(crate) fn tick(&mut self, now: BootTime, key: &SessionKey, out: &mut Outputs) {
        if now < self.next() {
            return;
        }
        if self.delivery.is_repeated(now, self.retry_for()) {
            self.delivery.repeat();
        } else {
            self.escalate(now, key, out);
        }
        self.request(now, key, out);
    }

    fn escalate(&mut self, now: BootTime, key: &SessionKey, out: &mut Outputs) {
        let before = self.stage;
        self.stage = before.next();
        if self.stage == before {
            self.delivery.insist();
            return;
        }
        self.delivery = Delivery::begin(now);
        if matches!(before, Stage::Lock | Stage::HangUp) {
            // The previous request had no result, and the end continues with another action.
            self.announce(key, out);
        }
    }

    /// How long a failed request is repeated before the next stage.
    const fn retry_for(&self) -> Duration {
        match self.stage {
            Stage::Kill => Duration::ZERO,
            Stage::AskLeader => self.timing.grace,
            Stage::Lock | Stage::HangUp | Stage::Terminate => SOFT_RETRY_FOR,
        }
    }

    /// Announces how the session will be ended.
    fn announce(&self, key: &SessionKey, out: &mut Outputs) {
        let how = match self.stage {
            Stage::Lock => EndAction::Lock,
            Stage::HangUp => EndAction::HangUp,
            Stage::AskLeader | Stage::Terminate | Stage::Kill => EndAction::Terminate,
        };
        out.push(Transition::EndBegins(key.clone(), self.limit, how));
    }

    fn request(&mut self, now: BootTime, key: &SessionKey, out: &mut Outputs) {
        let (key, limit) = (key.clone(), self.limit);
        out.push(match self.stage {
            Stage::Lock => Action::Lock(key, LockCause::Limit(limit)),
            Stage::HangUp => Action::HangUp(key, limit),
            Stage::AskLeader => Action::AskLeader(key, limit),
            Stage::Terminate => Action::Terminate(key, limit),
            Stage::Kill => Action::Kill(key, limit),
        });
        let pause = match self.stage {
            Stage::Lock | Stage::HangUp | Stage::AskLeader => self.timing.grace,
            Stage::Terminate => self.timing.kill_after,
            Stage::Kill => backoff(self.delivery.attempts()),
        };
        self.delivery.sent(now.saturating_add(pause));
    }
}

impl Stage {
    const fn next(self) -> Self {
        match self {
            // Only a desktop is locked, and its leader gets the first request.
            Self::Lock => Self::AskLeader,
            // A hang-up is already a request to the leader.
            Self::HangUp | Self::AskLeader => Self::Terminate,
            Self::Terminate | Self::Kill => Self::Kill,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Output;

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    fn key() -> SessionKey {
        SessionKey {
            id: "c1".into(),
            stamp: 1,
        }
    }

    /// These outputs without the beginning of the end.
    fn actions(outputs: Vec<Output>) -> Vec<Action> {
        let action = |output| match output {
            Output::Action(action) => Some(action),
            Output::Transition(Transition::EndBegins(..)) => None,
            other => panic!("{other:?}"),
        };
        outputs.into_iter().filter_map(action).collect()
    }

    /// Ticks at each deadline until `end`; every request fails if `failing` says so.
    fn run(stage: Stage, end: u64, fails: impl Fn(BootTime) -> bool) -> Vec<(u64, &'static str)> {
        let grace = Duration::from_secs(10);
        let timing = match stage {
            Stage::Lock | Stage::AskLeader => Timing::leader_first(grace),
            Stage::HangUp | Stage::Terminate | Stage::Kill => Timing::processes_first(grace),
        };
        let (mut out, kind) = (Outputs::default(), LimitKind::Absolute);
        let mut ending = Escalation::begin(at(0), kind, stage, timing, &key(), &mut out);
        let (mut now, mut seen) = (at(0), Vec::new());
        while now < at(end) {
            for action in actions(out.take()) {
                let name = match action {
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
        let (mut out, kind) = (Outputs::default(), LimitKind::Absolute);
        let timing = Timing::leader_first(Duration::from_secs(10));
        let mut ending = Escalation::begin(at(0), kind, Stage::AskLeader, timing, &key(), &mut out);
        assert!(ending.leader_ended(at(3), &key(), &mut out));
        assert!(!ending.leader_ended(at(3), &key(), &mut out));
        assert!(matches!(
            actions(out.take()).last(),
            Some(Action::Terminate(..))
        ));
        assert_eq!(ending.next(), at(5));
    }

    #[test]
    fn each_way_of_ending_is_told_once() {
        for (stage, ways) in [
            (Stage::Lock, &[EndAction::Lock, EndAction::Terminate][..]),
            (Stage::HangUp, &[EndAction::HangUp, EndAction::Terminate]),
            (Stage::AskLeader, &[EndAction::Terminate]),
            (Stage::Terminate, &[EndAction::Terminate]),
        ] {
            let (mut out, kind) = (Outputs::default(), LimitKind::Absolute);
            let timing = Timing::leader_first(Duration::from_secs(10));
            let mut ending = Escalation::begin(at(0), kind, stage, timing, &key(), &mut out);
            for _ in 0..20 {
                ending.failed(ending.next());
                ending.tick(ending.next(), &key(), &mut out);
            }
            let outputs = out.take();
            let begun = outputs.iter().filter_map(|output| match output {
                Output::Transition(Transition::EndBegins(_, _, how)) => Some(*how),
                _ => None,
            });
            assert!(begun.eq(ways.iter().copied()), "{stage:?}: {outputs:?}");
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
        let mut out = Outputs::default();
        let limit = LimitKind::Absolute;
        let timing = Timing::processes_first(Duration::from_secs(10));
        let mut ending = Escalation::begin(at(0), limit, Stage::HangUp, timing, &key(), &mut out);
        let (mut now, mut pauses) = (at(0), Vec::new());
        while now < at(900) {
            ending.unreached(now);
            pauses.push((now.as_micros() / 1_000_000, ending.next().since(now)));
            now = ending.next();
            ending.tick(now, &key(), &mut out);
        }
        let mut requests = actions(out.take()).into_iter();
        assert!(requests.all(|action| matches!(action, Action::HangUp(..))));
        // The pauses are short at first, and bounded.
        assert!(pauses.iter().all(|(since, pause)| {
            *pause <= Duration::from_secs(if *since < 60 { 2 } else { 15 })
        }));
        assert_eq!(pauses.last().unwrap().1, Duration::from_secs(15));
        // When logind is reachable again, the grace counts from that time.
        let next = ending.next();
        assert_eq!(next.since(now), Duration::from_secs(10));
        ending.tick(next, &key(), &mut out);
        assert!(matches!(
            actions(out.take()).last(),
            Some(Action::Terminate(..))
        ));
    }

    #[test]
    fn what_was_not_taken_is_asked_for_at_once_when_logind_is_back() {
        let (mut out, kind) = (Outputs::default(), LimitKind::Absolute);
        let timing = Timing::processes_first(Duration::from_secs(10));
        let mut ending = Escalation::begin(at(0), kind, Stage::Terminate, timing, &key(), &mut out);
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
    fn an_end_is_never_given_up_and_is_repeated_with_growing_pauses() {
        let seen = run(Stage::Terminate, 3600, |_| true);
        assert_eq!(seen.first(), Some(&(0, "terminate")));
        assert!(seen.iter().any(|(_, name)| *name == "kill"));
        assert!(seen.last().is_some_and(|(at, _)| *at > 3500));
        assert!(seen.len() < 80, "{} requests in an hour", seen.len());
    }
}
