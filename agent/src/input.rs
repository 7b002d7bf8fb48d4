//! The inputs of the driver's loop.

use tokio::sync::oneshot;

use crate::attachment::Attachment;
use crate::idle::{Answer, Watch};
use crate::source::Trouble;

/// What the driver reacts to.
#[derive(Debug)]
pub(crate) enum Input {
    /// The daemon asks.
    Question(Option<Watch>, oneshot::Sender<Result<Answer, Trouble>>),
    /// Where the agent stands with the daemon.
    Daemon(Attachment),
    /// logind has removed the session.
    SessionGone,
    /// The system bus has gone.
    BusGone,
}
