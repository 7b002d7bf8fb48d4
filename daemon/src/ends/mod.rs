//! Ends of sessions: what the engine asks for, asked of whoever can do it.
//!
//! logind is asked first, for a second. Where it does not answer or refuses, PID 1 is asked over its
//! own socket at once, for the very scope that holds the session: neither a flood nor a stop of
//! logind or the bus is in the way there. What of a login is not in its scope is put into a scope of
//! the daemon's, which PID 1 ends.

mod asking;
mod census;
mod desktop;
mod holding;
mod keeping;
mod killing;
mod leftovers;
mod remains;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use session_timeout_policy::{Event, SessionFacts, SessionKey};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use self::census::Censuses;
use self::holding::Holding;
use self::leftovers::{Extent, Leftovers};
use crate::aside::Aside;
use crate::bus::PrivateBus;
use crate::input::Input;
use crate::logind::{self, End, Screens};
use crate::tell::Teller;
use crate::units::Units;

/// How long a last line has to reach its reader. Whoever carries it, such as sshd, is ended
/// together with the session, and what it has not passed on by then nobody sees.
const PARTING: Duration = Duration::from_millis(250);

/// How long a display manager has to start a greeter: GDM takes some seconds.
const GREETER: Duration = Duration::from_secs(8);

/// So many ends are asked for at once, so that logind's second is not spent in line for a call.
const AT_ONCE: usize = 32;

/// Asks for ends, hang-ups and locks. Clones are the same.
#[derive(Clone)]
pub(crate) struct Ends {
    inputs: mpsc::Sender<Input>,
    bus: PrivateBus,
    units: Units,
    aside: Aside,
    holding: Holding,
    screens: Screens,
    censuses: Censuses,
    leftovers: Leftovers,
    teller: Teller,
    turns: Arc<Semaphore>,
    silence: Arc<Silence>,
    /// Of which sessions somebody waits for the end already.
    awaited: Arc<Mutex<BTreeSet<SessionKey>>>,
}

/// What it needs for that.
pub(crate) struct Means {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) bus: PrivateBus,
    pub(crate) teller: Teller,
}

impl Ends {
    pub(crate) fn new(means: Means) -> Self {
        let units = Units::default();
        Self {
            inputs: means.inputs,
            bus: means.bus,
            holding: Holding::new(units.clone()),
            units,
            aside: Aside::default(),
            screens: Screens::default(),
            censuses: Censuses::default(),
            leftovers: Leftovers::default(),
            teller: means.teller,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            silence: Arc::default(),
            awaited: Arc::default(),
        }
    }

    /// Asks for something; what comes of it is an input.
    pub(crate) fn request(&self, session: &SessionFacts, request: Request) {
        if request.ends() {
            self.screens.expect(&session.key);
        }
        self.tell(session, async move |ends, session| {
            ends.asked(&session, request).await
        });
    }

    /// Looks whether a session that logind has dropped is gone.
    pub(crate) fn verify(&self, session: &SessionFacts) {
        self.tell(session, async |ends, session| {
            let remains = ends.remains(&session).await;
            Some(Event::Verified(session.key, remains))
        });
    }

    /// Ends what is left of a session that logind has dropped.
    pub(crate) fn end_remains(&self, session: &SessionFacts) {
        self.tell(session, async |ends, session| {
            let remains = ends.ended_remains(&session).await;
            Some(Event::Verified(session.key, remains))
        });
    }

    /// Puts a login that logind has no session for into a scope, and tells of its end. What was done
    /// already is not done again.
    pub(crate) fn adopt(&self, session: &SessionFacts) {
        self.tell(session, async |ends, session| {
            ends.adopted(&session).await;
            None
        });
        self.tell(session, async |ends, session| {
            let gone = ends.gone(&session).await;
            gone.then_some(Event::SessionGone(session.key.id))
        });
    }

    /// The session is no more.
    pub(crate) fn left(&self, session: &SessionKey) {
        self.leftovers.forget(session);
        self.show_greeter(session);
    }

    /// Leaves nobody at a screen where nothing answers any more. A greeter that waits is shown at
    /// once; one that is to come has some seconds, and then the display manager is asked for it.
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
                    tokio::time::sleep(GREETER).await;
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

    /// Does something about a session in a task of its own; what comes of it is an input.
    fn tell<F, W>(&self, session: &SessionFacts, work: F)
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

    /// Notes who belongs to the session, unless that was done.
    async fn note(&self, session: &SessionFacts, extent: Extent) {
        if self.leftovers.are_noted(&session.key, extent) {
            return;
        }
        if let Some(census) = self.censuses.take().await {
            self.leftovers.note(session, extent, &census);
        }
        if extent == Extent::All {
            let groups = self.desktop(session).await;
            self.leftovers.note_desktop(&session.key, groups);
        }
    }

    /// Whether nobody waits for this session's end yet; then the caller does.
    fn awaits(&self, session: &SessionKey) -> bool {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.insert(session.clone())
    }

    fn awaits_no_more(&self, session: &SessionKey) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.remove(session);
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Of the leader, so that the login manager or server ends the login in its own way; the end of
    /// everything follows.
    AskLeader,
    End(End),
    /// Of the leader, and nothing follows.
    HangUp,
    Lock,
}

impl Request {
    /// Whether nobody is to be logged in afterwards.
    const fn ends(self) -> bool {
        match self {
            Self::AskLeader | Self::End(_) | Self::HangUp => true,
            Self::Lock => false,
        }
    }

    /// Whether the user was just told.
    const fn parts(self) -> bool {
        match self {
            Self::AskLeader | Self::End(End::Terminate) | Self::HangUp => true,
            Self::End(End::Kill) | Self::Lock => false,
        }
    }

    /// What is to be gone afterwards.
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

/// logind did not answer a moment ago: nobody waits for it again meanwhile.
#[derive(Debug, Default)]
struct Silence(Mutex<Option<Instant>>);

impl Silence {
    /// How long others are asked at once.
    const TIME: Duration = Duration::from_secs(5);

    fn begins(&self) {
        *self.until() = Some(Instant::now() + Self::TIME);
    }

    fn ends(&self) {
        *self.until() = None;
    }

    fn holds(&self) -> bool {
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
        let silence = Silence::default();
        assert!(!silence.holds());
        silence.begins();
        assert!(silence.holds());
        tokio::time::advance(Silence::TIME).await;
        assert!(!silence.holds());
        silence.begins();
        silence.ends();
        assert!(!silence.holds());
    }
}
