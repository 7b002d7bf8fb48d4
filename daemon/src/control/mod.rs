//! The daemon's D-Bus interface, `org.sessiontimeout1.Manager`.

mod caller;
mod changes;
mod dict;
mod error;
mod extend;
mod extend_limiter;
mod limits;
mod polkit;

mod refusal;
mod serve;
mod signals;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use session_timeout_policy::{Event, SessionFacts, SessionId, SessionKey, Uid};
use session_timeout_texts::sanitize;
use tokio::sync::{mpsc, oneshot, watch};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, fdo, interface};

use caller::parse_id;
pub(crate) use changes::Changes;
use dict::{Dict, explanation_dict, left_dict, session_dict};
use error::{no_source, not_the_agent, stopping, too_soon, unknown_caller, unseen};
use extend_limiter::ExtendLimiter;
use limits::CallLimiter;
use refusal::NotExtended;
pub(crate) use serve::serve;
pub(crate) use signals::{ChangedSessions, emit_changes};

use crate::agents::{Agents, Attached, Callback, Refused, Source, Succession};
use crate::bus::PrivateBus;
use crate::idle::ProbeRequest;
use crate::idle::probe::Prober;
use crate::input::{Input, Viewer};
use crate::journal::Journal;
use crate::pam::last_session::{self, LastSessions};
use crate::report::{Explanation, SessionReport, Status};
use crate::sys::clock::Clocks;

/// Maximum number of sessions that are probed concurrently for one call.
const PROBES_MAX_CONCURRENT: usize = 16;
/// Timeout of the probes for a call; after it the last known values are returned.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Minimum interval between probes of a session for callers.
const PROBE_MIN_INTERVAL: Duration = Duration::from_secs(1);
/// What the interface needs to serve calls.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) status: watch::Receiver<Status>,
    /// The connection for calls of polkit.
    pub(crate) private: PrivateBus,
    pub(crate) agents: Agents,
    pub(crate) last_sessions: LastSessions,
    pub(crate) prober: Prober,
    pub(crate) journal: Journal,
}

struct Manager {
    context: Context,
    limiter: CallLimiter,
    /// The time of each session's last probe for a caller.
    probed: Mutex<HashMap<SessionKey, Instant>>,
    extend_limiter: ExtendLimiter,
}

#[interface(name = "org.sessiontimeout1.Manager")]
impl Manager {
    /// All sessions of users for root, and the caller's own for others. [`session_dict()`]
    /// documents the keys.
    async fn list_sessions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Vec<Dict>> {
        let caller = self.admit(connection, &header).await?;
        let probes = stream::iter(self.sessions(caller.viewer).await?);
        let probes =
            probes.for_each_concurrent(PROBES_MAX_CONCURRENT, |session| self.probe(session));
        let _ = tokio::time::timeout(PROBE_TIMEOUT, probes).await;
        Ok(self
            .sessions(caller.viewer)
            .await?
            .iter()
            .map(session_dict)
            .collect())
    }

    /// Explains the limits of a session: its rule, the values of all keys and where they were set,
    /// and what happens next.
    async fn explain(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Dict> {
        let session = parse_id(session)?;
        let caller = self.admit(connection, &header).await?;
        let unknown = || unseen(&session);
        let visible = |found: &Explanation| caller.viewer.may_see(&found.session.facts);
        let before = self.explanation(&session).await?;
        let before = before.filter(visible).ok_or_else(unknown)?;
        let _ = tokio::time::timeout(PROBE_TIMEOUT, self.probe(before.session)).await;
        let after = self.explanation(&session).await?;
        after
            .filter(visible)
            .map(explanation_dict)
            .ok_or_else(unknown)
    }

    /// The remaining time of the sessions that the caller may see. It is cheap: no session is
    /// probed for it.
    async fn left(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Dict> {
        let session = parse_id(session)?;
        let caller = self.admit(connection, &header).await?;
        let found = self.session(&session).await?;
        let found = found.filter(|found| caller.viewer.may_see(&found.facts));
        found
            .as_ref()
            .map(left_dict)
            .ok_or_else(|| unseen(&session))
    }

    /// Extends the absolute limit of a session once, as far as its policy allows: of the caller's
    /// own session with polkit's authorization, of any session for root. Returns the length of the
    /// extension and the time until the session ends, both in microseconds, and the number of
    /// extensions that remain.
    async fn extend_session(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(u64, u64, u32), NotExtended> {
        let session = parse_id(session)?;
        let caller = self.admit(connection, &header).await?;
        self.extend(connection, &header, caller.viewer.0, &session)
            .await
    }

    /// The reply of `Left` about a session has changed other than by the passing of time.
    #[zbus(signal)]
    async fn session_changed(emitter: &SignalEmitter<'_>, session: &str) -> zbus::Result<()>;

    /// Registers the caller as the agent of one of its user's desktops; `source` is the origin of
    /// its idle time. Returns `false` if the desktop has another agent.
    async fn attach_agent(
        &self,
        session: String,
        source: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<bool> {
        let session = parse_id(session)?;
        let source = Source::parse(&source).ok_or_else(no_source)?;
        let caller = self.admit(connection, &header).await?;
        let sender = header.sender().ok_or_else(unknown_caller)?;
        let facts = self.desktop(&session, caller.viewer.0).await?;
        let Context { inputs, agents, .. } = self.context.clone();
        let arrival = match agents.attach(&facts.key, sender, facts.uid, source) {
            Attached::Taken => return Ok(false),
            Attached::Known => return Ok(true),
            Attached::TooSoon => return Err(too_soon()),
            Attached::New(arrival) => arrival,
        };
        let (connection, name) = (connection.clone(), sender.to_owned().into());
        let (key, gone) = (facts.key.clone(), inputs.clone());
        tokio::spawn(async move {
            if agents.serve(&connection, &key, &name).await == Succession::Missed {
                let _ = gone.send(Input::AgentGone(key)).await;
            }
        });
        let attached = Input::AgentAttached(facts.key, source, arrival);
        inputs.send(attached).await.map_err(|_| stopping())?;
        Ok(true)
    }

    /// An agent reports that there was no input for the time that it was asked to watch for.
    async fn became_idle(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<()> {
        self.called(session, &header, Callback::Idle).await
    }

    /// An agent reports that there was input again.
    async fn became_active(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<()> {
        self.called(session, &header, Callback::Active).await
    }

    /// The user has answered a warning on the screen, which counts as input.
    async fn stay(&self, session: String, #[zbus(header)] header: Header<'_>) -> fdo::Result<()> {
        let (_call, sender) = self.take_slot(&header)?;
        let Context { inputs, agents, .. } = &self.context;
        let key = agents.session_of(&parse_id(session)?, sender);
        let key = key.ok_or_else(not_the_agent)?;
        match agents.stays(&key, sender) {
            Ok(()) => {}
            Err(Refused::NotTheAgent) => return Err(not_the_agent()),
            // The last call was less than the minimum interval ago, and has the same effect.
            Err(Refused::Unasked) => return Ok(()),
        }
        let sent = inputs.send(Input::Event(Event::ActivitySeen(key))).await;
        sent.map_err(|_| stopping())
    }

    /// How the last session of the caller's user ended, if that was not shown yet; empty otherwise.
    async fn last_ending(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<last_session::Dict> {
        let (_call, user) = self.agents_user(session, &header)?;
        Ok(self
            .context
            .last_sessions
            .dict_for(user, Clocks::now().wall))
    }

    /// The agent has shown the result of `LastEnding`.
    async fn ending_told(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<()> {
        let (_call, user) = self.agents_user(session, &header)?;
        self.context.last_sessions.mark_shown(user);
        Ok(())
    }

    /// The version of the daemon.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The policy file.
    #[zbus(property(emits_changed_signal = "const"))]
    fn policy_path(&self) -> String {
        self.status().policy_path.clone()
    }

    /// `in-force`, `built-in`, `last-good` or `none`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn policy_state(&self) -> &'static str {
        self.status().policy_state
    }

    /// Why the current policy file was rejected; empty if it was not. It quotes lines of the file,
    /// so only root receives it.
    #[zbus(property(emits_changed_signal = "false"))]
    async fn policy_error(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<String> {
        let Some(error) = self.status().policy_error.clone() else {
            return Ok(String::new());
        };
        let header = header.ok_or_else(unknown_caller)?;
        let caller = self.admit(connection, &header).await?;
        Ok(match caller.viewer {
            Viewer(Uid::ROOT) => error,
            Viewer(_) => "only root may read why".to_owned(),
        })
    }

    /// Whether the daemon was started with `--allow-short-limits`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn short_limits(&self) -> bool {
        self.status().short_limits
    }

    /// `connected` or `waiting`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn logind_state(&self) -> &'static str {
        if self.status().logind_connected {
            "connected"
        } else {
            "waiting"
        }
    }

    /// Connections to the login socket that sent something other than a valid frame.
    #[zbus(property(emits_changed_signal = "false"))]
    fn rejected_frames(&self) -> u64 {
        self.status().rejected_frames
    }
}

impl Manager {
    fn new(context: Context) -> Self {
        Self {
            context,
            limiter: CallLimiter::default(),
            probed: Mutex::default(),
            extend_limiter: ExtendLimiter::default(),
        }
    }

    /// Read without the driver, since anybody may call this as often as the bus allows.
    fn status(&self) -> watch::Ref<'_, Status> {
        self.context.status.borrow()
    }

    /// Probes the session and waits for the result, unless it was probed a moment ago.
    async fn probe(&self, session: SessionReport) {
        if !self.is_due(&session.facts.key) {
            return;
        }
        let request = ProbeRequest::new(session.facts, session.limits.as_ref(), session.watch);
        self.context.prober.start(request).wait().await;
    }

    /// The desktop of this user with this session id. The engine may not know one that logind has
    /// just created; its agent then calls again.
    async fn desktop(&self, id: &SessionId, uid: Uid) -> fdo::Result<SessionFacts> {
        let found = self.session(id).await?.map(|session| session.facts);
        match found {
            Some(facts) if facts.uid != uid => {
                let own = "an agent speaks for sessions of its own user";
                Err(fdo::Error::AccessDenied(own.to_owned()))
            }
            // The user may have started an X server on a console.
            Some(facts) if facts.session_type.is_graphical() || facts.seat.is_some() => Ok(facts),
            Some(_) | None => {
                let which = sanitize(id.as_str());
                let why = format!("there is no session {which} with a desktop");
                Err(fdo::Error::InvalidArgs(why))
            }
        }
    }

    async fn called(
        &self,
        session: String,
        header: &Header<'_>,
        call: Callback,
    ) -> fdo::Result<()> {
        let (_call, sender) = self.take_slot(header)?;
        let Context { inputs, agents, .. } = &self.context;
        let key = agents.session_of(&parse_id(session)?, sender);
        let key = key.ok_or_else(not_the_agent)?;
        match agents.called(&key, sender, call) {
            Ok(()) => {}
            Err(Refused::NotTheAgent) => return Err(not_the_agent()),
            // The agent may have received another query meanwhile, so this is not its error.
            Err(Refused::Unasked) => return Ok(()),
        }
        let event = match call {
            Callback::Idle => Event::BecameIdle(key),
            Callback::Active => Event::ActivitySeen(key),
        };
        let sent = inputs.send(Input::Event(event)).await;
        sent.map_err(|_| stopping())
    }

    /// Whether a call should probe this session: its last probe for a caller is long enough ago.
    fn is_due(&self, key: &SessionKey) -> bool {
        let now = Instant::now();
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        probed.retain(|_, then| now.duration_since(*then) < PROBE_MIN_INTERVAL);
        let due = !probed.contains_key(key);
        if due {
            probed.insert(key.clone(), now);
        }
        due
    }

    /// The report of one session.
    async fn session(&self, id: &SessionId) -> fdo::Result<Option<SessionReport>> {
        let (answer, answered) = oneshot::channel();
        let input = Input::Session(id.clone(), answer);
        let asked = self.context.inputs.send(input).await;
        asked.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    async fn explanation(&self, session: &SessionId) -> fdo::Result<Option<Explanation>> {
        let (answer, answered) = oneshot::channel();
        let input = Input::Explain(session.clone(), answer);
        self.context
            .inputs
            .send(input)
            .await
            .map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    async fn sessions(&self, viewer: Viewer) -> fdo::Result<Vec<SessionReport>> {
        let (answer, answered) = oneshot::channel();
        self.context
            .inputs
            .send(Input::Sessions(viewer, answer))
            .await
            .map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
