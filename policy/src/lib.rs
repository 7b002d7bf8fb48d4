//! The policy engine of session-timeout: it decides when a login is warned and when it ends.
//!
//! The engine is pure. Its inputs are events ([`Event`]) and times ([`BootTime`]); its outputs are
//! actions ([`Action`]), changes to report ([`Transition`]) and the time of the next call
//! ([`Engine::next_deadline`]). It reads no
//! clock, opens no file, starts no thread and writes no log; the same calls give the same answers.
//! Calls that are too early, repeated or about sessions that are gone do nothing, so that the
//! driver can be simple.
//!
//! Nothing is sampled at an interval. An inactivity limit becomes a deadline; at that time the
//! engine asks for a reading of the session's idle time ([`Action::Probe`]), and the reading either
//! moves the deadline or confirms it.
//!
//! A session that passes a limit is never ended without its shortest warning, however the limit
//! came to be passed: by a reload, by a resume from suspend, or while the daemon was not running.

#![forbid(unsafe_code)]

mod engine;
mod event;
mod facts;
mod login1;
mod output;
mod policy;
mod session;
mod time;

pub use engine::{Deadline, Engine, Wake};
pub use event::{Event, Login, Remains};
pub use facts::{
    AuditSession, InvocationId, Keeper, NoSession, Pid, SessionFacts, SessionId, SessionKey,
};
pub use login1::{SessionClass, SessionType, Uid, is_systemd_user_name};
pub use output::{Action, EndReason, Finding, Output, Transition, Warning};
pub use policy::limits::{
    ABSOLUTE_MAX, ActivityKind, Bell, EndAction, Extensions, Leads, Limit, LimitKind, Limits, Mesg,
    UnknownIdle,
};
pub use policy::matching::{Host, Match, MatchResult, Network, NetworkError, Pattern, Reach};
pub use policy::rules::{Exemption, Groups, Policy, Rule, Subject, Verdict};
pub use session::LoginState;
pub use session::activity::{Activity, Hint, IdleSource, Reading, StampSource};
pub use session::countdown::Countdown;
pub use session::earlier::{ChangeableProperties, EarlierProperties, LimitsSource};
pub use session::extension::{Extended, Granted, Refusal};
pub use session::locking::{Hold, LockCause, Locking};
pub use session::schedule::{Milestone, MilestoneKind};
pub use session::snapshot::{LimitRecord, SessionRecord};
pub use session::view::{OverrideView, Phase, View};
pub use time::{BootTime, WallTime};
