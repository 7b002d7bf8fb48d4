//! Finds why a rule does not match a login, key by key of its `match`.
//!
//! Each key is tested alone with the policy crate, so that matching is implemented only once.

use std::fmt::Display;

use session_timeout_policy::{
    Exemption, Match, MatchResult, Policy, Reach, SessionClass, Subject, Verdict,
};

use super::PassedOver;
use crate::text::{listed, one_line};

/// Every rule that was tried before the one that holds, and why it does not match.
pub(super) fn passed_over(policy: &Policy, subject: &Subject<'_>) -> Vec<PassedOver> {
    let tested = TestedRules::of(policy, subject);
    let held = match policy.evaluate(subject) {
        Verdict::Limited { rule, .. } => rule,
        Verdict::Exempt(_) | Verdict::NeedsGroups => None,
    };
    let rules = policy.rules.iter();
    let before = rules.take_while(|rule| Some(rule.name.as_str()) != held);
    before
        .filter_map(|rule| {
            Some(PassedOver {
                rule: one_line(&rule.name),
                why: tested.objection(&rule.matching, subject)?,
            })
        })
        .collect()
}

/// Which rules are tried for a login.
enum TestedRules {
    All,
    /// Those that name the user.
    Naming,
    None,
}

impl TestedRules {
    fn of(policy: &Policy, subject: &Subject<'_>) -> Self {
        let bare = Policy {
            rules: Vec::new(),
            ..policy.clone()
        };
        match bare.evaluate(subject) {
            Verdict::Limited { .. } | Verdict::NeedsGroups => Self::All,
            Verdict::Exempt(Exemption::Root | Exemption::SystemAccount) => Self::Naming,
            Verdict::Exempt(Exemption::Class | Exemption::LoggedOut | Exemption::NoPolicy) => {
                Self::None
            }
        }
    }

    /// Why this rule does not match, if it is tried.
    fn objection(&self, matching: &Match, subject: &Subject<'_>) -> Option<String> {
        match self {
            Self::None => None,
            Self::Naming if !matching.names(subject.user) => Some(format!(
                "it does not name {} in user",
                one_line(subject.user)
            )),
            Self::All | Self::Naming => {
                let all = objections(matching, subject);
                (!all.is_empty()).then(|| all.join(", "))
            }
        }
    }
}

/// Every key that does not match.
fn objections(matching: &Match, subject: &Subject<'_>) -> Vec<String> {
    let Match {
        user,
        group,
        service,
        session_type,
        class,
        reach,
        from,
        tty,
        seat,
    } = matching.clone();
    let nothing = Match::default;
    let types = session_type.iter().flatten().map(|one| one.as_str());
    let classes = class.iter().flatten().map(SessionClass::as_str);
    let said = [
        is_not("user", user.iter().flatten()),
        is_not("group", group.iter().flatten()),
        is_not("service", service.iter().flatten()),
        is_not("type", types),
        is_not("class", classes),
        match reach {
            Some(Reach::Local) => "it is remote".to_owned(),
            Some(Reach::Remote) | None => "it is not remote".to_owned(),
        },
        is_not("from", from.iter().flatten()),
        is_not("tty", tty.iter().flatten()),
        is_not("seat", seat.iter().flatten()),
    ];
    let conditions = [
        Match { user, ..nothing() },
        Match { group, ..nothing() },
        Match {
            service,
            ..nothing()
        },
        Match {
            session_type,
            ..nothing()
        },
        Match { class, ..nothing() },
        Match { reach, ..nothing() },
        Match { from, ..nothing() },
        Match { tty, ..nothing() },
        Match { seat, ..nothing() },
    ];
    let results = conditions.into_iter().zip(said);
    results
        .filter_map(|(condition, said)| match condition.test(subject) {
            MatchResult::Matches => None,
            MatchResult::Differs => Some(said),
            MatchResult::DependsOnGroups => Some("the groups are unknown".to_owned()),
        })
        .collect()
}

/// `service is not sshd or login`.
fn is_not(key: &str, wanted: impl Iterator<Item = impl Display>) -> String {
    let wanted: Vec<String> = wanted.map(|one| one_line(&one.to_string())).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    format!("{key} is not {}", listed(&wanted, "or"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use session_timeout_policy::{Groups, Host, Limits, Pattern, Rule, SessionType, Uid};

    use super::*;

    fn groups(names: &[&str]) -> Groups {
        Groups::Known(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn alice<'a>(groups: &'a Groups) -> Subject<'a> {
        Subject {
            user: "alice",
            uid: Uid::new(1000),
            groups,
            class: &SessionClass::User,
            session_type: SessionType::Tty,
            service: Some("sshd"),
            remote_host: Some("10.1.2.3"),
            terminal: None,
            seat: None,
        }
    }

    fn patterns(names: &[&str]) -> Option<Vec<Pattern>> {
        Some(names.iter().copied().map(Pattern::new).collect())
    }

    fn policy(rules: &[(&str, Match)]) -> Policy {
        let rules = rules.iter().map(|(name, matching)| Rule {
            name: (*name).to_owned(),
            matching: matching.clone(),
            limits: Limits::default(),
        });
        Policy {
            rules: rules.collect(),
            ..Policy::default()
        }
    }

    fn said(policy: &Policy, subject: &Subject<'_>) -> Vec<String> {
        let passed_over = passed_over(policy, subject).into_iter();
        passed_over
            .map(|rule| format!("{}: {}", rule.rule, rule.why))
            .collect()
    }

    #[test]
    fn each_key_that_differs_is_named_with_what_it_wants() {
        let matching = Match {
            user: patterns(&["bob", "carol"]),
            group: patterns(&["pci"]),
            service: patterns(&["login", "gdm-*", "xrdp"]),
            session_type: Some(vec![SessionType::X11, SessionType::Wayland]),
            class: Some(vec![SessionClass::UserEarly]),
            reach: Some(Reach::Local),
            from: Some(vec![Host::Network("192.0.2.0/24".parse().unwrap())]),
            tty: patterns(&["pts/*"]),
            seat: patterns(&["seat0"]),
        };
        let expected = "all: user is not bob or carol, group is not pci, \
                        service is not login, gdm-* or xrdp, type is not x11 or wayland, \
                        class is not user-early, it is remote, from is not 192.0.2.0/24, \
                        tty is not pts/*, seat is not seat0";
        let policy = policy(&[("all", matching)]);
        assert_eq!(said(&policy, &alice(&groups(&["staff"]))), [expected]);
    }

    #[test]
    fn a_key_that_agrees_is_not_blamed() {
        let matching = Match {
            user: patterns(&["al*"]),
            group: patterns(&["pci"]),
            reach: Some(Reach::Remote),
            ..Match::default()
        };
        let policy = policy(&[("card data", matching)]);
        let staff = groups(&["staff"]);
        let expected = ["card data: group is not pci"];
        assert_eq!(said(&policy, &alice(&staff)), expected);
        let local = Subject {
            remote_host: None,
            ..alice(&staff)
        };
        let expected = ["card data: group is not pci, it is not remote"];
        assert_eq!(said(&policy, &local), expected);
    }

    #[test]
    fn rules_from_the_one_that_holds_on_are_not_spoken_of() {
        let of = |group| Match {
            group: patterns(&[group]),
            ..Match::default()
        };
        let policy = policy(&[
            ("first", of("wheel")),
            ("second", of("staff")),
            ("third", of("pci")),
        ]);
        let expected = ["first: group is not wheel"];
        assert_eq!(said(&policy, &alice(&groups(&["staff"]))), expected);
    }

    #[test]
    fn a_rule_that_only_covers_root_is_said_not_to_name_it() {
        let of = |user| Match {
            user: patterns(&[user]),
            group: patterns(&["wheel"]),
            ..Match::default()
        };
        let policy = policy(&[("everybody", of("*")), ("root", of("root"))]);
        let nobody = groups(&[]);
        let root = Subject {
            user: "root",
            uid: Uid::ROOT,
            ..alice(&nobody)
        };
        let expected = [
            "everybody: it does not name root in user",
            "root: group is not wheel",
        ];
        assert_eq!(said(&policy, &root), expected);
        let greeter = Subject {
            class: &SessionClass::Greeter,
            ..root
        };
        assert_eq!(said(&policy, &greeter), <[&str; 0]>::default());
    }

    #[test]
    fn every_rule_before_the_one_that_holds_has_an_objection() {
        // Both must agree: every rule that `judge` passes over has a reason here.
        let keys = [
            Match::default(),
            Match {
                group: patterns(&["pci"]),
                ..Match::default()
            },
            Match {
                service: patterns(&["login"]),
                ..Match::default()
            },
            Match {
                from: Some(vec![Host::Name(Pattern::new("*.example.org"))]),
                tty: patterns(&["tty1"]),
                ..Match::default()
            },
        ];
        for first in &keys {
            for second in &keys {
                let policy = policy(&[("first", first.clone()), ("second", second.clone())]);
                for names in [&["pci"] as &[&str], &[]] {
                    let groups = groups(names);
                    let subject = alice(&groups);
                    let before = match policy.evaluate(&subject) {
                        Verdict::Limited { rule, .. } => policy
                            .rules
                            .iter()
                            .position(|one| Some(one.name.as_str()) == rule)
                            .unwrap_or(policy.rules.len()),
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(said(&policy, &subject).len(), before, "{policy:?}");
                }
            }
        }
    }

    #[test]
    fn names_in_a_rule_do_not_command_the_terminal() {
        let matching = Match {
            service: patterns(&["\u{1b}[2J"]),
            ..Match::default()
        };
        let groups = Groups::Known(BTreeSet::new());
        let said = said(&policy(&[("\u{9b}", matching)]), &alice(&groups));
        assert_eq!(said, ["\u{fffd}: service is not \u{fffd}[2J"]);
    }
}
