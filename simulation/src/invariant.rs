//! The invariants that the oracle checks, each with its name.

use std::fmt;

use session_timeout_policy::BootTime;

/// A invariant of the engine. Two failures are of one kind when they violate the same invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// An action is about a session that is there, and no other that had its id.
    KnownSession,
    /// A session that no limit holds for gets nothing.
    ExemptQuiet,
    /// A session begins once, as soon as it is decided what holds for it.
    BeginsOnce,
    /// Each session that is gone is said to be, once and with the right reason.
    Leaves,
    /// No session is said to be gone of which something may be left.
    Gone,
    /// What a user changes about a session puts off no end.
    PutOff,
    /// No limit acts before it has passed.
    NeverEarly,
    /// An end comes in time.
    NeverLate,
    /// No session ends without the shortest warning, given at least that long before.
    Warned,
    /// Each lead is warned of once, in its time; one warning stands for all that have come.
    Leads,
    /// A warning comes in time.
    WarnedInTime,
    /// A warning names the end, and the session does not end before what was named.
    NamedEnd,
    /// A warning of what will not happen is withdrawn, and no other is.
    Withdrawn,
    /// What counts from the last activity is only done on a fresh reading.
    FreshReading,
    /// A reading is only asked for with a reason, and one at a time.
    ProbeReason,
    /// A reading is asked for when one is needed, and again when none came.
    ProbeInTime,
    /// An idle time that nobody knows is reported once, and its limit is not enforced.
    UnknownIdle,
    /// The policy asks for another action than this.
    RightAction,
    /// A limit that is only reported is so once per passing, and in time.
    Reported,
    /// An end goes from stage to stage in its time, is never given up, and is repeated with pauses.
    EndStages,
    /// A session that is held is not ended, and is asked to lock again at its limit.
    Held,
    /// `lock-after` locks once, in time and only where there is something to lock.
    LockAfter,
    /// What was done or locked is said.
    Confirmed,
    /// Extensions are granted as the policy says, and are never beyond what any session lasts.
    Extensions,
    /// Groups are asked for where they decide, and nothing is done before.
    Groups,
    /// Nothing is armed where nothing is due, and no deadline is in the past.
    Armed,
    /// There are never more actions than there can be reasons for.
    Bounded,
    /// A call that comes too early changes nothing.
    Spurious,
    /// With a crash, sessions end as they would have without.
    CrashProof,
    /// The same calls give the same answers.
    Deterministic,
    /// The revision changes whenever the records do.
    Revision,
}

impl Invariant {
    /// The invariant in words.
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
            Self::Revision => "the revision tells of every new record",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A invariant that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When that showed.
    pub at: BootTime,
    /// What was seen, and what should have been.
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
