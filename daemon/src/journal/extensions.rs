//! Journal entries about granted and refused extensions.

use std::fmt::Display;
use std::time::Duration;

use log::Level;
use session_timeout_policy::{Extended, LimitKind, SessionFacts, SessionId, Uid};
use session_timeout_texts::exactly;

use super::writer::{Entry, EventKind, field};
use super::{Journal, limited};
use crate::sys::clock::boot_now;

impl Journal {
    /// The absolute limit of a session was extended, on this user's request.
    pub(crate) fn extended(&self, facts: &SessionFacts, extended: &Extended, by: Uid) {
        let left = extended.until.since(boot_now()).as_secs();
        let message = format!(
            "The absolute limit of session {} of {} was put off by {}, as {} asked: it ends in {}",
            facts.key.id,
            facts.user,
            exactly(extended.by),
            who(by, Some(facts)),
            exactly(Duration::from_secs(left))
        );
        let auth = format!(
            "extended: user={} session={} by={}s asked-by-uid={by}",
            facts.user,
            facts.key.id,
            extended.by.as_secs()
        );
        let kind = LimitKind::Absolute;
        let entry = limited(Level::Info, EventKind::Extended, message, facts, kind)
            .with(field::LEFT_SEC, left)
            .with(field::ASKED_BY_UID, by);
        self.0.write(entry.auth(auth));
    }

    /// A request for an extension was refused. The session may be another user's, or may not exist.
    pub(crate) fn extension_refused(
        &self,
        id: &SessionId,
        facts: Option<&SessionFacts>,
        by: Uid,
        why: &impl Display,
    ) {
        // An id that belongs to no session is text of the caller's choice.
        let which = match facts {
            Some(facts) => format!("{id} of {}", facts.user),
            None => format!("{id:?}"),
        };
        let asked = who(by, facts);
        let message = format!(
            "The absolute limit of session {which} was not put off, as {asked} asked: {why}"
        );
        let what = EventKind::ExtensionRefused;
        let entry = match facts {
            Some(facts) => limited(Level::Info, what, message, facts, LimitKind::Absolute),
            None => Entry::new(Level::Info, what, message),
        };
        let known = facts.map_or("?", |facts| facts.key.id.as_str());
        let auth = format!("extension-refused: session={known} asked-by-uid={by}");
        let entry = entry.with(field::ASKED_BY_UID, by);
        self.0.write(entry.auth(auth));
    }
}

/// The user who requested the extension.
fn who(by: Uid, facts: Option<&SessionFacts>) -> String {
    match facts {
        Some(facts) if facts.uid == by => "its user".to_owned(),
        _ if by.as_raw() == 0 => "root".to_owned(),
        _ => format!("uid {by}"),
    }
}
