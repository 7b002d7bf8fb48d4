//! The meaning of an agent's answer to a query of its idle time.

use std::time::Duration;

use session_timeout_policy::{BootTime, Hint};
use session_timeout_protocol::bus::agent;

/// The idle time in an answer to an idle query; `None` for an unknown answer.
pub(super) fn hint(now: BootTime, answer: Option<(String, u64)>) -> Option<Hint> {
    let (kind, idle) = answer?;
    match kind.as_str() {
        agent::EXACT => Some(Hint::IdleSince(
            now.saturating_sub(Duration::from_micros(idle)),
        )),
        agent::ACTIVE => Some(Hint::Active),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_an_unknown_kind_means_nothing() {
        let now = BootTime::from_micros(9_000_000);
        let said = |kind: &str, idle| hint(now, Some((kind.to_owned(), idle)));
        let since = BootTime::from_micros(7_500_000);
        assert_eq!(said(agent::EXACT, 1_500_000), Some(Hint::IdleSince(since)));
        let since = BootTime::default();
        assert_eq!(said(agent::EXACT, u64::MAX), Some(Hint::IdleSince(since)));
        assert_eq!(said(agent::ACTIVE, 0), Some(Hint::Active));
        assert_eq!(said("asleep", 0), None);
        assert_eq!(hint(now, None), None);
    }
}
