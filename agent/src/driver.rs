//! Has the source asked what the daemon asks, and the daemon told what the source says.

use std::fmt;

use futures_util::StreamExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MessageStream};

use crate::attachment::{Attachment, Refusal};
use crate::bus::{self, timely};
use crate::cli::Args;
use crate::daemon;
use crate::idle::{Answer, Report, Watch};
use crate::input::Input;
use crate::interface;
use crate::log::log;
use crate::notifier::{self, News};
use crate::session::{self, LOGIND, MANAGER, MANAGER_PATH, NoSession, Session};
use crate::source::{Source, Trouble};

/// Questions and news that may wait; there is never more than one of a kind.
const QUEUE: usize = 16;

/// Why the agent ends other than well.
#[derive(Debug)]
pub(crate) enum Failure {
    NoBus(String),
    NoSession(NoSession),
    Refused(Refusal),
    NoSignals(std::io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBus(why) => write!(f, "no connection to the system bus: {why}"),
            Self::NoSession(why) => why.fmt(f),
            Self::Refused(why) => why.fmt(f),
            Self::NoSignals(why) => write!(f, "cannot wait for signals: {why}"),
        }
    }
}

/// Runs the agent until it is not needed any more.
///
/// # Errors
/// It cannot do what it is there for.
pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let bus = system_bus().await?;
    let session = find(&bus, args).await?;
    let source = Source::choose_in_time(&session).await;
    let stops = Stops::new().map_err(Failure::NoSignals)?;
    let (inputs, incoming) = mpsc::channel(QUEUE);
    let failed = |error: zbus::Error| Failure::NoBus(error.to_string());
    let (news, shown) = mpsc::channel(QUEUE);
    let offered = interface::serve(&bus, inputs.clone(), news.clone()).await;
    offered.map_err(failed)?;
    tokio::spawn(notifier::run(bus.clone(), session.id.clone(), shown));
    let removals = removals(&bus).await.map_err(failed)?;
    tokio::spawn(notice_removal(
        bus.clone(),
        removals,
        session.id.clone(),
        inputs.clone(),
    ));
    let id = session.id.clone();
    tokio::spawn(daemon::follow(bus.clone(), id, source.name(), inputs));
    let driver = Driver {
        bus,
        session,
        source,
        daemon: None,
        untold: Some(news),
    };
    driver.drive(incoming, stops).await
}

/// The source of idle time that would be used here, the idle time, and how warnings are shown.
///
/// # Errors
/// There is no session to have one.
pub(crate) async fn describe(args: &Args) -> Result<String, Failure> {
    let bus = system_bus().await?;
    let session = find(&bus, args).await?;
    let mut source = Source::choose(&session).await;
    let idle = match &mut source {
        Source::Wayland(_) => "only told when it is reached".to_owned(),
        Source::None => "not known".to_owned(),
        source @ (Source::Mutter(_) | Source::X11(_)) => match source.ask(None).await {
            Ok(told) => match told.answer {
                Answer::Exact(idle) => format!("{} ms", idle.as_millis()),
                Answer::Active => "not known".to_owned(),
            },
            Err(trouble) => format!("not known: {trouble}"),
        },
    };
    let (id, name) = (&session.id, source.name());
    let notifications = notifier::look().await;
    Ok(format!(
        "session: {id}\nsource: {name}\nidle: {idle}\nnotifications: {notifications}\n"
    ))
}

async fn system_bus() -> Result<Connection, Failure> {
    let failed = |error: zbus::Error| Failure::NoBus(error.to_string());
    timely(Connection::system()).await.map_err(failed)
}

async fn find(bus: &Connection, args: &Args) -> Result<Session, Failure> {
    let uid = nix::unistd::getuid().as_raw();
    let found = session::find(bus, &args.wanted(), uid).await;
    found.map_err(Failure::NoSession)
}

struct Driver {
    bus: Connection,
    session: Session,
    source: Source,
    /// The daemon that has taken the agent.
    daemon: Option<OwnedUniqueName>,
    /// Where to say what became of the last session, until the daemon was asked: once.
    untold: Option<mpsc::Sender<News>>,
}

impl Driver {
    async fn drive(
        mut self,
        mut incoming: mpsc::Receiver<Input>,
        mut stops: Stops,
    ) -> Result<(), Failure> {
        loop {
            let reports = tokio::select! {
                input = incoming.recv() => match input {
                    Some(Input::Question(watch, answer)) => self.answer(watch, answer).await,
                    Some(Input::Daemon(attachment)) => match self.note(attachment)? {
                        Standing::Stay => Ok(Vec::new()),
                        Standing::Leave => return Ok(()),
                    },
                    Some(Input::BusGone) => {
                        return Err(Failure::NoBus("it has gone".to_owned()));
                    }
                    Some(Input::SessionGone) | None => return Ok(()),
                },
                () = self.source.ready() => self.source.take().await,
                () = stops.next() => return Ok(()),
            };
            match reports {
                Ok(reports) => self.report(reports).await?,
                // A desktop ends without the agent, and takes nobody's leave.
                Err(Trouble::Gone(_)) => return Ok(()),
                Err(trouble) => log(&trouble),
            }
        }
    }

    /// Answers the daemon; says what else it has to be told.
    async fn answer(
        &mut self,
        watch: Option<Watch>,
        answer: oneshot::Sender<Result<Answer, Trouble>>,
    ) -> Result<Vec<Report>, Trouble> {
        match self.source.ask(watch).await {
            Ok(told) => {
                let _ = answer.send(Ok(told.answer));
                Ok(told.reports)
            }
            Err(Trouble::Gone(why)) => Err(Trouble::Gone(why)),
            // It is the daemon's to say so, where it matters.
            Err(trouble) => {
                let _ = answer.send(Err(trouble));
                Ok(Vec::new())
            }
        }
    }

    fn note(&mut self, attachment: Attachment) -> Result<Standing, Failure> {
        self.daemon = None;
        match attachment {
            Attachment::Attached(daemon) => {
                let (id, name) = (&self.session.id, self.source.name());
                log(&format!("idle time of session {id} comes from {name}"));
                if let Some(news) = self.untold.take() {
                    let (bus, id) = (self.bus.clone(), id.clone());
                    tokio::spawn(tell_last_ending(bus, daemon.clone(), id, news));
                }
                self.daemon = Some(daemon);
            }
            Attachment::Waiting(None) => {}
            Attachment::Waiting(Some(why)) => log(&why),
            Attachment::Taken => return Ok(Standing::Leave),
            Attachment::Refused(why) => return Err(Failure::Refused(why)),
        }
        Ok(Standing::Stay)
    }

    async fn report(&self, reports: Vec<Report>) -> Result<(), Failure> {
        let Some(daemon) = &self.daemon else {
            return Ok(());
        };
        for report in reports {
            let told = daemon::report(&self.bus, daemon, &self.session.id, report).await;
            told.map_err(|error| Failure::NoBus(error.to_string()))?;
        }
        Ok(())
    }
}

/// Has the user told what became of the last session, where that is news.
async fn tell_last_ending(
    bus: Connection,
    daemon: OwnedUniqueName,
    session: String,
    news: mpsc::Sender<News>,
) {
    if let Some(ending) = daemon::last_ending(&bus, &daemon, &session).await {
        let _ = news.send(News::LastEnding(ending)).await;
    }
}

/// Whether the agent is needed.
enum Standing {
    Stay,
    Leave,
}

/// The signals that end the agent.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn removals(bus: &Connection) -> zbus::Result<MessageStream> {
    let rule = format!(
        "sender='{LOGIND}',path='{MANAGER_PATH}',interface='{MANAGER}',member='SessionRemoved'"
    );
    bus::signals(bus, &rule).await
}

/// Anybody can send such a signal to us, so logind itself is asked when one comes.
async fn notice_removal(
    bus: Connection,
    mut removals: MessageStream,
    id: String,
    inputs: mpsc::Sender<Input>,
) {
    while let Some(Ok(signal)) = removals.next().await {
        let body = signal.body();
        let ours = body.deserialize::<(String, zbus::OwnedObjectPath)>();
        if ours.is_ok_and(|(removed, _)| removed == id)
            && let Ok(None) = session::path(&bus, &id).await
        {
            let _ = inputs.send(Input::SessionGone).await;
            return;
        }
    }
    let _ = inputs.send(Input::BusGone).await;
}
