//! A daemon that hangs is restarted, and one at rest need not wake up to say that it does not hang.
//!
//! A keep-alive every few seconds would be all that this daemon ever does. systemd is told instead
//! when to expect it: the driver says before it rests that it will be heard of soon after its next
//! deadline, and when it is woken, that it will be soon. `WATCHDOG_USEC` of sd_notify(3) (since
//! systemd 233) starts the watchdog anew with another time, and 0 stops it.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use session_timeout_policy::BootTime;

use crate::clock::boot_now;

/// How long systemd may take to make room for a message. After that it is lost, and at worst the
/// daemon is restarted in vain; a systemd that has stopped reading must not stop the daemon.
const PATIENCE: Duration = Duration::from_millis(100);

/// The watchdog of the unit, if it has one.
pub(crate) struct Watchdog(Option<Armed>);

struct Armed {
    expected: Expected,
    systemd: Systemd,
}

impl Watchdog {
    /// That of `WatchdogSec=`, which is also how late the daemon may be.
    pub(crate) fn of_unit() -> Self {
        let Some(margin) = sd_notify::watchdog_enabled() else {
            return Self(None);
        };
        let armed = Systemd::new().map(|systemd| Armed {
            expected: Expected::new(boot_now(), margin),
            systemd,
        });
        let untold = |error: &io::Error| log::warn!("systemd cannot be told of rests: {error}");
        Self(armed.inspect_err(untold).ok())
    }

    /// To be called whenever the driver has something to do.
    pub(crate) fn woken(&mut self, now: BootTime) {
        if let Some(armed) = &mut self.0
            && let Some(within) = armed.expected.woken(now)
        {
            armed.systemd.expect(within);
        }
    }

    /// Whether systemd has to be told of a rest until the deadline before it is taken.
    pub(crate) fn owes(&self, deadline: Option<BootTime>) -> bool {
        let armed = self.0.as_ref();
        armed.is_some_and(|armed| armed.expected.owes(deadline))
    }

    /// To be called before a rest that may last until the deadline, or for ever.
    pub(crate) fn rests(&mut self, now: BootTime, deadline: Option<BootTime>) {
        if let Some(armed) = &mut self.0 {
            let within = armed.expected.rests(now, deadline);
            armed.systemd.expect(within);
        }
    }
}

/// When systemd expects to hear of the daemon.
struct Expected {
    /// How much later than it should the daemon may be.
    margin: Duration,
    /// `None` if never.
    by: Option<BootTime>,
}

/// What systemd is told: how long to wait, or for ever.
type Within = Option<Duration>;

impl Expected {
    /// systemd counts from when the daemon says that it is ready, which is later.
    fn new(now: BootTime, margin: Duration) -> Self {
        let by = Some(now.saturating_add(margin));
        Self { margin, by }
    }

    /// What to tell systemd, if anything: in a storm it is told twice within the margin.
    fn woken(&mut self, now: BootTime) -> Option<Within> {
        let soon = now.saturating_add(self.margin / 2)..=now.saturating_add(self.margin);
        if self.by.is_some_and(|by| soon.contains(&by)) {
            return None;
        }
        self.by = Some(now.saturating_add(self.margin));
        Some(Some(self.margin))
    }

    fn owes(&self, deadline: Option<BootTime>) -> bool {
        let Some(by) = self.by else {
            return false;
        };
        // A deadline that has come is due at once, and the daemon is expected as it is.
        deadline.is_none_or(|deadline| by < deadline.saturating_add(self.margin / 2))
    }

    fn rests(&mut self, now: BootTime, deadline: Option<BootTime>) -> Within {
        self.by = deadline.map(|deadline| deadline.max(now).saturating_add(self.margin));
        self.by.map(|by| by.since(now))
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
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, address })
    }

    fn expect(&self, within: Within) {
        // 0 is not "at once": it stops the watchdog.
        let within = within.map_or(0, |within| within.as_micros().max(1));
        let message = format!("WATCHDOG_USEC={within}\n");
        if let Err(error) = self.socket.send_to_addr(message.as_bytes(), &self.address) {
            log::debug!("cannot tell systemd when to expect this daemon: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: Duration = Duration::from_secs(30);

    fn at(secs: u64) -> BootTime {
        BootTime::from_micros(secs * 1_000_000)
    }

    fn secs(secs: u64) -> Within {
        Some(Duration::from_secs(secs))
    }

    #[test]
    fn a_rest_lasts_until_the_deadline_and_may_be_late_by_the_margin() {
        let mut expected = Expected::new(at(0), MARGIN);
        assert_eq!(expected.woken(at(1)), None);
        assert!(expected.owes(Some(at(100))));
        assert_eq!(expected.rests(at(1), Some(at(100))), secs(99 + 30));
        assert!(!expected.owes(Some(at(100))));
    }

    #[test]
    fn without_a_deadline_nothing_is_expected() {
        let mut expected = Expected::new(at(0), MARGIN);
        assert!(expected.owes(None));
        assert_eq!(expected.rests(at(1), None), None);
        assert!(!expected.owes(None));
    }

    #[test]
    fn whoever_is_woken_is_expected_soon_however_long_the_rest_was_to_be() {
        let mut expected = Expected::new(at(0), MARGIN);
        expected.rests(at(0), Some(at(86_400)));
        assert_eq!(expected.woken(at(50)), Some(secs(30)));
        expected.rests(at(51), None);
        assert_eq!(expected.woken(at(90)), Some(secs(30)));
    }

    #[test]
    fn a_storm_is_told_of_twice_within_the_margin() {
        let mut expected = Expected::new(at(0), MARGIN);
        let told = (0..3000).filter(|tenth| {
            let now = BootTime::from_micros(tenth * 100_000);
            expected.woken(now).is_some()
        });
        // In 300 s: every 15.1 s.
        assert_eq!(told.count(), 19);
    }

    #[test]
    fn a_deadline_that_is_near_or_past_needs_no_word() {
        let expected = Expected::new(at(100), MARGIN);
        assert!(!expected.owes(Some(at(110))));
        assert!(!expected.owes(Some(at(90))));
        assert!(expected.owes(Some(at(120))));
    }

    #[test]
    fn a_deadline_in_the_past_is_no_time_at_all() {
        let mut expected = Expected::new(at(0), MARGIN);
        assert_eq!(expected.rests(at(100), Some(at(90))), secs(30));
    }

    /// Who rests is never taken for hung: by when it is expected is after its deadline, told or not.
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
            let mut now = at(draw(1000));
            let mut expected = Expected::new(now, MARGIN);
            let mut told = now.saturating_add(MARGIN);
            for _ in 0..20 {
                assert!(now < told, "taken for hung at {now:?}");
                if let Some(within) = expected.woken(now) {
                    told = within.map_or(at(u64::MAX / 1_000_000), |within| {
                        now.saturating_add(within)
                    });
                }
                assert!(told <= now.saturating_add(MARGIN), "expected too late");
                let deadline =
                    (draw(4) > 0).then(|| now.saturating_add(Duration::from_secs(draw(100))));
                if expected.owes(deadline) {
                    let within = expected.rests(now, deadline);
                    told = within.map_or(at(u64::MAX / 1_000_000), |within| {
                        now.saturating_add(within)
                    });
                }
                let latest =
                    deadline.map_or(draw(100_000), |deadline| deadline.since(now).as_secs());
                now = now.saturating_add(Duration::from_secs(draw(latest + 1)));
            }
        }
    }
}
