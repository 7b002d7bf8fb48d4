//! The entries of the journal and the authentication log: their messages and fields.

mod agents;
mod daemon;
mod extensions;
mod warnings;
mod writer;

use std::io;
use std::time::Duration;

use log::Level;
use session_timeout_policy::{
    EndAction, EndReason, Exemption, Finding, LimitKind, Limits, LockCause, NoSession, Phase,
    SessionFacts, SessionId, View,
};
use session_timeout_protocol::Opened;
use session_timeout_texts::{Language, Sentence, exactly};

use self::writer::{Entry, EntrySender, EventKind, field};
pub(crate) use self::writer::{Writer, install_log};
use crate::text;

pub(crate) use self::warnings::{Delivery, WarningEntry};

/// Tells administrators what happens.
#[derive(Clone)]
pub(crate) struct Journal(EntrySender);

impl Journal {
    /// Starts the thread that writes the entries.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start() -> io::Result<(Self, Writer)> {
        let (sender, writer) = EntrySender::start()?;
        Ok((Self(sender), writer))
    }

    /// A session was seen for the first time. Sessions that no person logged in to have no entry.
    pub(crate) fn began(&self, session: &View<'_>) {
        if session.phase == Phase::Exempt(Exemption::Class) {
            return;
        }
        let facts = session.facts;
        let fate = match (session.limits, session.phase) {
            (Some(limits), _) => fate(limits),
            (None, Phase::Exempt(why)) => format!("no limit holds ({why})"),
            (None, _) => "no limit holds".to_owned(),
        };
        let through = facts.service.as_deref().unwrap_or("an unnamed service");
        let from = facts
            .remote_host
            .as_ref()
            .map(|host| format!(" from {host}"));
        let message = format!(
            "{} logged in through {through}{}: session {}, {fate}{}",
            facts.user,
            from.unwrap_or_default(),
            facts.key.id,
            by_rule(session.rule)
        );
        let auth = format!(
            "login: user={} session={} service={} from={}",
            facts.user,
            facts.key.id,
            facts.service.as_deref().unwrap_or("-"),
            facts.remote_host.as_deref().unwrap_or("-")
        );
        self.0.write(
            ruled(
                Entry::new(Level::Info, EventKind::Login, message).about(facts),
                session,
            )
            .auth(auth),
        );
    }

    pub(crate) fn withdrawn(&self, facts: &SessionFacts, limit: LimitKind) {
        let message = format!(
            "The warning to {} on session {} no longer holds",
            facts.user, facts.key.id
        );
        self.0.write(limited(
            Level::Info,
            EventKind::Withdrawn,
            message,
            facts,
            limit,
        ));
    }

    /// The session is asked to end, in this way.
    pub(crate) fn ending(
        &self,
        session: &View<'_>,
        how: EndAction,
        limit: LimitKind,
        length: Duration,
    ) {
        let facts = session.facts;
        let (what, verb, word) = match how {
            EndAction::HangUp => (EventKind::End, "Hanging up", "end"),
            EndAction::Lock => (EventKind::Lock, "Locking", "lock"),
            EndAction::Terminate | EndAction::Report => (EventKind::End, "Ending", "end"),
        };
        let refused = if how == EndAction::Terminate && was_to_be_locked(session) {
            " which did not lock,"
        } else {
            ""
        };
        let message = format!(
            "{verb} session {} of {},{refused} {}{}",
            facts.key.id,
            facts.user,
            reason(session, limit, length),
            by_rule(session.rule_for(limit))
        );
        let auth = format!(
            "{word}: user={} session={} limit={limit} after={}s",
            facts.user,
            facts.key.id,
            length.as_secs()
        );
        let entry = limited(Level::Info, what, message, facts, limit)
            .with(field::LIMIT_SEC, length.as_secs())
            .with(field::ACTION, how.as_str());
        self.0.write(by(entry, session.rule_for(limit)).auth(auth));
    }

    /// The screen is to be locked, as the first stage.
    pub(crate) fn locking(&self, session: &View<'_>) {
        let facts = session.facts;
        let after = session.limits.and_then(|limits| limits.lock_after);
        let message = format!(
            "Locking session {} of {}, after {} without input{}",
            facts.key.id,
            facts.user,
            exactly(after.unwrap_or_default()),
            by_rule(session.rule)
        );
        let entry = Entry::new(Level::Info, EventKind::Lock, message).about(facts);
        self.0.write(ruled(entry, session));
    }

    /// The screen is locked, as it was asked for.
    pub(crate) fn locked(&self, session: &View<'_>, cause: LockCause) {
        let facts = session.facts;
        let and_then = match cause {
            LockCause::Verify(_) | LockCause::Limit(_) => {
                "; its limits begin again when it is unlocked"
            }
            LockCause::LockAfter => "",
        };
        let message = format!(
            "Session {} of {} is locked{and_then}",
            facts.key.id, facts.user
        );
        let entry = Entry::new(Level::Info, EventKind::Locked, message).about(facts);
        self.0.write(ruled(entry, session));
    }

    /// The session was hung up.
    pub(crate) fn hung_up(&self, facts: &SessionFacts, limit: LimitKind) {
        let message = format!(
            "Session {} of {} was hung up; what was detached from it runs on",
            facts.key.id, facts.user
        );
        self.0.write(limited(
            Level::Info,
            EventKind::HungUp,
            message,
            facts,
            limit,
        ));
    }

    pub(crate) fn killing(&self, facts: &SessionFacts, limit: LimitKind) {
        let message = format!(
            "Session {} of {} did not end when it was asked to, killing it",
            facts.key.id, facts.user
        );
        self.0
            .write(limited(Level::Warn, EventKind::Kill, message, facts, limit));
    }

    /// logind did not take a request about a session, to "end" it or to "lock" it.
    pub(crate) fn request_failed(&self, session: &SessionId, verb: &str, failure: &str) {
        let message = format!("Cannot {verb} session {session}, trying again: {failure}");
        self.0.write(
            Entry::new(Level::Error, EventKind::EndFailed, message)
                .with(field::SESSION_ID, session),
        );
    }

    pub(crate) fn left(&self, facts: &SessionFacts, departure: EndReason) {
        if !facts.class.is_login_of_a_person() {
            return;
        }
        let (what, verb) = match departure {
            EndReason::Limit(_) => (EventKind::Gone, "was ended"),
            EndReason::Other => (EventKind::Logout, "is over"),
        };
        let message = format!("Session {} of {} {verb}", facts.key.id, facts.user);
        self.0
            .write(Entry::new(Level::Info, what, message).about(facts));
    }

    pub(crate) fn found(&self, session: &View<'_>, finding: Finding) {
        let facts = session.facts;
        let (id, user) = (&facts.key.id, &facts.user);
        let entry = match finding {
            Finding::GroupsUnavailable => Entry::new(
                Level::Warn,
                EventKind::Report,
                format!(
                    "The groups of {user} cannot be had, so that no rule about groups can be \
                     taken for session {id}: [default] holds until they can"
                ),
            )
            .about(facts),
            Finding::NotLocked => Entry::new(
                Level::Warn,
                EventKind::Report,
                format!(
                    "Session {id} of {user} was to be locked, and its desktop does not say that \
                     it is: nothing there may listen to logind's Lock, or report to it that it has \
                     locked"
                ),
            )
            .about(facts),
            Finding::Passed(kind) => {
                let length = session.length(kind).unwrap_or_default();
                let message = format!(
                    "Session {id} of {user} would have been ended, {}: report only",
                    reason(session, kind, length)
                );
                limited(Level::Info, EventKind::Report, message, facts, kind)
                    .with(field::LIMIT_SEC, length.as_secs())
            }
            Finding::Survived(kind) => limited(
                Level::Error,
                EventKind::EndFailed,
                format!(
                    "Session {id} of {user} was ended, and something of it lives on: trying again"
                ),
                facts,
                kind,
            ),
            Finding::UnknownIdle => limited(
                Level::Warn,
                EventKind::Report,
                format!(
                    "Nobody can tell how long session {id} of {user} has been idle, \
                     so its inactivity limit is not enforced"
                ),
                facts,
                LimitKind::Inactivity,
            ),
        };
        self.0.write(ruled(entry, session));
    }

    /// A login that logind has no session for, and that the daemon keeps.
    pub(crate) fn kept(&self, facts: &SessionFacts, why: NoSession) {
        let (id, user) = (&facts.key.id, &facts.user);
        let service = facts.service.as_deref().unwrap_or_default();
        let why = match why {
            NoSession::Dropped => "logind has dropped it",
            NoSession::Full => "logind has as many sessions as SessionsMax= of logind.conf allows",
            NoSession::NameRefused => "systemd takes no user name of this form",
            NoSession::NotInStack => "pam_systemd is missing from the stack of this PAM service",
            NoSession::Silent => "logind did not answer",
            NoSession::Unknown => "why is not known",
        };
        let message = format!(
            "logind has no session for the login of {user} through {service} ({why}): \
             its limits are kept as those of session {id}"
        );
        self.0
            .write(Entry::new(Level::Warn, EventKind::Unlimited, message).about(facts));
    }

    /// A login that is no session of its own: inside another one, or without logind.
    pub(crate) fn login_without_session(&self, opened: &Opened, outer: Option<&SessionId>) {
        let (user, service) = (&opened.user, &opened.service);
        let entry = match outer {
            Some(outer) => Entry::new(
                Level::Info,
                EventKind::Nested,
                format!("{user} logged in through {service} inside session {outer}"),
            )
            .with(field::SESSION_ID, outer),
            None => Entry::new(
                Level::Warn,
                EventKind::Unlimited,
                format!(
                    "{user} logged in through {service}, but logind has no session for it, \
                     so no limit can be enforced; is pam_systemd missing from /etc/pam.d/{service}?"
                ),
            ),
        };
        self.0.write(
            entry
                .with(field::USER_NAME, user)
                .with(field::SERVICE, service),
        );
    }
}

fn limited(
    level: Level,
    what: EventKind,
    message: String,
    facts: &SessionFacts,
    limit: LimitKind,
) -> Entry {
    Entry::new(level, what, message)
        .about(facts)
        .with(field::LIMIT, limit)
}

/// Why a session ends.
fn reason(session: &View<'_>, limit: LimitKind, length: Duration) -> String {
    let cause = text::cause(session, limit);
    Language::English.say(Sentence::Reason { cause, length })
}

/// The rule that a session falls under, to follow a sentence: ` (rule "card data")`.
fn by_rule(rule: Option<&str>) -> String {
    let rule = rule.map(|rule| format!(" (rule \"{rule}\")"));
    rule.unwrap_or_default()
}

/// The entry, with the rule that the session falls under.
fn ruled(entry: Entry, session: &View<'_>) -> Entry {
    by(entry, session.rule)
}

fn by(entry: Entry, rule: Option<&str>) -> Entry {
    match rule {
        Some(rule) => entry.with(field::RULE, rule),
        None => entry,
    }
}

/// Whether the policy locks it instead of ending it.
fn was_to_be_locked(session: &View<'_>) -> bool {
    let session_type = session.facts.session_type;
    let action = session
        .limits
        .map(|limits| limits.end_action.for_session_type(session_type));
    action == Some(EndAction::Lock)
}

fn fate(limits: &Limits) -> String {
    let absolute = exactly(limits.absolute.length);
    match &limits.inactivity {
        None => format!("ends after {absolute}"),
        Some(inactivity) => {
            let inactivity = exactly(inactivity.length);
            format!("ends after {absolute}, or {inactivity} without input")
        }
    }
}
