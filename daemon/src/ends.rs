//! Ends of sessions: what the engine asks for, asked of logind.

use std::time::Duration;

use session_timeout_policy::{Event, SessionKey};
use tokio::sync::mpsc;

use crate::bus::{Link, PrivateBus};
use crate::input::Input;
use crate::logind::{self, End, HungUp, Locked, Screens};
use crate::tell::Teller;

/// How long a last line has to reach its reader. Whoever carries it, such as sshd, is ended
/// together with the session, and what it has not passed on by then nobody sees.
const PARTING: Duration = Duration::from_millis(250);

/// How long a request waits for the connection to the system bus before it has failed.
const CONNECTING: Duration = Duration::from_secs(1);

/// Asks for ends, hang-ups and locks.
pub(crate) struct Ends {
    inputs: mpsc::Sender<Input>,
    bus: PrivateBus,
    screens: Screens,
    teller: Teller,
}

impl Ends {
    pub(crate) fn new(inputs: mpsc::Sender<Input>, bus: PrivateBus, teller: Teller) -> Self {
        Self {
            inputs,
            bus,
            screens: Screens::default(),
            teller,
        }
    }

    /// Asks logind for something; what comes of it is an input.
    pub(crate) fn request(&self, key: SessionKey, request: Request) {
        let (bus, inputs) = (self.bus.clone(), self.inputs.clone());
        let (screens, teller) = (self.screens.clone(), self.teller.clone());
        if request.ends() {
            screens.expect(&key);
        }
        tokio::spawn(async move {
            let event = match asked(bus, &key, request, &screens).await {
                Ok(event) => event,
                Err(failure) => {
                    teller.request_failed(&key.id, request.verb(), &failure.to_string());
                    Some(if logind::answered(&failure) {
                        Event::EndFailed(key)
                    } else {
                        Event::Unreached(key)
                    })
                }
            };
            if let Some(event) = event {
                let _ = inputs.send(Input::Event(event)).await;
            }
        });
    }

    /// Leaves nobody at a screen where nothing answers any more. It is tried once: whoever sits there
    /// can still switch to another one.
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
                Ok(None) => {}
                Err(error) => log::warn!("cannot show a greeter where session {id} was: {error}"),
            }
        });
    }
}

/// What logind is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    End(End),
    HangUp,
    Lock,
}

impl Request {
    /// Whether nobody is to be logged in afterwards.
    const fn ends(self) -> bool {
        match self {
            Self::End(_) | Self::HangUp => true,
            Self::Lock => false,
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::End(_) => "end",
            Self::HangUp => "hang up",
            Self::Lock => "lock",
        }
    }
}

/// Asks, and says what is known to have come of it already.
async fn asked(
    mut bus: PrivateBus,
    key: &SessionKey,
    request: Request,
    screens: &Screens,
) -> zbus::Result<Option<Event>> {
    if matches!(request, Request::End(End::Terminate) | Request::HangUp) {
        tokio::time::sleep(PARTING).await;
    }
    let link = connected(&mut bus).await.ok_or_else(|| {
        zbus::Error::Failure("there is no connection to the system bus".to_owned())
    })?;
    match request {
        Request::End(how) => {
            let ended = logind::end(&link, key, how, screens).await;
            ended.map(|()| None)
        }
        Request::HangUp => {
            let hung_up = logind::hang_up(&link, key, screens).await;
            hung_up.map(|how| (how == HungUp::Done).then(|| Event::HungUp(key.clone())))
        }
        Request::Lock => {
            let locked = logind::lock(&link, key).await;
            locked.map(|how| (how == Locked::Already).then(|| Event::Locked(key.clone())))
        }
    }
}

/// The connection to the system bus. An end that is due when the daemon starts comes before it, and
/// where the bus was restarted it is back in a moment.
async fn connected(bus: &mut PrivateBus) -> Option<Link> {
    let there = bus.wait_for(Option::is_some);
    let link = tokio::time::timeout(CONNECTING, there).await.ok()?.ok()?;
    link.clone()
}
