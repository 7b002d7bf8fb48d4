//! The queue of pending replies, signals and consequences, ordered by time.

use session_timeout_policy::{BootTime, Event, SessionKey};

use crate::input::Input;
use crate::plan::{LoginId, SavedState};
use crate::world::Call;

use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) enum Due {
    /// The user requests an extension.
    Asks(LoginId),
    /// logind is back, and the daemon lists all sessions.
    Back,
    /// The agent in a desktop reports the absence of input, if there was none.
    Calls(LoginId, Call),
    /// An input for the engine.
    Deliver(Box<Input>),
    /// The session ends.
    Exits(LoginId),
    /// The groups of this user, as a reply to this start of the daemon.
    Groups(SessionKey, Run),
    /// The session is hung up, which this start of the daemon had requested.
    HangsUp(LoginId, Run),
    /// The user reacts to a warning with input.
    Responds(LoginId),
    /// logind creates the session of a login.
    LogindSession(LoginId),
    Locks(LoginId),
    /// PAM reports the login.
    Pam(LoginId),
    /// The processes that remain of the session were ended again, for this start of the daemon.
    Reaps(SessionKey, Run),
    /// A reading, as a reply to this start of the daemon.
    Reads(SessionKey, Run),
    /// A reply of the daemon itself to this instance of the engine.
    Replies(Box<Event>, Run),
    /// The daemon starts again.
    Restarts(SavedState),
    Unlocks(LoginId),
    /// Whether any process of the session remains, as a reply to this start of the daemon.
    Verifies(SessionKey, Run),
    /// Input that the daemon may notice.
    Watches(LoginId),
}

/// The number of a start of the daemon: a reply to an earlier one is not delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run(pub(super) u32);

#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    items: Vec<(BootTime, u32, Due)>,
    count: u32,
}

impl Queue {
    pub(super) fn push(&mut self, at: BootTime, due: Due) {
        self.count += 1;
        self.items.push((at, self.count, due));
    }

    pub(super) fn next(&self) -> Option<BootTime> {
        self.items.iter().map(|(at, _, _)| *at).min()
    }

    /// Removes the earliest entry; of several at the same time, the one that was added first.
    pub(super) fn pop(&mut self) -> Option<Due> {
        let mut items = self.items.iter().enumerate();
        let (first, _) = items
            .by_ref()
            .min_by_key(|(_, (at, count, _))| (*at, *count))?;
        Some(self.items.swap_remove(first).2)
    }

    /// Postpones all entries, because the machine is suspended.
    pub(super) fn put_off(&mut self, by: Duration) {
        for (at, _, _) in &mut self.items {
            *at = at.saturating_add(by);
        }
    }

    /// Drops the entries addressed to the daemon, because it has stopped.
    pub(super) fn drop_deliveries(&mut self) {
        self.items
            .retain(|(_, _, due)| !matches!(due, Due::Deliver(_) | Due::Replies(..)));
    }
}
