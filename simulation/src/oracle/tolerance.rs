//! The tolerance of the checks: the engine knows some times in whole seconds only.

use std::time::Duration;

use session_timeout_policy::LimitKind;

/// The resolution of terminal stamps and of desktop reports.
pub(super) const RESOLUTION: Duration = Duration::from_secs(1);

/// The tolerance between an end for this limit and the reported time of the last input.
pub(super) fn tolerance(kind: LimitKind) -> Duration {
    match kind {
        LimitKind::Absolute => Duration::ZERO,
        LimitKind::Inactivity => RESOLUTION,
    }
}
