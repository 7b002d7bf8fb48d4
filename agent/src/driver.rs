//! The agent's main loop: relays probes from the daemon to the source of idle time, and reports
//! from the source to the daemon.

use std::fmt;
use std::ops::ControlFlow;

use futures_util::StreamExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MessageStream};

use crate::attachment::{AttachError, Attachment};
use crate::bus::{self, with_timeout};
use crate::cli::Args;
use crate::daemon;
use crate::idle::{Answer, Report, Watch};
use crate::input::Input;
use crate::interface;
use crate::locks::{self, Watched};
use crate::log::log;
use crate::notifier::{self, Command};
use crate::session::{self, LOGIND, MANAGER, MANAGER_PATH, NoSession, Session};
use crate::source::{Source, SourceError};

/// Capacity of the queues; there is never more than one item of a kind.
const QUEUE: usize = 16;

/// Why the agent fails.
#[derive(Debug)]
pub(crate) enum Failure {
    NoBus(String),
    NoSession(NoSession),
    Rejected(AttachError),
    NoSignals(std::io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBus(why) => write!(f, "no connection to the system bus: {why}"),
            Self::NoSession(why) => why.fmt(f),
            Self::Rejected(why) => why.fmt(f),
            Self::NoSignals(why) => write!(f, "cannot wait for signals: {why}"),
        }
    }
}

/// Runs the agent until it is not needed any more.
///
/// # Errors
/// There is no bus or no session, or the daemon rejects the agent.
pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let bus = system_bus().await?;
    let session = find(&bus, args).await?;
    let source = Source::choose_with_retries(&session).await;
    let stop_signals = StopSignals::new().map_err(Failure::NoSignals)?;
    let (inputs, incoming) = mpsc::channel(QUEUE);
    let failed = |error: zbus::Error| Failure::NoBus(error.to_string());
    let (commands, received) = mpsc::channel(QUEUE);
    let (watched, lockers) = watch::channel(Vec::new());
    let served = interface::serve(&bus, inputs.clone(), commands.clone(), lockers).await;
    served.map_err(failed)?;
    tokio::spawn(notifier::run(bus.clone(), session.id.clone(), received));
    let removals = session_removals(&bus).await.map_err(failed)?;
    tokio::spawn(watch_session_removal(
        bus.clone(),
        removals,
        session.id.clone(),
        inputs.clone(),
    ));
    let id = session.id.clone();
    tokio::spawn(daemon::keep_attached(
        bus.clone(),
        id,
        source.name(),
        inputs,
    ));
    let driver = Driver {
        bus,
        session,
        source,
        daemon: None,
        last_ending: Some(commands),
        locks: Some(watched),
    };
    driver.drive(incoming, stop_signals).await
}

/// Describes the source of idle time that would be used, the idle time, and how warnings are shown.
///
/// # Errors
/// There is no bus or no session.
pub(crate) async fn describe(args: &Args) -> Result<String, Failure> {
    let bus = system_bus().await?;
    let session = find(&bus, args).await?;
    let mut source = Source::choose(&session).await;
    let idle = match &mut source {
        Source::Wayland(_) => "only told when it is reached".to_owned(),
        Source::None => "not known".to_owned(),
        source @ (Source::Mutter(_) | Source::X11(_)) => match source.probe(None).await {
            Ok(result) => match result.answer {
                Answer::Exact(idle) => format!("{} ms", idle.as_millis()),
                Answer::Active => "not known".to_owned(),
            },
            Err(error) => format!("not known: {error}"),
        },
    };
    let (id, name) = (&session.id, source.name());
    let notifications = notifier::probe_delivery().await;
    Ok(format!(
        "session: {id}\nsource: {name}\nidle: {idle}\nnotifications: {notifications}\n"
    ))
}

async fn system_bus() -> Result<Connection, Failure> {
    let failed = |error: zbus::Error| Failure::NoBus(error.to_string());
    with_timeout(Connection::system()).await.map_err(failed)
}

async fn find(bus: &Connection, args: &Args) -> Result<Session, Failure> {
    let uid = nix::unistd::getuid().as_raw();
    let found = session::find(bus, &args.selector(), uid).await;
    found.map_err(Failure::NoSession)
}

struct Driver {
    bus: Connection,
    session: Session,
    source: Source,
    /// The daemon that the agent is attached to.
    daemon: Option<OwnedUniqueName>,
    /// The notifier, until the daemon was asked how the user's last session ended: once.
    last_ending: Option<mpsc::Sender<Command>>,
    /// Until the locks of the screen are watched: not by a second agent of the session.
    locks: Option<Watched>,
}

impl Driver {
    async fn drive(
        mut self,
        mut incoming: mpsc::Receiver<Input>,
        mut stop_signals: StopSignals,
    ) -> Result<(), Failure> {
        loop {
            let reports = tokio::select! {
                input = incoming.recv() => match input {
                    Some(Input::Probe(watch, answer)) => self.probe(watch, answer).await,
                    Some(Input::Attachment(attachment)) => match self.attachment_changed(attachment)? {
                        ControlFlow::Continue(()) => Ok(Vec::new()),
                        ControlFlow::Break(()) => return Ok(()),
                    },
                    Some(Input::BusGone) => {
                        return Err(Failure::NoBus("it has gone".to_owned()));
                    }
                    Some(Input::SessionGone) | None => return Ok(()),
                },
                () = self.source.ready() => self.source.process_events().await,
                () = stop_signals.next() => return Ok(()),
            };
            match reports {
                Ok(reports) => self.report(reports).await?,
                // The end of the desktop is no failure.
                Err(SourceError::Gone(_)) => return Ok(()),
                Err(error) => log(&error),
            }
        }
    }

    /// Probes the source and replies to the daemon. Returns the reports that the probe has caused.
    async fn probe(
        &mut self,
        watch: Option<Watch>,
        answer: oneshot::Sender<Result<Answer, SourceError>>,
    ) -> Result<Vec<Report>, SourceError> {
        match self.source.probe(watch).await {
            Ok(result) => {
                let _ = answer.send(Ok(result.answer));
                Ok(result.reports)
            }
            Err(SourceError::Gone(why)) => Err(SourceError::Gone(why)),
            // Not logged here: the daemon logs it if it matters.
            Err(error) => {
                let _ = answer.send(Err(error));
                Ok(Vec::new())
            }
        }
    }

    /// `Break` if the session has another agent, so that this one is not needed.
    fn attachment_changed(&mut self, attachment: Attachment) -> Result<ControlFlow<()>, Failure> {
        self.daemon = None;
        match attachment {
            Attachment::Attached(daemon) => {
                let (id, name) = (&self.session.id, self.source.name());
                log(&format!("idle time of session {id} comes from {name}"));
                if let Some(notifier) = self.last_ending.take() {
                    let (bus, id) = (self.bus.clone(), id.clone());
                    tokio::spawn(show_last_ending(bus, daemon.clone(), id, notifier));
                }
                if let Some(watched) = self.locks.take() {
                    let (bus, session) = (self.bus.clone(), self.session.clone());
                    tokio::spawn(locks::run(bus, session, watched));
                }
                self.daemon = Some(daemon);
            }
            Attachment::Waiting(None) => {}
            Attachment::Waiting(Some(why)) => log(&why),
            Attachment::Taken => return Ok(ControlFlow::Break(())),
            Attachment::Rejected(why) => return Err(Failure::Rejected(why)),
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn report(&self, reports: Vec<Report>) -> Result<(), Failure> {
        let Some(daemon) = &self.daemon else {
            return Ok(());
        };
        for report in reports {
            let sent = daemon::report(&self.bus, daemon, &self.session.id, report).await;
            sent.map_err(|error| Failure::NoBus(error.to_string()))?;
        }
        Ok(())
    }
}

/// Has the notifier show how the user's last session ended, if that was not shown yet.
async fn show_last_ending(
    bus: Connection,
    daemon: OwnedUniqueName,
    session: String,
    notifier: mpsc::Sender<Command>,
) {
    if let Some(ending) = daemon::last_ending(&bus, &daemon, &session).await {
        let _ = notifier.send(Command::ShowLastEnding(ending)).await;
    }
}

/// The signals that end the agent.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
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

/// The signal `SessionRemoved` of logind.
async fn session_removals(bus: &Connection) -> zbus::Result<MessageStream> {
    let rule = format!(
        "sender='{LOGIND}',path='{MANAGER_PATH}',interface='{MANAGER}',member='SessionRemoved'"
    );
    bus::signals(bus, &rule).await
}

/// Tells the driver that logind has removed the session. Any peer can send such a signal, so each
/// one is verified with logind.
async fn watch_session_removal(
    bus: Connection,
    mut removals: MessageStream,
    id: String,
    inputs: mpsc::Sender<Input>,
) {
    while let Some(Ok(signal)) = removals.next().await {
        let body = signal.body();
        let removed = body.deserialize::<(String, zbus::OwnedObjectPath)>();
        if removed.is_ok_and(|(removed, _)| removed == id)
            && let Ok(None) = session::path(&bus, &id).await
        {
            let _ = inputs.send(Input::SessionGone).await;
            return;
        }
    }
    let _ = inputs.send(Input::BusGone).await;
}
