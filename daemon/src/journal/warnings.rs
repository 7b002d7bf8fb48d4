//! Journal entries about warnings.

use std::time::Duration;

use log::Level;
use session_timeout_policy::{LimitKind, SessionKey, View, Warning};
use session_timeout_texts::{End, exactly};

use super::writer::{Entry, EventKind, field};
use super::{Journal, by, limited, reason};
use crate::agents::reachability::Reachability;
use crate::text;
use crate::unwarned::{Logged, Unwarned};

/// The terminals and the agent that accepted a warning, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Terminals that were written to.
    pub(crate) written: usize,
    /// Terminals that refuse messages, if the policy respects that.
    pub(crate) spared: usize,
    /// Terminals that were not written to: stopped, full, hung up, or blocked.
    pub(crate) missed: usize,
    /// The agent of the desktop.
    pub(crate) agent: Reachability,
}

impl Delivery {
    const fn anybody(self) -> bool {
        self.written > 0 || matches!(self.agent, Reachability::Answers)
    }

    /// Why nobody received the warning.
    const fn why_nobody(self) -> &'static str {
        match (self.missed, self.spared, self.agent) {
            (1.., _, Reachability::Silent) => {
                "its terminals did not take the warning, and its agent does not answer"
            }
            (1.., ..) => "its terminals did not take the warning",
            (0, _, Reachability::Silent) => "its agent does not answer",
            (0, 1.., _) => "its terminals refuse messages",
            (0, 0, _) => "it has no terminal and no agent",
        }
    }
}

/// A warning that is being delivered; its journal entry is written when the result is known. The
/// session may be gone by then.
pub(crate) struct WarningEntry {
    journal: Journal,
    key: SessionKey,
    limit: LimitKind,
    /// `alice on session 5`.
    whom: (String, String),
    /// `it ends in 10 s, 1 min after the login`.
    what: String,
    auth: String,
    entry: Entry,
}

impl Journal {
    /// Starts the entry for a warning of a session with this time left.
    pub(crate) fn warning(
        &self,
        session: &View<'_>,
        warning: &Warning,
        left: Duration,
    ) -> WarningEntry {
        let facts = session.facts;
        let left = left.as_secs_f64().round();
        let comes = match text::becomes(session, warning.limit) {
            End::Locks => "is locked",
            End::Ends | End::Passes => "ends",
        };
        let what = format!(
            "it {comes} in {}, {}",
            exactly(Duration::from_secs_f64(left)),
            reason(session, warning.limit, warning.length)
        );
        let auth = format!(
            "user={} session={} limit={} left={left}s",
            facts.user, facts.key.id, warning.limit
        );
        let entry = limited(
            Level::Info,
            EventKind::Warning,
            String::new(),
            facts,
            warning.limit,
        )
        .with(field::LIMIT_SEC, warning.length.as_secs())
        .with(field::LEAD_SEC, warning.lead.as_secs())
        .with(field::LEFT_SEC, left);
        WarningEntry {
            journal: self.clone(),
            key: facts.key.clone(),
            limit: warning.limit,
            whom: (facts.user.clone(), facts.key.id.to_string()),
            what,
            auth,
            entry: by(entry, session.rule_for(warning.limit)),
        }
    }
}

impl WarningEntry {
    /// Writes the journal entry for this result. If nobody received the warning, the first entry
    /// for a limit of a session has priority warning, and those of its other leads do not: a
    /// session without a terminal, such as a file transfer, has several leads and nobody to read
    /// them.
    pub(crate) fn write(self, reached: Delivery, unwarned: &Unwarned) {
        let (user, id) = &self.whom;
        let (level, message, auth) = if reached.anybody() {
            unwarned.clear(&self.key);
            let message = format!("Warned {user} on session {id}: {}", self.what);
            (Level::Info, message, format!("warning: {}", self.auth))
        } else {
            let level = match unwarned.add(&self.key, self.limit) {
                Logged::Before => Level::Info,
                Logged::NotYet => Level::Warn,
            };
            let why = reached.why_nobody();
            let message = format!(
                "Nobody could be warned on session {id} of {user}: {why}; {}",
                self.what
            );
            (level, message, format!("unwarned: {}", self.auth))
        };
        let count = reached.written + usize::from(reached.agent == Reachability::Answers);
        let entry = self
            .entry
            .saying(level, message)
            .with(field::REACHED, count)
            .with(field::TERMINALS, reached.written)
            .with(field::TERMINALS_SPARED, reached.spared);
        self.journal.0.write(entry.auth(auth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_taken_by_a_terminal_or_by_an_agent_that_answers() {
        let reached = |written, spared, missed, agent| Delivery {
            written,
            spared,
            missed,
            agent,
        };
        assert!(reached(1, 0, 3, Reachability::Nobody).anybody());
        assert!(reached(0, 0, 1, Reachability::Answers).anybody());
        for (nobody, why) in [
            (
                reached(0, 0, 0, Reachability::Nobody),
                "no terminal and no agent",
            ),
            (reached(0, 1, 0, Reachability::Nobody), "refuse messages"),
            (reached(0, 1, 1, Reachability::Nobody), "did not take"),
            (reached(0, 1, 1, Reachability::Silent), "did not take"),
            (reached(0, 0, 0, Reachability::Silent), "does not answer"),
        ] {
            assert!(!nobody.anybody());
            assert!(nobody.why_nobody().contains(why), "{nobody:?}");
        }
    }
}
