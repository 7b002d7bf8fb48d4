//! Whether processes of the host wait for a processor: its pressure stall information.

use std::fs;

/// The share of the last ten seconds in which at least one process waited, in percent, from which
/// on cases make each other late.
const HIGH: f32 = 70.0;

/// Whether cases would make each other late; never where the kernel does not measure it
/// (`CONFIG_PSI`).
pub(crate) fn is_high() -> bool {
    let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    last_10_s(&text).is_some_and(|percent| percent >= HIGH)
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
