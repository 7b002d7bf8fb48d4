//! The inputs of the driver: what the other tasks of the agent send it.

use tokio::sync::oneshot;

use crate::attachment::Attachment;
use crate::idle::{Answer, Watch};
use crate::source::SourceError;

/// What the driver reacts to.
#[derive(Debug)]
pub(crate) enum Input {
    /// The daemon probes the idle time; the source also watches for the end of the watch, if any.
    Probe(Option<Watch>, oneshot::Sender<Result<Answer, SourceError>>),
    /// The attachment to the daemon has changed.
    Attachment(Attachment),
    /// logind has removed the session.
    SessionGone,
    /// The connection to the system bus has ended.
    BusGone,
}
