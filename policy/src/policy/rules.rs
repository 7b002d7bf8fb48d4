//! The policy as configured: an ordered list of rules, and the evaluation for one session.

use std::collections::BTreeSet;
use std::fmt;

use crate::policy::matching::{Match, MatchResult};
use crate::{Limits, SessionClass, SessionType, Uid};

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The limits of a session that no rule matches; `None` if no policy could be loaded, so that
    /// no limit applies.
    pub default: Option<Limits>,
    /// The rules in order: the first that matches a session applies.
    pub rules: Vec<Rule>,
    /// `UID_MIN` of login.defs(5): accounts below it are system accounts.
    pub first_regular_uid: Uid,
}

/// A rule: limits for the sessions that match its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its unique name.
    pub name: String,
    /// Its conditions.
    pub matching: Match,
    /// Its limits. Keys that the rule does not set have the value of the default.
    pub limits: Limits,
}

impl Policy {
    /// A policy without rules, with the `UID_MIN` of Debian's login.defs.
    #[must_use]
    pub const fn of(default: Option<Limits>) -> Self {
        Self {
            default,
            rules: Vec::new(),
            first_regular_uid: Uid::new(1000),
        }
    }

    /// Evaluates the policy for this subject.
    ///
    /// Limits apply only to logins of people, not to greeters, lock screens, user managers and
    /// background sessions. They apply to root and system accounts only if a rule names the
    /// account.
    ///
    /// If it is unknown whether a rule matches, because the groups of the user are unavailable,
    /// neither that rule nor a later one is applied, because the first match decides. The default
    /// applies instead.
    #[must_use]
    pub fn evaluate(&self, subject: &Subject<'_>) -> Verdict<'_> {
        if !subject.class.is_login_of_a_person() {
            return Verdict::Exempt(Exemption::Class);
        }
        let Some(default) = &self.default else {
            return Verdict::Exempt(Exemption::NoPolicy);
        };
        let exemption = self.account_exemption(subject.uid);
        let rules = self.rules.iter();
        for rule in rules.filter(|rule| exemption.is_none() || rule.matching.names(subject.user)) {
            match (rule.matching.test(subject), subject.groups) {
                (MatchResult::Matches, _) => {
                    return Verdict::Limited {
                        limits: &rule.limits,
                        rule: Some(&rule.name),
                    };
                }
                (MatchResult::Differs, _) => {}
                (MatchResult::DependsOnGroups, Groups::Unknown) => return Verdict::NeedsGroups,
                (MatchResult::DependsOnGroups, Groups::Known(_) | Groups::Unavailable) => break,
            }
        }
        match exemption {
            Some(why) => Verdict::Exempt(why),
            None => Verdict::Limited {
                limits: default,
                rule: None,
            },
        }
    }

    fn account_exemption(&self, uid: Uid) -> Option<Exemption> {
        if uid == Uid::ROOT {
            Some(Exemption::Root)
        } else if uid < self.first_regular_uid {
            Some(Exemption::SystemAccount)
        } else {
            None
        }
    }
}

impl Default for Policy {
    /// The shipped limits.
    fn default() -> Self {
        Self::of(Some(Limits::default()))
    }
}

/// The properties of a session that a rule can match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The user's id.
    pub uid: Uid,
    /// The user's groups.
    pub groups: &'a Groups,
    /// logind's class of the session.
    pub class: &'a SessionClass,
    /// logind's type of the session.
    pub session_type: SessionType,
    /// The PAM service.
    pub service: Option<&'a str>,
    /// The host that a remote user logged in from.
    pub remote_host: Option<&'a str>,
    /// The terminal or display.
    pub terminal: Option<&'a str>,
    /// The seat.
    pub seat: Option<&'a str>,
}

/// The names of a user's groups, as far as known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// The groups are not resolved yet.
    #[default]
    Unknown,
    /// The groups could not be resolved, or not in time.
    Unavailable,
    /// The names of the groups.
    Known(BTreeSet<String>),
}

/// The result of evaluating a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// These limits apply.
    Limited {
        /// The limits.
        limits: &'a Limits,
        /// The name of the rule that matched; `None` for the default.
        rule: Option<&'a str>,
    },
    /// No limit applies.
    Exempt(Exemption),
    /// The result depends on the groups of the user, which are [`Groups::Unknown`].
    NeedsGroups,
}

/// The reason why no limit applies to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exemption {
    /// Its logind class is not that of a person's login.
    Class,
    /// The user logged out; `KillUserProcesses=` of logind.conf(5) decides about processes that
    /// remain.
    LoggedOut,
    /// No policy could be loaded.
    NoPolicy,
    /// The user is root, and no rule names root.
    Root,
    /// The user is a system account (uid below `UID_MIN`), and no rule names it.
    SystemAccount,
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Class => "not a login of a person",
            Self::LoggedOut => "logged out",
            Self::NoPolicy => "no policy",
            Self::Root => "root",
            Self::SystemAccount => "system account",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::matching::Pattern;

    fn subject<'a>(user: &'a str, uid: u32, groups: &'a Groups) -> Subject<'a> {
        Subject {
            user,
            uid: Uid::new(uid),
            groups,
            class: &SessionClass::User,
            session_type: SessionType::Tty,
            service: Some("sshd"),
            remote_host: None,
            terminal: None,
            seat: None,
        }
    }

    fn rule(name: &str, matching: Match) -> Rule {
        Rule {
            name: name.to_owned(),
            matching,
            limits: Limits::default(),
        }
    }

    fn asks(key: &str, value: &str) -> Match {
        let patterns = Some(vec![Pattern::new(value)]);
        match key {
            "user" => Match {
                user: patterns,
                ..Match::default()
            },
            "group" => Match {
                group: patterns,
                ..Match::default()
            },
            _ => Match {
                service: patterns,
                ..Match::default()
            },
        }
    }

    /// The name of the rule that matches, `default`, `asks`, or why no limit holds.
    fn winner(policy: &Policy, subject: &Subject<'_>) -> String {
        match policy.evaluate(subject) {
            Verdict::Limited { rule, .. } => rule.unwrap_or("default").to_owned(),
            Verdict::Exempt(why) => why.to_string(),
            Verdict::NeedsGroups => "asks".to_owned(),
        }
    }

    #[test]
    fn without_a_policy_nothing_is_enforced() {
        let subject = subject("alice", 1000, &Groups::Unknown);
        assert_eq!(winner(&Policy::of(None), &subject), "no policy");
    }

    #[test]
    fn people_are_judged_and_nobody_else() {
        let judged = |uid, class: &SessionClass| {
            let subject = Subject {
                class,
                ..subject("somebody", uid, &Groups::Unknown)
            };
            winner(&Policy::default(), &subject)
        };
        assert_eq!(judged(1000, &SessionClass::User), "default");
        assert_eq!(judged(1000, &SessionClass::UserEarly), "default");
        assert_eq!(judged(0, &SessionClass::User), "root");
        assert_eq!(judged(999, &SessionClass::User), "system account");
        let class = "not a login of a person";
        assert_eq!(judged(1000, &SessionClass::Manager), class);
        assert_eq!(judged(1000, &SessionClass::parse("new-in-2030")), class);
    }

    #[test]
    fn the_first_rule_that_matches_wins() {
        let policy = Policy {
            rules: vec![
                rule("bob", asks("user", "bob")),
                rule("ssh", asks("service", "sshd")),
                rule("all", Match::default()),
            ],
            ..Policy::default()
        };
        let unknown = &Groups::Unknown;
        assert_eq!(winner(&policy, &subject("bob", 1001, unknown)), "bob");
        assert_eq!(winner(&policy, &subject("alice", 1000, unknown)), "ssh");
        let console = Subject {
            service: Some("login"),
            ..subject("alice", 1000, unknown)
        };
        assert_eq!(winner(&policy, &console), "all");
    }

    #[test]
    fn only_a_rule_that_names_them_reaches_root_and_the_systems_accounts() {
        let policy = Policy {
            rules: vec![
                rule("all", asks("user", "*")),
                rule("backup", asks("user", "backup")),
            ],
            ..Policy::default()
        };
        let unknown = &Groups::Unknown;
        assert_eq!(winner(&policy, &subject("root", 0, unknown)), "root");
        assert_eq!(winner(&policy, &subject("backup", 34, unknown)), "backup");
        let robot = subject("robot", 998, unknown);
        assert_eq!(winner(&policy, &robot), "system account");
    }

    #[test]
    fn groups_are_asked_for_only_where_they_decide() {
        let policy = Policy {
            rules: vec![
                rule("bob", asks("user", "bob")),
                rule("pci", asks("group", "pci")),
                rule("ssh", asks("service", "sshd")),
            ],
            ..Policy::default()
        };
        let won = |user: &str, groups: &Groups| winner(&policy, &subject(user, 1000, groups));
        assert_eq!(won("bob", &Groups::Unknown), "bob");
        assert_eq!(won("alice", &Groups::Unknown), "asks");
        let known = |group: &str| Groups::Known(BTreeSet::from([group.to_owned()]));
        let (pci, users) = (known("pci"), known("users"));
        assert_eq!(won("alice", &pci), "pci");
        assert_eq!(won("alice", &users), "ssh");
    }

    #[test]
    fn where_groups_are_unavailable_no_later_rule_is_guessed() {
        let policy = Policy {
            rules: vec![
                rule("pci", asks("group", "pci")),
                rule("ssh", asks("service", "sshd")),
            ],
            ..Policy::default()
        };
        let alice = subject("alice", 1000, &Groups::Unavailable);
        assert_eq!(winner(&policy, &alice), "default");
    }
}
