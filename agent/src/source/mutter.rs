//! The source of GNOME: `org.gnome.Mutter.IdleMonitor` on the session bus.
//!
//! `GetIdletime` counts from the last input, also while idleness is inhibited. A watch for idle
//! time does not fire while it is inhibited (mutter 43 to 48, `meta-idle-monitor.c`), so that the
//! daemon may notice the idle time only when it probes; a watch for input always fires.

use std::time::Duration;

use futures_util::StreamExt as _;
use zbus::{Connection, Message, MessageStream};

use super::probe::{ProbeResult, SourceError};
use crate::bus;
use crate::clock::Now;
use crate::idle::{Answer, PendingReport, QuerySource, Report, Watch};

const NAME: &str = "org.gnome.Mutter.IdleMonitor";
const PATH: &str = "/org/gnome/Mutter/IdleMonitor/Core";

/// Mutter's idle monitor.
pub(crate) struct Mutter {
    connection: Connection,
    fired: MessageStream,
    owners: MessageStream,
    pending: Option<BusSignal>,
    state: QuerySource,
    /// The report that Mutter calls back for, and Mutter's id of the watch.
    armed: Option<(PendingReport, u32)>,
}

/// A signal that is not processed yet.
enum BusSignal {
    Fired(Message),
    Owner(Message),
    End,
}

impl Mutter {
    pub(super) async fn connect() -> Result<Self, SourceError> {
        let connection = Connection::session().await.map_err(gone)?;
        let owners = bus::owner_changes(&connection, NAME).await.map_err(gone)?;
        let rule = format!("sender='{NAME}',path='{PATH}',interface='{NAME}',member='WatchFired'");
        let fired = bus::signals(&connection, &rule).await.map_err(gone)?;
        let mutter = Self {
            connection,
            fired,
            owners,
            pending: None,
            state: QuerySource::default(),
            armed: None,
        };
        mutter.idle_time().await?;
        Ok(mutter)
    }

    pub(super) async fn probe(&mut self, watch: Option<Watch>) -> Result<ProbeResult, SourceError> {
        let awake = self.idle_time().await?;
        let idle = self.state.probe(Now::read(), awake, watch);
        Ok(ProbeResult {
            answer: Answer::Exact(idle),
            reports: self.arm().await?,
        })
    }

    pub(super) async fn ready(&mut self) {
        if self.pending.is_none() {
            self.pending = Some(tokio::select! {
                fired = self.fired.next() => signal(fired, BusSignal::Fired),
                owner = self.owners.next() => signal(owner, BusSignal::Owner),
            });
        }
    }

    pub(super) async fn process_events(&mut self) -> Result<Vec<Report>, SourceError> {
        let fired = match self.pending.take() {
            None => return Ok(Vec::new()),
            Some(BusSignal::End) => return Err(gone("the bus of the user has ended")),
            Some(BusSignal::Owner(message)) => match bus::new_owner(&message) {
                Some(None) => return Err(gone("it has left the bus")),
                _ => return Ok(Vec::new()),
            },
            Some(BusSignal::Fired(message)) => message.body().deserialize::<u32>().ok(),
        };
        let armed = self.armed.filter(|(_, id)| Some(*id) == fired);
        let report = match armed.filter(|(pending, _)| *pending == self.state.pending()) {
            Some((PendingReport::BecameIdle(_), _)) => self.state.reached(),
            Some((PendingReport::BecameActive(_), _)) => self.state.input(),
            Some((PendingReport::None, _)) | None => return Ok(Vec::new()),
        };
        let mut reports: Vec<_> = report.into_iter().collect();
        reports.extend(self.arm().await?);
        Ok(reports)
    }

    /// Has Mutter call back for the pending report, again if that changes meanwhile.
    async fn arm(&mut self) -> Result<Vec<Report>, SourceError> {
        let mut reports = Vec::new();
        while self.armed.map(|(pending, _)| pending).unwrap_or_default() != self.state.pending() {
            if let Some((_, id)) = self.armed.take() {
                // Mutter has removed a watch for input that has fired.
                let _ = self.call::<_, ()>("RemoveWatch", &(id,)).await;
            }
            let pending = self.state.pending();
            let id: u32 = match pending {
                PendingReport::None => break,
                PendingReport::BecameIdle(watch) => {
                    let millis = u64::from(watch.millis());
                    self.call("AddIdleWatch", &(millis,)).await?
                }
                PendingReport::BecameActive(_) => self.call("AddUserActiveWatch", &()).await?,
            };
            self.armed = Some((pending, id));
            let awake = self.idle_time().await?;
            reports.extend(self.state.queried(Now::read(), awake));
        }
        Ok(reports)
    }

    /// The idle time without suspend.
    async fn idle_time(&self) -> Result<Duration, SourceError> {
        let millis: u64 = self.call("GetIdletime", &()).await?;
        Ok(Duration::from_millis(millis))
    }

    async fn call<B, R>(&self, method: &str, body: &B) -> Result<R, SourceError>
    where
        B: serde::Serialize + zbus::DynamicType,
        R: for<'d> serde::Deserialize<'d> + zbus::Type,
    {
        let call = self
            .connection
            .call_method(Some(NAME), PATH, Some(NAME), method, body);
        let reply = call
            .await
            .map_err(|error| SourceError::NoAnswer(format!("{method} of {NAME}: {error}")))?;
        let body = reply.body().deserialize();
        body.map_err(|error| SourceError::NoAnswer(format!("{method} of {NAME}: {error}")))
    }
}

fn signal(message: Option<zbus::Result<Message>>, what: fn(Message) -> BusSignal) -> BusSignal {
    match message {
        Some(Ok(message)) => what(message),
        Some(Err(_)) | None => BusSignal::End,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn gone(error: impl ToString) -> SourceError {
    SourceError::Gone(format!("Mutter has gone: {}", error.to_string()))
}
