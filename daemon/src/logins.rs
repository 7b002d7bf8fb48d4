//! Logins that wait for the line that tells them their limits.
//!
//! PAM's word of a login and logind's word of its session come in either order, and what holds may
//! depend on the groups of the user. The module waits for its answer a quarter of a second at the
//! most, and the login goes on without it.

use std::collections::HashMap;

use session_timeout_policy::{Engine, Phase, Pid};
use tokio::sync::oneshot;

use crate::text;

/// The answer that a login waits for: a line for the user, if there is one.
pub(crate) type Answer = oneshot::Sender<Option<String>>;

/// The logins that wait, by the id of their session.
#[derive(Default)]
pub(crate) struct Logins(HashMap<String, Vec<(Pid, Answer)>>);

impl Logins {
    /// This login, of the process that opened it, waits.
    pub(crate) fn wait(&mut self, id: String, leader: Pid, answer: Answer) {
        self.0.entry(id).or_default().push((leader, answer));
    }

    /// The logins of this session go on without an answer.
    pub(crate) fn give_up(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Answers the logins whose sessions are known and decided upon, and forgets those that gave
    /// up.
    pub(crate) fn answer(&mut self, engine: &Engine) {
        if self.0.is_empty() {
            return;
        }
        let decided: Vec<String> = self
            .0
            .keys()
            .filter(|id| is_decided(engine, id))
            .cloned()
            .collect();
        for id in decided {
            for (leader, answer) in self.0.remove(&id).unwrap_or_default() {
                // The module may have given up by now.
                let _ = answer.send(line(engine, &id, leader));
            }
        }
        self.0.retain(|_, waiting| {
            waiting.retain(|(_, answer)| !answer.is_closed());
            !waiting.is_empty()
        });
    }
}

fn is_decided(engine: &Engine, id: &str) -> bool {
    let session = engine.session(id);
    session.is_some_and(|session| session.phase != Phase::Undecided)
}

/// The line for the user at the login, where there is a terminal to show it on.
fn line(engine: &Engine, id: &str, leader: Pid) -> Option<String> {
    let session = engine.session(id)?;
    let own = session.facts.leader.is_none_or(|known| known == leader);
    let shown = own && !session.facts.session_type.is_graphical();
    session
        .limits
        .filter(|_| shown)
        .and_then(text::announcement)
}
