//! What of a session must survive the daemon, so that a restart moves no deadline.
//!
//! An end that was begun is not kept: the limit is still passed and the shortest warning still
//! given, so the next engine ends the session at once; for inactivity, after one more look.

use crate::tracked::{Tracked, terms};
use crate::{Activity, BootTime, Countdown, LimitKind, Policy, SessionFacts};
use std::time::Duration;

/// One session, to be kept and given to [`crate::Engine::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// What was known of the session.
    pub facts: SessionFacts,
    /// Whether PAM had told of the login.
    pub recorded: bool,
    /// Whether PAM had told of the logout.
    pub closed: bool,
    /// The last activity.
    pub activity: Activity,
    /// The absolute limit that held, and how far it had got.
    pub absolute: LimitRecord,
    /// The inactivity limit that held, and how far it had got.
    pub inactivity: LimitRecord,
}

/// How far one limit had got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitRecord {
    /// The limit that held. Under another one the countdown starts afresh, as it does where the
    /// leads or the end action have become others that it cannot have run under.
    pub length: Option<Duration>,
    /// How far it had got.
    pub countdown: Countdown,
}

impl SessionRecord {
    pub(crate) fn of(session: &Tracked) -> Self {
        let record = |kind, countdown: &Countdown| LimitRecord {
            length: length_of(session, kind),
            countdown: countdown.clone(),
        };
        Self {
            facts: session.facts.clone(),
            recorded: session.recorded,
            closed: session.closed,
            activity: session.activity.clone(),
            absolute: record(LimitKind::Absolute, &session.absolute),
            inactivity: record(LimitKind::Inactivity, &session.inactivity),
        }
    }

    pub(crate) fn restore(self, now: BootTime, policy: &Policy) -> Tracked {
        let mut session = Tracked::new(now, self.facts, policy);
        session.recorded = self.recorded;
        session.closed = self.closed;
        session.activity = self.activity;
        // Nor may a record from a clock that is ahead of ours.
        session.activity.last = session.activity.last.min(now);
        session.activity.sampled = session.activity.sampled.min(now);
        let countdown = |kind, record: LimitRecord| match terms(&session.standing, kind) {
            Some((limit, end_action))
                if record.length == Some(limit.length)
                    && record.countdown.fits(limit, end_action) =>
            {
                record.countdown.resumed(now)
            }
            Some(_) | None => Countdown::default(),
        };
        let (absolute, inactivity) = (
            countdown(LimitKind::Absolute, self.absolute),
            countdown(LimitKind::Inactivity, self.inactivity),
        );
        session.absolute = absolute;
        session.inactivity = inactivity;
        session
    }
}

fn length_of(session: &Tracked, kind: LimitKind) -> Option<Duration> {
    terms(&session.standing, kind).map(|(limit, _)| limit.length)
}
