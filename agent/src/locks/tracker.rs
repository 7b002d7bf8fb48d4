//! Decides from what the lockers do whether the screen is locked, and who has set logind's hint.
//!
//! A wrong "locked" would spare a session that anybody can use; a wrong "not locked" would end one
//! that is locked, and with it the user's work. So a lock is believed if the locker itself reports
//! it, or if the locker covers the screen *and* was requested to lock. A cover alone is a
//! screensaver, which may show the desktop at the next key.

use std::collections::BTreeMap;
use std::time::Duration;

use super::locker::{Locker, Sighting};
use crate::clock::{BootTime, Now};

/// A locker covers the screen within this time after a request to lock it. A cover that comes later
/// has another cause.
const COVERS_WITHIN: Duration = Duration::from_secs(15);

/// logind's `LockedHint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockedHint {
    Locked,
    Unlocked,
}

/// What the tracker learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The locker was seen in this state.
    Seen(Locker, Sighting),
    /// logind has requested a lock of the session, which this locker complies with.
    LockRequested(Locker),
    /// logind was restarted, and has lost the hint.
    HintLost,
}

/// What to do about the hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Set it, unless another program has, and call [`LockTracker::hint_is`].
    Set,
    /// Clear it.
    Clear,
}

/// Who has set the hint for the lock that is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SetBy {
    #[default]
    Nobody,
    /// The agent, which clears it as well.
    Agent,
    /// The desktop itself, which is left to clear it.
    Other,
}

/// What is known about one locker.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    sighting: Sighting,
    requested: Option<BootTime>,
    lock: LockedHint,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            sighting: Sighting::Absent,
            requested: None,
            lock: LockedHint::Unlocked,
        }
    }
}

/// Tracks the locks of a session's screen.
#[derive(Debug, Default)]
pub(super) struct LockTracker {
    lockers: BTreeMap<Locker, Evidence>,
    set_by: SetBy,
}

impl LockTracker {
    /// After a restart of an agent that had set the hint: a locker that covers the screen now still
    /// has it locked.
    pub(super) fn resume(now: Now) -> Self {
        let requested = Evidence {
            requested: Some(now.before(Duration::ZERO)),
            ..Evidence::default()
        };
        Self {
            lockers: Locker::ALL
                .into_iter()
                .filter(|locker| !locker.reports_locks())
                .map(|locker| (locker, requested))
                .collect(),
            set_by: SetBy::Agent,
        }
    }

    pub(super) fn handle(&mut self, now: Now, event: Event) {
        match event {
            Event::Seen(locker, sighting) => self.evidence(locker).see(now, sighting),
            Event::LockRequested(locker) => self.evidence(locker).request(now),
            Event::HintLost => self.set_by = SetBy::Nobody,
        }
        // The next lock is another one.
        if self.set_by == SetBy::Other && self.believed() == LockedHint::Unlocked {
            self.set_by = SetBy::Nobody;
        }
    }

    /// What is to be done about the hint.
    pub(super) fn next(&mut self) -> Option<Action> {
        match (self.believed(), self.set_by) {
            (LockedHint::Locked, SetBy::Nobody) => Some(Action::Set),
            (LockedHint::Unlocked, SetBy::Agent) => {
                self.set_by = SetBy::Nobody;
                Some(Action::Clear)
            }
            (LockedHint::Locked, SetBy::Agent | SetBy::Other)
            | (LockedHint::Unlocked, SetBy::Nobody | SetBy::Other) => None,
        }
    }

    /// Who has set the hint.
    pub(super) fn hint_is(&mut self, set_by: SetBy) {
        self.set_by = set_by;
    }

    /// The lockers that run.
    pub(super) fn running(&self) -> impl Iterator<Item = Locker> {
        let running = |evidence: &Evidence| evidence.sighting != Sighting::Absent;
        let lockers = self.lockers.iter();
        lockers.filter_map(move |(locker, evidence)| running(evidence).then_some(*locker))
    }

    fn evidence(&mut self, locker: Locker) -> &mut Evidence {
        self.lockers.entry(locker).or_default()
    }

    fn believed(&self) -> LockedHint {
        let mut lockers = self.lockers.values();
        match lockers.any(|evidence| evidence.lock == LockedHint::Locked) {
            true => LockedHint::Locked,
            false => LockedHint::Unlocked,
        }
    }
}

impl Evidence {
    fn see(&mut self, now: Now, sighting: Sighting) {
        let was = std::mem::replace(&mut self.sighting, sighting);
        match sighting {
            Sighting::Locked => self.lock = LockedHint::Locked,
            Sighting::Covered => self.covered(now, was),
            Sighting::Open => self.lock = LockedHint::Unlocked,
            Sighting::Absent => *self = Self::default(),
        }
    }

    fn covered(&mut self, now: Now, was: Sighting) {
        let requested = self.requested.take();
        if requested.is_some_and(|requested| now.since(requested) <= COVERS_WITHIN) {
            self.lock = LockedHint::Locked;
        } else if was == Sighting::Locked {
            // The locker distinguishes the two.
            self.lock = LockedHint::Unlocked;
        }
    }

    fn request(&mut self, now: Now) {
        match self.sighting {
            // It covered the screen before, and has it locked now.
            Sighting::Covered | Sighting::Locked => self.lock = LockedHint::Locked,
            Sighting::Open | Sighting::Absent => self.requested = Some(now.before(Duration::ZERO)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::at;

    const MATE: Locker = Locker::MateScreensaver;
    const XSCREENSAVER: Locker = Locker::XScreenSaver;

    /// Handles the events, each a second after the one before; returns the actions.
    fn after(tracker: &mut LockTracker, start: u64, events: &[Event]) -> Vec<Action> {
        let mut actions = Vec::new();
        for (now, event) in (start..).zip(events) {
            tracker.handle(at(now), *event);
            while let Some(action) = tracker.next() {
                if action == Action::Set {
                    tracker.hint_is(SetBy::Agent);
                }
                actions.push(action);
            }
        }
        actions
    }

    fn seen(sighting: Sighting) -> Event {
        Event::Seen(MATE, sighting)
    }

    #[test]
    fn a_cover_is_a_lock_only_after_a_request() {
        let mut tracker = LockTracker::default();
        let saver = [seen(Sighting::Open), seen(Sighting::Covered)];
        assert_eq!(after(&mut tracker, 100, &saver), []);
        let request = [Event::LockRequested(MATE)];
        assert_eq!(after(&mut tracker, 200, &request), [Action::Set]);
        let unlocked = [seen(Sighting::Open)];
        assert_eq!(after(&mut tracker, 300, &unlocked), [Action::Clear]);
        // The next cover is a screensaver again.
        assert_eq!(after(&mut tracker, 400, &saver), []);
    }

    #[test]
    fn a_request_and_the_cover_may_come_in_any_order() {
        let mut tracker = LockTracker::default();
        let requested = [
            seen(Sighting::Open),
            Event::LockRequested(MATE),
            seen(Sighting::Covered),
            seen(Sighting::Open),
        ];
        let expected = [Action::Set, Action::Clear];
        assert_eq!(after(&mut tracker, 100, &requested), expected);
        let covered = [
            seen(Sighting::Covered),
            Event::LockRequested(MATE),
            seen(Sighting::Open),
        ];
        assert_eq!(after(&mut tracker, 200, &covered), expected);
    }

    #[test]
    fn a_request_that_nothing_followed_is_forgotten() {
        let mut tracker = LockTracker::default();
        let request = [seen(Sighting::Open), Event::LockRequested(MATE)];
        assert_eq!(after(&mut tracker, 100, &request), []);
        let late = [seen(Sighting::Covered)];
        assert_eq!(after(&mut tracker, 117, &late), []);
    }

    #[test]
    fn a_request_is_for_the_lockers_that_comply_with_it() {
        let mut tracker = LockTracker::default();
        let other = [
            seen(Sighting::Covered),
            Event::LockRequested(Locker::Xfce4Screensaver),
        ];
        assert_eq!(after(&mut tracker, 100, &other), []);
    }

    #[test]
    fn a_locker_that_reports_its_locks_needs_no_request() {
        let mut tracker = LockTracker::default();
        let seen = |sighting| Event::Seen(XSCREENSAVER, sighting);
        let blank = [seen(Sighting::Open), seen(Sighting::Covered)];
        assert_eq!(after(&mut tracker, 100, &blank), []);
        let lock = [seen(Sighting::Locked), seen(Sighting::Locked)];
        assert_eq!(after(&mut tracker, 200, &lock), [Action::Set]);
        let blank = [seen(Sighting::Covered)];
        assert_eq!(after(&mut tracker, 300, &blank), [Action::Clear]);
    }

    #[test]
    fn a_locker_that_is_gone_has_nothing_locked() {
        let mut tracker = LockTracker::default();
        let events = [seen(Sighting::Covered), Event::LockRequested(MATE)];
        assert_eq!(after(&mut tracker, 100, &events), [Action::Set]);
        assert_eq!(tracker.running().collect::<Vec<_>>(), [MATE]);
        let gone = [seen(Sighting::Absent)];
        assert_eq!(after(&mut tracker, 200, &gone), [Action::Clear]);
        assert_eq!(tracker.running().count(), 0);
    }

    #[test]
    fn a_hint_that_another_program_has_set_is_not_cleared() {
        let mut tracker = LockTracker::default();
        tracker.handle(at(100), seen(Sighting::Covered));
        tracker.handle(at(101), Event::LockRequested(MATE));
        assert_eq!(tracker.next(), Some(Action::Set));
        tracker.hint_is(SetBy::Other);
        assert_eq!(after(&mut tracker, 200, &[seen(Sighting::Open)]), []);
        let again = [seen(Sighting::Covered), Event::LockRequested(MATE)];
        assert_eq!(after(&mut tracker, 300, &again), [Action::Set]);
    }

    #[test]
    fn a_hint_that_logind_has_lost_is_set_again_if_the_screen_is_locked() {
        let mut tracker = LockTracker::default();
        assert_eq!(after(&mut tracker, 100, &[Event::HintLost]), []);
        let locked = [seen(Sighting::Covered), Event::LockRequested(MATE)];
        assert_eq!(after(&mut tracker, 200, &locked), [Action::Set]);
        assert_eq!(after(&mut tracker, 300, &[Event::HintLost]), [Action::Set]);
        let unlocked = [seen(Sighting::Open)];
        assert_eq!(after(&mut tracker, 400, &unlocked), [Action::Clear]);
    }

    #[test]
    fn a_lock_outlives_the_agent_that_reported_it() {
        let mut tracker = LockTracker::resume(at(100));
        tracker.handle(at(100), seen(Sighting::Covered));
        assert_eq!(tracker.next(), None);
        let unlocked = [seen(Sighting::Open)];
        assert_eq!(after(&mut tracker, 200, &unlocked), [Action::Clear]);
        let mut tracker = LockTracker::resume(at(100));
        let blank = [Event::Seen(XSCREENSAVER, Sighting::Covered)];
        assert_eq!(after(&mut tracker, 100, &blank), [Action::Clear]);
    }
}
