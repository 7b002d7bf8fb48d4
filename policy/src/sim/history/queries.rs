//! What follows from a history. Each answer is worked out from the whole of it.

use std::time::Duration;

use super::{EndFact, Extension, History, Known, LockFact, Look, Moment, Outcome, Request};
use crate::sim::oracle::{Standing, Terms};
use crate::{BootTime, Finding, LimitKind, LockCause, Warning};

/// A lock that stands for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct HoldNow {
    pub(in crate::sim) since: BootTime,
    /// Nothing says otherwise, so that nothing threatens the session.
    pub(in crate::sim) firm: bool,
    /// It was asked to lock once more, because its limit passed again.
    pub(in crate::sim) again: Option<Again>,
}

/// A wish to lock again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Again {
    /// Since when.
    pub(in crate::sim) since: BootTime,
    /// By when it is to be locked.
    pub(in crate::sim) until: BootTime,
    /// When the last wish was refused, and how many wishes there were.
    pub(in crate::sim) refused: Option<BootTime>,
    pub(in crate::sim) times: u32,
}

/// What became of a lock, from the first word of it to the last.
#[derive(Clone, Copy, Debug, Default)]
struct LockStory {
    hold: Option<HoldNow>,
    renewed: Option<Moment>,
    /// When the limits began to count anew: what was said before is for nothing.
    anew: Moment,
}

impl LockStory {
    fn goes_on(&mut self, moment: Moment, fact: &LockFact) {
        match (fact, &mut self.hold) {
            (LockFact::Held(_), _) => self.holds(moment),
            (LockFact::Unlocked, Some(_)) => {
                self.hold = None;
                self.renewed = Some(moment);
                self.anew = moment;
            }
            (LockFact::Dropped, _) => self.hold = None,
            // While it is asked to lock again that is no news.
            (LockFact::FoundOpen, Some(hold)) => hold.firm &= hold.again.is_some(),
            (LockFact::Seen, Some(hold)) => {
                hold.firm = true;
                if hold.again.take().is_some() {
                    hold.since = moment.at;
                }
            }
            (LockFact::Asked(LockCause::Again(_), grace), Some(hold)) => {
                let before = hold.again;
                hold.again = Some(Again {
                    since: before.map_or(moment.at, |again| again.since),
                    until: moment.at.saturating_add(*grace),
                    refused: None,
                    times: before.map_or(1, |again| again.times + 1),
                });
            }
            (LockFact::Failed, Some(hold)) => {
                if let Some(again) = &mut hold.again {
                    again.refused = Some(moment.at);
                }
            }
            (LockFact::Forgotten, Some(hold)) => hold.again = None,
            _ => {}
        }
    }

    fn holds(&mut self, moment: Moment) {
        self.anew = moment;
        self.hold = Some(HoldNow {
            since: moment.at,
            firm: true,
            again: None,
        });
    }
}

/// What is known of the idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Idle {
    /// Nobody has asked.
    Unasked,
    /// Somebody has asked then, and there is no answer.
    Asked(BootTime),
    /// The last readings failed: so many in a row, and so many of those one after the other, with
    /// the pauses that are due between them.
    Failed {
        at: BootTime,
        row: usize,
        round: usize,
        /// The same, if what looked like a pause was another reason to ask.
        at_least: usize,
    },
    /// A reading told nothing.
    Unknown(BootTime),
    Known(BootTime),
}

/// How often readings failed.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    /// In a row.
    row: usize,
    /// One after the other, with the pauses that are due between them.
    round: usize,
    at_least: usize,
    /// The most that ever did so in this row.
    most: usize,
}

/// How far an end has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) struct EndUnderWay {
    pub(in crate::sim) kind: LimitKind,
    pub(in crate::sim) began: Moment,
    pub(in crate::sim) stage: Request,
    /// When the stage began.
    pub(in crate::sim) since: BootTime,
    /// When it was asked for last, and how often.
    pub(in crate::sim) last: BootTime,
    pub(in crate::sim) times: u32,
    /// When the last wish failed.
    pub(in crate::sim) failed: Option<BootTime>,
}

/// A reading that is not answered in this time is given up.
pub(in crate::sim) const PATIENCE: Duration = Duration::from_secs(10);

/// So many failures in a row make the idle time unknown.
pub(in crate::sim) const FAILURES: usize = 4;

/// How long to wait after a reading failed, the first time, the second and so on.
pub(in crate::sim) const fn pause(round: usize) -> Duration {
    Duration::from_secs(match round {
        0 | 1 => 2,
        2 => 4,
        3 => 8,
        4 => 16,
        _ => 30,
    })
}

impl History {
    pub(in crate::sim) fn standing(&self) -> Standing {
        let last = self.standings.last();
        last.map_or(Standing::Undecided, |(_, standing)| *standing)
    }

    /// What became of the lock until this call.
    fn lock_story(&self, call: u32) -> LockStory {
        let mut story = LockStory::default();
        for (moment, fact) in self.locks.iter().take_while(|(at, _)| at.seq < call) {
            story.goes_on(*moment, fact);
        }
        story
    }

    /// The lock that stands for an end, if there is one.
    pub(in crate::sim) fn hold(&self) -> Option<HoldNow> {
        self.lock_story(u32::MAX).hold
    }

    /// When the user authenticated anew, after the last hold.
    pub(in crate::sim) fn renewed(&self) -> Option<Moment> {
        self.lock_story(u32::MAX).renewed
    }

    /// Whether the screen is locked, as far as was told.
    pub(in crate::sim) fn is_locked(&self) -> bool {
        let mut facts = self.locks.iter().rev();
        facts
            .find_map(|(_, fact)| match fact {
                LockFact::Seen | LockFact::Held(_) | LockFact::Staged => Some(true),
                LockFact::FoundOpen | LockFact::Unlocked => Some(false),
                LockFact::Asked(..)
                | LockFact::Failed
                | LockFact::Dropped
                | LockFact::Forgotten => None,
            })
            .unwrap_or(false)
    }

    /// What the limits count from, or the last activity if that is later.
    pub(in crate::sim) fn anchor(&self) -> BootTime {
        let story = self.lock_story(u32::MAX);
        let locked = story.hold.map(|hold| hold.since).unwrap_or_default();
        let renewed = story.renewed.unwrap_or_default().at;
        self.facts.started.max(locked).max(renewed)
    }

    /// The extensions that count.
    pub(in crate::sim) fn granted(&self) -> impl Iterator<Item = &Extension> {
        let from = self.renewed().unwrap_or_default();
        let counted = self.extensions.iter().rev();
        counted
            .take_while(move |(moment, _)| *moment > from)
            .map(|(_, extension)| extension)
    }

    /// When the limits began to count that count.
    pub(in crate::sim) fn counts_from(&self) -> Moment {
        self.lock_story(u32::MAX).anew
    }

    /// When the absolute limit passes.
    pub(in crate::sim) fn absolute_due(&self, terms: &Terms) -> BootTime {
        self.anchor()
            .saturating_add(terms.stretched(self.total_granted()))
    }

    /// All that was granted since the limit counts.
    pub(in crate::sim) fn total_granted(&self) -> Duration {
        let last = self.granted().next();
        last.map(|last| last.total).unwrap_or_default()
    }

    /// Not before when a limit of this kind and length passes, and not after when.
    pub(in crate::sim) fn due(
        &self,
        kind: LimitKind,
        terms: &Terms,
        length: Duration,
    ) -> (BootTime, BootTime) {
        match kind {
            LimitKind::Absolute => {
                let due = self.absolute_due(terms);
                (due, due)
            }
            LimitKind::Inactivity => {
                let (low, high) = self.idle_since();
                (low.saturating_add(length), high.saturating_add(length))
            }
        }
    }

    /// Between which two times inactivity began.
    pub(in crate::sim) fn idle_since(&self) -> (BootTime, BootTime) {
        let (low, high) = self.known_now();
        let anchor = self.anchor();
        (low.max(anchor), high.max(anchor))
    }

    /// The warnings of this kind that stand, the last one first.
    pub(in crate::sim) fn heard(
        &self,
        kind: LimitKind,
    ) -> impl Iterator<Item = &(Moment, Warning)> {
        self.heard_but_for(kind, u32::MAX)
    }

    /// The same, whatever was locked or unlocked since this call began.
    pub(in crate::sim) fn heard_but_for(
        &self,
        kind: LimitKind,
        call: u32,
    ) -> impl Iterator<Item = &(Moment, Warning)> {
        let mut withdrawn = self.withdrawals.iter().rev();
        let withdrawn = withdrawn.find_map(|(moment, other)| (*other == kind).then_some(*moment));
        let void = withdrawn
            .unwrap_or_default()
            .max(self.lock_story(call).anew);
        let warnings = self.warnings.iter().rev();
        warnings
            .take_while(move |(moment, _)| *moment > void)
            .filter(move |(_, warning)| warning.limit == kind)
    }

    /// For which limit the session was locked in this call, and whether it was unlocked in it.
    pub(in crate::sim) fn hold_changed(&self, call: u32) -> (Option<LimitKind>, bool) {
        let new = |moment: Moment| moment.seq >= call;
        let held = self.locks.iter().find_map(|(moment, fact)| match fact {
            LockFact::Held(kind) if new(*moment) => Some(*kind),
            _ => None,
        });
        (held, self.renewed().is_some_and(new))
    }

    /// What is known of the idle time.
    pub(in crate::sim) fn idle(&self) -> Idle {
        let Some(last) = self.looks.last() else {
            return Idle::Unasked;
        };
        match last.came {
            None => Idle::Asked(last.asked.unwrap_or_default().at),
            Some((moment, Outcome::Known)) => Idle::Known(moment.at),
            Some((moment, Outcome::Unknown)) => Idle::Unknown(moment.at),
            Some((moment, Outcome::Failed)) => {
                let failures = self.failures();
                Idle::Failed {
                    at: moment.at,
                    row: failures.row,
                    round: failures.round,
                    at_least: failures.at_least,
                }
            }
        }
    }

    fn failures(&self) -> Failures {
        let settled = || self.looks.iter().filter(|look| look.came.is_some());
        let failed = |look: &&Look| matches!(look.came, Some((_, Outcome::Failed)));
        let row = settled().rev().take_while(failed).count();
        let mut failures = Failures {
            row,
            ..Failures::default()
        };
        // Another daemon counts anew, and so may be done under other terms.
        let changed = self.standings.last().map(|(moment, _)| *moment);
        let from = self.restored.max(changed);
        let own = |look: &&Look| look.came.map(|(moment, _)| moment) > from;
        let (mut before, mut before_strictly) = (None, None);
        for look in settled().skip(settled().count() - row).filter(own) {
            let asked = look.asked.unwrap_or_default().at;
            let in_turn = |next: Option<BootTime>| {
                let late = Duration::from_secs(1);
                next.is_some_and(|next| next <= asked && asked <= next.saturating_add(late))
            };
            let on_time = |next: Option<BootTime>| {
                next.is_some_and(|next| next.saturating_add(self.lag) == asked)
            };
            let next_round = |round, in_turn| if in_turn { round + 1 } else { 1 };
            failures.round = next_round(failures.round, in_turn(before));
            failures.at_least = next_round(failures.at_least, on_time(before_strictly));
            failures.most = failures.most.max(failures.round);
            let came = look.came.map(|(moment, _)| moment.at);
            before = came.map(|came| came.saturating_add(pause(failures.round)));
            before_strictly = came.map(|came| came.saturating_add(pause(failures.at_least)));
        }
        failures
    }

    /// Whether nobody knows the idle time: a reading told nothing, or too many failed one after
    /// the other.
    pub(in crate::sim) fn idle_is_unknown(&self) -> Option<BootTime> {
        let (last, told) = self.last_told()?;
        let unknown = told == Some(Outcome::Unknown) || self.unknown_was_reported().is_some();
        (unknown || self.failures().most >= FAILURES).then_some(last)
    }

    /// Whether it may be taken for unknown: so many failed in all since one did not.
    pub(in crate::sim) fn idle_may_be_unknown(&self) -> Option<BootTime> {
        let (last, told) = self.last_told()?;
        let unknown = told == Some(Outcome::Unknown);
        (unknown || self.failures().row >= FAILURES).then_some(last)
    }

    /// When there was the last reading or failure, and what the last reading told.
    fn last_told(&self) -> Option<(BootTime, Option<Outcome>)> {
        let mut settled = self.looks.iter().rev().filter_map(|look| look.came);
        let (last, _) = settled.clone().next()?;
        let told = settled.find(|(_, outcome)| *outcome != Outcome::Failed);
        Some((last.at, told.map(|(_, outcome)| outcome)))
    }

    /// The end that is under way.
    pub(in crate::sim) fn end(&self) -> Option<EndUnderWay> {
        let mut end: Option<EndUnderWay> = None;
        for (moment, fact) in &self.ends {
            match (fact, &mut end) {
                (EndFact::Asked(request, _), Some(end)) if end.stage == *request => {
                    end.last = moment.at;
                    end.times += 1;
                    end.failed = None;
                }
                (EndFact::Asked(request, kind), _) => {
                    end = Some(EndUnderWay {
                        kind: *kind,
                        began: end.map_or(*moment, |end| end.began),
                        stage: *request,
                        since: moment.at,
                        last: moment.at,
                        times: 1,
                        failed: None,
                    });
                }
                (EndFact::Failed, Some(end)) => {
                    end.failed = Some(moment.at);
                }
                (EndFact::Failed, None) => {}
                (EndFact::Done, _) => end = None,
            }
        }
        end
    }

    /// When this was last reported.
    pub(in crate::sim) fn reported(&self, finding: Finding) -> Option<Moment> {
        let mut findings = self.findings.iter().rev();
        findings.find_map(|(moment, other)| (*other == finding).then_some(*moment))
    }

    /// The last reading that told something.
    pub(in crate::sim) fn last_known_reading(&self) -> Option<Moment> {
        let mut came = self.looks.iter().rev().filter_map(|look| look.came);
        came.find_map(|(moment, how)| (how == Outcome::Known).then_some(moment))
    }

    /// When it was reported that the idle time is unknown, if it was not known since.
    pub(in crate::sim) fn unknown_was_reported(&self) -> Option<Moment> {
        let known = self.last_known_reading();
        let reported = self.reported(Finding::UnknownIdle);
        reported.filter(|reported| known.is_none_or(|known| known < *reported))
    }

    /// When the lock of the first stage was last asked for.
    pub(in crate::sim) fn staged(&self) -> Option<Moment> {
        let mut facts = self.locks.iter().rev();
        facts.find_map(|(moment, fact)| {
            matches!(fact, LockFact::Asked(LockCause::Stage, _)).then_some(*moment)
        })
    }

    /// Whether there was activity since this moment: for certain, or perhaps.
    pub(in crate::sim) fn activity_since(&self, moment: Moment) -> (bool, bool) {
        let (low, high) = self.known_at(moment.seq);
        let (now_low, now_high) = self.known_now();
        let certain = now_low > high;
        (certain, (now_low, now_high) != (low, high))
    }

    /// The last change of what is known of activity.
    pub(in crate::sim) fn last_known(&self) -> Option<&Known> {
        self.known.last()
    }
}
