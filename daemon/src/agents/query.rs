//! Queries of agents: how long there was no input.

use std::time::Duration;

use session_timeout_policy::{Hint, SessionKey};
use session_timeout_protocol::bus::agent;
use tokio::sync::watch;
use tokio::time::Instant;
use zbus::Message;
use zbus::names::OwnedUniqueName;

use super::pending_calls::{self, Begin, Waited};
use super::{Agents, All, Expects, QUERY_TIMEOUT, Source, answer};
use crate::sys::clock::boot_now;

/// The agent did not answer a query in time, and had answered the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BecameSilent;

/// A query to an agent.
pub(super) struct Query {
    pub(super) name: OwnedUniqueName,
    pub(super) begin: Begin,
}

impl Agents {
    /// Queries the session's agent, and has it call back after this time without input. `None`:
    /// there is no agent, or it does not know or did not answer in time.
    ///
    /// # Errors
    /// The agent did not answer in time, for the first time since its last answer.
    pub(crate) async fn ask(
        &self,
        key: &SessionKey,
        watch: Option<Duration>,
    ) -> Result<Option<Hint>, BecameSilent> {
        let watch = watch.and_then(|watch| u64::try_from(watch.as_micros()).ok());
        let watch = watch.unwrap_or_default();
        let until = Instant::now() + QUERY_TIMEOUT;
        loop {
            let Some(query) = self.query(key, watch) else {
                return Ok(None);
            };
            let (asked, mut answer) = match query.begin {
                Begin::Ask(sender, answer) => {
                    self.put(key, &query.name, watch, sender);
                    (watch, answer)
                }
                Begin::Asked(asked, answer) => (asked, answer),
                Begin::Silent => return Ok(None),
            };
            match pending_calls::wait(&mut answer, until).await {
                Waited::Answered(hint) if asked == watch => return Ok(hint),
                // That was the answer to a query with another time to watch.
                Waited::Answered(_) => {}
                Waited::Gone => return Ok(None),
                Waited::Late => {
                    return if self.falls_silent(key, &query.name) {
                        Err(BecameSilent)
                    } else {
                        Ok(None)
                    };
                }
            }
        }
    }

    pub(super) fn query(&self, key: &SessionKey, watch: u64) -> Option<Query> {
        let mut all = self.all();
        let All {
            agents,
            pending_calls,
            ..
        } = &mut *all;
        let agent = agents.get_mut(key)?;
        if agent.source == Source::None {
            return None;
        }
        let name = agent.name.clone();
        let begin = pending_calls.begin(&name, agent.user, watch, QUERY_TIMEOUT);
        if matches!(begin, Begin::Ask(..)) {
            agent.expects = Expects::Idle;
        }
        Some(Query { name, begin })
    }

    /// Sends the call, and waits for the reply for as long as the bus does.
    fn put(
        &self,
        key: &SessionKey,
        name: &OwnedUniqueName,
        watch: u64,
        answer: watch::Sender<Option<Option<Hint>>>,
    ) {
        let (agents, key, to) = (self.clone(), key.clone(), name.clone());
        let task = tokio::spawn(async move {
            let said = agents.call(&to, watch).await;
            let now = boot_now();
            let said = said.map(|reply| answer::hint(now, reply.body().deserialize().ok()));
            agents.answered(&key, &to);
            answer.send_replace(Some(said.unwrap_or_else(|error| {
                log::debug!("the agent of session {}: {error}", key.id);
                None
            })));
        });
        self.all()
            .pending_calls
            .awaited_by(name, task.abort_handle());
    }

    async fn call(&self, name: &OwnedUniqueName, watch: u64) -> zbus::Result<Message> {
        let connection = self.bus.borrow().clone();
        let connection =
            connection.ok_or_else(|| zbus::Error::Failure("the bus is away".to_owned()))?;
        connection
            .call_method(
                Some(name),
                agent::PATH,
                Some(agent::INTERFACE),
                agent::IDLE,
                &watch,
            )
            .await
    }

    /// Records that the agent did not answer; whether it answered before.
    fn falls_silent(&self, key: &SessionKey, name: &OwnedUniqueName) -> bool {
        let mut all = self.all();
        let agent = all.agent(key, name);
        agent.is_some_and(|agent| !std::mem::replace(&mut agent.silent, true))
    }

    pub(super) fn answered(&self, key: &SessionKey, name: &OwnedUniqueName) {
        let mut all = self.all();
        all.pending_calls.answered(name);
        if let Some(agent) = all.agent(key, name) {
            agent.silent = false;
        }
    }
}
