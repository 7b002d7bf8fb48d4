//! Ends, hangs up and locks sessions, as the engine requests, through logind or PID 1.
//!
//! logind is called first, with a timeout of one second. If it refuses or does not reply, PID 1 is
//! called over its private socket to stop the session's scope: a flood of logind or the bus, or one
//! that is stopped, does not affect that way. Processes of a login that are outside its scope are
//! moved into a scope of the daemon's own, which PID 1 stops.

mod adopt;
mod desktop;
mod foreground;
mod kill;
mod remains;
mod request;
mod scopes;
mod snapshots;
mod targets;
mod units;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use session_timeout_policy::{Event, SessionFacts, SessionKey};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use self::scopes::ScopeMover;
use self::snapshots::Snapshots;
use self::targets::{Extent, Targets};
use self::units::Units;
use crate::bus::PrivateBus;
use crate::input::Input;
use crate::journal::Journal;
use crate::logind::{self, EndMethod, Screens};
use crate::sys::threads::Threads;

/// Delay after the last line, in which a process such as sshd passes it on. That process is ended
/// together with the session, so later output would be lost.
const FLUSH_DELAY: Duration = Duration::from_millis(250);

/// Time for a display manager to start a greeter: GDM takes some seconds.
const GREETER_DELAY: Duration = Duration::from_secs(8);

/// Maximum number of concurrent requests to end sessions, so that the timeout of logind is not
/// spent in a queue.
const MAX_CONCURRENT: usize = 32;

/// Ends, hangs up and locks sessions. Clones share the limits.
#[derive(Clone)]
pub(crate) struct Ends {
    inputs: mpsc::Sender<Input>,
    bus: PrivateBus,
    units: Units,
    threads: Threads,
    mover: ScopeMover,
    screens: Screens,
    snapshots: Snapshots,
    targets: Targets,
    journal: Journal,
    turns: Arc<Semaphore>,
    foregrounds: Arc<Semaphore>,
    logind_backoff: Arc<LogindBackoff>,
    /// The sessions whose end a task already waits for.
    awaited: Arc<Mutex<BTreeSet<SessionKey>>>,
}

impl Ends {
    pub(crate) fn new(inputs: mpsc::Sender<Input>, bus: PrivateBus, journal: Journal) -> Self {
        let units = Units::default();
        Self {
            inputs,
            bus,
            mover: ScopeMover::new(units.clone()),
            units,
            threads: Threads::default(),
            screens: Screens::default(),
            snapshots: Snapshots::default(),
            targets: Targets::default(),
            journal,
            turns: Arc::new(Semaphore::new(MAX_CONCURRENT)),
            foregrounds: Arc::new(Semaphore::new(foreground::MAX_CONCURRENT)),
            logind_backoff: Arc::default(),
            awaited: Arc::default(),
        }
    }

    /// Starts a request; the result is sent as an input.
    pub(crate) fn request(&self, session: &SessionFacts, request: Request) {
        if request.ends() {
            if !self.screens.is_expected(&session.key) {
                self.keep_foreground(session);
            }
            self.screens.expect(&session.key);
        }
        self.spawn(session, async move |ends, session| {
            ends.send(&session, request).await
        });
    }

    /// Checks whether a session that logind has dropped is gone.
    pub(crate) fn verify(&self, session: &SessionFacts) {
        self.spawn(session, async |ends, session| {
            let remains = ends.remains(&session).await;
            Some(Event::Verified(session.key, remains))
        });
    }

    /// Ends the remaining processes of a session that logind has dropped.
    pub(crate) fn end_remains(&self, session: &SessionFacts) {
        self.spawn(session, async |ends, session| {
            let remains = ends.ended_remains(&session).await;
            Some(Event::Verified(session.key, remains))
        });
    }

    /// Moves a login that logind has no session for into a scope, and reports its end. Steps that
    /// were done before are skipped.
    pub(crate) fn adopt(&self, session: &SessionFacts) {
        self.spawn(session, async |ends, session| {
            ends.adopted(&session).await;
            None
        });
        self.spawn(session, async |ends, session| {
            let gone = ends.gone(&session).await;
            gone.then_some(Event::SessionGone(session.key.id))
        });
    }

    /// Forgets a session that is gone.
    pub(crate) fn left(&self, session: &SessionKey) {
        self.targets.forget(session);
        self.show_greeter(session);
    }

    /// Ensures that the seat does not keep showing the dead screen of an ended desktop. A waiting
    /// greeter is shown at once; otherwise the display manager has some seconds to start one, and
    /// is then asked for it.
    pub(crate) fn show_greeter(&self, key: &SessionKey) {
        let Some(screen) = self.screens.take(key) else {
            return;
        };
        let (link, id) = (self.bus.borrow().clone(), key.id.clone());
        tokio::spawn(async move {
            let Some(link) = link else { return };
            match logind::show_greeter(&link, &screen).await {
                Ok(Some(greeter)) => {
                    log::info!("session {greeter} is shown where session {id} was");
                }
                Ok(None) => {
                    tokio::time::sleep(GREETER_DELAY).await;
                    if !matches!(logind::is_dead(&link, &screen).await, Ok(true)) {
                        return;
                    }
                    let asked = match logind::ask_for_greeter(&link).await {
                        Ok(()) => "the display manager is asked for one".to_owned(),
                        Err(error) => format!("the display manager cannot be asked: {error}"),
                    };
                    log::warn!("no login screen came where session {id} was; {asked}");
                }
                Err(error) => log::warn!("cannot show a greeter where session {id} was: {error}"),
            }
        });
    }

    /// Runs a request about a session in a task of its own; the result is sent as an input.
    fn spawn<F, W>(&self, session: &SessionFacts, work: F)
    where
        F: FnOnce(Self, SessionFacts) -> W + Send + 'static,
        W: Future<Output = Option<Event>> + Send,
    {
        let (ends, session) = (self.clone(), session.clone());
        tokio::spawn(async move {
            let inputs = ends.inputs.clone();
            if let Some(event) = work(ends, session).await {
                // The driver outlives this task unless the daemon is stopping.
                let _ = inputs.send(Input::Event(event)).await;
            }
        });
    }

    /// Records the session's processes, unless that was done before.
    async fn note(&self, session: &SessionFacts, extent: Extent) {
        if !self.targets.are_noted(&session.key, extent) {
            match extent {
                Extent::Leader => {
                    let leader = targets::leader(session);
                    self.targets.note(&session.key, extent, leader);
                }
                Extent::All => self.note_again(session).await,
            }
        }
        if extent == Extent::All {
            self.note_desktop(session).await;
        }
    }

    /// Registers the caller as waiting for this session's end; `false` if a task waits already.
    fn awaits(&self, session: &SessionKey) -> bool {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.insert(session.clone())
    }

    fn awaits_no_more(&self, session: &SessionKey) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.remove(session);
    }
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGTERM to the leader, so that the login manager or server ends the login in its own way;
    /// further stages follow.
    AskLeader,
    End(EndMethod),
    /// SIGTERM to the leader, with no stage after it.
    HangUp,
    Lock,
}

impl Request {
    /// Whether the request logs the user out.
    const fn ends(self) -> bool {
        match self {
            Self::AskLeader | Self::End(_) | Self::HangUp => true,
            Self::Lock => false,
        }
    }

    /// Whether the user has just been shown a last line.
    const fn has_last_line(self) -> bool {
        match self {
            Self::AskLeader | Self::End(EndMethod::Terminate) | Self::HangUp => true,
            Self::End(EndMethod::Kill) | Self::Lock => false,
        }
    }

    /// The processes that must be gone afterwards.
    const fn extent(self) -> Option<Extent> {
        match self {
            Self::AskLeader | Self::End(_) => Some(Extent::All),
            Self::HangUp => Some(Extent::Leader),
            Self::Lock => None,
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::AskLeader | Self::End(_) => "end",
            Self::HangUp => "hang up",
            Self::Lock => "lock",
        }
    }
}

/// Set after a timeout of logind: until it expires, requests go to PID 1 at once.
#[derive(Debug, Default)]
struct LogindBackoff(Mutex<Option<Instant>>);

impl LogindBackoff {
    /// How long logind is skipped after a timeout.
    const DURATION: Duration = Duration::from_secs(5);

    fn start(&self) {
        *self.until() = Some(Instant::now() + Self::DURATION);
    }

    fn stop(&self) {
        *self.until() = None;
    }

    fn is_active(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() < until)
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_was_silent_is_asked_again_after_a_while() {
        let logind_backoff = LogindBackoff::default();
        assert!(!logind_backoff.is_active());
        logind_backoff.start();
        assert!(logind_backoff.is_active());
        tokio::time::advance(LogindBackoff::DURATION).await;
        assert!(!logind_backoff.is_active());
        logind_backoff.start();
        logind_backoff.stop();
        assert!(!logind_backoff.is_active());
    }
}
