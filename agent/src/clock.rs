//! Time: the only place that reads the clocks.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{self, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::ClockId;
use tokio::io::unix::AsyncFd;

/// A time since boot, suspend included: `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Boot(Duration);

impl Boot {
    /// So much earlier.
    pub(crate) fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// Both clocks, read as near to the same moment as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    boot: Duration,
    /// `CLOCK_MONOTONIC`: stands still while the machine sleeps.
    awake: Duration,
}

impl Now {
    pub(crate) fn read() -> Self {
        Self {
            boot: time_of(ClockId::CLOCK_BOOTTIME),
            awake: time_of(ClockId::CLOCK_MONOTONIC),
        }
    }

    /// As much ago as this.
    pub(crate) fn before(self, span: Duration) -> Boot {
        Boot(self.boot.saturating_sub(span))
    }

    /// So long from now.
    pub(crate) fn after(self, span: Duration) -> Boot {
        Boot(self.boot.saturating_add(span))
    }

    /// How long it is until then.
    pub(crate) fn until(self, then: Boot) -> Duration {
        then.0.saturating_sub(self.boot)
    }

    /// How long that is ago.
    pub(crate) fn since(self, then: Boot) -> Duration {
        self.boot.saturating_sub(then.0)
    }
}

/// Fires once at a time since boot. Unlike the runtime's own timers it counts suspend.
pub(crate) struct Alarm {
    timer: AsyncFd<Pollable>,
    armed: Option<Boot>,
}

impl Alarm {
    /// # Errors
    /// The kernel has no room for it.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(timerfd::ClockId::CLOCK_BOOTTIME, flags)?;
        #[expect(
            deprecated,
            reason = "the other way is unsafe, for types whose descriptor is closed or replaced \
                      while it is registered; this one owns it and lends it only by reference"
        )]
        let timer = AsyncFd::new(Pollable(timer))?;
        Ok(Self { timer, armed: None })
    }

    /// Sets the alarm; `None` leaves nothing armed.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub(crate) fn set(&mut self, at: Option<Boot>) -> io::Result<()> {
        if at == self.armed {
            return Ok(());
        }
        let timer = &self.timer.get_ref().0;
        match at {
            // Zero would disarm the timer instead of firing it.
            Some(Boot(at)) => {
                let at = TimeSpec::from(at.max(Duration::from_nanos(1)));
                let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
                timer.set(Expiration::OneShot(at), flags)?;
            }
            None => timer.unset()?,
        }
        self.armed = at;
        Ok(())
    }

    /// Waits until the alarm fires. Cancel safe.
    ///
    /// # Errors
    /// The kernel says so.
    pub(crate) async fn fired(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            // A timer that was set again meanwhile has nothing to read; then wait on.
            match ready.try_io(|timer| Ok(timer.get_ref().0.wait()?)) {
                Ok(Ok(())) => {
                    self.armed = None;
                    return Ok(());
                }
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

/// A timer, for tokio's `AsyncFd`, which asks for the older of the two traits.
struct Pollable(TimerFd);

impl AsRawFd for Pollable {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Idle time that stands still during suspend, as display servers count it, made into idle time
/// that does not.
///
/// When input was before the last look, it was before every suspend since that look, too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Suspends {
    /// The first look since the last input.
    looked: Option<Now>,
}

impl Suspends {
    /// How long nobody has touched anything, given for how long of it the machine was awake.
    ///
    /// A suspend between the input and the first look after it cannot be told from one before.
    pub(crate) fn idle(&mut self, now: Now, awake: Duration) -> Duration {
        let input = now.awake.saturating_sub(awake);
        let first = match self.looked {
            Some(looked) if input <= looked.awake => looked,
            _ => now,
        };
        self.looked = Some(first);
        let slept = |at: Now| at.boot.saturating_sub(at.awake);
        awake + slept(now).saturating_sub(slept(first))
    }
}

/// Reading a clock that Linux has always had cannot fail.
fn time_of(clock: ClockId) -> Duration {
    clock.now().map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// This many seconds after the boot of a machine that was never suspended.
    pub(crate) const fn at(secs: u64) -> Now {
        Now {
            boot: Duration::from_secs(secs),
            awake: Duration::from_secs(secs),
        }
    }

    /// The same, of a machine that slept for so long.
    const fn slept(secs: u64, asleep: u64) -> Now {
        Now {
            boot: Duration::from_secs(secs + asleep),
            awake: Duration::from_secs(secs),
        }
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn suspend_since_the_input_counts_as_idle_time() {
        let mut suspends = Suspends::default();
        assert_eq!(suspends.idle(at(100), secs(10)), secs(10));
        assert_eq!(suspends.idle(slept(110, 3600), secs(20)), secs(3620));
        assert_eq!(suspends.idle(slept(120, 3700), secs(30)), secs(3730));
    }

    #[test]
    fn suspend_before_the_input_does_not() {
        let mut suspends = Suspends::default();
        assert_eq!(suspends.idle(at(100), secs(10)), secs(10));
        assert_eq!(suspends.idle(slept(200, 3600), secs(5)), secs(5));
        assert_eq!(suspends.idle(slept(210, 3600), secs(15)), secs(15));
    }

    #[tokio::test]
    async fn an_alarm_fires_once_at_its_time_and_at_once_when_that_is_past() {
        let mut alarm = Alarm::new().unwrap();
        alarm.set(Some(Boot(Duration::ZERO))).unwrap();
        alarm.fired().await.unwrap();
        let start = Now::read();
        let then = start.after(Duration::from_millis(50));
        alarm.set(Some(then)).unwrap();
        alarm.fired().await.unwrap();
        assert_eq!(Now::read().until(then), Duration::ZERO);
        alarm.set(Some(start.after(secs(3600)))).unwrap();
        alarm.set(None).unwrap();
        let fired = tokio::time::timeout(Duration::from_millis(50), alarm.fired());
        assert!(fired.await.is_err());
    }

    #[test]
    fn the_clocks_run() {
        let now = Now::read();
        assert!(now.boot > Duration::ZERO && now.boot >= now.awake - secs(1));
        assert!(now.since(now.before(secs(1))) <= secs(1));
    }
}
