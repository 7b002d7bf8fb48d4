//! The invariants that the oracle checks, each with its name.

use std::fmt;

use session_timeout_policy::BootTime;

/// An invariant of the engine. Two failures are of the same kind if they violate the same
/// invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// An action concerns a session that exists, not an earlier one with the same id.
    KnownSession,
    /// A session without limits causes no actions.
    ExemptQuiet,
    /// A session is announced once, as soon as its limits are decided.
    BeginsOnce,
    /// The end of each session is announced once, with the right reason.
    Leaves,
    /// No session is announced as gone while a process of it may remain.
    Gone,
    /// A change of properties by the user postpones no end.
    PutOff,
    /// No limit acts before it has passed.
    NeverEarly,
    /// No limit acts late.
    NeverLate,
    /// No session ends unless the shortest warning was given at least its lead before.
    Warned,
    /// Each lead has one warning, at its time; one warning covers all leads that are due.
    Leads,
    /// No warning is late.
    WarnedInTime,
    /// A warning announces the end, and the session does not end before that time.
    NamedEnd,
    /// A warning is withdrawn if and only if its end will not happen.
    Withdrawn,
    /// An action that counts from the last activity requires a probe at the same moment.
    FreshReading,
    /// A probe is requested only for a reason, and one at a time.
    ProbeReason,
    /// A probe is requested when it is needed, and repeated if it fails.
    ProbeInTime,
    /// An unknown idle time is reported once, and its limit is not enforced.
    UnknownIdle,
    /// The action is the one that the policy requires.
    RightAction,
    /// A limit with the action `report` is reported once per passing, and in time.
    Reported,
    /// The stages of an end follow each other in time; an end is never given up, and its requests
    /// are repeated after pauses.
    EndStages,
    /// A session that is held is not ended, and a lock is requested again at its limit.
    Held,
    /// `lock-after` locks once, in time, and only if the session has a screen.
    LockAfter,
    /// A completed end or lock is announced.
    Confirmed,
    /// Extensions are granted as the policy says, and never beyond the maximum duration of a
    /// session.
    Extensions,
    /// Groups are requested if limits depend on them, and nothing else happens before the reply.
    Groups,
    /// There is a deadline only if an action is due, and it is not in the past.
    Armed,
    /// The number of actions is bounded.
    Bounded,
    /// A call before the deadline has no effect.
    Spurious,
    /// Sessions end at the same times with and without a crash.
    CrashProof,
    /// The same calls give the same results.
    Deterministic,
    /// The revision changes whenever the records do.
    Revision,
}

impl Invariant {
    /// The invariant as a sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::KnownSession => "an action names the very session it was decided for",
            Self::ExemptQuiet => "a session that no limit holds for gets nothing",
            Self::BeginsOnce => "a session begins once, as soon as it is decided what holds",
            Self::Leaves => "each session that is gone is said to be, once and with its reason",
            Self::Gone => "nobody is said to be gone who may be there",
            Self::PutOff => "what a user changes about a session puts off no end",
            Self::NeverEarly => "nothing is done before the limit has passed",
            Self::NeverLate => "an end comes as soon as it is due",
            Self::Warned => "no end without the shortest warning, at least its lead before",
            Self::Leads => "each lead once, and one warning for all that have come",
            Self::WarnedInTime => "a warning comes as soon as it is due",
            Self::NamedEnd => "a warning names the end, and nothing ends before that",
            Self::Withdrawn => "a warning is withdrawn when it no longer holds, and only then",
            Self::FreshReading => "what counts from the last activity needs a fresh reading",
            Self::ProbeReason => "a reading is asked for with a reason, and one at a time",
            Self::ProbeInTime => "a reading is asked for when it is needed",
            Self::UnknownIdle => "an unknown idle time is reported once, and ends nobody",
            Self::RightAction => "the policy says what happens at a limit",
            Self::Reported => "a limit that is only reported is so once, in time",
            Self::EndStages => "an end goes on until the session is gone, stage by stage",
            Self::Held => "a locked session is held, and asked to lock again at its limit",
            Self::LockAfter => "lock-after locks once, in time",
            Self::Confirmed => "what was done is said",
            Self::Extensions => "extensions are granted as the policy says, up to 24 h",
            Self::Groups => "groups are asked for where they decide, and waited for",
            Self::Armed => "nothing is armed without a reason, and nothing in the past",
            Self::Bounded => "actions are bounded",
            Self::Spurious => "a call that comes too early does nothing",
            Self::CrashProof => "a crash moves no end",
            Self::Deterministic => "the same calls give the same answers",
            Self::Revision => "the revision changes with every new record",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A violation of an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub invariant: Invariant,
    /// When the violation was found.
    pub at: BootTime,
    /// The observed and the expected behaviour.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            invariant,
            at,
            seen,
        } = self;
        write!(
            f,
            "at {at}: {seen}\n  invariant ({invariant:?}): {invariant}"
        )
    }
}
