//! The lock of a session's screen in its history.

use session_timeout_policy::{BootTime, LimitKind, LockCause};

use super::{History, LockFact, Moment};

/// A lock that stands for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldNow {
    pub(crate) since: BootTime,
    /// Nothing says otherwise, so that nothing threatens the session.
    pub(crate) firm: bool,
    /// It was asked to lock once more, because its limit passed again.
    pub(crate) again: Option<LockVerification>,
}

/// A wish to lock again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockVerification {
    /// Since when.
    pub(crate) since: BootTime,
    /// By when it is to be locked.
    pub(crate) until: BootTime,
    /// When the last wish was refused, and how many wishes there were.
    pub(crate) refused: Option<BootTime>,
    /// logind did not even answer.
    pub(crate) unreached: bool,
    /// Since when that has been so.
    pub(crate) away: Option<BootTime>,
    /// logind answers since then.
    pub(crate) reachable: bool,
    pub(crate) times: u32,
}

/// What became of a lock, from the first word of it to the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LockState {
    pub(super) hold: Option<HoldNow>,
    pub(super) renewed: Option<Moment>,
    /// When the limits were restarted; warnings from before that do not count.
    pub(super) restarted: Moment,
}

impl LockState {
    fn continues(&mut self, moment: Moment, fact: &LockFact) {
        match (fact, &mut self.hold) {
            (LockFact::Held(_), _) => self.holds(moment),
            (LockFact::Unlocked, Some(_)) => {
                self.hold = None;
                self.renewed = Some(moment);
                self.restarted = moment;
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
            (LockFact::Asked(LockCause::Verify(_), grace), Some(hold)) => {
                let before = hold.again;
                hold.again = Some(LockVerification {
                    since: before.map_or(moment.at, |again| again.since),
                    until: moment.at.saturating_add(*grace),
                    refused: None,
                    unreached: false,
                    away: before.and_then(|again| again.away),
                    reachable: false,
                    times: before.map_or(1, |again| again.times + u32::from(!again.unreached)),
                });
            }
            (LockFact::Failed | LockFact::Unreached, Some(hold)) => {
                if let Some(again) = &mut hold.again {
                    again.refused = Some(moment.at);
                    again.unreached = *fact == LockFact::Unreached;
                    again.reachable = false;
                    if again.unreached {
                        again.since = moment.at;
                        again.away = again.away.or(Some(moment.at));
                    } else {
                        again.away = None;
                    }
                }
            }
            (LockFact::Reachable, Some(hold)) => {
                if let Some(again) = &mut hold.again {
                    again.reachable = again.refused.is_some();
                }
            }
            (LockFact::ForgottenHint, Some(hold)) => hold.again = None,
            _ => {}
        }
    }

    fn holds(&mut self, moment: Moment) {
        self.restarted = moment;
        self.hold = Some(HoldNow {
            since: moment.at,
            firm: true,
            again: None,
        });
    }
}

impl History {
    /// What became of the lock until this call.
    pub(super) fn lock_state(&self, call: u32) -> LockState {
        let (from, mut scenario) = self.told_before;
        for (moment, fact) in self.locks.iter().skip(from) {
            if moment.seq >= call {
                break;
            }
            scenario.continues(*moment, fact);
        }
        scenario
    }

    /// Long ago is not told again each time: what came of it is the same for ever.
    pub(crate) fn abridge(&mut self) {
        /// More than any one call adds.
        const NEWEST: usize = 10;
        let (mut from, mut scenario) = self.told_before;
        while self.locks.len() > from + NEWEST {
            if let Some((moment, fact)) = self.locks.get(from) {
                scenario.continues(*moment, fact);
            }
            from += 1;
        }
        self.told_before = (from, scenario);
    }

    /// The lock that stands for an end, if there is one.
    pub(crate) fn hold(&self) -> Option<HoldNow> {
        self.lock_state(u32::MAX).hold
    }

    /// When the user unlocked the screen after the last hold.
    pub(crate) fn renewed(&self) -> Option<Moment> {
        self.lock_state(u32::MAX).renewed
    }

    /// Whether the screen is locked, as far as was told.
    pub(crate) fn is_locked(&self) -> bool {
        let mut facts = self.locks.iter().rev();
        facts
            .find_map(|(_, fact)| match fact {
                LockFact::Seen | LockFact::Held(_) | LockFact::Staged => Some(true),
                LockFact::FoundOpen | LockFact::Unlocked => Some(false),
                LockFact::Asked(..)
                | LockFact::Failed
                | LockFact::Unreached
                | LockFact::Reachable
                | LockFact::Dropped
                | LockFact::ForgottenHint => None,
            })
            .unwrap_or(false)
    }

    /// Since when the limits count.
    pub(crate) fn counts_from(&self) -> Moment {
        self.lock_state(u32::MAX).restarted
    }

    /// For which limit the session was locked in this call, and whether it was unlocked in it.
    pub(crate) fn hold_changed(&self, call: u32) -> (Option<LimitKind>, bool) {
        let new = |moment: Moment| moment.seq >= call;
        let held = self.locks.iter().find_map(|(moment, fact)| match fact {
            LockFact::Held(kind) if new(*moment) => Some(*kind),
            _ => None,
        });
        (held, self.renewed().is_some_and(new))
    }

    /// When the lock of `lock-after` was last asked for.
    pub(crate) fn staged(&self) -> Option<Moment> {
        let mut facts = self.locks.iter().rev();
        facts.find_map(|(moment, fact)| {
            matches!(fact, LockFact::Asked(LockCause::LockAfter, _)).then_some(*moment)
        })
    }
}
