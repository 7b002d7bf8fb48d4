//! What others may ask of the daemon over D-Bus: `org.sessiontimeout1.Manager`.

mod announce;
mod error;
mod extend;
mod gate;
mod offer;
mod refusal;
mod row;
mod turns;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use session_timeout_policy::{Event, SessionFacts, SessionKey, Uid};
use session_timeout_texts::sanitize;
use tokio::sync::{mpsc, oneshot, watch};
use zbus::message::Header;
use zbus::names::UniqueName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, fdo, interface};

pub(crate) use announce::{News, announce};
use error::{full, no_source, not_the_agent, stopping, too_soon, unknown_caller, unseen};
use gate::{Call as InHand, Gate, Turn};
pub(crate) use offer::offer;
use refusal::NotExtended;
use row::{Row, explained, left, row};
use turns::Turns;

use crate::agents::{Agents, Attached, Call, NotTaken, Source};
use crate::bus::PrivateBus;
use crate::clock::Clocks;
use crate::endings::{self, Endings};
use crate::input::{Input, Viewer};
use crate::probe::{Prober, Question};
use crate::report::{Explanation, SessionReport, Status};
use crate::tell::Teller;

const BUS_NAME: &str = "org.sessiontimeout1";
const PATH: &str = "/org/sessiontimeout1";
/// Sessions that are looked at at once for one question.
const PROBES: usize = 16;
/// What is not known afresh after so long is told as it was.
const PATIENCE: Duration = Duration::from_secs(3);
/// A session is looked at once in this time, however often it is asked for.
const FRESH: Duration = Duration::from_secs(1);
/// logind's ids are far shorter.
const LONGEST_ID: usize = 64;

/// Whom the answers come from.
#[derive(Clone)]
pub(crate) struct Questions {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) status: watch::Receiver<Status>,
    /// For polkit.
    pub(crate) private: PrivateBus,
    pub(crate) agents: Agents,
    pub(crate) endings: Endings,
    pub(crate) prober: Prober,
    pub(crate) teller: Teller,
}

struct Manager {
    questions: Questions,
    gate: Gate,
    /// When each session was looked at for somebody's question.
    looked: Mutex<HashMap<SessionKey, Instant>>,
    turns: Turns,
}

#[interface(name = "org.sessiontimeout1.Manager")]
impl Manager {
    /// Every session that a person logged in to, for root; for anybody else the caller's own.
    /// [`row()`] documents the keys.
    async fn list_sessions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Vec<Row>> {
        let guest = self.admit(connection, &header).await?;
        let looks = stream::iter(self.sessions(guest.viewer).await?);
        let looks = looks.for_each_concurrent(PROBES, |session| self.look(session));
        let _ = tokio::time::timeout(PATIENCE, looks).await;
        Ok(self.sessions(guest.viewer).await?.iter().map(row).collect())
    }

    /// Why a session stands where it does: its rule, every value of it and where that was set,
    /// and what comes next.
    async fn explain(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Row> {
        let session = known_id(&session)?;
        let guest = self.admit(connection, &header).await?;
        let unknown = || unseen(session);
        let visible = |found: &Explanation| guest.viewer.may_see(&found.session.facts);
        let before = self.explanation(session).await?;
        let before = before.filter(visible).ok_or_else(unknown)?;
        let _ = tokio::time::timeout(PATIENCE, self.look(before.session)).await;
        let after = self.explanation(session).await?;
        after.filter(visible).map(explained).ok_or_else(unknown)
    }

    /// How long a session may yet last, of those that the caller may see. It costs little: nobody
    /// looks at the session for it.
    async fn left(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<Row> {
        let session = known_id(&session)?;
        let guest = self.admit(connection, &header).await?;
        let found = self.session(session).await?;
        let found = found.filter(|found| guest.viewer.may_see(&found.facts));
        found.as_ref().map(left).ok_or_else(|| unseen(session))
    }

    /// Puts off the absolute limit of a session once, as far as its policy allows: of an own
    /// session where polkit agrees, of anybody's for root. Says by how much, in how long the session
    /// ends then, both in microseconds, and how often that may be done again.
    async fn extend_session(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(u64, u64, u32), NotExtended> {
        let session = known_id(&session)?;
        let _guest = self.admit(connection, &header).await?;
        self.extend(connection, &header, session).await
    }

    /// What `Left` says of a session has changed other than by time going on.
    #[zbus(signal)]
    async fn session_changed(emitter: &SignalEmitter<'_>, session: &str) -> zbus::Result<()>;

    /// Lets the caller speak for the input of a desktop of the caller's own; `source` is how it
    /// knows. `false`: another agent does already.
    async fn attach_agent(
        &self,
        session: String,
        source: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<bool> {
        let session = known_id(&session)?;
        let source = Source::parse(&source).ok_or_else(no_source)?;
        let guest = self.admit(connection, &header).await?;
        let sender = header.sender().ok_or_else(unknown_caller)?;
        let facts = self.desktop(session, guest.viewer.0).await?;
        let Questions { inputs, agents, .. } = self.questions.clone();
        let arrival = match agents.attach(&facts.key, sender, facts.uid, source) {
            Attached::Taken => return Ok(false),
            Attached::Known => return Ok(true),
            Attached::TooSoon => return Err(too_soon()),
            Attached::New(arrival) => arrival,
        };
        let (connection, name) = (connection.clone(), sender.to_owned().into());
        let key = facts.key.clone();
        tokio::spawn(agents.watch(connection, inputs.clone(), key, name));
        let attached = Input::AgentAttached(facts.key, source, arrival);
        inputs.send(attached).await.map_err(|_| stopping())?;
        Ok(true)
    }

    /// There was no input for as long as the agent was asked to watch for.
    async fn became_idle(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<()> {
        self.called(&session, &header, Call::Idle).await
    }

    /// There was input again.
    async fn became_active(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<()> {
        self.called(&session, &header, Call::Active).await
    }

    /// The user has answered a warning on the screen, which is input right now.
    async fn stay(&self, session: String, #[zbus(header)] header: Header<'_>) -> fdo::Result<()> {
        let (_call, sender) = self.take_in_hand(&header)?;
        let Questions { inputs, agents, .. } = &self.questions;
        let key = agents.session_of(known_id(&session)?, sender);
        let key = key.ok_or_else(not_the_agent)?;
        match agents.stays(&key, sender) {
            Ok(()) => {}
            Err(NotTaken::NotTheAgent) => return Err(not_the_agent()),
            // The one before was as good.
            Err(NotTaken::Unasked) => return Ok(()),
        }
        let sent = inputs.send(Input::Event(Event::ActivitySeen(key))).await;
        sent.map_err(|_| stopping())
    }

    /// What became of the last session of the agent's user, where nobody has been told yet: nothing
    /// otherwise.
    async fn last_ending(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<endings::Row> {
        let (_call, user) = self.agents_user(&session, &header)?;
        Ok(self.questions.endings.row(user, Clocks::now().wall))
    }

    /// The agent has shown that.
    async fn ending_told(
        &self,
        session: String,
        #[zbus(header)] header: Header<'_>,
    ) -> fdo::Result<()> {
        let (_call, user) = self.agents_user(&session, &header)?;
        self.questions.endings.told(user);
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

    /// Why the policy file as it is now was not taken; empty if it was. It has lines of the file in
    /// it, which need not be everybody's to read.
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
        let guest = self.admit(connection, &header).await?;
        Ok(match guest.viewer {
            Viewer(0) => error,
            Viewer(_) => "only root is told why".to_owned(),
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

/// Who calls, and the call in hand.
struct Guest {
    viewer: Viewer,
    _turn: Option<Turn>,
    _call: InHand,
}

impl Manager {
    fn new(questions: Questions) -> Self {
        Self {
            questions,
            gate: Gate::default(),
            looked: Mutex::default(),
            turns: Turns::default(),
        }
    }

    /// Lets a call in, in its user's turn.
    async fn admit(&self, connection: &Connection, header: &Header<'_>) -> fdo::Result<Guest> {
        let (call, _) = self.take_in_hand(header)?;
        let asked = || caller(connection, header);
        let user = *call.user.get_or_try_init(asked).await?;
        let turn = self.gate.turn(user).await.map_err(full)?;
        Ok(Guest {
            viewer: Viewer(user),
            _turn: turn,
            _call: call,
        })
    }

    /// Lets a call in whose user does not matter.
    fn take_in_hand<'h>(
        &self,
        header: &'h Header<'_>,
    ) -> fdo::Result<(InHand, &'h UniqueName<'h>)> {
        let sender = header.sender().ok_or_else(unknown_caller)?;
        Ok((self.gate.call(sender).map_err(full)?, sender))
    }

    /// Lets a call of an agent in, and says whose it is.
    fn agents_user(&self, session: &str, header: &Header<'_>) -> fdo::Result<(InHand, Uid)> {
        let (call, sender) = self.take_in_hand(header)?;
        let user = self.questions.agents.user_of(known_id(session)?, sender);
        Ok((call, user.ok_or_else(not_the_agent)?))
    }

    /// Without a word to the driver: anybody may ask, and as often as the bus allows.
    fn status(&self) -> watch::Ref<'_, Status> {
        self.questions.status.borrow()
    }

    /// Reads the session's idle time afresh, before it is told; unless that was just done.
    async fn look(&self, session: SessionReport) {
        if !self.is_due(&session.facts.key) {
            return;
        }
        let question = Question::new(session.facts, session.limits.as_ref(), session.watch);
        self.questions.prober.look(question).wait().await;
    }

    /// The desktop of this user with this id. One that logind has just begun may not be known yet:
    /// its agent asks again.
    async fn desktop(&self, id: &str, uid: u32) -> fdo::Result<SessionFacts> {
        let found = self.session(id).await?.map(|session| session.facts);
        match found {
            Some(facts) if facts.uid.as_raw() != uid => {
                let own = "an agent speaks for sessions of its own user";
                Err(fdo::Error::AccessDenied(own.to_owned()))
            }
            // On a console somebody may have started an X server.
            Some(facts) if facts.session_type.is_graphical() || facts.seat.is_some() => Ok(facts),
            Some(_) | None => {
                let which = sanitize(id);
                let why = format!("there is no session {which} with a desktop");
                Err(fdo::Error::InvalidArgs(why))
            }
        }
    }

    async fn called(&self, session: &str, header: &Header<'_>, call: Call) -> fdo::Result<()> {
        let (_call, sender) = self.take_in_hand(header)?;
        let Questions { inputs, agents, .. } = &self.questions;
        let key = agents.session_of(known_id(session)?, sender);
        let key = key.ok_or_else(not_the_agent)?;
        match agents.called(&key, sender, call) {
            Ok(()) => {}
            Err(NotTaken::NotTheAgent) => return Err(not_the_agent()),
            // It may have been asked again meanwhile, so this is no error of the agent.
            Err(NotTaken::Unasked) => return Ok(()),
        }
        let event = match call {
            Call::Idle => Event::BecameIdle(key),
            Call::Active => Event::ActivitySeen(key),
        };
        let sent = inputs.send(Input::Event(event)).await;
        sent.map_err(|_| stopping())
    }

    /// Whether the session was not probed for a while; then a caller's question has it probed.
    fn is_due(&self, key: &SessionKey) -> bool {
        let now = Instant::now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|_, then| now.duration_since(*then) < FRESH);
        let due = !looked.contains_key(key);
        if due {
            looked.insert(key.clone(), now);
        }
        due
    }

    /// Where one session stands.
    async fn session(&self, id: &str) -> fdo::Result<Option<SessionReport>> {
        let (answer, answered) = oneshot::channel();
        let question = Input::Session(id.to_owned(), answer);
        let asked = self.questions.inputs.send(question).await;
        asked.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    async fn explanation(&self, session: &str) -> fdo::Result<Option<Explanation>> {
        let (answer, answered) = oneshot::channel();
        let question = Input::Explain(session.to_owned(), answer);
        self.questions
            .inputs
            .send(question)
            .await
            .map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    async fn sessions(&self, viewer: Viewer) -> fdo::Result<Vec<SessionReport>> {
        let (answer, answered) = oneshot::channel();
        self.questions
            .inputs
            .send(Input::Sessions(viewer, answer))
            .await
            .map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }
}

/// The uid of the caller, as the bus reports it.
async fn caller(connection: &Connection, header: &Header<'_>) -> fdo::Result<u32> {
    let sender = header.sender().ok_or_else(unknown_caller)?;
    let bus = fdo::DBusProxy::new(connection).await?;
    bus.get_connection_unix_user(sender.clone().into())
        .await
        .map_err(|_| unknown_caller())
}

/// The id, where it may be one.
fn known_id(id: &str) -> fdo::Result<&str> {
    if id.len() <= LONGEST_ID {
        return Ok(id);
    }
    let long = format!("no session's id is longer than {LONGEST_ID} bytes");
    Err(fdo::Error::InvalidArgs(long))
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
