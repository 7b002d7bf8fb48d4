//! The agents in desktops: their registration, their reports of input, and the notices that they
//! receive for their users.
//!
//! An agent runs as the user and is not trusted: it is identified by its unique name on the bus,
//! which cannot be forged, speaks only for sessions of its own user, and can only report input
//! there. If an agent is gone or does not answer in time, the next idle source is used. All
//! messages use the public connection, which ends of sessions do not depend on.

mod answer;
mod name_watch;
mod notices;
mod pending_calls;
mod query;
pub(crate) mod reachability;
mod source;

use std::collections::HashMap;
use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_timeout_policy::{SessionId, SessionKey, Uid};
use tokio::sync::watch;
use tokio::time::Instant;
use zbus::Connection;
use zbus::names::{OwnedUniqueName, UniqueName};

pub(crate) use name_watch::wait_until_gone;
pub(crate) use notices::Notices;
use pending_calls::PendingCalls;
pub(crate) use query::BecameSilent;
pub(crate) use source::Source;

use crate::bus::PublicBus;

/// Timeout of a query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// Time without an agent before that is reported: a service manager restarts an agent within it.
const MISSED_AFTER: Duration = Duration::from_secs(2);
/// Minimum interval between two registrations or calls of an agent, since each costs a probe.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// A call of an agent that it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callback {
    /// There was no input for the requested time.
    Idle,
    /// There was input again.
    Active,
}

/// The reason for a refused call of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The caller is not the session's agent.
    NotTheAgent,
    /// It was not asked for, or too soon after the one before.
    Unasked,
}

/// The result of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// The caller is the session's agent from now on.
    New(Arrival),
    /// The caller was the session's agent before.
    Known,
    /// The session has another agent.
    Taken,
    /// The last agent was registered less than [`MIN_INTERVAL`] ago.
    TooSoon,
}

/// Whether a new agent is reported in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    /// It replaces an agent whose absence was too short to be reported.
    Returned,
}

/// Whether a session has another agent two seconds after its agent has left the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Succession {
    /// Another agent speaks for the session, or the session is gone.
    Succeeded,
    /// No agent does.
    Missed,
}

/// All agents.
#[derive(Clone)]
pub(crate) struct Agents {
    bus: PublicBus,
    all: Arc<Mutex<All>>,
}

#[derive(Default)]
struct All {
    agents: HashMap<SessionKey, Agent>,
    /// The times of each session that has or had an agent.
    past: HashMap<SessionKey, History>,
    pending_calls: PendingCalls,
}

/// When the last agent of a session was registered and left.
#[derive(Clone, Copy)]
struct History {
    came: Instant,
    left: Option<Instant>,
}

struct Agent {
    name: OwnedUniqueName,
    user: Uid,
    source: Source,
    expects: Expects,
    called: Option<Instant>,
    stayed: Option<Instant>,
    /// It did not answer the last query, and that was reported.
    silent: bool,
    /// The notices for its user; `None` until they are first set for a new agent.
    notices: watch::Sender<Option<Notices>>,
}

/// The calls that the last query allows: each once, in this order.
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

    /// Registers this connection of this user as the session's agent.
    pub(crate) fn attach(
        &self,
        key: &SessionKey,
        name: &UniqueName<'_>,
        user: Uid,
        source: Source,
    ) -> Attached {
        let mut all = self.all();
        match all.agents.get_mut(key) {
            Some(agent) if agent.name == *name => {
                agent.source = source;
                return Attached::Known;
            }
            Some(_) => return Attached::Taken,
            None => {}
        }
        let past = all.past.get(key).copied();
        if past.is_some_and(|past| past.came.elapsed() < MIN_INTERVAL) {
            return Attached::TooSoon;
        }
        let agent = Agent {
            name: name.to_owned().into(),
            user,
            source,
            expects: Expects::Nothing,
            called: None,
            stayed: None,
            silent: false,
            notices: watch::Sender::new(None),
        };
        all.agents.insert(key.clone(), agent);
        let now = History {
            came: Instant::now(),
            left: None,
        };
        all.past.insert(key.clone(), now);
        let left = past.and_then(|past| past.left);
        Attached::New(match left {
            Some(left) if left.elapsed() < MISSED_AFTER => Arrival::Returned,
            Some(_) | None => Arrival::New,
        })
    }

    /// Forgets a session that is gone.
    pub(crate) fn forget(&self, key: &SessionKey) {
        let mut all = self.all();
        all.agents.remove(key);
        all.past.remove(key);
    }

    /// The session with this id that this connection speaks for.
    pub(crate) fn session_of(&self, id: &SessionId, name: &UniqueName<'_>) -> Option<SessionKey> {
        let all = self.all();
        let mut agents = all.agents.iter();
        let (key, _) = agents.find(|(key, agent)| key.id == *id && agent.name == *name)?;
        Some(key.clone())
    }

    /// The user that this connection speaks for in the session with this id.
    pub(crate) fn user_of(&self, id: &SessionId, name: &UniqueName<'_>) -> Option<Uid> {
        let key = self.session_of(id, name)?;
        self.all().agents.get(&key).map(|agent| agent.user)
    }

    /// Sets the notices for the user of a session, if the session has an agent.
    pub(crate) fn set_notices(&self, key: &SessionKey, notices: Notices) {
        if let Some(agent) = self.all().agents.get(key) {
            agent.notices.send_replace(Some(notices));
        }
    }

    /// Changes these notices. A new agent receives all of them soon, by [`Self::set_notices`].
    pub(crate) fn change_notices(&self, key: &SessionKey, change: impl FnOnce(&mut Notices)) {
        if let Some(agent) = self.all().agents.get(key) {
            agent.notices.send_if_modified(|notices| match notices {
                Some(notices) => {
                    change(notices);
                    true
                }
                None => false,
            });
        }
    }

    /// The source of the idle time of the session's agent, if the session has one.
    pub(crate) fn source_of(&self, key: &SessionKey) -> Option<Source> {
        self.all().agents.get(key).map(|agent| agent.source)
    }

    /// The name on the bus of the session's agent, if the session has one.
    pub(crate) fn name_of(&self, key: &SessionKey) -> Option<OwnedUniqueName> {
        self.all().agents.get(key).map(|agent| agent.name.clone())
    }

    /// Accepts a call that the last query asked for.
    ///
    /// # Errors
    /// It was not asked for, or is not the agent's.
    pub(crate) fn called(
        &self,
        key: &SessionKey,
        name: &UniqueName<'_>,
        call: Callback,
    ) -> Result<(), Refused> {
        let mut all = self.all();
        let agent = all.agent(key, name).ok_or(Refused::NotTheAgent)?;
        agent.expects = match (agent.expects, call) {
            (Expects::Idle, Callback::Idle) => Expects::Active,
            (Expects::Idle | Expects::Active, Callback::Active) => Expects::Nothing,
            (Expects::Nothing | Expects::Active, _) => return Err(Refused::Unasked),
        };
        if call == Callback::Idle && is_recent(agent.called) {
            return Err(Refused::Unasked);
        }
        agent.called = Some(Instant::now());
        Ok(())
    }

    /// Accepts the answer of a user to a warning, which is input.
    ///
    /// # Errors
    /// It is not the agent's, or comes too soon after the one before.
    pub(crate) fn stays(&self, key: &SessionKey, name: &UniqueName<'_>) -> Result<(), Refused> {
        let mut all = self.all();
        let agent = all.agent(key, name).ok_or(Refused::NotTheAgent)?;
        if is_recent(agent.stayed) {
            return Err(Refused::Unasked);
        }
        agent.stayed = Some(Instant::now());
        Ok(())
    }

    /// Sends this agent the notices for its user until it has left the bus, and forgets it then.
    /// Returns two seconds later whether the session has no agent.
    pub(crate) async fn serve(
        &self,
        connection: &Connection,
        key: &SessionKey,
        name: &OwnedUniqueName,
    ) -> Succession {
        let agent = self
            .all()
            .agents
            .get(key)
            .map(|agent| agent.notices.subscribe());
        let telling = async {
            if let Some(notices) = agent {
                notices::send_changes(connection, name, notices).await;
            }
            future::pending::<()>().await;
        };
        tokio::select! {
            left = wait_until_gone(connection, name) => if let Err(error) = left {
                log::debug!("cannot watch the agent of session {}: {error}", key.id);
            },
            () = telling => {}
        }
        if !self.left(key, name) {
            return Succession::Succeeded;
        }
        tokio::time::sleep(MISSED_AFTER).await;
        if self.source_of(key).is_none() {
            Succession::Missed
        } else {
            Succession::Succeeded
        }
    }

    /// Removes an agent that has left the bus. Whether it was the session's agent.
    fn left(&self, key: &SessionKey, name: &OwnedUniqueName) -> bool {
        let mut all = self.all();
        all.pending_calls.left(name);
        if all.agent(key, name).is_none() {
            return false;
        }
        all.agents.remove(key);
        if let Some(past) = all.past.get_mut(key) {
            past.left = Some(Instant::now());
        }
        true
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// The session's agent, if it has this name.
    fn agent(&mut self, key: &SessionKey, name: &UniqueName<'_>) -> Option<&mut Agent> {
        let agent = self.agents.get_mut(key)?;
        (agent.name == *name).then_some(agent)
    }
}

fn is_recent(at: Option<Instant>) -> bool {
    at.is_some_and(|at| at.elapsed() < MIN_INTERVAL)
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::Hint;

    use super::pending_calls::Begin;
    use super::*;

    fn agents() -> Agents {
        Agents::new(watch::channel(None).1)
    }

    fn key() -> SessionKey {
        SessionKey {
            id: "c1".into(),
            stamp: 1,
        }
    }

    fn attach(agents: &Agents, who: &'static str, source: Source) -> Attached {
        agents.attach(&key(), &name(who), Uid::new(1000), source)
    }

    /// Whether the agent was asked, and has answered.
    fn asked(agents: &Agents) -> bool {
        let Some(query) = agents.query(&key(), 0) else {
            return false;
        };
        agents.answered(&key(), &query.name);
        matches!(query.begin, Begin::Ask(..))
    }

    fn name(name: &'static str) -> UniqueName<'static> {
        UniqueName::try_from(name).unwrap()
    }

    #[test]
    fn one_agent_speaks_for_a_session_until_it_is_gone() {
        let agents = agents();
        let attach = |who| attach(&agents, who, Source::X11);
        assert_eq!(attach(":1.1"), Attached::New(Arrival::New));
        assert_eq!(attach(":1.1"), Attached::Known);
        assert_eq!(attach(":1.2"), Attached::Taken);
        agents.forget(&key());
        assert_eq!(attach(":1.2"), Attached::New(Arrival::New));
    }

    #[tokio::test(start_paused = true)]
    async fn agents_that_come_and_go_cause_no_flood_and_are_reported_once() {
        let agents = agents();
        let (mut reported, mut taken) = (0, 0);
        for _ in 0..100 {
            let Attached::New(arrival) = attach(&agents, ":1.1", Source::X11) else {
                tokio::time::advance(Duration::from_millis(50)).await;
                continue;
            };
            taken += 1;
            reported += u32::from(arrival == Arrival::New);
            assert!(agents.left(&key(), &name(":1.1").into()));
        }
        assert!((4..=6).contains(&taken), "{taken}");
        assert_eq!(reported, 1);
        tokio::time::advance(MISSED_AFTER).await;
        let attached = attach(&agents, ":1.1", Source::X11);
        assert_eq!(attached, Attached::New(Arrival::New));
    }

    #[test]
    fn only_the_agent_calls_and_only_as_it_was_asked() {
        let agents = agents();
        let called = |who, call| agents.called(&key(), &name(who), call);
        assert_eq!(called(":1.1", Callback::Idle), Err(Refused::NotTheAgent));
        attach(&agents, ":1.1", Source::X11);
        assert_eq!(called(":1.1", Callback::Idle), Err(Refused::Unasked));
        assert!(asked(&agents));
        assert_eq!(called(":1.2", Callback::Idle), Err(Refused::NotTheAgent));
        assert_eq!(called(":1.1", Callback::Idle), Ok(()));
        assert_eq!(called(":1.1", Callback::Idle), Err(Refused::Unasked));
        assert_eq!(called(":1.1", Callback::Active), Ok(()));
        assert_eq!(called(":1.1", Callback::Active), Err(Refused::Unasked));
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_calls_at_every_query_causes_no_flood() {
        let agents = agents();
        attach(&agents, ":1.1", Source::ExtIdleNotify);
        let mut taken = 0;
        for _ in 0..100 {
            assert!(asked(&agents));
            taken += u32::from(agents.called(&key(), &name(":1.1"), Callback::Idle).is_ok());
            tokio::time::advance(Duration::from_millis(50)).await;
        }
        assert!(taken <= 6, "{taken}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_on_the_screen_counts_once_a_second() {
        let agents = agents();
        let stays = || agents.stays(&key(), &name(":1.1"));
        assert_eq!(stays(), Err(Refused::NotTheAgent));
        attach(&agents, ":1.1", Source::X11);
        assert_eq!(stays(), Ok(()));
        assert_eq!(stays(), Err(Refused::Unasked));
        tokio::time::advance(MIN_INTERVAL).await;
        assert_eq!(stays(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_does_not_answer_is_asked_one_thing_and_waited_for_once() {
        let agents = agents();
        attach(&agents, ":1.1", Source::X11);
        let open = agents.query(&key(), 0).unwrap();
        assert!(matches!(open.begin, Begin::Ask(..)));
        let begun = Instant::now();
        assert_eq!(agents.ask(&key(), None).await, Err(BecameSilent));
        for _ in 1..100 {
            assert_eq!(agents.ask(&key(), None).await, Ok(None));
        }
        assert_eq!(begun.elapsed(), QUERY_TIMEOUT);
        // It is asked again when it has answered.
        agents.answered(&key(), &open.name);
        assert!(asked(&agents));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_an_answer_is_due_has_the_same_one() {
        let agents = agents();
        attach(&agents, ":1.1", Source::X11);
        let Begin::Ask(answer, _) = agents.query(&key(), 0).unwrap().begin else {
            panic!("it may be asked");
        };
        let key = key();
        let second = agents.ask(&key, None);
        let answers = async {
            tokio::time::sleep(QUERY_TIMEOUT / 2).await;
            answer.send_replace(Some(Some(Hint::Active)));
        };
        assert_eq!(tokio::join!(second, answers).0, Ok(Some(Hint::Active)));
    }

    #[test]
    fn an_agent_without_a_source_is_not_asked() {
        let agents = agents();
        attach(&agents, ":1.1", Source::None);
        assert!(!asked(&agents));
        assert_eq!(agents.source_of(&key()), Some(Source::None));
    }
}
