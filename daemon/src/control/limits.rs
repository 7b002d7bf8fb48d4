//! How much anybody may have the daemon do at once.
//!
//! Each call that is in hand is a task and a message in memory, and takes its turn in the driver's
//! queue. A caller has a bound, by its name on the bus, before anything is done for it; its user
//! has one, and all of them together. root has none: who may stop the daemon need not fill it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use zbus::names::{OwnedUniqueName, UniqueName};

/// Calls in hand of one connection. Who wants more at once waits for answers.
const CALLER_MAX: usize = 16;
/// Calls in hand of one user: a prompt in each of many shells asks at the same time.
const USER_MAX: usize = 32;
/// Of those this many are answered at a time, and the others wait.
const USER_MAX_CONCURRENT: usize = 8;
/// Calls in hand of all users but root.
const ALL_MAX: usize = 512;

/// The calls in hand. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    callers: HashMap<OwnedUniqueName, Caller>,
    users: HashMap<u32, User>,
    all: usize,
}

#[derive(Default)]
struct Caller {
    calls: usize,
    /// Whose it is, asked once for all of them.
    user: Arc<OnceCell<u32>>,
}

struct User {
    calls: usize,
    turns: Arc<Semaphore>,
}

/// Too much is in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Gate {
    /// Takes a call of this connection in hand.
    ///
    /// # Errors
    /// It has too many.
    pub(super) fn call(&self, name: &UniqueName<'_>) -> Result<Call, Full> {
        let name = OwnedUniqueName::from(name.to_owned());
        let mut inside = self.inside();
        let caller = inside.callers.entry(name.clone()).or_default();
        if caller.calls >= CALLER_MAX {
            return Err(Full);
        }
        caller.calls += 1;
        Ok(Call {
            user: Arc::clone(&caller.user),
            gate: self.clone(),
            name,
        })
    }

    /// Waits for a turn of this user.
    ///
    /// # Errors
    /// The user has too many calls in hand, or all have.
    pub(super) async fn turn(&self, user: u32) -> Result<Option<Turn>, Full> {
        if user == 0 {
            return Ok(None);
        }
        let (place, turns) = self.place(user)?;
        match turns.acquire_owned().await {
            Ok(permit) => Ok(Some(Turn {
                _permit: permit,
                _place: place,
            })),
            Err(_closed) => Err(Full),
        }
    }

    fn place(&self, user: u32) -> Result<(Place, Arc<Semaphore>), Full> {
        let mut inside = self.inside();
        let calls = inside.users.get(&user).map_or(0, |user| user.calls);
        if calls >= USER_MAX || inside.all >= ALL_MAX {
            return Err(Full);
        }
        inside.all += 1;
        let known = inside.users.entry(user).or_insert_with(|| User {
            calls: 0,
            turns: Arc::new(Semaphore::new(USER_MAX_CONCURRENT)),
        });
        known.calls += 1;
        let turns = Arc::clone(&known.turns);
        let gate = self.clone();
        Ok((Place { gate, user }, turns))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in hand, until it is dropped.
pub(super) struct Call {
    gate: Gate,
    name: OwnedUniqueName,
    /// Whose it is.
    pub(super) user: Arc<OnceCell<u32>>,
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        if let Some(caller) = inside.callers.get_mut(&self.name) {
            caller.calls = caller.calls.saturating_sub(1);
            if caller.calls == 0 {
                inside.callers.remove(&self.name);
            }
        }
    }
}

/// A call that is being answered.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A user's place among the calls in hand, until it is dropped.
struct Place {
    gate: Gate,
    user: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        inside.all = inside.all.saturating_sub(1);
        if let Some(user) = inside.users.get_mut(&self.user) {
            user.calls = user.calls.saturating_sub(1);
            if user.calls == 0 {
                inside.users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(number: usize) -> UniqueName<'static> {
        UniqueName::try_from(format!(":1.{number}")).unwrap()
    }

    /// Whether it is this user's turn at once.
    async fn turn(gate: &Gate, user: u32) -> Option<Result<Option<Turn>, Full>> {
        let turn = gate.turn(user);
        tokio::time::timeout(Duration::ZERO, turn).await.ok()
    }

    #[test]
    fn a_connection_has_a_limit_of_calls_in_hand_and_others_have_theirs() {
        let gate = Gate::default();
        let calls: Vec<_> = (0..100).filter_map(|_| gate.call(&name(1)).ok()).collect();
        assert_eq!(calls.len(), CALLER_MAX);
        assert!(gate.call(&name(2)).is_ok());
        drop(calls);
        assert!(gate.call(&name(1)).is_ok());
        assert!(gate.inside().callers.is_empty(), "nobody is kept");
    }

    #[tokio::test]
    async fn a_user_has_a_limit_of_calls_answered_at_a_time_and_others_do_not_wait() {
        let gate = Gate::default();
        let mut turns = Vec::new();
        while let Some(Ok(turn)) = turn(&gate, 1000).await {
            turns.push(turn);
        }
        assert_eq!(turns.len(), USER_MAX_CONCURRENT);
        assert!(matches!(turn(&gate, 1001).await, Some(Ok(Some(_)))));
        turns.pop();
        assert!(matches!(turn(&gate, 1000).await, Some(Ok(Some(_)))));
    }

    #[tokio::test]
    async fn who_has_too_much_waiting_is_turned_away_and_root_never_is() {
        let gate = Gate::default();
        let places: Vec<_> = (0..100).filter_map(|_| gate.place(1000).ok()).collect();
        assert_eq!(places.len(), USER_MAX);
        assert!(matches!(turn(&gate, 1000).await, Some(Err(Full))));
        let users = (1001..2000).flat_map(|user| (0..USER_MAX).map(move |_| user));
        let others: Vec<_> = users.filter_map(|user| gate.place(user).ok()).collect();
        assert_eq!(places.len() + others.len(), ALL_MAX);
        assert!(matches!(turn(&gate, 0).await, Some(Ok(None))));
        drop((places, others));
        let inside = gate.inside();
        assert!(inside.users.is_empty() && inside.all == 0, "nobody is kept");
    }
}
