//! Whether processes of the host wait for a processor: its pressure stall information.

use std::fs;
use std::time::{Duration, Instant};

/// Pressure is measured over this time.
const WINDOW: Duration = Duration::from_secs(1);

/// The share of the time in which at least one process waited, in percent, from which on cases
/// make each other late.
const HIGH: u128 = 70;

/// The pressure in the last window.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    last: Option<Sample>,
    percent: u128,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    /// How long at least one process has waited since the host's start.
    waited: Duration,
}

impl Pressure {
    /// Whether it is high; never where the kernel does not measure it (`CONFIG_PSI`).
    pub(crate) fn is_high(&mut self) -> bool {
        let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
        if let Some(waited) = waited(&text) {
            self.add(Sample {
                at: Instant::now(),
                waited,
            });
        }
        self.percent > HIGH
    }

    fn add(&mut self, now: Sample) {
        let last = *self.last.get_or_insert(now);
        let window = now.at.saturating_duration_since(last.at);
        if window >= WINDOW {
            let waited = now.waited.saturating_sub(last.waited);
            self.percent = waited.as_micros() * 100 / window.as_micros();
            self.last = Some(now);
        }
    }
}

/// `total` of the line `some`, which is in microseconds (Documentation/accounting/psi.rst).
fn waited(text: &str) -> Option<Duration> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let total = some.split("total=").nth(1)?;
    total.trim().parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_last_window() {
        let start = Instant::now();
        let mut pressure = Pressure::default();
        for (after, waited, expected) in [
            (0, 500, 0),
            (500, 900, 0),
            (1000, 1300, 80),
            (2000, 1400, 10),
        ] {
            pressure.add(Sample {
                at: start + Duration::from_millis(after),
                waited: Duration::from_millis(waited),
            });
            assert_eq!(pressure.percent, expected, "after {after} ms");
        }
    }

    #[test]
    fn the_total_is_read_from_its_line() {
        let text = "some avg10=44.10 avg60=11.24 avg300=3.09 total=13381258\n\
            full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(waited(text), Some(Duration::from_micros(13_381_258)));
        assert_eq!(waited(""), None);
    }
}
