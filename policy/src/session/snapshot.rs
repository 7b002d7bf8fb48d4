//! The state of a session that is saved across a restart of the daemon, so that deadlines stay the
//! same.
//!
//! An end that has begun is not saved: the limit has passed and the shortest warning was given, so
//! the next engine ends the session at once; for inactivity, after another probe.

use std::time::Duration;

use crate::policy::compiled::{CompiledPolicy, EffectiveLimits};
use crate::session::earlier::EarlierProperties;
use crate::session::{LoginState, Session};
use crate::{
    Activity, BootTime, Countdown, EndAction, Granted, Groups, LimitKind, Locking, SessionFacts,
};

/// The record of one session, for [`crate::Engine::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The properties of the session.
    pub facts: SessionFacts,
    /// Whether PAM has reported the login.
    pub recorded: bool,
    /// Whether the user is logged in.
    pub login: LoginState,
    /// The user's groups, as far as known.
    pub groups: Groups,
    /// Earlier properties of the session, if a user has changed them.
    pub earlier: Option<EarlierProperties>,
    /// The last activity.
    pub activity: Activity,
    /// Whether it was reported that the idle time is unknown.
    pub unknown_reported: bool,
    /// The absolute limit in force, and its progress.
    pub absolute: LimitRecord,
    /// The inactivity limit in force, and its progress.
    pub inactivity: LimitRecord,
    /// The time until the lock of `lock-after`, and its progress.
    pub lock_after: LimitRecord,
    /// The extensions of the absolute limit.
    pub granted: Granted,
    /// The state of the screen's lock.
    pub locking: Locking,
}

/// The progress of one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitRecord {
    /// The length of the limit in force. The countdown restarts if the length differs, or if other
    /// leads or another end action make this progress impossible.
    pub length: Option<Duration>,
    /// The progress of its countdown.
    pub countdown: Countdown,
}

impl SessionRecord {
    pub(crate) fn of(session: &Session) -> Self {
        let record = |kind, countdown: &Countdown| LimitRecord {
            length: length_of(session, kind),
            countdown: countdown.clone(),
        };
        Self {
            facts: session.facts.clone(),
            recorded: session.recorded,
            login: session.login,
            groups: session.groups.clone(),
            earlier: session.earlier.as_deref().map(|earlier| EarlierProperties {
                counts_from: session.absolute_anchor(),
                previous_source: match session.overriding.as_deref() {
                    Some(overriding) => Some(overriding.source()),
                    None => earlier.previous_source.clone(),
                },
                ..earlier.clone()
            }),
            activity: session.activity.clone(),
            unknown_reported: session.unknown_reported,
            absolute: record(LimitKind::Absolute, &session.absolute),
            inactivity: record(LimitKind::Inactivity, &session.inactivity),
            lock_after: LimitRecord {
                length: session.lock_after_limit().map(|limit| limit.length),
                countdown: session.lock_after.clone(),
            },
            granted: session.granted,
            // The next engine cannot know whether the pending lock request was received.
            locking: Locking {
                requested_at: None,
                unconfirmed: false,
                ..session.locking
            },
        }
    }

    pub(crate) fn restore(self, now: BootTime, policy: &CompiledPolicy) -> Session {
        let mut session = Session::new(now, self.facts);
        session.recorded = self.recorded;
        session.login = self.login;
        session.announced = true;
        session.groups = self.groups;
        session.granted = self.granted;
        session.locking = self.locking.no_later_than(now);
        session.earlier = self.earlier.map(|earlier| {
            Box::new(EarlierProperties {
                counts_from: earlier.counts_from.min(now),
                ..earlier
            })
        });
        session.evaluate_restored(now, policy, &self.absolute);
        session.activity = self.activity;
        // A record may be from a clock that is ahead.
        session.activity.last = session.activity.last.min(now);
        session.activity.output = session.activity.output.min(now);
        session.activity.assumed = session.activity.assumed.map(|time| time.min(now));
        session.activity.probed_at = session.activity.probed_at.min(now);
        let undecided = session.effective == EffectiveLimits::Undecided;
        let mut stale_warnings = Vec::new();
        let mut countdown = |kind, record: LimitRecord| match session.countdown_basis(kind) {
            Some((limit, end_action))
                if record.length == Some(limit.length)
                    && record.countdown.fits(limit, end_action) =>
            {
                record.countdown.resumed(now)
            }
            basis => {
                let holds = basis.is_some_and(|(limit, end_action)| {
                    record.length == Some(limit.length) && end_action != EndAction::Report
                });
                if record.countdown.is_warned() && !holds && !undecided {
                    stale_warnings.push(kind);
                }
                Countdown::default()
            }
        };
        let same_limit = self.inactivity.length == length_of(&session, LimitKind::Inactivity);
        let (absolute, inactivity) = (
            countdown(LimitKind::Absolute, self.absolute),
            countdown(LimitKind::Inactivity, self.inactivity),
        );
        session.absolute = absolute;
        session.inactivity = inactivity;
        session.stale_warnings = stale_warnings;
        let same_lock_after =
            self.lock_after.length == session.lock_after_limit().map(|limit| limit.length);
        if same_lock_after {
            session.lock_after = self.lock_after.countdown;
        }
        session.unknown_reported = self.unknown_reported;
        if !(same_lock_after && same_limit) {
            session.restore_unknown_report();
        }
        session
    }
}

fn length_of(session: &Session, kind: LimitKind) -> Option<Duration> {
    session.countdown_basis(kind).map(|(limit, _)| limit.length)
}
