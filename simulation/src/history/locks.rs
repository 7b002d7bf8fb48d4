//! The part of a history that concerns the screen lock.

use session_timeout_policy::{BootTime, LimitKind, LockCause};

use super::{History, LockFact, Moment};

/// A lock instead of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HoldNow {
    pub(crate) since: BootTime,
    /// The hold is not in doubt, so no limit ends the session.
    pub(crate) firm: bool,
    /// The repeated lock request, if its limit has passed again.
    pub(crate) again: Option<LockVerification>,
}

/// A repeated lock request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockVerification {
    /// The time of the first request.
    pub(crate) since: BootTime,
    /// The deadline of the confirmation.
    pub(crate) until: BootTime,
    /// The time of the last refusal, and the number of requests.
    pub(crate) refused: Option<BootTime>,
    /// The last request did not reach logind.
    pub(crate) unreached: bool,
    /// The first request that did not reach logind.
    pub(crate) away: Option<BootTime>,
    /// The time since which logind replies again.
    pub(crate) reachable: bool,
    pub(crate) times: u32,
}

/// The state of the lock, computed from the recorded facts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LockState {
    pub(super) hold: Option<HoldNow>,
    pub(super) renewed: Option<Moment>,
    /// When the limits restarted; warnings from before that are no longer in force.
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
            // During a repeated request the hold is in doubt already.
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
    /// The state of the lock before this call.
    pub(super) fn lock_state(&self, call: u32) -> LockState {
        let (from, mut state) = self.merged_locks;
        for (moment, fact) in self.locks.iter().skip(from) {
            if moment.seq >= call {
                break;
            }
            state.continues(*moment, fact);
        }
        state
    }

    /// Merges old facts into one state, so that they are not evaluated each time.
    pub(crate) fn abridge(&mut self) {
        /// More facts than a single call adds.
        const NEWEST: usize = 10;
        let (mut from, mut state) = self.merged_locks;
        while self.locks.len() > from + NEWEST {
            if let Some((moment, fact)) = self.locks.get(from) {
                state.continues(*moment, fact);
            }
            from += 1;
        }
        self.merged_locks = (from, state);
    }

    /// The lock instead of an end, if one is in force.
    pub(crate) fn hold(&self) -> Option<HoldNow> {
        self.lock_state(u32::MAX).hold
    }

    /// When the user unlocked the screen after the last hold.
    pub(crate) fn renewed(&self) -> Option<Moment> {
        self.lock_state(u32::MAX).renewed
    }

    /// Whether the screen is locked, according to the events.
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

    /// The moment that the limits count from.
    pub(crate) fn counts_from(&self) -> Moment {
        self.lock_state(u32::MAX).restarted
    }

    /// The limit for which the session was locked in this call, and whether it was unlocked in it.
    pub(crate) fn hold_changed(&self, call: u32) -> (Option<LimitKind>, bool) {
        let new = |moment: Moment| moment.seq >= call;
        let held = self.locks.iter().find_map(|(moment, fact)| match fact {
            LockFact::Held(kind) if new(*moment) => Some(*kind),
            _ => None,
        });
        (held, self.renewed().is_some_and(new))
    }

    /// When `lock-after` last requested a lock.
    pub(crate) fn staged(&self) -> Option<Moment> {
        let mut facts = self.locks.iter().rev();
        facts.find_map(|(moment, fact)| {
            matches!(fact, LockFact::Asked(LockCause::LockAfter, _)).then_some(*moment)
        })
    }
}
