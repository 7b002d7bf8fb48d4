//! Everything that can reach the driver.

use session_timeout_policy::{Event, Pid, SessionKey, Uid};
use session_timeout_protocol::{Closed, FrameError, Opened};
use tokio::sync::oneshot;

use crate::agents;
use crate::report::{Explanation, Extension, Report, SessionReport};

/// One thing for the driver to deal with.
#[derive(Debug)]
pub(crate) enum Input {
    /// The desktop of this session has an agent from now on.
    AgentAttached(SessionKey, agents::Source, agents::Arrival),
    /// The agent of this session has been gone for a while.
    AgentGone(SessionKey),
    /// The agent of this session does not answer.
    AgentSilent(SessionKey),
    /// Something for the engine.
    Event(Event),
    /// A connection to the login socket did not send a frame of ours.
    FrameRejected(FrameError),
    /// Somebody asks why the session with this id stands where it does.
    Explain(String, oneshot::Sender<Option<Explanation>>),
    /// Somebody who may asks for more time.
    Extend(Wish, oneshot::Sender<Extension>),
    /// logind signals that the screen of the session with this id was locked or unlocked.
    LockHint(String, LockHint),
    /// logind answers.
    LogindConnected,
    /// logind, or the bus, is away; and why.
    LogindLost(String),
    /// PAM opened a session in this process. The answer is a line for the user, if there is one.
    Opened(Opened, Pid, oneshot::Sender<Option<String>>),
    /// PAM closed a session in this process.
    Closed(Closed, Pid),
    /// Somebody asks where everything stands.
    Query(oneshot::Sender<Report>),
    /// Somebody asks where the session with this id stands.
    Session(String, oneshot::Sender<Option<SessionReport>>),
}

/// More time for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) session: SessionKey,
    /// Who asks for it.
    pub(crate) by: Uid,
}

/// What became of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockHint {
    Locked,
    Unlocked,
}
