//! Shows on the screen what the daemon warns of, and passes on what the user answers.
//!
//! A task of its own: the notification server may hang, and the daemon's questions about idle
//! time have to be answered meanwhile. Everything that may take long is a task as well, and what
//! comes of it is heard like anything else.

mod button_calls;
mod lock;
mod server;

use std::future;

use futures_util::StreamExt as _;
use session_timeout_texts::Language;
use tokio::sync::{mpsc, oneshot};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, MessageStream};

pub(crate) use server::{Reach, look};

use self::server::Word;
use crate::bus::{self, timely};
use crate::clock::{Alarm, Now};
use crate::log::log;
use crate::notice::{
    Abilities, Button, Content, Granted, Id, LastEnding, Limit, NotExtended, Notices, Parting,
    Step, Ticket, Warning,
};

/// What comes of tasks and waits to be heard: there is at most one of each kind for each limit.
const QUEUE: usize = 16;

/// What the daemon says and asks.
#[derive(Debug)]
pub(crate) enum News {
    Warned(Warning),
    Withdrawn(Limit),
    Ends(Parting),
    LastEnding(LastEnding),
    /// How do notifications reach the user?
    Reach(oneshot::Sender<Reach>),
}

/// What has come of something.
#[derive(Debug)]
enum Outcome {
    /// This server can do that.
    Served(OwnedUniqueName, Abilities),
    /// No server could be started, and why.
    NoServer(String),
    Shown(Ticket, Option<Id>),
    Extended(Result<Granted, NotExtended>),
    /// A sentence about a button that came to nothing.
    Failed(String),
    /// Nobody has shown that.
    Untold(LastEnding),
}

/// Shows and passes on, until there are no news any more.
pub(crate) async fn run(system: Connection, session: String, mut news: mpsc::Receiver<News>) {
    let (outcomes, mut came) = mpsc::channel(QUEUE);
    let alarm = Alarm::new();
    let mut alarm = match alarm {
        Ok(alarm) => alarm,
        Err(error) => return log(&format!("no warning is shown on the screen: {error}")),
    };
    let desk = timely(Desk::find()).await;
    let language = Language::of_environment();
    let mut notifier = Notifier {
        language,
        system,
        session,
        desk: desk.map_err(|error| error.to_string()),
        notices: Notices::new(language),
        interest: Interest::default(),
        silence: Silence::Unsaid,
        outcomes,
    };
    notifier.greet();
    loop {
        let armed = alarm.set(notifier.notices.next());
        let woken = tokio::select! {
            news = news.recv() => match news {
                Some(news) => Woken::News(news),
                None => return,
            },
            Some(outcome) = came.recv() => Woken::Outcome(outcome),
            message = next(notifier.desk.as_mut().ok().map(|desk| &mut desk.owners)) =>
                Woken::Owner(message),
            message = next(notifier.interest.words.as_mut()) => Woken::Word(message),
            message = next(notifier.interest.lock.as_mut()) => Woken::Lock(message),
            fired = alarm.fired(), if armed.is_ok() => match fired {
                Ok(()) => Woken::Alarm,
                Err(_) => return,
            },
        };
        let steps = notifier.take(woken).await;
        notifier.take_interest().await;
        for step in steps {
            notifier.perform(step);
        }
    }
}

/// The next of these; never where there are none, and `None` when there are none any more.
async fn next(stream: Option<&mut MessageStream>) -> Option<Message> {
    match stream {
        Some(stream) => stream.next().await.and_then(Result::ok),
        None => future::pending().await,
    }
}

/// What there is to deal with.
enum Woken {
    News(News),
    Outcome(Outcome),
    Owner(Option<Message>),
    Word(Option<Message>),
    Lock(Option<Message>),
    Alarm,
}

struct Notifier {
    language: Language,
    system: Connection,
    session: String,
    /// Or why there is none.
    desk: Result<Desk, String>,
    notices: Notices,
    interest: Interest,
    silence: Silence,
    outcomes: mpsc::Sender<Outcome>,
}

/// Where notifications are shown.
struct Desk {
    bus: Connection,
    owners: MessageStream,
    server: Option<OwnedUniqueName>,
}

/// What is listened to while anything stands on the screen, and only then: others have
/// notifications as well.
#[derive(Default)]
struct Interest {
    words: Option<MessageStream>,
    lock: Option<MessageStream>,
}

/// Whether it was said that nothing can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    Unsaid,
    Said,
}

impl Desk {
    async fn find() -> zbus::Result<Self> {
        let bus = Connection::session().await?;
        let owners = server::changes(&bus).await?;
        // After subscribing, so that no change of it is missed.
        let server = server::owner(&bus).await?;
        Ok(Self {
            bus,
            owners,
            server,
        })
    }
}

impl Notifier {
    async fn take(&mut self, woken: Woken) -> Vec<Step> {
        let now = Now::read();
        match woken {
            Woken::Alarm => self.notices.tick(now),
            Woken::News(News::Warned(warning)) => self.notices.warned(now, warning),
            Woken::News(News::Withdrawn(limit)) => self.notices.withdrawn(limit),
            Woken::News(News::Ends(parting)) => self.notices.ends(now, parting),
            Woken::News(News::LastEnding(ending)) => self.notices.ended_before(ending),
            Woken::News(News::Reach(answer)) => {
                self.tell_reach(answer);
                Vec::new()
            }
            Woken::Outcome(outcome) => self.came(now, outcome),
            Woken::Owner(Some(message)) => self.owner_changed(now, &message),
            Woken::Owner(None) => {
                self.desk = Err("the bus of the user has ended".to_owned());
                self.interest.words = None;
                self.notices.served(now, None)
            }
            Woken::Word(Some(message)) => self.heard(&message),
            Woken::Word(None) => {
                self.interest.words = None;
                Vec::new()
            }
            Woken::Lock(Some(message)) if lock::unlocks(&self.system, &message).await => {
                self.notices.unlocked(now)
            }
            Woken::Lock(Some(_)) => Vec::new(),
            Woken::Lock(None) => {
                self.interest.lock = None;
                Vec::new()
            }
        }
    }

    fn came(&mut self, now: Now, outcome: Outcome) -> Vec<Step> {
        match outcome {
            Outcome::Served(name, abilities) => {
                let server = self.desk.as_ref().ok();
                if server.and_then(|desk| desk.server.as_ref()) != Some(&name) {
                    return Vec::new();
                }
                self.silence = Silence::Unsaid;
                self.notices.served(now, Some(abilities))
            }
            Outcome::NoServer(why) => {
                self.say_silent(&why);
                Vec::new()
            }
            Outcome::Shown(ticket, id) => self.notices.shown(now, ticket, id),
            Outcome::Extended(outcome) => self.notices.extended(now, outcome),
            Outcome::Failed(note) => self.notices.failed(now, &note),
            Outcome::Untold(ending) => {
                self.notices.untold(ending);
                Vec::new()
            }
        }
    }

    fn owner_changed(&mut self, now: Now, message: &Message) -> Vec<Step> {
        let Some(owner) = bus::new_owner(message) else {
            return Vec::new();
        };
        // As one does that is started where it finds no display.
        if owner.is_none() && !self.notices.is_empty() {
            self.say_silent("it has left the bus of the user");
        }
        if let Ok(desk) = &mut self.desk {
            desk.server = owner;
        }
        self.greet();
        self.notices.served(now, None)
    }

    fn heard(&mut self, message: &Message) -> Vec<Step> {
        let desk = self.desk.as_ref().ok();
        let server = desk.and_then(|desk| desk.server.as_ref());
        match server.and_then(|server| server::word(message, server)) {
            Some(Word::Closed(id, why)) => {
                self.notices.closed(id, why);
                Vec::new()
            }
            Some(Word::Pressed(id, button)) => {
                self.notices.pressed(id, button).into_iter().collect()
            }
            None => Vec::new(),
        }
    }

    /// Asks the server, if there is one, what it can do.
    fn greet(&self) {
        if let Ok(desk) = &self.desk
            && let Some(name) = desk.server.clone()
        {
            let bus = desk.bus.clone();
            self.spawn(async move {
                let abilities = server::abilities(&bus, &name).await.ok()?;
                Some(Outcome::Served(name, abilities))
            });
        }
    }

    fn perform(&mut self, step: Step) {
        match (step, &self.desk) {
            (Step::Do(button), _) => self.press(button),
            (Step::Start, Err(why)) => {
                let why = why.clone();
                self.say_silent(&why);
            }
            (Step::Start, Ok(desk)) => {
                let bus = desk.bus.clone();
                self.spawn(async move {
                    let started = server::start(&bus).await;
                    let error = started.err()?;
                    Some(Outcome::NoServer(server::why_not(&error)))
                });
            }
            (Step::Show(ticket, replaced, content), Ok(desk)) => {
                let (bus, server) = (desk.bus.clone(), desk.server.clone());
                let language = self.language;
                self.spawn(async move {
                    let shown = server::show(language, &bus, &server?, replaced, &content).await;
                    Some(Outcome::Shown(ticket, shown.ok()))
                });
            }
            (Step::Close(id), Ok(desk)) => {
                let (bus, server) = (desk.bus.clone(), desk.server.clone());
                self.spawn(async move {
                    server::close(&bus, &server?, id).await;
                    None
                });
            }
            (Step::Tell(ending, content), Ok(desk)) => {
                let (bus, server) = (desk.bus.clone(), desk.server.clone());
                self.tell_ending(bus, server, ending, content);
            }
            (Step::Show(..) | Step::Close(_) | Step::Tell(..), Err(_)) => {}
        }
    }

    /// Only what was shown is told.
    fn tell_ending(
        &self,
        bus: Connection,
        server: Option<OwnedUniqueName>,
        ending: LastEnding,
        content: Content,
    ) {
        let (system, session) = (self.system.clone(), self.session.clone());
        let language = self.language;
        self.spawn(async move {
            let shown = match server {
                Some(server) => server::show(language, &bus, &server, None, &content)
                    .await
                    .ok(),
                None => None,
            };
            if shown.is_none() {
                return Some(Outcome::Untold(ending));
            }
            button_calls::ending_told(&system, &session).await;
            None
        });
    }

    fn press(&self, button: Button) {
        let (bus, session) = (self.system.clone(), self.session.clone());
        let language = self.language;
        self.spawn(async move {
            match button {
                Button::Extend => Some(Outcome::Extended(
                    button_calls::extend(language, &bus, &session).await,
                )),
                Button::SignOut => failed(button_calls::sign_out(language, &bus, &session).await),
                Button::Stay => failed(button_calls::stay(language, &bus, &session).await),
            }
        });
    }

    /// Does something that may take long.
    fn spawn(&self, what: impl Future<Output = Option<Outcome>> + Send + 'static) {
        let outcomes = self.outcomes.clone();
        tokio::spawn(async move {
            if let Some(outcome) = what.await {
                let _ = outcomes.send(outcome).await;
            }
        });
    }

    /// Listens while there is anything to hear about.
    async fn take_interest(&mut self) {
        if self.notices.is_empty() {
            self.interest = Interest::default();
            return;
        }
        if self.interest.words.is_none()
            && let Ok(desk) = &self.desk
        {
            self.interest.words = server::words(&desk.bus).await.ok();
        }
        if self.interest.lock.is_none() {
            self.interest.lock = lock::changes(&self.system, &self.session).await.ok();
        }
    }

    fn tell_reach(&self, answer: oneshot::Sender<Reach>) {
        let known = Reach::of(self.notices.server());
        let Ok(desk) = &self.desk else {
            let _ = answer.send(Reach::None);
            return;
        };
        let bus = desk.bus.clone();
        tokio::spawn(async move {
            let reach = match known {
                Reach::None => timely(server::reach(&bus)).await.unwrap_or(Reach::None),
                known => known,
            };
            let _ = answer.send(reach);
        });
    }

    /// Once, until there is a server.
    fn say_silent(&mut self, why: &str) {
        if self.silence == Silence::Unsaid {
            self.silence = Silence::Said;
            log(&format!(
                "no notification server ({why}): warnings are not shown on this screen until there \
                 is one"
            ));
        }
    }
}

fn failed(outcome: Result<(), String>) -> Option<Outcome> {
    outcome.err().map(Outcome::Failed)
}
