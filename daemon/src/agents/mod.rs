//! The agents in desktops: which there are, what they say of their users' input, and what they are
//! told for their users.
//!
//! An agent runs as the user and has no authority: it is known by its name on the bus, which
//! nobody can forge, speaks for sessions of its own user alone, and what it says can only be about
//! input there. One that is gone, or does not answer in time, is done without.

mod outlook;

use std::collections::HashMap;
use std::future;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use session_timeout_policy::{BootTime, Hint, SessionKey};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use zbus::message::Type;
use zbus::names::{OwnedUniqueName, UniqueName};
use zbus::{Connection, MatchRule, MessageStream, fdo};

pub(crate) use outlook::Outlook;

use crate::bus::PublicBus;
use crate::clock::boot_now;
use crate::input::Input;

const PATH: &str = "/org/sessiontimeout1/Agent";
const INTERFACE: &str = "org.sessiontimeout1.Agent";
const BUS: &str = "org.freedesktop.DBus";

/// An agent that takes longer to answer is done without.
const PATIENCE: Duration = Duration::from_secs(2);
/// Whoever starts an agent again, or ends the session, has done so by then.
const MISSED_AFTER: Duration = Duration::from_secs(2);
/// An agent may call as fast as the bus allows, and each call costs a look.
const QUIET: Duration = Duration::from_secs(1);

/// A name leaves the bus once.
const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// How an agent knows what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    ExtIdleNotify,
    KdeIdle,
    Mutter,
    X11,
    /// It does not.
    None,
}

impl Source {
    const ALL: [Self; 5] = [
        Self::ExtIdleNotify,
        Self::KdeIdle,
        Self::Mutter,
        Self::X11,
        Self::None,
    ];

    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ExtIdleNotify => "ext-idle-notify",
            Self::KdeIdle => "kde-idle",
            Self::Mutter => "mutter",
            Self::X11 => "x11",
            Self::None => "none",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// What an agent calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// There was no input for as long as it was to watch for.
    Idle,
    /// There was input after that.
    Active,
}

/// Why a call is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Somebody else speaks for the session, or nobody.
    NotTheAgent,
    /// It was not asked for, or too soon after the one before.
    Unasked,
}

/// What has become of an agent that wants to speak for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// It does from now on.
    New,
    /// It did before.
    Known,
    /// Another one does.
    Taken,
}

/// All agents.
#[derive(Clone)]
pub(crate) struct Agents {
    bus: PublicBus,
    all: Arc<Mutex<HashMap<SessionKey, Agent>>>,
}

struct Agent {
    name: OwnedUniqueName,
    source: Source,
    expects: Expects,
    called: Option<Instant>,
    /// It has not answered the last question, and that was said.
    silent: bool,
    /// What its user is to be told; nothing yet for one that is new.
    outlook: watch::Sender<Option<Outlook>>,
}

/// The calls that the last question allows: each once, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Nothing,
    Idle,
    Active,
}

impl Agents {
    pub(crate) fn new(bus: PublicBus) -> Self {
        Self {
            bus,
            all: Arc::default(),
        }
    }

    /// Lets this connection speak for the session.
    pub(crate) fn attach(
        &self,
        key: &SessionKey,
        name: &UniqueName<'_>,
        source: Source,
    ) -> Attached {
        let mut agents = self.all();
        match agents.get_mut(key) {
            Some(agent) if agent.name == *name => {
                agent.source = source;
                return Attached::Known;
            }
            Some(_) => return Attached::Taken,
            None => {}
        }
        let agent = Agent {
            name: name.to_owned().into(),
            source,
            expects: Expects::Nothing,
            called: None,
            silent: false,
            outlook: watch::Sender::new(None),
        };
        agents.insert(key.clone(), agent);
        Attached::New
    }

    /// The session is no more.
    pub(crate) fn forget(&self, key: &SessionKey) {
        self.all().remove(key);
    }

    /// The session with this id that this connection speaks for.
    pub(crate) fn session_of(&self, id: &str, name: &UniqueName<'_>) -> Option<SessionKey> {
        let agents = self.all();
        let mut agents = agents.iter();
        let (key, _) = agents.find(|(key, agent)| key.id == id && agent.name == *name)?;
        Some(key.clone())
    }

    /// What the session's agent tells its user from now on, if there is one.
    pub(crate) fn look_out(&self, key: &SessionKey, outlook: Outlook) {
        if let Some(agent) = self.all().get(key) {
            agent.outlook.send_replace(Some(outlook));
        }
    }

    /// The same, by what is different. An agent that is new is told the whole of it soon.
    pub(crate) fn change_outlook(&self, key: &SessionKey, change: impl FnOnce(&mut Outlook)) {
        if let Some(agent) = self.all().get(key) {
            agent.outlook.send_if_modified(|outlook| match outlook {
                Some(outlook) => {
                    change(outlook);
                    true
                }
                None => false,
            });
        }
    }

    /// How the session's agent knows, if it has one.
    pub(crate) fn source_of(&self, key: &SessionKey) -> Option<Source> {
        self.all().get(key).map(|agent| agent.source)
    }

    /// Whether this call of this connection is one that was asked for.
    ///
    /// # Errors
    /// It was not.
    pub(crate) fn called(
        &self,
        key: &SessionKey,
        name: &UniqueName<'_>,
        call: Call,
    ) -> Result<(), NotTaken> {
        let mut agents = self.all();
        let agent = agents.get_mut(key).filter(|agent| agent.name == *name);
        let agent = agent.ok_or(NotTaken::NotTheAgent)?;
        agent.expects = match (agent.expects, call) {
            (Expects::Idle, Call::Idle) => Expects::Active,
            (Expects::Idle | Expects::Active, Call::Active) => Expects::Nothing,
            (Expects::Nothing | Expects::Active, _) => return Err(NotTaken::Unasked),
        };
        let soon = |called: Instant| called.elapsed() < QUIET;
        if call == Call::Idle && agent.called.is_some_and(soon) {
            return Err(NotTaken::Unasked);
        }
        agent.called = Some(Instant::now());
        Ok(())
    }

    /// Asks the session's agent, which is to watch for so long without input; `None` where nobody
    /// says anything.
    pub(crate) async fn ask(
        &self,
        inputs: &mpsc::Sender<Input>,
        key: &SessionKey,
        watch: Option<Duration>,
    ) -> Option<Hint> {
        let connection = self.bus.borrow().clone()?;
        let name = self.question(key)?;
        let watch = watch.and_then(|watch| u64::try_from(watch.as_micros()).ok());
        let body = watch.unwrap_or_default();
        let call = connection.call_method(Some(&name), PATH, Some(INTERFACE), "Idle", &body);
        let reply = tokio::time::timeout(PATIENCE, call).await;
        let now = boot_now();
        let told = match reply {
            Ok(Ok(reply)) => told(now, reply.body().deserialize().ok()),
            Ok(Err(error)) => {
                log::debug!("the agent of session {}: {error}", key.id);
                None
            }
            Err(_elapsed) => {
                if self.falls_silent(key, &name) {
                    let _ = inputs.send(Input::AgentSilent(key.clone())).await;
                }
                return None;
            }
        };
        self.answers(key, &name);
        told
    }

    fn question(&self, key: &SessionKey) -> Option<OwnedUniqueName> {
        let mut agents = self.all();
        let agent = agents.get_mut(key)?;
        if agent.source == Source::None {
            return None;
        }
        agent.expects = Expects::Idle;
        Some(agent.name.clone())
    }

    /// Whether that is news.
    fn falls_silent(&self, key: &SessionKey, name: &OwnedUniqueName) -> bool {
        let mut agents = self.all();
        let agent = agents.get_mut(key).filter(|agent| agent.name == *name);
        agent.is_some_and(|agent| !std::mem::replace(&mut agent.silent, true))
    }

    fn answers(&self, key: &SessionKey, name: &OwnedUniqueName) {
        if let Some(agent) = self.all().get_mut(key)
            && agent.name == *name
        {
            agent.silent = false;
        }
    }

    /// Tells this agent what its user is to know until it has left the bus, forgets it then, and
    /// says so where it is missed.
    pub(crate) async fn watch(
        self,
        connection: Connection,
        inputs: mpsc::Sender<Input>,
        key: SessionKey,
        name: OwnedUniqueName,
    ) {
        let agent = self.all().get(&key).map(|agent| agent.outlook.subscribe());
        let telling = async {
            if let Some(outlook) = agent {
                outlook::tell(&connection, &name, outlook).await;
            }
            future::pending::<()>().await;
        };
        tokio::select! {
            left = leaves(&connection, &name) => if let Err(error) = left {
                log::debug!("cannot watch the agent of session {}: {error}", key.id);
            },
            () = telling => {}
        }
        {
            let mut agents = self.all();
            if agents.get(&key).is_none_or(|agent| agent.name != name) {
                return;
            }
            agents.remove(&key);
        }
        tokio::time::sleep(MISSED_AFTER).await;
        if self.source_of(&key).is_none() {
            let _ = inputs.send(Input::AgentGone(key)).await;
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SessionKey, Agent>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer means; one that is none of ours means nothing.
fn told(now: BootTime, answer: Option<(String, u64)>) -> Option<Hint> {
    let (kind, idle) = answer?;
    match kind.as_str() {
        "exact" => Some(Hint::IdleSince(
            now.saturating_sub(Duration::from_micros(idle)),
        )),
        "active" => Some(Hint::Active),
        _ => None,
    }
}

/// Waits until this name has left the bus.
pub(crate) async fn leaves(connection: &Connection, name: &OwnedUniqueName) -> zbus::Result<()> {
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(BUS)
        .interface(BUS)
        .member("NameOwnerChanged")
        .arg(0, name.as_str())
        .build()?;
    let mut changes = MessageStream::for_match_rule(rule, connection, Some(ONE)).await?;
    // After subscribing, so that it cannot leave unnoticed.
    let bus = fdo::DBusProxy::new(connection).await?;
    if !bus.name_has_owner(name.clone().into()).await? {
        return Ok(());
    }
    while let Some(change) = changes.next().await {
        let change = change?;
        let from_the_bus = change.header().sender().is_some_and(|from| from == BUS);
        let body = change.body().deserialize::<(String, String, String)>();
        if from_the_bus && body.is_ok_and(|(_, _, new)| new.is_empty()) {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents() -> Agents {
        Agents::new(watch::channel(None).1)
    }

    fn key() -> SessionKey {
        SessionKey {
            id: "c1".to_owned(),
            stamp: 1,
        }
    }

    fn name(name: &'static str) -> UniqueName<'static> {
        UniqueName::try_from(name).unwrap()
    }

    #[test]
    fn one_agent_speaks_for_a_session_until_it_is_gone() {
        let agents = agents();
        let attach = |who| agents.attach(&key(), &name(who), Source::X11);
        assert_eq!(attach(":1.1"), Attached::New);
        assert_eq!(attach(":1.1"), Attached::Known);
        assert_eq!(attach(":1.2"), Attached::Taken);
        agents.forget(&key());
        assert_eq!(attach(":1.2"), Attached::New);
    }

    #[test]
    fn only_the_agent_calls_and_only_as_it_was_asked() {
        let agents = agents();
        let called = |who, call| agents.called(&key(), &name(who), call);
        assert_eq!(called(":1.1", Call::Idle), Err(NotTaken::NotTheAgent));
        agents.attach(&key(), &name(":1.1"), Source::X11);
        assert_eq!(called(":1.1", Call::Idle), Err(NotTaken::Unasked));
        assert!(agents.question(&key()).is_some());
        assert_eq!(called(":1.2", Call::Idle), Err(NotTaken::NotTheAgent));
        assert_eq!(called(":1.1", Call::Idle), Ok(()));
        assert_eq!(called(":1.1", Call::Idle), Err(NotTaken::Unasked));
        assert_eq!(called(":1.1", Call::Active), Ok(()));
        assert_eq!(called(":1.1", Call::Active), Err(NotTaken::Unasked));
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_calls_at_every_question_makes_no_storm() {
        let agents = agents();
        agents.attach(&key(), &name(":1.1"), Source::ExtIdleNotify);
        let mut taken = 0;
        for _ in 0..100 {
            assert!(agents.question(&key()).is_some());
            taken += u32::from(agents.called(&key(), &name(":1.1"), Call::Idle).is_ok());
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        assert!(taken <= 6, "{taken}");
    }

    #[test]
    fn an_agent_without_a_source_is_not_asked() {
        let agents = agents();
        agents.attach(&key(), &name(":1.1"), Source::None);
        assert_eq!(agents.question(&key()), None);
        assert_eq!(agents.source_of(&key()), Some(Source::None));
    }

    #[test]
    fn an_answer_that_is_none_of_ours_means_nothing() {
        let now = BootTime::from_micros(9_000_000);
        let said = |kind: &str, idle| told(now, Some((kind.to_owned(), idle)));
        let since = BootTime::from_micros(7_500_000);
        assert_eq!(said("exact", 1_500_000), Some(Hint::IdleSince(since)));
        let since = BootTime::default();
        assert_eq!(said("exact", u64::MAX), Some(Hint::IdleSince(since)));
        assert_eq!(said("active", 0), Some(Hint::Active));
        assert_eq!(said("asleep", 0), None);
        assert_eq!(told(now, None), None);
    }

    #[test]
    fn each_source_is_read_by_its_word() {
        for source in Source::ALL {
            assert_eq!(Source::parse(source.as_str()), Some(source));
        }
        assert_eq!(Source::parse("evdev"), None);
    }
}
