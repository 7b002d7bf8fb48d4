//! Random policies for the properties.

use std::time::Duration;

use proptest::prelude::*;
use session_timeout_policy::{
    ActivityKind, Bell, EndAction, Extensions, Leads, Limit, Limits, Match, Mesg, Pattern, Policy,
    Rule, SessionType, Uid, UnknownIdle,
};

use std::collections::BTreeSet;

/// Random policies whose limits have these lengths, in seconds.
pub(crate) fn policies(
    absolute: &'static [u64],
    inactivity: &'static [u64],
) -> impl Strategy<Value = Policy> {
    // The minimum uid of users: with 1001, uid 1000 is a system account.
    let first = prop_oneof![6 => Just(1000), 1 => Just(1001)];
    let rules = prop::collection::vec(rule(absolute, inactivity), 0..3);
    let policy = (limits(absolute, inactivity), rules, first);
    let checked = policy.prop_map(|(default, rules, first)| Policy {
        default: Some(default),
        rules,
        first_regular_uid: Uid::new(first),
    });
    prop_oneof![20 => checked, 1 => Just(Policy::of(None))]
}

fn rule(absolute: &'static [u64], inactivity: &'static [u64]) -> impl Strategy<Value = Rule> {
    let patterns = |name: &str| Some(vec![Pattern::new(name)]);
    let matching = prop_oneof![
        Just(Match {
            group: patterns("pci"),
            ..Match::default()
        }),
        Just(Match {
            user: patterns("root"),
            ..Match::default()
        }),
        Just(Match {
            user: patterns("s*"),
            session_type: Some(vec![SessionType::Wayland]),
            ..Match::default()
        }),
        Just(Match {
            tty: patterns("pts/1"),
            ..Match::default()
        }),
        Just(Match::default()),
    ];
    (matching, limits(absolute, inactivity)).prop_map(|(matching, limits)| Rule {
        name: "rule".to_owned(),
        matching,
        limits,
    })
}

fn limits(absolute: &'static [u64], inactivity: &'static [u64]) -> impl Strategy<Value = Limits> {
    let action = prop_oneof![
        4 => Just(EndAction::Terminate),
        2 => Just(EndAction::HangUp),
        2 => Just(EndAction::Lock),
        1 => Just(EndAction::Report),
    ];
    let unknown = prop_oneof![Just(UnknownIdle::Report), Just(UnknownIdle::CountFromLogin)];
    let grace = prop::sample::select(&[0, 1, 10, 60][..]);
    let more =
        prop::sample::subsequence(vec![ActivityKind::Output, ActivityKind::Inhibitor], 0..=2);
    let times = prop::sample::select(&[0, 1, 3][..]);
    let limits = (
        limit(absolute),
        prop::option::weighted(0.8, limit(inactivity)),
        prop::option::weighted(0.3, prop::sample::select(inactivity)),
    );
    (limits, action, unknown, grace, more, times).prop_map(
        |((absolute, inactivity, lock_after), end_action, unknown_idle, grace, more, times)| {
            let activity = BTreeSet::from_iter(more);
            Limits {
                absolute,
                inactivity,
                lock_after: lock_after.map(Duration::from_secs),
                end_action,
                activity: &activity | &BTreeSet::from([ActivityKind::Input]),
                unknown_idle,
                grace: Duration::from_secs(grace),
                extensions: Extensions {
                    times,
                    by: Duration::from_secs(600),
                },
                message: None,
                bell: Bell::Silent,
                mesg: Mesg::Ignored,
            }
        },
    )
}

fn limit(lengths: &'static [u64]) -> impl Strategy<Value = Limit> {
    let leads = prop::sample::subsequence(vec![1_u64, 5, 30, 60, 120, 300, 1200], 0..4);
    (prop::sample::select(lengths), leads).prop_map(|(length, leads)| Limit {
        length: Duration::from_secs(length),
        leads: Leads::new(leads.into_iter().map(Duration::from_secs)),
    })
}
