//! Explains a hypothetical login from the policy files, without the daemon.

use std::path::PathBuf;
use std::time::Duration;

use session_timeout_config::Settings;
use session_timeout_policy::{
    BootTime, Groups, LimitKind, Limits, Milestone, MilestoneKind, NoSession, SessionClass,
    SessionType, Subject, Uid, Verdict, is_systemd_user_name,
};

use super::comparison::passed_over;
use super::{About, Explanation, Holds, Login, ScheduledEvent, Setting};
use crate::accounts::Account;
use crate::text::one_line;

/// Who would log in, and how.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) account: Account,
    pub(crate) class: SessionClass,
    pub(crate) session_type: SessionType,
    pub(crate) service: String,
    pub(crate) from: Option<String>,
    pub(crate) tty: Option<String>,
    pub(crate) seat: Option<String>,
}

/// The explanation of this login under this policy.
pub(crate) fn explanation(
    candidate: &Candidate,
    settings: &Settings,
    files: &[PathBuf],
    first_regular_uid: Uid,
) -> Explanation {
    let groups = Groups::Known(candidate.account.groups.clone());
    let subject = candidate.subject(&groups);
    let policy = settings.policy(first_regular_uid);
    let (holds, limits, values) = match policy.evaluate(&subject) {
        Verdict::Limited { limits, rule } => {
            let holds = rule.map_or(Holds::Default, |name| Holds::Rule(one_line(name)));
            (holds, Some(limits), settings.explain(rule))
        }
        Verdict::Exempt(why) => (Holds::Nothing(why.to_string()), None, None),
        Verdict::NeedsGroups => (Holds::Undecided, None, None),
    };
    let values = values.unwrap_or_default().into_iter();
    let login = Login {
        uid: candidate.account.uid.as_raw(),
        session_type: candidate.session_type.as_str(),
        class: one_line(candidate.class.as_str()),
        service: one_line(&candidate.service),
        from: candidate.from.as_deref().map(one_line),
        tty: candidate.tty.as_deref().map(one_line),
        seat: candidate.seat.as_deref().map(one_line),
        files: files
            .iter()
            .map(|path| one_line(&path.to_string_lossy()))
            .collect(),
        longest: limits.and_then(extended),
        passed_over: passed_over(&policy, &subject),
        no_session: no_session(&candidate.account.name),
    };
    Explanation {
        about: About::Login(login),
        user: one_line(&candidate.account.name),
        groups: Some(
            candidate
                .account
                .groups
                .iter()
                .map(|name| one_line(name))
                .collect(),
        ),
        groups_state: None,
        holds,
        end_action: limits.map(|limits| {
            let action = limits.end_action.for_session_type(candidate.session_type);
            action.as_str().to_owned()
        }),
        settings: values
            .map(|value| Setting {
                key: value.key.to_owned(),
                value: one_line(&value.value),
                origin: one_line(&value.origin.to_string()),
            })
            .collect(),
        schedule: limits
            .map(|limits| schedule(limits, candidate.session_type))
            .unwrap_or_default(),
    }
}

impl Candidate {
    fn subject<'a>(&'a self, groups: &'a Groups) -> Subject<'a> {
        Subject {
            user: &self.account.name,
            uid: self.account.uid,
            groups,
            class: &self.class,
            session_type: self.session_type,
            service: Some(&self.service),
            remote_host: self.from.as_deref(),
            terminal: self.tty.as_deref(),
            seat: self.seat.as_deref(),
        }
    }
}

/// Why logind would create no session for a user with this name, if that is known.
fn no_session(user: &str) -> Option<&'static str> {
    (!is_systemd_user_name(user)).then_some(NoSession::NameRefused.as_str())
}

/// How long the session may last with extensions, if that is longer than its limit.
fn extended(limits: &Limits) -> Option<Duration> {
    let longest = limits.longest();
    (longest > limits.absolute.length).then_some(longest)
}

/// The warnings and ends after the login, without any input.
fn schedule(limits: &Limits, session_type: SessionType) -> Vec<ScheduledEvent> {
    let login = BootTime::default();
    let milestones = limits.schedule(login, session_type).into_iter();
    milestones
        .map(|Milestone { at, what }| {
            let (what, limit) = match what {
                MilestoneKind::End(limit) => ("end", kind(limit)),
                MilestoneKind::Warning(limit, _) => ("warning", kind(limit)),
                MilestoneKind::Lock => ("lock", "lock-after"),
            };
            ScheduledEvent {
                what: what.to_owned(),
                limit: limit.to_owned(),
                after: at.since(login),
            }
        })
        .collect()
}

const fn kind(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::Absolute => "absolute",
        LimitKind::Inactivity => "inactivity",
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_config::{Minima, parse};

    use super::super::samples::step;
    use super::*;

    const POLICY: &str = r#"
[default]
session-timeout = "20h"
session-warnings = ["5min"]
extend = { times = 2, by = "1h" }

[[rule]]
name = "card data"
match = { group = ["pci"], service = ["sshd"] }
inactivity-timeout = "15min"
inactivity-warnings = ["30s"]
action = "hang-up"

[[rule]]
name = "at home"
match = { user = ["root"], remote = false }
"#;

    fn candidate(user: &str, uid: u32, groups: &[&str]) -> Candidate {
        Candidate {
            account: Account {
                name: user.to_owned(),
                uid: Uid::new(uid),
                groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            },
            class: SessionClass::User,
            session_type: SessionType::Tty,
            service: "sshd".to_owned(),
            from: Some("192.0.2.7".to_owned()),
            tty: None,
            seat: None,
        }
    }

    fn explained(candidate: &Candidate) -> Explanation {
        let settings = parse("policy.toml", POLICY, Minima::Enforced).unwrap();
        explanation(candidate, &settings, &[], Uid::new(1000))
    }

    fn passed_over(explanation: &Explanation) -> Vec<String> {
        let About::Login(login) = &explanation.about else {
            panic!("{explanation:?}");
        };
        let rules = login.passed_over.iter();
        rules
            .map(|one| format!("{}: {}", one.rule, one.why))
            .collect()
    }

    fn origin(explanation: &Explanation, key: &str) -> String {
        let mut settings = explanation.settings.iter();
        let setting = settings.find(|setting| setting.key == key).unwrap();
        format!("{} {}", setting.value, setting.origin)
    }

    #[test]
    fn the_rule_that_holds_gives_the_values_and_what_comes() {
        let explanation = explained(&candidate("alice", 1000, &["alice", "pci"]));
        assert_eq!(explanation.holds, Holds::Rule("card data".into()));
        assert_eq!(passed_over(&explanation), <[&str; 0]>::default());
        let of = |key| origin(&explanation, key);
        assert_eq!(of("session-timeout"), "\"20h\" policy.toml:3");
        assert_eq!(of("inactivity-timeout"), "\"15min\" policy.toml:10");
        assert_eq!(of("grace"), "\"10s\" built-in");
        let About::Login(login) = &explanation.about else {
            panic!("{explanation:?}");
        };
        assert_eq!(login.longest, Some(Duration::from_secs(22 * 3600)));
        assert_eq!(explanation.end_action.as_deref(), Some("hang-up"));
        assert_eq!(
            explanation.schedule,
            [
                step("warning", "inactivity", 870),
                step("end", "inactivity", 900),
                step("warning", "absolute", 71_700),
                step("end", "absolute", 72_000),
            ]
        );
    }

    #[test]
    fn where_no_rule_holds_each_says_why() {
        let explanation = explained(&candidate("alice", 1000, &["staff"]));
        assert_eq!(explanation.holds, Holds::Default);
        let expected = [
            "card data: group is not pci",
            "at home: user is not root, it is remote",
        ];
        assert_eq!(passed_over(&explanation), expected);
        assert_eq!(explanation.schedule.len(), 2);
    }

    #[test]
    fn a_name_that_systemd_refuses_changes_no_limit_and_is_said() {
        let explanation = explained(&candidate("20250001", 1000, &["pci"]));
        assert_eq!(explanation.holds, Holds::Rule("card data".into()));
        let About::Login(login) = &explanation.about else {
            panic!("{explanation:?}");
        };
        assert_eq!(login.no_session, Some("name-refused"));
    }

    #[test]
    fn who_is_exempt_has_no_values() {
        let explanation = explained(&candidate("root", 0, &["root"]));
        assert_eq!(explanation.holds, Holds::Nothing("root".into()));
        assert_eq!(explanation.end_action, None);
        assert!(explanation.settings.is_empty() && explanation.schedule.is_empty());
        let expected = [
            "card data: it does not name root in user",
            "at home: it is remote",
        ];
        assert_eq!(passed_over(&explanation), expected);
        let low = explained(&candidate("robot", 998, &[]));
        assert_eq!(low.holds, Holds::Nothing("system account".into()));
    }
}
