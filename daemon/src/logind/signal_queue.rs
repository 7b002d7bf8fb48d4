//! Queues the signals of logind until they are handled.
//!
//! Any user can cause some of the signals as fast as the bus allows, and each may need a query. So
//! signals about one session are merged, and the size of the queue is bounded by the number of
//! sessions.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use session_timeout_policy::SessionId;
use tokio::sync::Notify;
use zbus::wire::OwnedObjectPath;

use super::signals::Signal;
use crate::input::{LockHint, Return};

/// Maximum number of queued lock hints of a session: the last two, in order.
const HINTS_MAX: usize = 2;

/// The queue. One task takes signals out.
#[derive(Default)]
pub(super) struct SignalQueue {
    waiting: Mutex<Waiting>,
    added: Notify,
}

impl SignalQueue {
    /// Queues a signal. Never waits.
    pub(super) fn add(&self, signal: Signal) {
        self.waiting().add(signal);
        self.added.notify_one();
    }

    /// Waits for the next signal. Cancel safe.
    pub(super) async fn next(&self) -> Signal {
        loop {
            if let Some(signal) = self.waiting().take() {
                return signal;
            }
            self.added.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Waiting {
    stopped: bool,
    started: bool,
    /// The signals of the session that is served now.
    next: VecDeque<Signal>,
    /// The other sessions with signals, longest waiting first.
    order: VecDeque<SessionId>,
    pending: HashMap<SessionId, SessionSignals>,
}

/// The queued signals about one session id. The removal comes first: it makes earlier signals
/// irrelevant, and later ones are about another session with this id.
#[derive(Default)]
struct SessionSignals {
    removed: bool,
    appeared: Option<OwnedObjectPath>,
    hints: VecDeque<LockHint>,
    /// The strongest one; a second has no other effect.
    returned: Option<Return>,
}

impl Waiting {
    fn add(&mut self, signal: Signal) {
        match signal {
            Signal::Appeared(id, path) => self.of(id).appeared = Some(path),
            Signal::LockHint(id, hint) => self.of(id).hint(hint),
            Signal::Returned(id, how) => {
                let signals = self.of(id);
                signals.returned = signals.returned.max(Some(how));
            }
            Signal::Removed(id) => {
                *self.of(id) = SessionSignals {
                    removed: true,
                    ..SessionSignals::default()
                };
            }
            // After a start of logind all sessions are listed again.
            Signal::Started => {
                *self = Self {
                    stopped: self.stopped,
                    started: true,
                    ..Self::default()
                };
            }
            Signal::Stopped => {
                *self = Self {
                    stopped: true,
                    ..Self::default()
                };
            }
        }
    }

    fn of(&mut self, id: SessionId) -> &mut SessionSignals {
        if !self.pending.contains_key(&id) {
            self.order.push_back(id.clone());
        }
        self.pending.entry(id).or_default()
    }

    fn take(&mut self) -> Option<Signal> {
        if std::mem::take(&mut self.stopped) {
            return Some(Signal::Stopped);
        }
        if std::mem::take(&mut self.started) {
            return Some(Signal::Started);
        }
        if self.next.is_empty() {
            // Later signals of this session queue behind the other sessions.
            let id = self.order.pop_front()?;
            self.next = self.pending.remove(&id)?.into_signals(&id);
        }
        self.next.pop_front()
    }
}

impl SessionSignals {
    fn hint(&mut self, hint: LockHint) {
        if self.hints.back() == Some(&hint) {
            return;
        }
        self.hints.push_back(hint);
        if self.hints.len() > HINTS_MAX {
            self.hints.pop_front();
        }
    }

    fn into_signals(self, id: &SessionId) -> VecDeque<Signal> {
        let id = || id.clone();
        let removed = self.removed.then(|| Signal::Removed(id()));
        let appeared = self.appeared.map(|path| Signal::Appeared(id(), path));
        let hints = self.hints.into_iter();
        let hints = hints.map(|hint| Signal::LockHint(id(), hint));
        let returned = self.returned.map(|how| Signal::Returned(id(), how));
        let described = removed.into_iter().chain(appeared);
        described.chain(hints).chain(returned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appeared(id: &str) -> Signal {
        let path = format!("/org/freedesktop/login1/session/{id}");
        let path = OwnedObjectPath::try_from(path).unwrap();
        Signal::Appeared(SessionId::new(id), path)
    }

    fn removed(id: &str) -> Signal {
        Signal::Removed(SessionId::new(id))
    }

    fn hint(id: &str, hint: LockHint) -> Signal {
        Signal::LockHint(SessionId::new(id), hint)
    }

    fn heard(signals: impl IntoIterator<Item = Signal>) -> Vec<Signal> {
        let mut waiting = Waiting::default();
        signals.into_iter().for_each(|signal| waiting.add(signal));
        std::iter::from_fn(|| waiting.take()).collect()
    }

    #[test]
    fn many_signals_about_one_session_are_one_query_and_delay_no_other() {
        let many = (0..10_000).map(|_| appeared("c1"));
        let said = heard(many.chain([appeared("c2"), appeared("c1")]));
        assert_eq!(said, [appeared("c1"), appeared("c2")]);
    }

    #[test]
    fn a_session_is_described_before_its_removal_or_not_at_all() {
        let said = heard([appeared("c1"), removed("c1")]);
        assert_eq!(said, [removed("c1")]);
        // Another session with the same id.
        let said = heard([appeared("c1"), removed("c1"), appeared("c1")]);
        assert_eq!(said, [removed("c1"), appeared("c1")]);
    }

    #[test]
    fn the_last_lock_and_unlock_are_kept_in_their_order() {
        use LockHint::{Locked, Unlocked};
        let many = [Locked, Unlocked, Locked, Locked, Unlocked].map(|one| hint("c1", one));
        assert_eq!(heard(many), [hint("c1", Locked), hint("c1", Unlocked)]);
        let said = heard([hint("c1", Unlocked), appeared("c1"), hint("c1", Locked)]);
        let expected = [appeared("c1"), hint("c1", Unlocked), hint("c1", Locked)];
        assert_eq!(said, expected);
    }

    #[test]
    fn any_number_of_unlocks_is_one_and_delays_no_other_session() {
        let returned = |how| Signal::Returned(SessionId::new("c1"), how);
        let many = (0..10_000).map(|_| returned(Return::Unlock));
        let shown = returned(Return::Shown);
        let heard = heard([shown.clone()].into_iter().chain(many).chain([
            removed("c2"),
            hint("c1", LockHint::Unlocked),
            shown,
        ]));
        let expected = [
            hint("c1", LockHint::Unlocked),
            returned(Return::Unlock),
            removed("c2"),
        ];
        assert_eq!(heard, expected);
    }

    #[test]
    fn a_restart_of_logind_outdates_what_it_said_before() {
        let said = heard([
            removed("c1"),
            Signal::Stopped,
            appeared("c1"),
            Signal::Started,
            appeared("c2"),
        ]);
        assert_eq!(said, [Signal::Stopped, Signal::Started, appeared("c2")]);
    }

    #[test]
    fn who_has_always_something_new_does_not_keep_the_others_waiting() {
        let mut waiting = Waiting::default();
        waiting.add(appeared("c1"));
        waiting.add(appeared("c2"));
        assert_eq!(waiting.take(), Some(appeared("c1")));
        waiting.add(appeared("c1"));
        assert_eq!(waiting.take(), Some(appeared("c2")));
        assert_eq!(waiting.take(), Some(appeared("c1")));
        assert_eq!(waiting.take(), None);
    }

    #[tokio::test]
    async fn what_is_heard_before_somebody_waits_is_not_lost() {
        let queue = SignalQueue::default();
        queue.add(appeared("c1"));
        queue.add(appeared("c2"));
        assert_eq!(queue.next().await, appeared("c1"));
        assert_eq!(queue.next().await, appeared("c2"));
    }
}
