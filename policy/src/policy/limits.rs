//! The limits and settings of a session: lengths, leads of the warnings, and end action.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::SessionType;

const MINUTE: Duration = Duration::from_secs(60);

/// The longest time from a login or an unlock to the end of a session, extensions included: 24 h.
pub const ABSOLUTE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The kinds of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// The absolute limit: a fixed time after the login, regardless of activity.
    Absolute,
    /// The inactivity limit: a fixed time without input.
    Inactivity,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absolute => "absolute",
            Self::Inactivity => "inactivity",
        })
    }
}

/// The leads of a limit: how long before the end each warning comes, longest first.
///
/// An empty list means that the session ends without a warning; only the administrator can
/// configure that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leads(Vec<Duration>);

impl Leads {
    /// Leads in any order; duplicates and zeros are dropped.
    #[must_use]
    pub fn new(leads: impl IntoIterator<Item = Duration>) -> Self {
        let mut leads: Vec<Duration> = leads.into_iter().filter(|lead| !lead.is_zero()).collect();
        leads.sort_unstable_by(|a, b| b.cmp(a));
        leads.dedup();
        Self(leads)
    }

    /// The leads, longest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Duration> + '_ {
        self.0.iter().copied()
    }

    /// The lead of the last warning; no session is ended without it.
    #[must_use]
    pub fn shortest(&self) -> Option<Duration> {
        self.0.last().copied()
    }
}

/// One limit: its length and its leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The time from the login (absolute) or from the last activity (inactivity) to the end.
    pub length: Duration,
    /// How long before the end the warnings come.
    pub leads: Leads,
}

impl Limit {
    /// The limit with leads that are shorter than it: a warning cannot precede the time that the
    /// limit counts from. If no lead is short enough, the only lead is half the limit, so that
    /// there is a warning.
    pub(crate) fn clamped(&self) -> Self {
        let mut leads = Leads::new(self.leads.iter().filter(|&lead| lead < self.length));
        if leads.shortest().is_none() && self.leads.shortest().is_some() {
            leads = Leads::new([self.length / 2]);
        }
        Self {
            length: self.length,
            leads,
        }
    }

    /// The limit without its warnings.
    pub(crate) fn without_warnings(&self) -> Self {
        Self {
            length: self.length,
            leads: Leads::default(),
        }
    }
}

/// The action at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndAction {
    /// The connection or the terminal is closed, as at a logout; processes that the user has
    /// detached from it (tmux, nohup) continue to run. If that fails, the session is terminated
    /// after the grace.
    HangUp,
    /// The screen is locked, so that the user has to authenticate again. A session that has no
    /// screen, or that is not locked within the grace, is terminated.
    Lock,
    /// The session continues; the journal reports the limit.
    Report,
    /// The processes of the session are asked to end, and killed after the grace.
    Terminate,
}

impl EndAction {
    /// The keyword in the policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HangUp => "hang-up",
            Self::Lock => "lock",
            Self::Report => "report",
            Self::Terminate => "terminate",
        }
    }

    /// The action for a session of this type: a session without a screen cannot be locked.
    #[must_use]
    pub const fn for_session_type(self, session_type: SessionType) -> Self {
        match self {
            Self::Lock if !session_type.is_graphical() => Self::Terminate,
            Self::HangUp | Self::Lock | Self::Report | Self::Terminate => self,
        }
    }
}

/// The kinds of activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActivityKind {
    /// Input by keyboard, pointer or touch. It always counts.
    Input,
    /// Output of programs on a terminal of the session.
    Output,
    /// A logind inhibitor lock on `idle` that the user holds.
    Inhibitor,
}

/// The extensions that a user may request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// The number of extensions, counted from the login; 0 allows none.
    pub times: u32,
    /// The length of each extension. The session still ends by [`ABSOLUTE_MAX`].
    pub by: Duration,
}

/// The meaning of an inactivity limit for a session whose idle time is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownIdle {
    /// The limit is not enforced, and the journal reports that.
    Report,
    /// The session counts as idle from its login, or from the last known activity.
    CountFromLogin,
}

/// Whether warnings ring the bell of terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bell {
    /// The bell rings once with each warning.
    Rings,
    /// The bell does not ring.
    Silent,
}

/// How warnings treat terminals whose user refuses messages (`mesg n`, see mesg(1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mesg {
    /// Warnings are written to them: a user who misses a warning loses work.
    Ignored,
    /// Warnings are not written to them.
    Respected,
}

/// All limits and settings for one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The absolute limit. Every session that is subject to limits has one.
    pub absolute: Limit,
    /// The inactivity limit; `None` means off.
    pub inactivity: Option<Limit>,
    /// The inactivity after which the screen is locked, before any end; `None` means off.
    pub lock_after: Option<Duration>,
    /// The action when a limit is passed.
    pub end_action: EndAction,
    /// The kinds of activity that count.
    pub activity: BTreeSet<ActivityKind>,
    /// The meaning of the inactivity limit for a session whose idle time is unknown.
    pub unknown_idle: UnknownIdle,
    /// The grace: the time from one stage of an end to the next.
    pub grace: Duration,
    /// The extensions that the user may request.
    pub extensions: Extensions,
    /// The administrator's text for warnings, with the placeholders `{user}`, `{limit}`, `{left}`
    /// and `{reason}`; `None` means the built-in text.
    pub message: Option<String>,
    /// Whether warnings ring the bell of terminals.
    pub bell: Bell,
    /// Whether warnings are written to terminals that refuse messages.
    pub mesg: Mesg,
}

impl Limits {
    /// The limit of this kind, if the session has one.
    #[must_use]
    pub fn get(&self, kind: LimitKind) -> Option<&Limit> {
        match kind {
            LimitKind::Absolute => Some(&self.absolute),
            LimitKind::Inactivity => self.inactivity.as_ref(),
        }
    }

    /// The longest time that a session may last from its login, with all allowed extensions.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let Extensions { times, by } = self.extensions;
        extended(self.absolute.length, by.saturating_mul(times))
    }
}

/// An absolute limit of this length with extensions of this total length.
pub(crate) fn extended(length: Duration, extensions: Duration) -> Duration {
    length
        .saturating_add(extensions)
        .min(ABSOLUTE_MAX.max(length))
}

impl Default for Limits {
    /// The shipped default: 24 h with warnings 20, 5 and 1 minutes before; inactivity off.
    fn default() -> Self {
        Self {
            absolute: Limit {
                length: ABSOLUTE_MAX,
                leads: Leads::new([20, 5, 1].map(|minutes| minutes * MINUTE)),
            },
            inactivity: None,
            lock_after: None,
            end_action: EndAction::Terminate,
            activity: BTreeSet::from([ActivityKind::Input]),
            unknown_idle: UnknownIdle::Report,
            grace: Duration::from_secs(10),
            extensions: Extensions {
                times: 0,
                by: 30 * MINUTE,
            },
            message: None,
            bell: Bell::Silent,
            mesg: Mesg::Ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_shorter_than_its_leads_is_still_warned_of() {
        let limit = |leads: &[u64]| Limit {
            length: Duration::from_secs(60),
            leads: Leads::new(leads.iter().copied().map(Duration::from_secs)),
        };
        assert_eq!(limit(&[60, 10]).clamped(), limit(&[10]));
        assert_eq!(limit(&[300, 60]).clamped(), limit(&[30]));
        assert_eq!(limit(&[]).clamped(), limit(&[]));
    }

    #[test]
    fn every_extension_together_is_24_hours_in_all_at_most() {
        let longest = |hours: u32, times: u32| {
            let mut limits = Limits::default();
            limits.absolute.length = hours * 60 * MINUTE;
            limits.extensions.times = times;
            limits.longest()
        };
        assert_eq!(longest(20, 0), 20 * 60 * MINUTE);
        assert_eq!(longest(20, 3), (20 * 60 + 90) * MINUTE);
        assert_eq!(longest(23, 3), ABSOLUTE_MAX);
        assert_eq!(longest(23, u32::MAX), ABSOLUTE_MAX);
    }

    #[test]
    fn leads_are_sorted_and_unique_and_never_zero() {
        let leads = Leads::new([1, 20, 0, 5, 20].map(Duration::from_secs));
        assert!(leads.iter().eq([20, 5, 1].map(Duration::from_secs)));
        assert_eq!(leads.shortest(), Some(Duration::from_secs(1)));
        assert_eq!(Leads::default().shortest(), None);
    }
}
