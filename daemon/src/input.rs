//! The inputs of the driver, from all parts of the daemon.

use session_timeout_policy::{
    BootTime, Event, Extended, Pid, Refusal, SessionFacts, SessionId, SessionKey, Uid,
};
use session_timeout_protocol::{Closed, FrameError, Opened};
use tokio::sync::oneshot;

use crate::agents;
use crate::process::{Process, cgroup};
use crate::report::{Explanation, SessionReport};

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
    /// A connection to the login socket did not send a valid frame.
    FrameRejected(FrameError),
    /// Somebody asks why the session with this id stands where it does.
    Explain(SessionId, oneshot::Sender<Option<Explanation>>),
    /// Somebody who may asks for more time.
    Extend(ExtendRequest, oneshot::Sender<Result<Extended, Refusal>>),
    /// logind signals that the screen of the session with this id was locked or unlocked.
    LockHint(SessionId, LockHint),
    /// logind answers.
    LogindConnected,
    /// logind, or the bus, is away; and why.
    LogindLost(String),
    /// PAM opened a session in this process. The answer is a line for the user, if there is one.
    Opened(Opened, Pid, oneshot::Sender<Option<String>>),
    /// logind signals that somebody has come back to the session with this id.
    Returned(SessionId, Return),
    /// PAM opened this session a while ago, and logind may have missed it.
    Unconfirmed(PamLogin),
    /// PAM closed a session in this process.
    Closed(Closed, Pid),
    /// These watches were added to the terminals of this session; the sender waits for the reply.
    Watched(SessionKey, Vec<i32>, oneshot::Sender<()>),
    /// Somebody asks where the session with this id stands.
    Session(SessionId, oneshot::Sender<Option<SessionReport>>),
    /// Somebody asks where the sessions that they may see stand.
    Sessions(Viewer, oneshot::Sender<Vec<SessionReport>>),
}

/// Who may see which sessions, of people's: root all of them, and anybody else the own ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Viewer(pub(crate) Uid);

impl Viewer {
    pub(crate) fn may_see(self, session: &SessionFacts) -> bool {
        let own = self.0 == Uid::ROOT || session.uid == self.0;
        own && session.class.is_login_of_a_person()
    }
}

/// More time for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtendRequest {
    pub(crate) session: SessionKey,
    /// Who asks for it.
    pub(crate) by: Uid,
}

/// A login as PAM has announced it.
#[derive(Clone, Debug)]
pub(crate) struct PamLogin {
    pub(crate) opened: Opened,
    pub(crate) leader: Process,
    /// When PAM announced the login.
    pub(crate) began: BootTime,
}

impl PamLogin {
    /// The id that the daemon gives to the session if logind has none.
    pub(crate) fn id(&self) -> SessionId {
        cgroup::kept_id(self.leader.pid)
    }
}

/// What became of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockHint {
    Locked,
    Unlocked,
}

/// How logind signals that somebody has come back to a session. No signal is proof of an
/// authentication: the user of a session may have logind send `Unlock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Return {
    /// The seat shows the session: `Active` became true.
    Shown,
    /// The desktop is asked to unlock the screen: `Unlock`. A display manager sends it when the
    /// password was typed into its greeter.
    Unlock,
}
