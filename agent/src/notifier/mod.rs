//! The notifier: shows the daemon's warnings on the screen, and does what the user's buttons ask
//! for.
//!
//! It is a task separate from the driver, which has to reply to probes while the notification
//! server hangs. Each call that may take long is a task as well, and its outcome is an event.

mod button_calls;
mod lock;
mod server;

use std::future;

use futures_util::StreamExt as _;
use session_timeout_texts::Language;
use tokio::sync::{mpsc, oneshot};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, MessageStream};

pub(crate) use server::{Delivery, probe_delivery};

use self::server::ServerSignal;
use crate::bus::{self, with_timeout};
use crate::clock::{Now, Timer};
use crate::log::log;
use crate::notice::{
    Button, Capabilities, Content, EndNotice, Extension, Id, LastEnding, Limit, NotExtended,
    NoticeAction, Notices, RequestId, Warning,
};

/// Capacity of the queue of outcomes: there is at most one of each kind for each limit.
const QUEUE: usize = 16;

/// A command to the notifier.
#[derive(Debug)]
pub(crate) enum Command {
    Warn(Warning),
    Withdraw(Limit),
    End(EndNotice),
    ShowLastEnding(LastEnding),
    /// Reply how warnings are shown to the user.
    QueryDelivery(oneshot::Sender<Delivery>),
}

/// The outcome of a task.
#[derive(Debug)]
enum Outcome {
    /// This server has these capabilities.
    ServerFound(OwnedUniqueName, Capabilities),
    /// No server could be started; the reason.
    NoServer(String),
    /// The server has replied: with the id of the notification, or with an error.
    Shown(RequestId, Option<Id>),
    Extended(Result<Extension, NotExtended>),
    /// What a button is for has failed; a sentence about it.
    ButtonFailed(String),
    /// No server has shown the end of the last session.
    LastEndingNotShown(LastEnding),
}

/// Runs the notifier until the sender of commands is dropped.
pub(crate) async fn run(
    system: Connection,
    session: String,
    mut commands: mpsc::Receiver<Command>,
) {
    let (outcomes, mut finished) = mpsc::channel(QUEUE);
    let mut timer = match Timer::new() {
        Ok(timer) => timer,
        Err(error) => return log(&format!("no warning is shown on the screen: {error}")),
    };
    let session_bus = with_timeout(SessionBus::connect()).await;
    let language = Language::of_environment();
    let mut notifier = Notifier {
        language,
        system,
        session,
        session_bus: session_bus.map_err(|error| error.to_string()),
        notices: Notices::new(language),
        subscriptions: Subscriptions::default(),
        missing_server: MissingServer::NotLogged,
        outcomes,
    };
    notifier.query_capabilities();
    loop {
        let armed = timer.set(notifier.notices.next());
        let event = tokio::select! {
            command = commands.recv() => match command {
                Some(command) => Event::Command(command),
                None => return,
            },
            Some(outcome) = finished.recv() => Event::Outcome(outcome),
            message = next(notifier.session_bus.as_mut().ok().map(|bus| &mut bus.owners)) =>
                Event::Owner(message),
            message = next(notifier.subscriptions.server.as_mut()) => Event::Server(message),
            message = next(notifier.subscriptions.lock.as_mut()) => Event::Lock(message),
            fired = timer.fired(), if armed.is_ok() => match fired {
                Ok(()) => Event::Timer,
                Err(_) => return,
            },
        };
        let actions = notifier.handle(event).await;
        notifier.update_subscriptions().await;
        for action in actions {
            notifier.perform(action);
        }
    }
}

/// The next message of the stream: never if there is no stream, `None` if it has ended.
async fn next(stream: Option<&mut MessageStream>) -> Option<Message> {
    match stream {
        Some(stream) => stream.next().await.and_then(Result::ok),
        None => future::pending().await,
    }
}

/// An event that the notifier handles. `None` means that the stream has ended.
enum Event {
    Command(Command),
    Outcome(Outcome),
    /// The owner of the notification server's name has changed.
    Owner(Option<Message>),
    /// A signal of the notification server.
    Server(Option<Message>),
    /// A signal of logind about the session, which may be about its lock.
    Lock(Option<Message>),
    Timer,
}

struct Notifier {
    language: Language,
    system: Connection,
    session: String,
    /// The session bus, or why there is none.
    session_bus: Result<SessionBus, String>,
    notices: Notices,
    subscriptions: Subscriptions,
    missing_server: MissingServer,
    outcomes: mpsc::Sender<Outcome>,
}

/// The session bus, where the notification server is.
struct SessionBus {
    connection: Connection,
    owners: MessageStream,
    server: Option<OwnedUniqueName>,
}

/// The signals that are subscribed to, only while there is a notification: the server also sends
/// signals about those of other programs.
#[derive(Default)]
struct Subscriptions {
    server: Option<MessageStream>,
    lock: Option<MessageStream>,
}

/// Whether it was logged that there is no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingServer {
    NotLogged,
    Logged,
}

impl SessionBus {
    async fn connect() -> zbus::Result<Self> {
        let connection = Connection::session().await?;
        let owners = server::owner_changes(&connection).await?;
        // After the subscription, so that no change is missed.
        let server = server::owner(&connection).await?;
        Ok(Self {
            connection,
            owners,
            server,
        })
    }
}

impl Notifier {
    async fn handle(&mut self, event: Event) -> Vec<NoticeAction> {
        let now = Now::read();
        match event {
            Event::Timer => self.notices.update(now),
            Event::Command(Command::Warn(warning)) => self.notices.warn(now, warning),
            Event::Command(Command::Withdraw(limit)) => self.notices.withdraw(limit),
            Event::Command(Command::End(notice)) => self.notices.end(now, notice),
            Event::Command(Command::ShowLastEnding(ending)) => self.notices.last_ending(ending),
            Event::Command(Command::QueryDelivery(reply)) => {
                self.reply_delivery(reply);
                Vec::new()
            }
            Event::Outcome(outcome) => self.task_finished(now, outcome),
            Event::Owner(Some(message)) => self.owner_changed(now, &message),
            Event::Owner(None) => {
                self.session_bus = Err("the bus of the user has ended".to_owned());
                self.subscriptions.server = None;
                self.notices.server_changed(now, None)
            }
            Event::Server(Some(message)) => self.server_signal(&message),
            Event::Server(None) => {
                self.subscriptions.server = None;
                Vec::new()
            }
            Event::Lock(Some(message)) if lock::unlocks(&self.system, &message).await => {
                self.notices.unlocked(now)
            }
            Event::Lock(Some(_)) => Vec::new(),
            Event::Lock(None) => {
                self.subscriptions.lock = None;
                Vec::new()
            }
        }
    }

    fn task_finished(&mut self, now: Now, outcome: Outcome) -> Vec<NoticeAction> {
        match outcome {
            Outcome::ServerFound(name, capabilities) => {
                if self.server() != Some(&name) {
                    return Vec::new();
                }
                self.missing_server = MissingServer::NotLogged;
                self.notices.server_changed(now, Some(capabilities))
            }
            Outcome::NoServer(why) => {
                self.log_missing_server(&why);
                Vec::new()
            }
            Outcome::Shown(request, id) => self.notices.shown(now, request, id),
            Outcome::Extended(outcome) => self.notices.extended(now, outcome),
            Outcome::ButtonFailed(note) => self.notices.button_failed(now, &note),
            Outcome::LastEndingNotShown(ending) => {
                self.notices.last_ending_not_shown(ending);
                Vec::new()
            }
        }
    }

    fn owner_changed(&mut self, now: Now, message: &Message) -> Vec<NoticeAction> {
        let Some(owner) = bus::new_owner(message) else {
            return Vec::new();
        };
        // A server that the bus has started exits if it finds no display.
        if owner.is_none() && !self.notices.is_empty() {
            self.log_missing_server("it has left the bus of the user");
        }
        if let Ok(bus) = &mut self.session_bus {
            bus.server = owner;
        }
        self.query_capabilities();
        self.notices.server_changed(now, None)
    }

    fn server_signal(&mut self, message: &Message) -> Vec<NoticeAction> {
        let server = self.server();
        match server.and_then(|server| server::parse_signal(message, server)) {
            Some(ServerSignal::Closed(id, why)) => {
                self.notices.closed(id, why);
                Vec::new()
            }
            Some(ServerSignal::Pressed(id, button)) => self
                .notices
                .button_pressed(id, button)
                .into_iter()
                .collect(),
            None => Vec::new(),
        }
    }

    /// The notification server on the session bus, if there is one.
    fn server(&self) -> Option<&OwnedUniqueName> {
        self.session_bus.as_ref().ok()?.server.as_ref()
    }

    /// Queries the capabilities of the server, if there is one.
    fn query_capabilities(&self) {
        if let Ok(bus) = &self.session_bus
            && let Some(name) = bus.server.clone()
        {
            let bus = bus.connection.clone();
            self.spawn(async move {
                let capabilities = server::capabilities(&bus, &name).await.ok()?;
                Some(Outcome::ServerFound(name, capabilities))
            });
        }
    }

    fn perform(&mut self, action: NoticeAction) {
        match (action, &self.session_bus) {
            (NoticeAction::Press(button), _) => self.call_for_button(button),
            (NoticeAction::StartServer, Err(why)) => {
                let why = why.clone();
                self.log_missing_server(&why);
            }
            (NoticeAction::StartServer, Ok(bus)) => {
                let bus = bus.connection.clone();
                self.spawn(async move {
                    let started = server::start(&bus).await;
                    let error = started.err()?;
                    Some(Outcome::NoServer(server::start_error(&error)))
                });
            }
            (NoticeAction::Show(request, replaced, content), Ok(bus)) => {
                let (bus, server) = (bus.connection.clone(), bus.server.clone());
                let language = self.language;
                self.spawn(async move {
                    let shown = server::show(language, &bus, &server?, replaced, &content).await;
                    Some(Outcome::Shown(request, shown.ok()))
                });
            }
            (NoticeAction::Close(id), Ok(bus)) => {
                let (bus, server) = (bus.connection.clone(), bus.server.clone());
                self.spawn(async move {
                    server::close(&bus, &server?, id).await;
                    None
                });
            }
            (NoticeAction::ShowLastEnding(ending, content), Ok(bus)) => {
                let (bus, server) = (bus.connection.clone(), bus.server.clone());
                self.show_last_ending(bus, server, ending, content);
            }
            (
                NoticeAction::Show(..) | NoticeAction::Close(_) | NoticeAction::ShowLastEnding(..),
                Err(_),
            ) => {}
        }
    }

    /// Shows how the last session ended; reports it to the daemon only if that succeeds.
    fn show_last_ending(
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
                return Some(Outcome::LastEndingNotShown(ending));
            }
            button_calls::report_last_ending_shown(&system, &session).await;
            None
        });
    }

    /// Calls the daemon or logind for a button.
    fn call_for_button(&self, button: Button) {
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

    /// Runs a task; its outcome is an event.
    fn spawn(&self, what: impl Future<Output = Option<Outcome>> + Send + 'static) {
        let outcomes = self.outcomes.clone();
        tokio::spawn(async move {
            if let Some(outcome) = what.await {
                let _ = outcomes.send(outcome).await;
            }
        });
    }

    /// Subscribes to signals while there is a notification, and unsubscribes after that.
    async fn update_subscriptions(&mut self) {
        if self.notices.is_empty() {
            self.subscriptions = Subscriptions::default();
            return;
        }
        if self.subscriptions.server.is_none()
            && let Ok(bus) = &self.session_bus
        {
            self.subscriptions.server = server::signals(&bus.connection).await.ok();
        }
        if self.subscriptions.lock.is_none() {
            self.subscriptions.lock = lock::changes(&self.system, &self.session).await.ok();
        }
    }

    fn reply_delivery(&self, reply: oneshot::Sender<Delivery>) {
        let known = Delivery::from_server(self.notices.server());
        let Ok(bus) = &self.session_bus else {
            let _ = reply.send(Delivery::NotDelivered);
            return;
        };
        let bus = bus.connection.clone();
        tokio::spawn(async move {
            let delivery = match known {
                Delivery::NotDelivered => with_timeout(server::delivery(&bus))
                    .await
                    .unwrap_or(Delivery::NotDelivered),
                known => known,
            };
            let _ = reply.send(delivery);
        });
    }

    /// Logs that there is no server, once until there is one.
    fn log_missing_server(&mut self, why: &str) {
        if self.missing_server == MissingServer::NotLogged {
            self.missing_server = MissingServer::Logged;
            log(&format!(
                "no notification server ({why}): warnings are not shown on this screen until there \
                 is one"
            ));
        }
    }
}

fn failed(outcome: Result<(), String>) -> Option<Outcome> {
    outcome.err().map(Outcome::ButtonFailed)
}
