//! The lints about rules are right: a rule that is reported as never matching matches no login.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use session_timeout_config::{Diagnostic, Minima, parse};
use session_timeout_policy::{Groups, SessionClass, SessionType, Subject, Uid, Verdict};

use crate::generator;

/// The properties of a session that rules match.
#[derive(Clone, Debug)]
struct Session {
    user: &'static str,
    groups: Groups,
    class: SessionClass,
    session_type: SessionType,
    service: Option<&'static str>,
    remote_host: Option<&'static str>,
    terminal: Option<&'static str>,
    seat: Option<&'static str>,
}

const NAMES: [&str; 5] = ["a", "b", "ab", "aab", "c"];

fn session() -> impl Strategy<Value = Session> {
    let name = || select(&NAMES[..]);
    let maybe = || prop::option::of(select(&NAMES[..]));
    let groups = prop_oneof![
        4 => subsequence(&NAMES[..], 0..3).prop_map(|names| {
            let names = names.into_iter().map(str::to_owned);
            Groups::Known(names.collect::<BTreeSet<_>>())
        }),
        1 => Just(Groups::Unavailable),
    ];
    let hosts = prop::option::of(select(vec![
        "",
        "localhost",
        "LOCALHOST.",
        "10.1.2.3",
        "10.2.0.1",
        "::1",
        "pc.example.org",
        "PC2.Example.ORG",
    ]));
    let class = select(vec!["user", "user-early", "user-light", "user-early-light"]);
    let session_type = select(vec!["tty", "x11", "wayland", "mir", "web", "unspecified"]);
    let user = prop_oneof![4 => name(), 1 => Just("root")];
    let rest = (maybe(), hosts, maybe(), maybe());
    (user, groups, class, session_type, rest).prop_map(
        |(user, groups, class, session_type, (service, remote_host, terminal, seat))| Session {
            user,
            groups,
            class: SessionClass::parse(class),
            session_type: SessionType::parse(session_type),
            service,
            remote_host,
            terminal,
            seat,
        },
    )
}

impl Session {
    fn subject(&self) -> Subject<'_> {
        // Every account except for root is a regular user, since the lints do not know the system
        // accounts.
        let uid = if self.user == "root" { 0 } else { 1000 };
        Subject {
            user: self.user,
            uid: Uid::new(uid),
            groups: &self.groups,
            class: &self.class,
            session_type: self.session_type,
            service: self.service,
            remote_host: self.remote_host,
            terminal: self.terminal,
            seat: self.seat,
        }
    }
}

/// The name in a message such as "rule `r3` never matches".
fn quoted(message: &str) -> &str {
    message.split('`').nth(1).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_rule_that_never_matches_matches_no_session(
        text in generator::policy(),
        sessions in prop::collection::vec(session(), 30),
    ) {
        let Ok(settings) = parse("policy.toml", &text, Minima::Enforced) else {
            return Ok(());
        };
        let policy = settings.policy(Uid::new(1000));
        let said = |end: &str| {
            let messages = settings.warnings.iter().map(Diagnostic::message);
            let messages = messages.filter(|message| message.ends_with(end));
            let names = messages.map(|message| quoted(message).to_owned());
            names.collect::<BTreeSet<String>>()
        };
        let (dead, all, pointless) = (
            said("never matches"),
            said("matches every session"),
            said("of `[default]` never holds"),
        );
        for session in sessions {
            let winner = match policy.evaluate(&session.subject()) {
                Verdict::Limited { rule, .. } => rule,
                Verdict::Exempt(_) => continue,
                Verdict::NeedsGroups => panic!("groups are known, or cannot be"),
            };
            match winner {
                Some(rule) => prop_assert!(!dead.contains(rule), "{session:?}"),
                None => {
                    prop_assert!(pointless.is_empty(), "{session:?}");
                    let depends = session.groups == Groups::Unavailable;
                    prop_assert!(all.is_empty() || depends, "{session:?}");
                }
            }
        }
    }
}

/// The property above says nothing if the lints are never reported.
#[test]
fn the_lints_are_reported_often_enough() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let policies = generator::policy();
    let mut counts = [0; 2];
    for _ in 0..1000 {
        let text = policies.new_tree(&mut runner).unwrap().current();
        let Ok(settings) = parse("policy.toml", &text, Minima::Enforced) else {
            continue;
        };
        for warning in &settings.warnings {
            counts[0] += usize::from(warning.message().ends_with("never matches"));
            counts[1] += usize::from(warning.message().ends_with("never holds"));
        }
    }
    assert!(counts[0] > 100 && counts[1] > 10, "{counts:?}");
}
