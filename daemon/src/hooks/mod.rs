//! Runs the administrator's programs when a user is warned, a limit is extended, or a session ends.
//!
//! Each hook runs in a transient unit of its own, started by PID 1: it has none of the daemon's
//! sandboxing, cannot block the daemon, and has a timeout. Each session runs one hook at a time; of
//! the events meanwhile only the newest is kept and the hooks run for it next. So the rate of a
//! session's events does not raise the load on PID 1.

mod latest;
mod list;
mod unit;

use std::collections::BTreeSet;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use session_timeout_policy::{LimitKind, SessionFacts, SessionKey};
use session_timeout_texts::sanitize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use latest::{LatestEvents, Worker};
use list::Listing;
use unit::Hook;

use crate::bus::Pid1;

const DIRECTORY: &str = "/etc/session-timeout/hooks.d";
/// Maximum number of concurrent hooks, each of another session.
const MAX_CONCURRENT: usize = 16;
/// Minimum interval between the starts of a session's hooks for two events.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The events that hooks are run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookEvent {
    /// The user was warned.
    Warn,
    /// The absolute limit was extended.
    Extend,
    /// The session is about to be ended, hung up or locked.
    End,
}

impl HookEvent {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Extend => "extend",
            Self::End => "end",
        }
    }
}

/// The data that a hook receives, in its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HookEnvironment {
    session: SessionKey,
    variables: Vec<String>,
}

impl HookEnvironment {
    pub(crate) fn of(session: &SessionFacts, limit: LimitKind) -> Self {
        let mut facts = Self {
            session: session.key.clone(),
            variables: Vec::new(),
        };
        facts.add("SESSION_ID", &session.key.id);
        facts.add("USER_NAME", &session.user);
        facts.add("USER_UID", &session.uid);
        facts.add("LIMIT", &limit);
        for (name, value) in [
            ("SERVICE", &session.service),
            ("REMOTE_HOST", &session.remote_host),
            ("TERMINAL", &session.terminal),
            ("SEAT", &session.seat),
        ] {
            if let Some(value) = value {
                facts.add(name, value);
            }
        }
        facts
    }

    pub(crate) fn with(mut self, name: &str, value: &impl ToString) -> Self {
        self.add(name, value);
        self
    }

    /// The remaining time in whole seconds, rounded so that a timer that fires late does not turn
    /// 60 into 59.
    pub(crate) fn left(self, left: Duration) -> Self {
        let rounded = left.saturating_add(Duration::from_millis(500));
        self.with("LEFT_SEC", &rounded.as_secs())
    }

    /// The prefix keeps the names from colliding with variables that programs interpret.
    fn add(&mut self, name: &str, value: &impl ToString) {
        let value = sanitize(&value.to_string());
        self.variables
            .push(format!("SESSION_TIMEOUT_{name}={value}"));
    }
}

/// Runs hooks. Clones share the queues.
#[derive(Clone)]
pub(crate) struct Hooks {
    waiting: LatestEvents,
    turns: Arc<Semaphore>,
    /// A connection of the hooks' own: the ends of sessions use another one.
    pid1: Pid1,
    /// The entries that are not run and have been logged.
    refused: Arc<Mutex<BTreeSet<String>>>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            waiting: LatestEvents::default(),
            turns: Arc::new(Semaphore::new(MAX_CONCURRENT)),
            pid1: Pid1::default(),
            refused: Arc::default(),
        }
    }
}

impl Hooks {
    /// Queues the hooks for an event of a session, and returns at once.
    pub(crate) fn run(&self, event: HookEvent, facts: HookEnvironment) {
        let session = facts.session.clone();
        if self.waiting.put(&session, (event, facts)) == Worker::Needed {
            tokio::spawn(self.clone().serve(session));
        }
    }

    /// Runs the hooks of a session for one event after the other, until the queue is empty.
    async fn serve(self, session: SessionKey) {
        loop {
            // The semaphore is never closed.
            let turn = self.turns.acquire().await;
            let Some((event, facts)) = self.waiting.take(&session) else {
                return;
            };
            let begun = Instant::now();
            self.run_each(event, &facts).await;
            drop(turn);
            sleep_until(begun + MIN_INTERVAL).await;
        }
    }

    async fn run_each(&self, event: HookEvent, facts: &HookEnvironment) {
        let list = || Listing::of(Path::new(DIRECTORY));
        let Ok(Listing { hooks, refused }) = tokio::task::spawn_blocking(list).await else {
            return;
        };
        self.log_refused(refused);
        for program in hooks {
            let hook = Hook {
                program: &program,
                event: event.as_str(),
                variables: &facts.variables,
            };
            if let Err(error) = hook.run(&self.pid1).await {
                log::warn!("cannot run {}: {error}", program.display());
            }
        }
    }

    /// Logs the entries that are not run, once for each until it is fixed.
    fn log_refused(&self, refused: BTreeSet<String>) {
        let mut known = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *known, refused);
        known
            .difference(&before)
            .for_each(|refusal| log::warn!("{refusal}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_hook_receives_facts_without_control_characters() {
        let session = SessionFacts {
            service: Some("sshd".into()),
            remote_host: Some("evil\nPATH=/tmp".into()),
            ..fixtures::session()
        };
        let facts =
            HookEnvironment::of(&session, LimitKind::Absolute).left(Duration::from_millis(59_990));
        let expected = [
            "SESSION_TIMEOUT_SESSION_ID=c1",
            "SESSION_TIMEOUT_USER_NAME=alice",
            "SESSION_TIMEOUT_USER_UID=1000",
            "SESSION_TIMEOUT_LIMIT=absolute",
            "SESSION_TIMEOUT_SERVICE=sshd",
            "SESSION_TIMEOUT_REMOTE_HOST=evil\u{fffd}PATH=/tmp",
            "SESSION_TIMEOUT_LEFT_SEC=60",
        ];
        assert_eq!(facts.variables, expected);
    }
}
