//! Reports locks of the screen to logind for desktops that do not do so themselves.
//!
//! GNOME and Plasma set logind's `LockedHint`. The lockers of MATE, Cinnamon and Xfce, and
//! xscreensaver, lock the screen when logind requests it, and do not set the hint, so that the
//! daemon would end a session that is locked. The agent watches these lockers and sets the hint,
//! which logind allows the user of a session to do. Swaylock and light-locker tell nobody that they
//! have locked: the hint stays as it is.
//!
//! The agent clears the hint only for a lock that it has set it for.

mod locker;
mod logind;
mod marker;
mod screensaver;
mod tracker;
mod xscreensaver;

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use zbus::Connection;

use self::locker::{Locker, Sighting};
use self::logind::LogindSession;
use self::marker::Marker;
use self::screensaver::SCREENSAVERS;
use self::tracker::{Action, Event, LockTracker, LockedHint, SetBy};
use self::xscreensaver::XScreenSaver;
use crate::bus::with_timeout;
use crate::clock::Now;
use crate::log::log;
use crate::session::{Session, Type};

/// Delay before a hint that logind did not take is sent again.
const RETRY: Duration = Duration::from_secs(2);

/// Capacity of the queue of inputs.
const QUEUE: usize = 16;

/// Names in `XDG_CURRENT_DESKTOP` of the desktops that set the hint themselves.
const SET_THE_HINT: [&str; 2] = ["GNOME", "KDE"];

/// The names of the lockers that run and are watched.
pub(crate) type Watched = watch::Sender<Vec<String>>;

/// What the watchers report.
#[derive(Debug)]
enum Input {
    Seen(Locker, Sighting),
    /// logind requests the lock of the session.
    LockRequested,
    /// logind was restarted.
    HintLost,
}

/// Watches the lockers of the session until its desktop or a bus has ended.
pub(crate) async fn run(system: Connection, session: Session, watched: Watched) {
    if desktop_sets_the_hint() {
        return;
    }
    match Locks::start(&system, &session, watched).await {
        Ok((mut locks, inputs)) => locks.run(inputs).await,
        Err(error) => log(&format!("the locks of the screen are not watched: {error}")),
    }
}

fn desktop_sets_the_hint() -> bool {
    let desktop = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
    desktop.split(':').any(|name| SET_THE_HINT.contains(&name))
}

struct Locks {
    logind: LogindSession,
    /// The bus of the user, if there is one.
    user: Option<Connection>,
    marker: Marker,
    tracker: LockTracker,
    watched: Watched,
    /// The hint that logind did not take. A session that stays "locked" would have no limit.
    unsent: Option<LockedHint>,
}

impl Locks {
    /// Starts the watchers.
    async fn start(
        system: &Connection,
        session: &Session,
        watched: Watched,
    ) -> zbus::Result<(Self, mpsc::Receiver<Input>)> {
        let (sender, inputs) = mpsc::channel(QUEUE);
        let logind = LogindSession::find(system, &session.id).await?;
        tokio::spawn(logind.subscribe().await?.watch(sender.clone()));
        let marker = Marker::of_session(&session.id);
        let tracker = match (marker.exists(), logind.locked_hint().await?) {
            (true, LockedHint::Locked) => LockTracker::resume(Now::read()),
            (true, LockedHint::Unlocked) | (false, _) => LockTracker::default(),
        };
        let mut locks = Self {
            logind,
            user: with_timeout(Connection::session()).await.ok(),
            marker,
            tracker,
            watched,
            unsent: None,
        };
        locks.watch_screensavers(&sender).await?;
        if session.session_type == Type::X11 {
            locks.watch_xscreensaver(sender).await;
        }
        locks.settle().await;
        Ok((locks, inputs))
    }

    async fn watch_screensavers(&mut self, inputs: &mpsc::Sender<Input>) -> zbus::Result<()> {
        let Some(user) = self.user.clone() else {
            return Ok(());
        };
        for screensaver in &SCREENSAVERS {
            let subscription = screensaver.subscribe(&user).await?;
            // After the subscription, so that no change is missed.
            let sighting = subscription.sighting().await;
            self.handle(Event::Seen(screensaver.locker, sighting));
            tokio::spawn(subscription.watch(inputs.clone()));
        }
        Ok(())
    }

    /// Without an X server there is nothing to watch.
    async fn watch_xscreensaver(&mut self, inputs: mpsc::Sender<Input>) {
        if let Ok(xscreensaver) = XScreenSaver::connect().await
            && let Ok(sighting) = xscreensaver.sighting().await
        {
            self.handle(Event::Seen(Locker::XScreenSaver, sighting));
            tokio::spawn(xscreensaver.watch(inputs));
        }
    }

    async fn run(&mut self, mut inputs: mpsc::Receiver<Input>) {
        loop {
            let input = match self.unsent {
                None => inputs.recv().await,
                Some(hint) => match timeout(RETRY, inputs.recv()).await {
                    Ok(input) => input,
                    Err(_elapsed) => {
                        self.send(hint).await;
                        continue;
                    }
                },
            };
            match input {
                Some(Input::Seen(locker, sighting)) => self.handle(Event::Seen(locker, sighting)),
                Some(Input::HintLost) => self.handle(Event::HintLost),
                Some(Input::LockRequested) => self.lock_requested().await,
                None => return,
            }
            self.settle().await;
        }
    }

    /// Asks each screensaver that runs whether it complies with the request.
    async fn lock_requested(&mut self) {
        let Some(user) = self.user.clone() else {
            return;
        };
        let running: Vec<Locker> = self.tracker.running().collect();
        for screensaver in &SCREENSAVERS {
            let locker = screensaver.locker;
            if running.contains(&locker) && screensaver.complies(&user).await {
                self.handle(Event::LockRequested(locker));
            }
        }
    }

    fn handle(&mut self, event: Event) {
        self.tracker.handle(Now::read(), event);
        let running = self.tracker.running().map(|locker| locker.to_string());
        let running = running.collect();
        self.watched.send_if_modified(|watched| {
            let changed = *watched != running;
            *watched = running;
            changed
        });
    }

    /// Sets or clears the hint, if it is to be.
    async fn settle(&mut self) {
        match self.tracker.next() {
            Some(Action::Set) => self.set().await,
            Some(Action::Clear) => self.send(LockedHint::Unlocked).await,
            None => {}
        }
    }

    async fn set(&mut self) {
        if let Ok(LockedHint::Locked) = self.logind.locked_hint().await {
            return self.tracker.hint_is(SetBy::Other);
        }
        self.marker.create();
        // Also after a failure: a call without a reply may still be executed.
        self.tracker.hint_is(SetBy::Agent);
        self.send(LockedHint::Locked).await;
    }

    /// Sends the hint; one that logind does not take is sent again later.
    async fn send(&mut self, hint: LockedHint) {
        match self.logind.set_locked_hint(hint).await {
            Ok(()) => {
                self.unsent = None;
                if hint == LockedHint::Unlocked {
                    self.marker.remove();
                }
            }
            Err(error) => {
                if self.unsent.replace(hint) != Some(hint) {
                    log(&format!(
                        "logind does not take the hint about the lock of the screen, trying again: {error}"
                    ));
                }
            }
        }
    }
}
