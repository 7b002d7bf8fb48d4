//! `ext_idle_notifier_v1`, and `org_kde_kwin_idle` that was before it.
//!
//! Version 2 of the former has notifications that idle inhibitors do not hold up; they are used
//! where there are any.

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

use super::readable::{Readable, Side};
use super::{Told, Trouble, blocking};
use crate::clock::Now;
use crate::idle::{Armed, Report, Step, Token, Watch};

/// A compositor that tells of idle time.
pub(crate) struct Wayland {
    connection: Connection,
    queue: EventQueue<Events>,
    readable: Readable,
    compositor: Side,
    events: Events,
    seats: Armed<Seat>,
    notifications: HashMap<Token, Notification>,
    syncs: u32,
}

/// A seat, by the name of its global.
type Seat = u32;

/// Any version will do: a seat is only passed on.
const SEAT_VERSION: u32 = 1;

/// The version of `ext_idle_notifier_v1` that has `get_input_idle_notification`.
const INPUT_IDLE_SINCE: u32 = 2;

enum Notifier {
    Ext(ExtIdleNotifierV1),
    Kde(OrgKdeKwinIdle),
}

enum Notification {
    Ext(ExtIdleNotificationV1),
    Kde(OrgKdeKwinIdleTimeout),
}

impl Wayland {
    pub(super) async fn connect() -> Result<Self, Trouble> {
        let connecting = blocking(|| Connection::connect_to_env().map_err(gone));
        let connection = connecting.await?;
        let queue = connection.new_event_queue();
        let readable = Readable::of(connection.backend().poll_fd()).map_err(gone)?;
        connection.display().get_registry(&queue.handle(), ());
        let mut wayland = Self {
            connection,
            queue,
            readable,
            compositor: Side::There,
            events: Events::default(),
            seats: Armed::default(),
            notifications: HashMap::new(),
            syncs: 0,
        };
        wayland.sync().await?;
        if wayland.events.notifier.is_none() {
            return Err(Trouble::NoSource);
        }
        Ok(wayland)
    }

    pub(super) fn name(&self) -> &'static str {
        match self.events.notifier {
            Some(Notifier::Kde(_)) => bus_source::KDE_IDLE,
            Some(Notifier::Ext(_)) | None => bus_source::EXT_IDLE_NOTIFY,
        }
    }

    /// The compositor is asked for nothing but a sign of life: with it comes all that it has to
    /// say of before.
    pub(super) async fn ask(&mut self, watch: Option<Watch>) -> Result<Told, Trouble> {
        let mut reports = self.sync().await?;
        if watch.is_some() {
            // They are of the watch that this one replaces.
            reports.clear();
        }
        let (answer, steps) = self.seats.question(Now::read(), watch);
        reports.extend(self.perform(steps));
        self.flush()?;
        Ok(Told { answer, reports })
    }

    pub(super) async fn ready(&mut self) {
        self.compositor = self.readable.ready().await;
    }

    pub(super) fn take(&mut self) -> Result<Vec<Report>, Trouble> {
        if self.compositor == Side::Gone {
            // Not by reading: the library complains on standard error.
            return Err(gone("it has closed the connection"));
        }
        self.dispatch()?;
        let Some(guard) = self.queue.prepare_read() else {
            return self.digest();
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
        self.digest()
    }

    /// Waits until the compositor has done what it was asked to and said what it had to say.
    async fn sync(&mut self) -> Result<Vec<Report>, Trouble> {
        self.syncs += 1;
        self.connection
            .display()
            .sync(&self.queue.handle(), self.syncs);
        let mut reports = Vec::new();
        loop {
            self.flush()?;
            reports.extend(self.take()?);
            if self.events.synced == self.syncs {
                return Ok(reports);
            }
            self.ready().await;
        }
    }

    fn dispatch(&mut self) -> Result<(), Trouble> {
        let dispatched = self.queue.dispatch_pending(&mut self.events);
        dispatched.map(drop).map_err(|error| match error {
            DispatchError::BadMessage { .. } => gone("the compositor speaks another protocol"),
            error => gone(error),
        })
    }

    fn flush(&self) -> Result<(), Trouble> {
        match self.queue.flush() {
            // A compositor that does not read: what is left goes with the next flush.
            Err(WaylandError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            flushed => flushed.map_err(gone),
        }
    }

    /// Works out what the events say.
    fn digest(&mut self) -> Result<Vec<Report>, Trouble> {
        let mut reports = Vec::new();
        while let Some(event) = self.events.queue.pop_front() {
            let steps = match event {
                Event::SeatAdded(seat) => self.seats.seat_added(seat),
                Event::SeatRemoved(seat) => self.seats.seat_removed(seat),
                Event::Idled(token) => self.seats.idled(Now::read(), token),
                Event::Resumed(token) => self.seats.resumed(token),
            };
            reports.extend(self.perform(steps));
        }
        self.flush()?;
        Ok(reports)
    }

    /// Does what is to be done with the compositor; the rest is for the daemon.
    fn perform(&mut self, steps: Vec<Step<Seat>>) -> Vec<Report> {
        let mut reports = Vec::new();
        for step in steps {
            match step {
                Step::Arm(seat, token, watch) => {
                    let armed = self.events.arm(&self.queue.handle(), seat, token, watch);
                    self.notifications.extend(armed.map(|armed| (token, armed)));
                }
                Step::Drop(token) => match self.notifications.remove(&token) {
                    Some(Notification::Ext(notification)) => notification.destroy(),
                    Some(Notification::Kde(timeout)) => timeout.release(),
                    None => {}
                },
                Step::Report(report) => reports.push(report),
            }
        }
        reports
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn gone(error: impl ToString) -> Trouble {
    Trouble::Gone(format!("the compositor has gone: {}", error.to_string()))
}

/// What the compositor has, and what it says.
#[derive(Default)]
struct Events {
    seats: BTreeMap<Seat, WlSeat>,
    notifier: Option<Notifier>,
    /// The last sync that is done.
    synced: u32,
    queue: VecDeque<Event>,
}

enum Event {
    SeatAdded(Seat),
    SeatRemoved(Seat),
    Idled(Token),
    Resumed(Token),
}

impl Events {
    fn arm(
        &self,
        handle: &QueueHandle<Self>,
        seat: Seat,
        token: Token,
        watch: Watch,
    ) -> Option<Notification> {
        let (seat, millis) = (self.seats.get(&seat)?, watch.millis());
        Some(match self.notifier.as_ref()? {
            Notifier::Ext(ext) if ext.version() >= INPUT_IDLE_SINCE => {
                Notification::Ext(ext.get_input_idle_notification(millis, seat, handle, token))
            }
            Notifier::Ext(ext) => {
                Notification::Ext(ext.get_idle_notification(millis, seat, handle, token))
            }
            Notifier::Kde(kde) => {
                Notification::Kde(kde.get_idle_timeout(seat, millis, handle, token))
            }
        })
    }
}

impl Dispatch<WlRegistry, ()> for Events {
    fn event(
        events: &mut Self,
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
                    events.seats.insert(name, seat);
                    events.queue.push_back(Event::SeatAdded(name));
                }
                "ext_idle_notifier_v1" => {
                    let version = version.min(INPUT_IDLE_SINCE);
                    let ext = registry.bind(name, version, handle, ());
                    events.notifier = Some(Notifier::Ext(ext));
                }
                "org_kde_kwin_idle" if events.notifier.is_none() => {
                    let kde = registry.bind(name, 1, handle, ());
                    events.notifier = Some(Notifier::Kde(kde));
                }
                _ => {}
            },
            wl_registry::Event::GlobalRemove { name } if events.seats.remove(&name).is_some() => {
                events.queue.push_back(Event::SeatRemoved(name));
            }
            _ => {}
        }
    }
}

impl Dispatch<WlCallback, u32> for Events {
    fn event(
        events: &mut Self,
        _: &WlCallback,
        _: wl_callback::Event,
        sync: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        events.synced = *sync;
    }
}

impl Dispatch<ExtIdleNotificationV1, Token> for Events {
    fn event(
        events: &mut Self,
        _: &ExtIdleNotificationV1,
        event: ext_idle_notification_v1::Event,
        token: &Token,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            ext_idle_notification_v1::Event::Idled => events.queue.push_back(Event::Idled(*token)),
            ext_idle_notification_v1::Event::Resumed => {
                events.queue.push_back(Event::Resumed(*token));
            }
            _ => {}
        }
    }
}

impl Dispatch<OrgKdeKwinIdleTimeout, Token> for Events {
    fn event(
        events: &mut Self,
        _: &OrgKdeKwinIdleTimeout,
        event: org_kde_kwin_idle_timeout::Event,
        token: &Token,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            org_kde_kwin_idle_timeout::Event::Idle => events.queue.push_back(Event::Idled(*token)),
            org_kde_kwin_idle_timeout::Event::Resumed => {
                events.queue.push_back(Event::Resumed(*token));
            }
            _ => {}
        }
    }
}

// What a seat can do, and is called, does not matter here.
delegate_noop!(Events: ignore WlSeat);
delegate_noop!(Events: ExtIdleNotifierV1);
delegate_noop!(Events: OrgKdeKwinIdle);
