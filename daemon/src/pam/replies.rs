//! Logins that wait for the line that tells them their limits.
//!
//! PAM's word of a login and logind's word of its session come in either order, and what holds may
//! depend on the groups of the user. The module waits for its answer a quarter of a second at the
//! most, and the login goes on without it.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{Engine, Phase, Pid, SessionFacts};
use session_timeout_texts::Language;
use tokio::sync::oneshot;

use crate::pam::last_session::LastSessions;
use crate::sys::blocking_pool::BlockingPool;
use crate::sys::clock::Clocks;
use crate::terminal;
use crate::text;

/// The answer that a login waits for: a line for the user, if there is one.
pub(crate) type ReplySender = oneshot::Sender<Option<String>>;

/// When a login that shows anything has a terminal to show it on.
const SHOWN_DELAY: Duration = Duration::from_secs(2);

/// The logins that wait, by the id of their session.
pub(crate) struct PendingReplies {
    waiting: HashMap<String, Vec<(Pid, ReplySender)>>,
    last_sessions: LastSessions,
    pool: BlockingPool,
    language: Language,
}

impl PendingReplies {
    pub(crate) fn new(last_sessions: LastSessions, pool: BlockingPool, language: Language) -> Self {
        Self {
            waiting: HashMap::new(),
            last_sessions,
            pool,
            language,
        }
    }

    /// This login, of the process that opened it, waits.
    pub(crate) fn wait(&mut self, id: String, leader: Pid, answer: ReplySender) {
        self.waiting.entry(id).or_default().push((leader, answer));
    }

    /// The logins of this session go on without an answer.
    pub(crate) fn give_up(&mut self, id: &str) {
        self.waiting.remove(id);
    }

    /// Answers the logins whose sessions are known and decided upon, and forgets those that gave
    /// up.
    pub(crate) fn answer(&mut self, engine: &Engine) {
        if self.waiting.is_empty() {
            return;
        }
        let decided: Vec<String> = self
            .waiting
            .keys()
            .filter(|id| is_decided(engine, id))
            .cloned()
            .collect();
        for id in decided {
            for (leader, answer) in self.waiting.remove(&id).unwrap_or_default() {
                let line = self.line(engine, &id, leader);
                // The module may have given up by now.
                let _ = answer.send(line);
            }
        }
        self.waiting.retain(|_, waiting| {
            waiting.retain(|(_, answer)| !answer.is_closed());
            !waiting.is_empty()
        });
    }

    /// The line for the user at the login, where there is a terminal to show it on.
    fn line(&self, engine: &Engine, id: &str, leader: Pid) -> Option<String> {
        let session = engine.session(id)?;
        let facts = session.facts;
        let own = facts.leader.is_none_or(|known| known == leader);
        if !own || facts.session_type.is_graphical() {
            return None;
        }
        let ending = self
            .last_sessions
            .line(self.language, facts.uid, Clocks::now().wall);
        if ending.is_some() {
            let (last_sessions, pool) = (self.last_sessions.clone(), self.pool.clone());
            tokio::spawn(told(last_sessions, pool, facts.clone()));
        }
        let limits = session
            .limits
            .and_then(|limits| text::announcement(self.language, limits));
        let lines: Vec<String> = ending.into_iter().chain(limits).collect();
        (!lines.is_empty()).then(|| lines.join(" "))
    }
}

/// A user with a terminal has seen it.
async fn told(last_sessions: LastSessions, pool: BlockingPool, session: SessionFacts) {
    tokio::time::sleep(SHOWN_DELAY).await;
    let user = session.uid;
    let has_terminal = move || !terminal::of_session(&session).own.is_empty();
    if pool.of(user, has_terminal).await == Some(true) {
        last_sessions.told(user);
    }
}

fn is_decided(engine: &Engine, id: &str) -> bool {
    let session = engine.session(id);
    session.is_some_and(|session| session.phase != Phase::Undecided)
}
