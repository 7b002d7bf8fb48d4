//! Reads the clocks that limits use. No other module reads them.

use std::io;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use session_timeout_policy::{BootTime, WallTime};
use tokio::io::unix::AsyncFd;

use crate::sys::async_fd::OwnsFd;

/// All clocks, read at nearly the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clocks {
    /// `CLOCK_BOOTTIME`.
    pub(crate) boot: BootTime,
    /// `CLOCK_MONOTONIC`, in microseconds. It stops during suspend.
    pub(crate) monotonic: u64,
    /// `CLOCK_REALTIME`.
    pub(crate) wall: WallTime,
}

impl Clocks {
    pub(crate) fn now() -> Self {
        Self {
            boot: boot_now(),
            monotonic: micros(nix::time::ClockId::CLOCK_MONOTONIC),
            wall: WallTime::from_micros(micros(nix::time::ClockId::CLOCK_REALTIME)),
        }
    }
}

/// The time since boot, suspend included.
pub(crate) fn boot_now() -> BootTime {
    BootTime::from_micros(micros(nix::time::ClockId::CLOCK_BOOTTIME))
}

/// A timer that fires once at a time since boot. Unlike tokio's timers it counts suspend time, so a
/// deadline that passes during suspend fires at once after the resume.
pub(crate) struct Alarm {
    timer: AsyncFd<OwnsFd<TimerFd>>,
    armed: Option<BootTime>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let timer = TimerFd::new(
            ClockId::CLOCK_BOOTTIME,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        Ok(Self {
            timer: OwnsFd::register(timer)?,
            armed: None,
        })
    }

    /// Sets the alarm. `None` disarms it, so it causes no wake-up.
    pub(crate) fn set(&mut self, at: Option<BootTime>) -> io::Result<()> {
        if at == self.armed {
            return Ok(());
        }
        let timer = &self.timer.get_ref().get();
        match at {
            // Zero would disarm the timer instead of firing it.
            Some(at) => {
                let at = std::time::Duration::from_micros(at.as_micros().max(1));
                timer.set(
                    Expiration::OneShot(TimeSpec::from(at)),
                    TimerSetTimeFlags::TFD_TIMER_ABSTIME,
                )?;
            }
            None => timer.unset()?,
        }
        self.armed = at;
        Ok(())
    }

    /// Waits until the alarm fires. Cancel safe.
    pub(crate) async fn fired(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            // A timer that was set again meanwhile has nothing to read, and is waited for again.
            match ready.try_io(|timer| Ok(timer.get_ref().get().wait()?)) {
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

/// Reading these clocks cannot fail on Linux.
fn micros(clock: nix::time::ClockId) -> u64 {
    clock.now().map_or(0, |now| {
        let secs = u64::try_from(now.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec()).unwrap_or(0);
        secs.saturating_mul(1_000_000).saturating_add(nanos / 1000)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_alarm_in_the_past_fires_at_once_and_only_once() {
        let mut alarm = Alarm::new().unwrap();
        alarm.set(Some(BootTime::from_micros(0))).unwrap();
        tokio::time::timeout(Duration::from_secs(5), alarm.fired())
            .await
            .unwrap()
            .unwrap();
        let again = tokio::time::timeout(Duration::from_millis(20), alarm.fired()).await;
        assert!(again.is_err(), "fired twice");
    }

    #[tokio::test]
    async fn an_alarm_fires_no_sooner_than_it_was_set_for() {
        let mut alarm = Alarm::new().unwrap();
        let at = boot_now().saturating_add(Duration::from_millis(30));
        alarm.set(Some(at)).unwrap();
        tokio::time::timeout(Duration::from_secs(5), alarm.fired())
            .await
            .unwrap()
            .unwrap();
        assert!(boot_now() >= at);
    }
}
