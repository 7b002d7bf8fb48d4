//! The result and the errors of a probe of the desktop, and a way to call a blocking library for
//! it.

use std::fmt;

use crate::idle::{Answer, Report};

/// Why a probe failed.
#[derive(Debug)]
pub(crate) enum SourceError {
    /// The connection to the desktop has ended.
    Gone(String),
    /// The desktop did not reply, or replied with an error.
    NoAnswer(String),
    /// The desktop has no source of idle time.
    NoSource,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(why) | Self::NoAnswer(why) => f.write_str(why),
            Self::NoSource => f.write_str("this desktop tells nobody of idle time"),
        }
    }
}

/// The result of a probe.
pub(crate) struct ProbeResult {
    pub(crate) answer: Answer,
    /// The reports to send after the answer.
    pub(crate) reports: Vec<Report>,
}

/// Runs a blocking call on another thread, so that a desktop that hangs blocks only that one.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let result = tokio::task::spawn_blocking(call).await;
    result.unwrap_or_else(|error| Err(SourceError::NoAnswer(error.to_string())))
}
