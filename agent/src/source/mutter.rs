//! GNOME's: `org.gnome.Mutter.IdleMonitor` on the bus of the user.
//!
//! `GetIdletime` counts from the last input, whatever inhibits. A watch for idle time does not
//! fire while something inhibits it (mutter 43 to 48, `meta-idle-monitor.c`), so that the daemon
//! may learn of it only when it looks by itself; one for input always does.

use std::time::Duration;

use futures_util::StreamExt as _;
use zbus::{Connection, Message, MessageStream};

use super::{Told, Trouble};
use crate::bus;
use crate::clock::Now;
use crate::idle::{Answer, Asked, Owed, Report, Watch};

const NAME: &str = "org.gnome.Mutter.IdleMonitor";
const PATH: &str = "/org/gnome/Mutter/IdleMonitor/Core";

/// Mutter's idle monitor.
pub(crate) struct Mutter {
    connection: Connection,
    fired: MessageStream,
    owners: MessageStream,
    heard: Option<Heard>,
    asked: Asked,
    /// Mutter's number of the watch that it has, and what for.
    armed: Option<(Owed, u32)>,
}

/// A signal that waits to be worked on.
enum Heard {
    Fired(Message),
    Owner(Message),
    End,
}

impl Mutter {
    pub(super) async fn connect() -> Result<Self, Trouble> {
        let connection = Connection::session().await.map_err(gone)?;
        let owners = bus::owner_changes(&connection, NAME).await.map_err(gone)?;
        let rule = format!("sender='{NAME}',path='{PATH}',interface='{NAME}',member='WatchFired'");
        let fired = bus::signals(&connection, &rule).await.map_err(gone)?;
        let mutter = Self {
            connection,
            fired,
            owners,
            heard: None,
            asked: Asked::default(),
            armed: None,
        };
        mutter.look().await?;
        Ok(mutter)
    }

    pub(super) async fn ask(&mut self, watch: Option<Watch>) -> Result<Told, Trouble> {
        let awake = self.look().await?;
        let idle = self.asked.question(Now::read(), awake, watch);
        Ok(Told {
            answer: Answer::Exact(idle),
            reports: self.arm().await?,
        })
    }

    pub(super) async fn ready(&mut self) {
        if self.heard.is_none() {
            self.heard = Some(tokio::select! {
                fired = self.fired.next() => heard(fired, Heard::Fired),
                owner = self.owners.next() => heard(owner, Heard::Owner),
            });
        }
    }

    pub(super) async fn take(&mut self) -> Result<Vec<Report>, Trouble> {
        let fired = match self.heard.take() {
            None => return Ok(Vec::new()),
            Some(Heard::End) => return Err(gone("the bus of the user has ended")),
            Some(Heard::Owner(message)) => match bus::new_owner(&message) {
                Some(None) => return Err(gone("it has left the bus")),
                _ => return Ok(Vec::new()),
            },
            Some(Heard::Fired(message)) => message.body().deserialize::<u32>().ok(),
        };
        let armed = self.armed.filter(|(_, id)| Some(*id) == fired);
        let report = match armed.filter(|(owed, _)| *owed == self.asked.owed()) {
            Some((Owed::Idle(_), _)) => self.asked.reached(),
            Some((Owed::Active(_), _)) => self.asked.input(),
            Some((Owed::Nothing, _)) | None => return Ok(Vec::new()),
        };
        let mut reports: Vec<_> = report.into_iter().collect();
        reports.extend(self.arm().await?);
        Ok(reports)
    }

    /// Has Mutter call back for what is owed, until nothing has happened meanwhile.
    async fn arm(&mut self) -> Result<Vec<Report>, Trouble> {
        let mut reports = Vec::new();
        while self.armed.map(|(owed, _)| owed).unwrap_or_default() != self.asked.owed() {
            if let Some((_, id)) = self.armed.take() {
                // A watch for input is gone when it has fired.
                let _ = self.call::<_, ()>("RemoveWatch", &(id,)).await;
            }
            let owed = self.asked.owed();
            let id: u32 = match owed {
                Owed::Nothing => break,
                Owed::Idle(watch) => {
                    let millis = u64::from(watch.millis());
                    self.call("AddIdleWatch", &(millis,)).await?
                }
                Owed::Active(_) => self.call("AddUserActiveWatch", &()).await?,
            };
            self.armed = Some((owed, id));
            let awake = self.look().await?;
            reports.extend(self.asked.looked(Now::read(), awake));
        }
        Ok(reports)
    }

    /// How long nobody has touched anything, of the time that the machine was awake.
    async fn look(&self) -> Result<Duration, Trouble> {
        let millis: u64 = self.call("GetIdletime", &()).await?;
        Ok(Duration::from_millis(millis))
    }

    async fn call<B, R>(&self, method: &str, body: &B) -> Result<R, Trouble>
    where
        B: serde::Serialize + zbus::DynamicType,
        R: for<'d> serde::Deserialize<'d> + zbus::Type,
    {
        let call = self
            .connection
            .call_method(Some(NAME), PATH, Some(NAME), method, body);
        let reply = call
            .await
            .map_err(|error| Trouble::Unanswered(format!("{method} of {NAME}: {error}")))?;
        let body = reply.body().deserialize();
        body.map_err(|error| Trouble::Unanswered(format!("{method} of {NAME}: {error}")))
    }
}

fn heard(message: Option<zbus::Result<Message>>, what: fn(Message) -> Heard) -> Heard {
    match message {
        Some(Ok(message)) => what(message),
        Some(Err(_)) | None => Heard::End,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn gone(error: impl ToString) -> Trouble {
    Trouble::Gone(format!("Mutter has gone: {}", error.to_string()))
}
