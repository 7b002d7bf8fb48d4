//! `explain`: why a session, or a hypothetical login, has its limits.
//!
//! A session is explained by the daemon (`bus`), a hypothetical login by the policy files
//! (`login`); the output is the same. Words of the daemon are kept as text, as in `status`.

mod comparison;
pub(crate) mod json;
pub(crate) mod login;
pub(crate) mod render_text;

use std::time::Duration;

/// An explanation. All texts in it are sanitized.
#[derive(Debug, PartialEq)]
pub(crate) struct Explanation {
    pub(crate) about: About,
    pub(crate) user: String,
    /// Absent if they were not queried.
    pub(crate) groups: Option<Vec<String>>,
    /// `asked` or `unavailable`; absent if groups are known or not needed.
    pub(crate) groups_state: Option<String>,
    pub(crate) holds: Holds,
    /// `terminate`, `hang-up`, `lock` or `report`; absent if no limit holds.
    pub(crate) end_action: Option<String>,
    /// Every value that holds; empty if no limit does.
    pub(crate) settings: Vec<Setting>,
    /// The warnings and ends to come, in order.
    pub(crate) schedule: Vec<ScheduledEvent>,
}

/// What is explained.
#[derive(Debug, PartialEq)]
pub(crate) enum About {
    /// An existing session.
    Session {
        id: String,
        phase: String,
        /// Why logind has no session for the login; absent if it has one.
        no_session: Option<String>,
        /// Whether a warning was received by neither a terminal nor an agent.
        unwarned: Option<bool>,
        /// The rule of an earlier absolute limit; as in `status`.
        absolute_rule: Option<String>,
    },
    /// A hypothetical login.
    Login(Login),
}

/// A hypothetical login.
#[derive(Debug, PartialEq)]
pub(crate) struct Login {
    pub(crate) uid: u32,
    pub(crate) session_type: &'static str,
    pub(crate) class: String,
    pub(crate) service: String,
    pub(crate) from: Option<String>,
    pub(crate) tty: Option<String>,
    pub(crate) seat: Option<String>,
    /// The files of the policy; empty for the built-in policy.
    pub(crate) files: Vec<String>,
    /// How long the session may last with every extension, if extensions are allowed.
    pub(crate) longest: Option<Duration>,
    /// Why logind would create no session for it; absent if no reason is known.
    pub(crate) no_session: Option<&'static str>,
    /// The rules that were tried before the one that holds, in order.
    pub(crate) passed_over: Vec<PassedOver>,
}

/// A rule that does not match.
#[derive(Debug, PartialEq)]
pub(crate) struct PassedOver {
    pub(crate) rule: String,
    /// In a few words: `group is not pci`.
    pub(crate) why: String,
}

/// Where the limits come from.
#[derive(Debug, PartialEq)]
pub(crate) enum Holds {
    /// The rule of this name.
    Rule(String),
    Default,
    /// No limit holds, for this reason.
    Nothing(String),
    /// Not known yet: the groups are being resolved.
    Undecided,
}

/// One value that holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
    /// What set it: the line of a file, a preset, or built in.
    pub(crate) origin: String,
}

/// A warning, end or lock that comes if there is no input or other change before.
#[derive(Debug, PartialEq)]
pub(crate) struct ScheduledEvent {
    /// `warning`, `end` or `lock`.
    pub(crate) what: String,
    /// `absolute`, `inactivity` or `lock-after`.
    pub(crate) limit: String,
    /// From now, or from the login.
    pub(crate) after: Duration,
}

impl ScheduledEvent {
    /// Whether input postpones it.
    fn waits_for_input(&self) -> bool {
        matches!(self.limit.as_str(), "inactivity" | "lock-after")
    }

    /// How long before its end a warning comes.
    fn lead(&self, schedule: &[Self]) -> Option<Duration> {
        let is_its_end = |step: &&Self| step.what == "end" && step.limit == self.limit;
        let end = schedule.iter().find(is_its_end)?;
        (self.what == "warning").then(|| end.after.saturating_sub(self.after))
    }
}

/// Samples for the tests of the output.
#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn step(what: &str, limit: &str, secs: u64) -> ScheduledEvent {
        ScheduledEvent {
            what: what.into(),
            limit: limit.into(),
            after: Duration::from_secs(secs),
        }
    }

    fn setting(key: &str, value: &str, origin: &str) -> Setting {
        Setting {
            key: key.into(),
            value: value.into(),
            origin: origin.into(),
        }
    }

    pub(crate) fn session() -> Explanation {
        Explanation {
            about: About::Session {
                id: "c1".into(),
                phase: "running".into(),
                no_session: None,
                unwarned: Some(false),
                absolute_rule: None,
            },
            user: "alice".into(),
            groups: Some(vec!["alice".into(), "pci".into()]),
            groups_state: None,
            holds: Holds::Rule("card data".into()),
            end_action: Some("terminate".into()),
            settings: vec![
                setting(
                    "session-timeout",
                    "\"12h\"",
                    "/etc/session-timeout/policy.toml:9",
                ),
                setting("inactivity-timeout", "\"off\"", "built-in"),
            ],
            schedule: vec![
                step("warning", "absolute", 42_000),
                step("end", "absolute", 43_200),
            ],
        }
    }

    pub(crate) fn login() -> Explanation {
        Explanation {
            about: About::Login(Login {
                uid: 1000,
                session_type: "tty",
                class: "user".into(),
                service: "sshd".into(),
                from: Some("192.0.2.7".into()),
                tty: None,
                seat: None,
                files: vec![
                    "/etc/session-timeout/policy.toml".into(),
                    "/etc/session-timeout/policy.d/50-cards.toml".into(),
                ],
                longest: Some(Duration::from_secs(46_800)),
                no_session: None,
                passed_over: vec![PassedOver {
                    rule: "card data".into(),
                    why: "group is not pci".into(),
                }],
            }),
            holds: Holds::Default,
            schedule: vec![
                step("lock", "lock-after", 300),
                step("warning", "inactivity", 870),
                step("end", "inactivity", 900),
                step("end", "absolute", 43_200),
            ],
            ..session()
        }
    }

    pub(crate) fn exempt() -> Explanation {
        Explanation {
            about: About::Session {
                id: "3".into(),
                phase: "exempt".into(),
                no_session: None,
                unwarned: None,
                absolute_rule: None,
            },
            user: "root".into(),
            groups: None,
            groups_state: None,
            holds: Holds::Nothing("root".into()),
            end_action: None,
            settings: Vec::new(),
            schedule: Vec::new(),
        }
    }
}
