//! The boot-time clock (`CLOCK_BOOTTIME`), which the daemon's limits use, and a timer on it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

/// Now.
pub(crate) fn now() -> Duration {
    // Reading a clock that exists cannot fail.
    let now = nix::time::ClockId::CLOCK_BOOTTIME.now();
    now.map(Duration::from).unwrap_or_default()
}

/// A timer that fires once at a time since boot, also if that passes during a suspend.
pub(crate) struct Alarm {
    timer: TimerFd,
    /// The same timer, for the event loop.
    ready: AsyncFd<OwnedFd>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
        let same = timer.as_fd().try_clone_to_owned()?;
        #[expect(
            deprecated,
            reason = "the other way is unsafe, for types whose descriptor is closed or replaced \
                      while it is registered; this one is owned, and lent by reference alone"
        )]
        let ready = AsyncFd::new(same)?;
        Ok(Self { timer, ready })
    }

    /// Sets it; `None`: it does not fire.
    pub(crate) fn set(&self, at: Option<Duration>) -> io::Result<()> {
        match at {
            // Zero would disarm the timer instead of firing it.
            Some(at) => self.timer.set(
                Expiration::OneShot(TimeSpec::from(at.max(Duration::from_nanos(1)))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
            None => self.timer.unset()?,
        }
        Ok(())
    }

    /// Waits until it fires. Cancel safe.
    pub(crate) async fn fired(&self) -> io::Result<()> {
        loop {
            let mut ready = self.ready.readable().await?;
            // If the timer was set again meanwhile, there is nothing to read; wait on.
            match ready.try_io(|_| Ok(self.timer.wait()?)) {
                Ok(fired) => return fired,
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_fires_at_its_time_and_not_when_it_was_taken_back() {
        let alarm = Alarm::new().unwrap();
        let then = now() + Duration::from_millis(20);
        alarm.set(Some(then)).unwrap();
        alarm.fired().await.unwrap();
        assert!(now() >= then);
        alarm.set(Some(now())).unwrap();
        alarm.set(None).unwrap();
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, alarm.fired()).await.is_err());
    }
}
