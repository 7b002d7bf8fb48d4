//! systemd's watchdog, without periodic wake-ups.
//!
//! Periodic keep-alives would be the only work of an idle daemon. So the daemon sets the timeout to
//! match its next deadline: before it sleeps, to the time until that deadline plus a margin, and
//! when it wakes, to the margin. `WATCHDOG_USEC` of sd_notify(3) (since systemd 233) restarts the
//! watchdog with a new timeout, and 0 stops it.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use session_timeout_policy::BootTime;
use tokio::sync::Notify;

use crate::sys::clock::boot_now;

/// The watchdog of the unit, if it has one. Clones share it.
#[derive(Clone)]
pub(crate) struct Watchdog(Option<Arc<Armed>>);

struct Armed {
    expected: Mutex<Expected>,
    systemd: Systemd,
    woke: Notify,
}

impl Watchdog {
    /// The watchdog with the unit's `WatchdogSec=` as its margin.
    pub(crate) fn of_unit() -> Self {
        let Some(margin) = sd_notify::watchdog_enabled() else {
            return Self(None);
        };
        let armed = Systemd::new().map(|systemd| Armed {
            expected: Mutex::new(Expected::new(Instant::now(), margin)),
            systemd,
            woke: Notify::new(),
        });
        let unnotified =
            |error: &io::Error| log::warn!("systemd cannot be notified of sleep: {error}");
        Self(armed.map(Arc::new).inspect_err(unnotified).ok())
    }

    /// Every task calls this when it has work, so that a hang in the work is detected.
    pub(crate) fn notify_awake(&self) {
        let Some(armed) = &self.0 else {
            return;
        };
        let (mut expected, now) = (armed.expected(), Instant::now());
        if !expected.is_soon(now) && armed.systemd.expect(Some(expected.margin)) {
            expected.set_awake(now);
            armed.woke.notify_one();
        }
    }

    /// Waits until systemd was notified that the daemon is awake. Cancel safe.
    pub(crate) async fn woke(&self) {
        match &self.0 {
            Some(armed) => armed.woke.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Whether systemd has to be notified before the daemon sleeps until this deadline.
    pub(crate) fn must_notify(&self, deadline: Option<BootTime>) -> bool {
        let armed = self.0.as_ref();
        armed.is_some_and(|armed| {
            armed
                .expected()
                .must_notify(Instant::now(), sleep_length(deadline))
        })
    }

    /// Notifies systemd that the daemon sleeps until the deadline, or for ever. If that fails,
    /// [`Self::must_notify`] stays true.
    pub(crate) fn notify_sleep(&self, deadline: Option<BootTime>) {
        let Some(armed) = &self.0 else {
            return;
        };
        let (mut expected, now) = (armed.expected(), Instant::now());
        let within = expected.after(sleep_length(deadline));
        if armed.systemd.expect(within) {
            expected.set_asleep(now, within);
        }
    }
}

impl Armed {
    fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time until the deadline; `None` for ever.
fn sleep_length(deadline: Option<BootTime>) -> Option<Duration> {
    deadline.map(|deadline| deadline.since(boot_now()))
}

/// When systemd expects the next notification, on its clock `CLOCK_MONOTONIC`, which [`Instant`]
/// uses and which stops during suspend.
struct Expected {
    /// How late the notification may be.
    margin: Duration,
    /// `None` if the watchdog is stopped.
    by: Option<Instant>,
}

impl Expected {
    /// systemd counts from the daemon's ready notification, which is sent later.
    fn new(now: Instant, margin: Duration) -> Self {
        let by = now.checked_add(margin);
        Self { margin, by }
    }

    /// Whether a hang from now on is detected within the margin, so that no notification is needed.
    /// Under load there are two within the margin.
    fn is_soon(&self, now: Instant) -> bool {
        let left = self.by.map(|by| by.saturating_duration_since(now));
        left.is_some_and(|left| (self.margin / 2..=self.margin).contains(&left))
    }

    fn set_awake(&mut self, now: Instant) {
        self.by = now.checked_add(self.margin);
    }

    fn must_notify(&self, now: Instant, sleep: Option<Duration>) -> bool {
        let Some(by) = self.by else {
            return false;
        };
        let left = by.saturating_duration_since(now);
        sleep.is_none_or(|sleep| left < sleep.saturating_add(self.margin / 2))
    }

    /// The timeout for a sleep of this length.
    fn after(&self, sleep: Option<Duration>) -> Option<Duration> {
        sleep.map(|sleep| sleep.saturating_add(self.margin))
    }

    fn set_asleep(&mut self, now: Instant, within: Option<Duration>) {
        self.by = within.and_then(|within| now.checked_add(within));
    }
}

/// The socket of the service manager.
struct Systemd {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Systemd {
    fn new() -> io::Result<Self> {
        let name = env::var_os("NOTIFY_SOCKET").ok_or(io::ErrorKind::NotFound)?;
        // Abstract sockets begin with "@" (sd_notify(3)).
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&name),
        }?;
        let socket = UnixDatagram::unbound()?;
        // The daemon must not block if systemd has stopped reading.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// Sets the timeout, or none. Returns whether the socket has accepted the message.
    fn expect(&self, within: Option<Duration>) -> bool {
        // 0 stops the watchdog, so the shortest timeout is 1.
        let within = within.map_or(0, |within| within.as_micros().max(1));
        let message = format!("WATCHDOG_USEC={within}\n");
        let sent = self.socket.send_to_addr(message.as_bytes(), &self.address);
        sent.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: Duration = Duration::from_secs(30);

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_rest_lasts_until_the_deadline_and_may_be_late_by_the_margin() {
        let now = Instant::now();
        let mut expected = Expected::new(now, MARGIN);
        let sleep = Some(secs(100));
        assert!(expected.must_notify(now, sleep));
        assert_eq!(expected.after(sleep), Some(secs(130)));
        expected.set_asleep(now, Some(secs(130)));
        assert!(!expected.must_notify(now, sleep));
        assert!(!expected.must_notify(now + secs(50), Some(secs(50))));
        assert!(
            expected.must_notify(now + secs(50), Some(secs(90))),
            "it was moved"
        );
    }

    #[test]
    fn without_a_deadline_nothing_is_expected() {
        let now = Instant::now();
        let mut expected = Expected::new(now, MARGIN);
        assert!(expected.must_notify(now, None));
        assert_eq!(expected.after(None), None);
        expected.set_asleep(now, None);
        assert!(!expected.must_notify(now, None));
        assert!(!expected.must_notify(now, Some(secs(1))));
    }

    #[test]
    fn a_daemon_that_wakes_is_expected_soon_however_long_its_sleep_was_to_be() {
        let now = Instant::now();
        let mut expected = Expected::new(now, MARGIN);
        assert!(expected.is_soon(now));
        expected.set_asleep(now, Some(secs(86_400)));
        assert!(!expected.is_soon(now + secs(50)));
        expected.set_asleep(now, None);
        assert!(!expected.is_soon(now + secs(50)));
        expected.set_awake(now + secs(50));
        assert!(expected.is_soon(now + secs(50)));
    }

    /// systemd's clock stops during suspend, and its timeout continues after the resume.
    #[test]
    fn a_daemon_that_wakes_after_a_suspend_is_expected_soon() {
        let now = Instant::now();
        let mut expected = Expected::new(now, MARGIN);
        // A deadline in 12 hours, of which the machine is suspended for all but a minute.
        expected.set_asleep(now, Some(secs(12 * 3600 + 30)));
        assert!(!expected.is_soon(now + secs(60)));
    }

    #[test]
    fn many_inputs_are_notified_twice_within_the_margin() {
        let begin = Instant::now();
        let mut expected = Expected::new(begin, MARGIN);
        let mut notified = 0;
        for tenth in 0..3000 {
            let now = begin + Duration::from_millis(100) * tenth;
            if !expected.is_soon(now) {
                expected.set_awake(now);
                notified += 1;
            }
        }
        // In 300 s: one every 15.1 s.
        assert_eq!(notified, 19);
    }

    #[test]
    fn a_deadline_that_is_near_or_past_needs_no_notification() {
        let now = Instant::now();
        let expected = Expected::new(now, MARGIN);
        assert!(!expected.must_notify(now, Some(secs(10))));
        assert!(!expected.must_notify(now, Some(Duration::ZERO)));
        assert!(expected.must_notify(now, Some(secs(20))));
    }

    #[test]
    fn a_notification_that_failed_is_sent_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        systemd.set_nonblocking(true).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        socket.set_nonblocking(true).unwrap();
        let watchdog = Watchdog(Some(Arc::new(Armed {
            expected: Mutex::new(Expected::new(Instant::now(), MARGIN)),
            systemd: Systemd {
                socket,
                address: SocketAddr::from_pathname(&path).unwrap(),
            },
            woke: Notify::new(),
        })));
        let full = UnixDatagram::unbound().unwrap();
        full.set_nonblocking(true).unwrap();
        while full.send_to(b"X=1", &path).is_ok() {}
        watchdog.notify_sleep(None);
        assert!(watchdog.must_notify(None), "nobody was notified");
        let mut message = [0; 64];
        while systemd.recv(&mut message).is_ok() {}
        watchdog.notify_sleep(None);
        assert!(!watchdog.must_notify(None));
        let length = systemd.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"WATCHDOG_USEC=0\n");
        watchdog.notify_awake();
        let length = systemd.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"WATCHDOG_USEC=30000000\n");
        assert!(watchdog.must_notify(None));
    }

    /// Whether systemd is notified or not: a daemon that sleeps until its deadline never times out,
    /// and one that hangs after it wakes times out within the margin.
    #[test]
    fn nobody_who_keeps_to_the_deadline_is_too_late() {
        let mut random = 1_u64;
        let mut draw = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        for _ in 0..10_000 {
            let mut now = Instant::now();
            let mut expected = Expected::new(now, MARGIN);
            for _ in 0..20 {
                let missed = expected.by;
                assert!(missed.is_none_or(|by| now < by), "taken for hung");
                if !expected.is_soon(now) {
                    expected.set_awake(now);
                }
                let missed = expected.by;
                assert!(
                    missed.is_some_and(|by| by <= now + MARGIN),
                    "missed too late"
                );
                let sleep = (draw(4) > 0).then(|| secs(draw(100)));
                if expected.must_notify(now, sleep) {
                    let within = expected.after(sleep);
                    expected.set_asleep(now, within);
                }
                let longest = sleep.map_or(draw(100_000), |sleep| sleep.as_secs());
                now += secs(draw(longest + 1));
            }
        }
    }
}
