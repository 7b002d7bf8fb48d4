//! The keys of a table of limits (`[default]` or a rule): the one list of them.
//!
//! Reading, merging, inheriting, printing and `explain` are made from this list by
//! [`policy_keys!`](generate), and the tests take their lists from [`KEYS`]. A key is added with an
//! entry here, and with its value in [`Resolved::limits`].

mod generate;
mod kind;
pub(crate) mod layer;
mod message;
pub(crate) mod range;
pub(crate) mod toml_text;
pub(crate) mod value;

use std::collections::BTreeSet;
use std::time::Duration;

use session_timeout_policy::{
    ActivityKind, Bell, EndAction, Extensions, Limit, Limits, Mesg, UnknownIdle,
};

use self::generate::policy_keys;
pub(crate) use self::kind::SpannedLeads;
use self::kind::{
    AbsoluteLimit, Activities, Input, Kind, Length, LengthOrOff, Message, Number, WarningLeads,
    Word, to_leads, without_spans,
};
use self::layer::{Chosen, Layer, first};
use self::range::Minima;
use self::value::{Choice, Entry};
use crate::diagnostic::Problem;
use crate::origin::{Placed, SetBy, TextSpan};

policy_keys! {
    session_timeout: Duration {
        key: "session-timeout",
        kind: AbsoluteLimit,
        built_in: |limits| limits.absolute.length,
    }
    session_warnings: SpannedLeads {
        key: "session-warnings",
        kind: WarningLeads,
        built_in: |limits| without_spans(limits.absolute.leads.iter()),
    }
    inactivity_timeout: Option<Duration> {
        key: "inactivity-timeout",
        kind: LengthOrOff(range::INACTIVITY),
        built_in: |limits| limits.inactivity.as_ref().map(|limit| limit.length),
    }
    inactivity_warnings: SpannedLeads {
        key: "inactivity-warnings",
        kind: WarningLeads,
        // Not from `limits`, where the inactivity limit is off and has none.
        built_in: |_| without_spans(INACTIVITY_LEADS),
    }
    lock_after: Option<Duration> {
        key: "lock-after",
        kind: LengthOrOff(range::LOCK_AFTER),
        built_in: |limits| limits.lock_after,
    }
    action: EndAction {
        key: "action",
        kind: Word(&ACTIONS),
        built_in: |limits| limits.end_action,
    }
    activity: BTreeSet<ActivityKind> {
        key: "activity",
        kind: Activities(&ACTIVITIES),
        built_in: |limits| limits.activity.clone(),
    }
    unknown_idle: UnknownIdle {
        key: "unknown-idle",
        kind: Word(&UNKNOWN_IDLE),
        built_in: |limits| limits.unknown_idle,
    }
    grace: Duration {
        key: "grace",
        kind: Length(range::GRACE),
        built_in: |limits| limits.grace,
    }
    extend_times: u32 {
        key: "extend.times",
        kind: Number { max: range::EXTENSIONS_MAX },
        built_in: |limits| limits.extensions.times,
    }
    extend_by: Duration {
        key: "extend.by",
        kind: Length(range::EXTENSION),
        built_in: |limits| limits.extensions.by,
    }
    message: Option<String> {
        key: "message",
        kind: Message,
        built_in: |limits| limits.message.clone(),
    }
    bell: Bell {
        key: "bell",
        kind: Word(&BELLS),
        built_in: |limits| limits.bell,
    }
    mesg: Mesg {
        key: "mesg",
        kind: Word(&MESGS),
        built_in: |limits| limits.mesg,
    }
}

impl Resolved {
    /// The same values, as the engine takes them.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            absolute: Limit {
                length: self.session_timeout.value,
                leads: to_leads(&self.session_warnings.value),
            },
            inactivity: self.inactivity_timeout.value.map(|length| Limit {
                length,
                leads: to_leads(&self.inactivity_warnings.value),
            }),
            lock_after: self.lock_after.value,
            end_action: self.action.value,
            activity: self.activity.value.clone(),
            unknown_idle: self.unknown_idle.value,
            grace: self.grace.value,
            extensions: Extensions {
                times: self.extend_times.value,
                by: self.extend_by.value,
            },
            message: self.message.value.clone(),
            bell: self.bell.value,
            mesg: self.mesg.value,
        }
    }
}

/// Whether there is such a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
}

/// The words of `action`.
const ACTIONS: [Choice<EndAction>; 4] = [
    Choice::new("terminate", EndAction::Terminate),
    Choice::new("hang-up", EndAction::HangUp),
    Choice::new("lock", EndAction::Lock),
    Choice::new("report", EndAction::Report),
];

/// The words of `unknown-idle`.
const UNKNOWN_IDLE: [Choice<UnknownIdle>; 2] = [
    Choice::new("report", UnknownIdle::Report),
    Choice::new("count-from-login", UnknownIdle::CountFromLogin),
];

/// The words of `activity`.
const ACTIVITIES: [Choice<ActivityKind>; 3] = [
    Choice::new("input", ActivityKind::Input),
    Choice::new("output", ActivityKind::Output),
    Choice::new("inhibitor", ActivityKind::Inhibitor),
];

/// The words of `bell`.
const BELLS: [Choice<Bell>; 2] = [
    Choice::new("off", Bell::Silent),
    Choice::new("on", Bell::Rings),
];

/// The words of `mesg`.
const MESGS: [Choice<Mesg>; 2] = [
    Choice::new("ignore", Mesg::Ignored),
    Choice::new("respect", Mesg::Respected),
];

/// `inactivity-warnings` where no table sets them.
const INACTIVITY_LEADS: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(30)];

/// The table inside of a table of limits, whose keys are called `extend.times` and `extend.by`.
pub(crate) const EXTEND: &str = "extend";

/// The name of a preset, which stands for several keys and has no value of its own.
pub(crate) const PRESET: &str = "preset";

/// The names that may be written in a table of limits: every key, `extend` and `preset`.
pub(crate) fn names_in_table() -> Vec<&'static str> {
    let tops = KEYS.iter().map(|key| key.split('.').next().unwrap_or(key));
    let mut names: Vec<&str> = tops.chain([PRESET]).collect();
    names.dedup();
    names
}

/// The keys of the table `extend`: each name in it, and the whole key.
pub(crate) fn keys_in_extend() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().filter_map(|key| {
        let name = key.strip_prefix(EXTEND)?.strip_prefix('.')?;
        Some((name, *key))
    })
}
