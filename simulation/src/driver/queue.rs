//! The queue of what is under way: replies, signals and consequences, each with its time.

use session_timeout_policy::{BootTime, Event, SessionKey};

use crate::plan::{LoginId, SavedState};
use crate::world::Call;

use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) enum Due {
    /// The user asks for more time.
    Asks(LoginId),
    /// logind is there again, and the daemon looks at everything.
    Back,
    /// The agent in a desktop may have to call.
    Calls(LoginId, Call),
    /// Something that the engine is told.
    Deliver(Box<Event>),
    /// The session is gone.
    Exits(LoginId),
    /// The groups of this user, for the daemon that asked.
    Groups(SessionKey, Run),
    /// The session is hung up, and the daemon that asked for it knows.
    HangsUp(LoginId, Run),
    /// The user presses a key.
    Heeds(LoginId),
    /// logind has a session for the login by now.
    LogindSession(LoginId),
    Locks(LoginId),
    /// PAM tells of the login.
    Pam(LoginId),
    /// What is left of the session has been ended once more, for the daemon that asked.
    Reaps(SessionKey, Run),
    /// A reading, for the daemon that asked.
    Reads(SessionKey, Run),
    /// An answer of the daemon's own, for the engine that asked.
    Replies(Box<Event>, Run),
    /// The daemon is there again.
    Restarts(SavedState),
    Unlocks(LoginId),
    /// Whether anything is left of the session, for the daemon that asked.
    Verifies(SessionKey, Run),
    /// There is input that the daemon may notice.
    Watches(LoginId),
}

/// Which start of the daemon: what one asked for, the next one is not told.
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

    /// The first, and of those at one time the one that was put there first.
    pub(super) fn pop(&mut self) -> Option<Due> {
        let mut items = self.items.iter().enumerate();
        let (first, _) = items
            .by_ref()
            .min_by_key(|(_, (at, count, _))| (*at, *count))?;
        Some(self.items.swap_remove(first).2)
    }

    /// The machine sleeps.
    pub(super) fn put_off(&mut self, by: Duration) {
        for (at, _, _) in &mut self.items {
            *at = at.saturating_add(by);
        }
    }

    /// The daemon is gone, and what was on its way to it is lost.
    pub(super) fn lose_mail(&mut self) {
        self.items
            .retain(|(_, _, due)| !matches!(due, Due::Deliver(_) | Due::Replies(..)));
    }
}
