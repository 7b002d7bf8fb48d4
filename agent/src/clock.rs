//! The clocks and a timer. No other module reads the time.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::time::{Duration, SystemTime};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{self, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::ClockId;
use tokio::io::unix::AsyncFd;

/// A time on `CLOCK_BOOTTIME`, which counts since boot and includes suspend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BootTime(Duration);

impl BootTime {
    /// The time this much earlier.
    pub(crate) fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// The current time on both clocks, which are read one right after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    boot: Duration,
    /// `CLOCK_MONOTONIC`, which stops during suspend.
    awake: Duration,
}

impl Now {
    pub(crate) fn read() -> Self {
        Self {
            boot: time_of(ClockId::CLOCK_BOOTTIME),
            awake: time_of(ClockId::CLOCK_MONOTONIC),
        }
    }

    /// The time this long ago.
    pub(crate) fn before(self, span: Duration) -> BootTime {
        BootTime(self.boot.saturating_sub(span))
    }

    /// The time this long from now.
    pub(crate) fn after(self, span: Duration) -> BootTime {
        BootTime(self.boot.saturating_add(span))
    }

    /// The time from now until then; zero if it is past.
    pub(crate) fn until(self, then: BootTime) -> Duration {
        then.0.saturating_sub(self.boot)
    }

    /// The time since then; zero if it is in the future.
    pub(crate) fn since(self, then: BootTime) -> Duration {
        self.boot.saturating_sub(then.0)
    }
}

/// The current time on the wall clock.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// A one-shot timer on `CLOCK_BOOTTIME`. Timers of the tokio runtime do not include suspend.
pub(crate) struct Timer {
    timer: AsyncFd<RawTimer>,
    armed: Option<BootTime>,
}

impl Timer {
    /// # Errors
    /// The kernel cannot create it.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(timerfd::ClockId::CLOCK_BOOTTIME, flags)?;
        #[expect(
            deprecated,
            reason = "the other way is unsafe, for types whose descriptor is closed or replaced \
                      while it is registered; this one owns it and lends it only by reference"
        )]
        let timer = AsyncFd::new(RawTimer(timer))?;
        Ok(Self { timer, armed: None })
    }

    /// Sets the timer; `None` disarms it.
    ///
    /// # Errors
    /// The kernel cannot set it.
    pub(crate) fn set(&mut self, at: Option<BootTime>) -> io::Result<()> {
        if at == self.armed {
            return Ok(());
        }
        let timer = &self.timer.get_ref().0;
        match at {
            // Zero would disarm the timer instead of firing it.
            Some(BootTime(at)) => {
                let at = TimeSpec::from(at.max(Duration::from_nanos(1)));
                let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
                timer.set(Expiration::OneShot(at), flags)?;
            }
            None => timer.unset()?,
        }
        self.armed = at;
        Ok(())
    }

    /// Waits until the timer fires. Cancel safe.
    ///
    /// # Errors
    /// The timer cannot be read.
    pub(crate) async fn fired(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            // A timer that was set again meanwhile has nothing to read: wait again.
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

/// A timer with the trait that tokio's `AsyncFd` requires, `AsRawFd`.
struct RawTimer(TimerFd);

impl AsRawFd for RawTimer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Adds the time of suspend to an idle time without it, which is what display servers count.
///
/// Input before the last query was before every suspend since that query.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SuspendCorrection {
    /// The first query since the last input.
    queried: Option<Now>,
}

impl SuspendCorrection {
    /// The idle time with suspend, from the idle time without it.
    ///
    /// A suspend between the input and the first query after it counts as one before the input.
    pub(crate) fn idle(&mut self, now: Now, awake: Duration) -> Duration {
        let input = now.awake.saturating_sub(awake);
        let first = match self.queried {
            Some(queried) if input <= queried.awake => queried,
            _ => now,
        };
        self.queried = Some(first);
        let slept = |at: Now| at.boot.saturating_sub(at.awake);
        awake + slept(now).saturating_sub(slept(first))
    }
}

/// Linux always has these clocks, so that reading one cannot fail.
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

    /// The same, on a machine that was suspended for this long.
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
        let mut correction = SuspendCorrection::default();
        assert_eq!(correction.idle(at(100), secs(10)), secs(10));
        assert_eq!(correction.idle(slept(110, 3600), secs(20)), secs(3620));
        assert_eq!(correction.idle(slept(120, 3700), secs(30)), secs(3730));
    }

    #[test]
    fn suspend_before_the_input_does_not() {
        let mut correction = SuspendCorrection::default();
        assert_eq!(correction.idle(at(100), secs(10)), secs(10));
        assert_eq!(correction.idle(slept(200, 3600), secs(5)), secs(5));
        assert_eq!(correction.idle(slept(210, 3600), secs(15)), secs(15));
    }

    #[tokio::test]
    async fn a_timer_fires_once_at_its_time_and_at_once_if_that_is_past() {
        let mut timer = Timer::new().unwrap();
        timer.set(Some(BootTime(Duration::ZERO))).unwrap();
        timer.fired().await.unwrap();
        let start = Now::read();
        let then = start.after(Duration::from_millis(50));
        timer.set(Some(then)).unwrap();
        timer.fired().await.unwrap();
        assert_eq!(Now::read().until(then), Duration::ZERO);
        timer.set(Some(start.after(secs(3600)))).unwrap();
        timer.set(None).unwrap();
        let fired = tokio::time::timeout(Duration::from_millis(50), timer.fired());
        assert!(fired.await.is_err());
    }

    #[test]
    fn the_clocks_run() {
        let now = Now::read();
        assert!(now.boot > Duration::ZERO && now.boot >= now.awake - secs(1));
        assert!(now.since(now.before(secs(1))) <= secs(1));
    }
}
