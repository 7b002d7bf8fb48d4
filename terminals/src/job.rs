//! What a worker process executes: one text for one terminal.

use serde::{Deserialize, Serialize};
use session_timeout_terminals::{Mesg, Terminal};

/// One text for one terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The uid of the session's user.
    pub(crate) user: u32,
    pub(crate) terminal: Terminal,
    pub(crate) text: String,
    pub(crate) mesg: Mesg,
}
