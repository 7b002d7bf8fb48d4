//! The source of X11: the counter `IDLETIME` of the X server's synchronization extension.

use std::sync::Arc;
use std::time::Duration;

use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::protocol::Event;
use x11rb::protocol::sync::{self, Alarm, Counter, CreateAlarmAux, Int64, TESTTYPE, VALUETYPE};
use x11rb::rust_connection::RustConnection;

use super::probe::{ProbeResult, SourceError, blocking};
use super::x_connection::XConnection;
use crate::clock::Now;
use crate::idle::{Answer, PendingReport, QuerySource, Report, Watch};

/// The counter falls below this at input. Right after input it is a little above zero.
const ACTIVE_BELOW: Duration = Duration::from_secs(1);

/// The X server of an X11 session.
pub(crate) struct X11 {
    server: XConnection,
    counter: Counter,
    state: QuerySource,
    armed: Option<(PendingReport, Alarm)>,
}

impl X11 {
    pub(super) async fn connect() -> Result<Self, SourceError> {
        let connecting = blocking(|| {
            let (connection, _screen) = x11rb::connect(None).map_err(gone)?;
            let counter = idle_counter(&connection)?;
            Ok((connection, counter))
        });
        let (connection, counter) = connecting.await?;
        Ok(Self {
            server: XConnection::new(connection).map_err(gone)?,
            counter,
            state: QuerySource::default(),
            armed: None,
        })
    }

    pub(super) async fn probe(&mut self, watch: Option<Watch>) -> Result<ProbeResult, SourceError> {
        let mut reports = self.drain()?;
        if watch.is_some() {
            // They belong to the watch that this one replaces.
            reports.clear();
        }
        let awake = self.idle_time().await?;
        let idle = self.state.probe(Now::read(), awake, watch);
        reports.extend(self.process_events().await?);
        Ok(ProbeResult {
            answer: Answer::Exact(idle),
            reports,
        })
    }

    pub(super) async fn ready(&self) {
        self.server.ready().await;
    }

    /// Processes the server's events, and has it call back for the pending report, again if that
    /// changes meanwhile.
    pub(super) async fn process_events(&mut self) -> Result<Vec<Report>, SourceError> {
        let mut reports = Vec::new();
        loop {
            reports.extend(self.drain()?);
            if self.armed_for() == self.state.pending() {
                return Ok(reports);
            }
            self.arm()?;
            let awake = self.idle_time().await?;
            reports.extend(self.state.queried(Now::read(), awake));
        }
    }

    fn drain(&mut self) -> Result<Vec<Report>, SourceError> {
        let mut reports = Vec::new();
        while let Some(event) = self.server.next_event().map_err(gone)? {
            let Event::SyncAlarmNotify(notify) = event else {
                continue;
            };
            let armed = self.armed.filter(|(_, alarm)| *alarm == notify.alarm);
            reports.extend(
                match armed.filter(|(pending, _)| *pending == self.state.pending()) {
                    Some((PendingReport::BecameIdle(_), _)) => self.state.reached(),
                    Some((PendingReport::BecameActive(_), _)) => self.state.input(),
                    Some((PendingReport::None, _)) | None => None,
                },
            );
        }
        Ok(reports)
    }

    fn armed_for(&self) -> PendingReport {
        self.armed.map(|(pending, _)| pending).unwrap_or_default()
    }

    fn arm(&mut self) -> Result<(), SourceError> {
        let connection = &**self.server.requests();
        if let Some((_, alarm)) = self.armed.take() {
            sync::destroy_alarm(connection, alarm).map_err(gone)?;
        }
        let pending = self.state.pending();
        let (value, test) = match pending {
            PendingReport::None => return connection.flush().map_err(gone),
            PendingReport::BecameIdle(watch) => (watch.length(), TESTTYPE::POSITIVE_TRANSITION),
            PendingReport::BecameActive(watch) => {
                let below = watch.length().saturating_sub(Duration::from_millis(1));
                (below.min(ACTIVE_BELOW), TESTTYPE::NEGATIVE_TRANSITION)
            }
        };
        let alarm = connection.generate_id().map_err(gone)?;
        let attributes = CreateAlarmAux::new()
            .counter(self.counter)
            .value_type(VALUETYPE::ABSOLUTE)
            .value(millis(value))
            .test_type(test)
            .delta(millis(Duration::ZERO))
            .events(1);
        sync::create_alarm(connection, alarm, &attributes).map_err(gone)?;
        connection.flush().map_err(gone)?;
        self.armed = Some((pending, alarm));
        Ok(())
    }

    /// The idle time without suspend.
    async fn idle_time(&self) -> Result<Duration, SourceError> {
        let (connection, counter) = (Arc::clone(self.server.requests()), self.counter);
        blocking(move || {
            let query = sync::query_counter(&*connection, counter).map_err(gone)?;
            let value = query.reply().map_err(gone)?.counter_value;
            Ok(duration(value))
        })
        .await
    }
}

fn idle_counter(connection: &RustConnection) -> Result<Counter, SourceError> {
    let sync = connection.extension_information(sync::X11_EXTENSION_NAME);
    if sync.map_err(gone)?.is_none() {
        return Err(SourceError::NoSource);
    }
    // The extension requires this request first (version 3.1 is from 1991).
    let version = sync::initialize(connection, 3, 1).map_err(gone)?;
    version.reply().map_err(gone)?;
    let counters = sync::list_system_counters(connection).map_err(gone)?;
    let counters = counters.reply().map_err(gone)?.counters;
    let idle = counters.iter().find(|counter| counter.name == b"IDLETIME");
    idle.map(|counter| counter.counter)
        .ok_or(SourceError::NoSource)
}

fn millis(duration: Duration) -> Int64 {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    // The two halves; a watch has at most 32 bits.
    let [hi, lo] = [millis >> 32, millis & u64::from(u32::MAX)];
    Int64 {
        hi: i32::try_from(hi).unwrap_or(i32::MAX),
        lo: u32::try_from(lo).unwrap_or(u32::MAX),
    }
}

fn duration(millis: Int64) -> Duration {
    let hi = u64::try_from(millis.hi).unwrap_or(0);
    Duration::from_millis((hi << 32) | u64::from(millis.lo))
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn gone(error: impl ToString) -> SourceError {
    SourceError::Gone(format!("the X server has gone: {}", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_read_as_it_is_written() {
        for value in [0, 1, 0xffff_ffff, 0x1_0000_0000, 0x7_1234_5678] {
            let value = Duration::from_millis(value);
            assert_eq!(duration(millis(value)), value);
        }
    }
}
