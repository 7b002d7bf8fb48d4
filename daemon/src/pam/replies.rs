//! Logins that wait for the daemon's reply: the line about the user's limits.
//!
//! PAM's message about a login and logind's signal about its session come in either order, and the
//! limits may depend on the user's groups. The PAM module waits a quarter of a second for the
//! reply, and the login continues without it.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{Engine, Phase, Pid, SessionFacts, SessionId};
use session_timeout_texts::Language;
use tokio::sync::oneshot;

use crate::pam::last_session::LastSessions;
use crate::sys::blocking_pool::BlockingPool;
use crate::sys::clock::Clocks;
use crate::terminal;
use crate::text;

/// Sends the reply to a login: a line for the user, or `None`.
pub(crate) type ReplySender = oneshot::Sender<Option<String>>;

/// Delay after which a login that shows text has a terminal.
const SHOWN_DELAY: Duration = Duration::from_secs(2);

/// The waiting logins, by session id.
pub(crate) struct PendingReplies {
    waiting: HashMap<SessionId, Vec<(Pid, ReplySender)>>,
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

    /// Adds a login, with the process that opened the PAM session.
    pub(crate) fn wait(&mut self, id: SessionId, leader: Pid, answer: ReplySender) {
        self.waiting.entry(id).or_default().push((leader, answer));
    }

    /// Drops the waiting logins of this session, which continue without a line.
    pub(crate) fn give_up(&mut self, id: &SessionId) {
        self.waiting.remove(id);
    }

    /// Replies to the logins whose session has been decided, and drops those that have timed out.
    pub(crate) fn answer(&mut self, engine: &Engine) {
        if self.waiting.is_empty() {
            return;
        }
        let decided: Vec<SessionId> = self
            .waiting
            .keys()
            .filter(|id| is_decided(engine, id))
            .cloned()
            .collect();
        for id in decided {
            for (leader, answer) in self.waiting.remove(&id).unwrap_or_default() {
                let line = self.line(engine, &id, leader);
                // The module may have timed out by now.
                let _ = answer.send(line);
            }
        }
        self.waiting.retain(|_, waiting| {
            waiting.retain(|(_, answer)| !answer.is_closed());
            !waiting.is_empty()
        });
    }

    /// The line for the user, if the login has a terminal to show it on.
    fn line(&self, engine: &Engine, id: &SessionId, leader: Pid) -> Option<String> {
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
            tokio::spawn(remove_once_shown(last_sessions, pool, facts.clone()));
        }
        let limits = session
            .limits
            .and_then(|limits| text::announcement(self.language, limits));
        let lines: Vec<String> = ending.into_iter().chain(limits).collect();
        (!lines.is_empty()).then(|| lines.join(" "))
    }
}

/// Removes the record of the last session, if the user has a terminal that has shown it.
async fn remove_once_shown(last_sessions: LastSessions, pool: BlockingPool, session: SessionFacts) {
    tokio::time::sleep(SHOWN_DELAY).await;
    let user = session.uid;
    let has_terminal = move || !terminal::of_session(&session).own.is_empty();
    if pool.of(user, has_terminal).await == Some(true) {
        last_sessions.mark_shown(user);
    }
}

fn is_decided(engine: &Engine, id: &SessionId) -> bool {
    let session = engine.session(id);
    session.is_some_and(|session| session.phase != Phase::Undecided)
}
