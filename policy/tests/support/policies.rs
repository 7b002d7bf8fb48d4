//! Policies of every kind.

use std::time::Duration;

use proptest::prelude::*;
use session_timeout_policy::{EndAction, Leads, Limit, Limits, Policy, Uid, UnknownIdle};

/// Policies whose limits have lengths, in seconds, out of these.
pub(crate) fn policies(
    absolute: &'static [u64],
    inactivity: &'static [u64],
) -> impl Strategy<Value = Policy> {
    let action = prop_oneof![4 => Just(EndAction::Terminate), 1 => Just(EndAction::Report)];
    let unknown = prop_oneof![Just(UnknownIdle::Report), Just(UnknownIdle::CountFromLogin)];
    let grace = prop::sample::select(&[0, 1, 10, 60][..]);
    // Above the uid of alice and below that of bob.
    let first = prop_oneof![6 => Just(1000), 1 => Just(1001)];
    let limits = (
        limit(absolute),
        prop::option::weighted(0.8, limit(inactivity)),
    );
    let policy = (limits, action, unknown, grace, first);
    let judged = policy.prop_map(
        |((absolute, inactivity), end_action, unknown, grace, first)| {
            let limits = Limits {
                absolute,
                inactivity,
                end_action,
                unknown_idle: unknown,
                grace: Duration::from_secs(grace),
                message: None,
            };
            Policy {
                default: Some(limits),
                first_regular_uid: Uid::new(first),
            }
        },
    );
    let none = Policy {
        default: None,
        ..Policy::default()
    };
    prop_oneof![20 => judged, 1 => Just(none)]
}

fn limit(lengths: &'static [u64]) -> impl Strategy<Value = Limit> {
    let leads = prop::sample::subsequence(vec![1_u64, 5, 30, 60, 120, 300, 1200], 0..4);
    (prop::sample::select(lengths), leads).prop_map(|(length, leads)| Limit {
        length: Duration::from_secs(length),
        leads: Leads::new(leads.into_iter().map(Duration::from_secs)),
    })
}
