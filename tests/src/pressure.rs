//! Whether processes of the host wait for a processor: its pressure stall information.

use std::fs;

/// Whether one more case would make the others late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// Processors are idle now and then; also where the kernel does not measure it (`CONFIG_PSI`).
    Low,
    /// A process waited for a processor in most of the last ten seconds.
    High,
}

impl Pressure {
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
        Self::of_percent(last_10_s(&text).unwrap_or_default())
    }

    const fn of_percent(percent: f32) -> Self {
        if percent < 70.0 {
            Self::Low
        } else {
            Self::High
        }
    }
}

/// `avg10` of the line `some` (Documentation/accounting/psi.rst).
fn last_10_s(text: &str) -> Option<f32> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let average = some.split(' ').find_map(|it| it.strip_prefix("avg10="))?;
    average.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_read_from_its_line() {
        let text = "some avg10=44.10 avg60=11.24 avg300=3.09 total=13381258\n\
            full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(last_10_s(text), Some(44.1));
        assert_eq!(last_10_s(""), None);
    }
}
