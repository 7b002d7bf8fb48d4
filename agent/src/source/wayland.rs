//! The source of Wayland: the protocol `ext_idle_notifier_v1`, or the older `org_kde_kwin_idle`.
//!
//! Version 2 of the former has notifications that ignore idle inhibitors; they are used if the
//! compositor has them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;

use session_timeout_protocol::bus::agent::source as bus_source;
use wayland_client::backend::WaylandError;
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_seat::WlSeat;
use wayland_client::{
    Connection, Dispatch, DispatchError, EventQueue, Proxy as _, QueueHandle, delegate_noop,
};
use wayland_protocols::ext::idle_notify::v1::client::ext_idle_notification_v1::{
    self, ExtIdleNotificationV1,
};
use wayland_protocols::ext::idle_notify::v1::client::ext_idle_notifier_v1::ExtIdleNotifierV1;
use wayland_protocols_plasma::idle::client::org_kde_kwin_idle::OrgKdeKwinIdle;
use wayland_protocols_plasma::idle::client::org_kde_kwin_idle_timeout::{
    self, OrgKdeKwinIdleTimeout,
};

use super::probe::{ProbeResult, SourceError, blocking};
use super::readable::{Peer, Readable};
use crate::clock::Now;
use crate::idle::{CallbackAction, CallbackSource, Report, Token, Watch};

/// A connection to a compositor that has one of the protocols.
pub(crate) struct Wayland {
    connection: Connection,
    queue: EventQueue<Compositor>,
    readable: Readable,
    peer: Peer,
    compositor: Compositor,
    seats: CallbackSource<SeatName>,
    notifications: HashMap<Token, Notification>,
    syncs: u32,
}

/// The name of a seat's global, which identifies the seat.
type SeatName = u32;

/// Every version is good enough: the seat is only an argument of requests.
const SEAT_VERSION: u32 = 1;

/// The version of `ext_idle_notifier_v1` that has `get_input_idle_notification`.
const INPUT_IDLE_SINCE: u32 = 2;

enum IdleNotifier {
    Ext(ExtIdleNotifierV1),
    Kde(OrgKdeKwinIdle),
}

enum Notification {
    Ext(ExtIdleNotificationV1),
    Kde(OrgKdeKwinIdleTimeout),
}

impl Wayland {
    pub(super) async fn connect() -> Result<Self, SourceError> {
        let connecting = blocking(|| Connection::connect_to_env().map_err(gone));
        let connection = connecting.await?;
        let queue = connection.new_event_queue();
        let readable = Readable::new(connection.backend().poll_fd()).map_err(gone)?;
        connection.display().get_registry(&queue.handle(), ());
        let mut wayland = Self {
            connection,
            queue,
            readable,
            peer: Peer::Connected,
            compositor: Compositor::default(),
            seats: CallbackSource::default(),
            notifications: HashMap::new(),
            syncs: 0,
        };
        wayland.sync().await?;
        if wayland.compositor.notifier.is_none() {
            return Err(SourceError::NoSource);
        }
        Ok(wayland)
    }

    pub(super) fn name(&self) -> &'static str {
        match self.compositor.notifier {
            Some(IdleNotifier::Kde(_)) => bus_source::KDE_IDLE,
            Some(IdleNotifier::Ext(_)) | None => bus_source::EXT_IDLE_NOTIFY,
        }
    }

    /// The protocols have no query. A `sync` request makes sure that all events up to now are
    /// processed.
    pub(super) async fn probe(&mut self, watch: Option<Watch>) -> Result<ProbeResult, SourceError> {
        let mut reports = self.sync().await?;
        if watch.is_some() {
            // They belong to the watch that this one replaces.
            reports.clear();
        }
        let (answer, actions) = self.seats.probe(Now::read(), watch);
        reports.extend(self.perform(actions));
        self.flush()?;
        Ok(ProbeResult { answer, reports })
    }

    pub(super) async fn ready(&mut self) {
        self.peer = self.readable.ready().await;
    }

    pub(super) fn process_events(&mut self) -> Result<Vec<Report>, SourceError> {
        if self.peer == Peer::Closed {
            // Do not read: the library would write an error to standard error.
            return Err(gone("it has closed the connection"));
        }
        self.dispatch()?;
        let Some(guard) = self.queue.prepare_read() else {
            return self.apply_events();
        };
        let read = self.readable.read(|| match guard.read() {
            Ok(_) => Ok(()),
            Err(WaylandError::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        });
        match read {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(gone(error)),
            _ => self.dispatch()?,
        }
        self.apply_events()
    }

    /// Waits until the compositor has processed all requests and sent their events.
    async fn sync(&mut self) -> Result<Vec<Report>, SourceError> {
        self.syncs += 1;
        self.connection
            .display()
            .sync(&self.queue.handle(), self.syncs);
        let mut reports = Vec::new();
        loop {
            self.flush()?;
            reports.extend(self.process_events()?);
            if self.compositor.synced == self.syncs {
                return Ok(reports);
            }
            self.ready().await;
        }
    }

    fn dispatch(&mut self) -> Result<(), SourceError> {
        let dispatched = self.queue.dispatch_pending(&mut self.compositor);
        dispatched.map(drop).map_err(|error| match error {
            DispatchError::BadMessage { .. } => gone("the compositor speaks another protocol"),
            error => gone(error),
        })
    }

    fn flush(&self) -> Result<(), SourceError> {
        match self.queue.flush() {
            // The compositor does not read: the next flush sends the remainder.
            Err(WaylandError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            flushed => flushed.map_err(gone),
        }
    }

    /// Applies the queued events.
    fn apply_events(&mut self) -> Result<Vec<Report>, SourceError> {
        let mut reports = Vec::new();
        while let Some(event) = self.compositor.queue.pop_front() {
            let actions = match event {
                SeatEvent::SeatAdded(seat) => self.seats.seat_added(seat),
                SeatEvent::SeatRemoved(seat) => self.seats.seat_removed(seat),
                SeatEvent::Idled(token) => self.seats.idled(Now::read(), token),
                SeatEvent::Resumed(token) => self.seats.resumed(token),
            };
            reports.extend(self.perform(actions));
        }
        self.flush()?;
        Ok(reports)
    }

    /// Performs the actions on the compositor; returns the reports for the daemon.
    fn perform(&mut self, actions: Vec<CallbackAction<SeatName>>) -> Vec<Report> {
        let mut reports = Vec::new();
        for action in actions {
            match action {
                CallbackAction::Arm(seat, token, watch) => {
                    let armed = self
                        .compositor
                        .arm(&self.queue.handle(), seat, token, watch);
                    self.notifications.extend(armed.map(|armed| (token, armed)));
                }
                CallbackAction::Disarm(token) => match self.notifications.remove(&token) {
                    Some(Notification::Ext(notification)) => notification.destroy(),
                    Some(Notification::Kde(timeout)) => timeout.release(),
                    None => {}
                },
                CallbackAction::Report(report) => reports.push(report),
            }
        }
        reports
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn gone(error: impl ToString) -> SourceError {
    SourceError::Gone(format!("the compositor has gone: {}", error.to_string()))
}

/// The objects of the compositor that are used, and its events.
#[derive(Default)]
struct Compositor {
    seats: BTreeMap<SeatName, WlSeat>,
    notifier: Option<IdleNotifier>,
    /// The last completed sync.
    synced: u32,
    queue: VecDeque<SeatEvent>,
}

enum SeatEvent {
    SeatAdded(SeatName),
    SeatRemoved(SeatName),
    Idled(Token),
    Resumed(Token),
}

impl Compositor {
    fn arm(
        &self,
        handle: &QueueHandle<Self>,
        seat: SeatName,
        token: Token,
        watch: Watch,
    ) -> Option<Notification> {
        let (seat, millis) = (self.seats.get(&seat)?, watch.millis());
        Some(match self.notifier.as_ref()? {
            IdleNotifier::Ext(ext) if ext.version() >= INPUT_IDLE_SINCE => {
                Notification::Ext(ext.get_input_idle_notification(millis, seat, handle, token))
            }
            IdleNotifier::Ext(ext) => {
                Notification::Ext(ext.get_idle_notification(millis, seat, handle, token))
            }
            IdleNotifier::Kde(kde) => {
                Notification::Kde(kde.get_idle_timeout(seat, millis, handle, token))
            }
        })
    }
}

impl Dispatch<WlRegistry, ()> for Compositor {
    fn event(
        compositor: &mut Self,
        registry: &WlRegistry,
        event: wl_registry::Event,
        &(): &(),
        _: &Connection,
        handle: &QueueHandle<Self>,
    ) {
        match event {
            wl_registry::Event::Global {
                name,
                interface,
                version,
            } => match interface.as_str() {
                "wl_seat" => {
                    let seat = registry.bind(name, SEAT_VERSION, handle, ());
                    compositor.seats.insert(name, seat);
                    compositor.queue.push_back(SeatEvent::SeatAdded(name));
                }
                "ext_idle_notifier_v1" => {
                    let version = version.min(INPUT_IDLE_SINCE);
                    let ext = registry.bind(name, version, handle, ());
                    compositor.notifier = Some(IdleNotifier::Ext(ext));
                }
                "org_kde_kwin_idle" if compositor.notifier.is_none() => {
                    let kde = registry.bind(name, 1, handle, ());
                    compositor.notifier = Some(IdleNotifier::Kde(kde));
                }
                _ => {}
            },
            wl_registry::Event::GlobalRemove { name }
                if compositor.seats.remove(&name).is_some() =>
            {
                compositor.queue.push_back(SeatEvent::SeatRemoved(name));
            }
            _ => {}
        }
    }
}

impl Dispatch<WlCallback, u32> for Compositor {
    fn event(
        compositor: &mut Self,
        _: &WlCallback,
        _: wl_callback::Event,
        sync: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        compositor.synced = *sync;
    }
}

impl Dispatch<ExtIdleNotificationV1, Token> for Compositor {
    fn event(
        compositor: &mut Self,
        _: &ExtIdleNotificationV1,
        event: ext_idle_notification_v1::Event,
        token: &Token,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            ext_idle_notification_v1::Event::Idled => {
                compositor.queue.push_back(SeatEvent::Idled(*token));
            }
            ext_idle_notification_v1::Event::Resumed => {
                compositor.queue.push_back(SeatEvent::Resumed(*token));
            }
            _ => {}
        }
    }
}

impl Dispatch<OrgKdeKwinIdleTimeout, Token> for Compositor {
    fn event(
        compositor: &mut Self,
        _: &OrgKdeKwinIdleTimeout,
        event: org_kde_kwin_idle_timeout::Event,
        token: &Token,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            org_kde_kwin_idle_timeout::Event::Idle => {
                compositor.queue.push_back(SeatEvent::Idled(*token));
            }
            org_kde_kwin_idle_timeout::Event::Resumed => {
                compositor.queue.push_back(SeatEvent::Resumed(*token));
            }
            _ => {}
        }
    }
}

// The capabilities and the name of a seat are not needed.
delegate_noop!(Compositor: ignore WlSeat);
delegate_noop!(Compositor: ExtIdleNotifierV1);
delegate_noop!(Compositor: OrgKdeKwinIdle);
