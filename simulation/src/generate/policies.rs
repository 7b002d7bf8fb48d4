//! Generates policies that use all settings.

use std::collections::BTreeSet;
use std::time::Duration;

use session_timeout_policy::{
    ABSOLUTE_MAX, ActivityKind, Bell, EndAction, Extensions, Host, Leads, Limit, Limits, Match,
    Mesg, Pattern, Policy, Reach, Rule, SessionType, Uid, UnknownIdle,
};

use super::{DAY, HOUR, MINUTE};
use crate::random::Random;

/// The user names of the scenarios, and some that no session has.
const USERS: [&str; 6] = ["alice", "bob", "carol", "root", "backup", "*a*"];
const GROUPS: [&str; 4] = ["staff", "pci", "wheel", "p*"];
const SERVICES: [&str; 4] = ["sshd", "login", "gdm-password", "gdm*"];
const TTYS: [&str; 3] = ["pts/*", "tty*", "pts/1"];

pub(super) fn all(random: &mut Random) -> Vec<Policy> {
    let count = if random.percent(45) {
        1
    } else {
        random.between(2, 4)
    };
    let style = random.clone();
    (0..count)
        .map(|_| {
            // Often the next policy differs only slightly.
            if random.percent(30) {
                policy(&mut style.clone(), random)
            } else {
                let mut other = random.clone();
                random.next();
                policy(&mut other, random)
            }
        })
        .collect()
}

fn policy(style: &mut Random, random: &mut Random) -> Policy {
    let mut default = limits(style);
    if random.percent(30) {
        default.end_action = action(random);
    }
    if random.percent(30) {
        default.absolute.leads = leads(random, default.absolute.length);
    }
    let rules = if random.percent(50) {
        random.between(1, 3)
    } else {
        0
    };
    Policy {
        default: (!random.percent(3)).then_some(default),
        rules: (0..rules).map(|number| rule(random, number)).collect(),
        first_regular_uid: Uid::new(if random.percent(5) { 1001 } else { 1000 }),
    }
}

fn rule(random: &mut Random, number: u64) -> Rule {
    let mut matching = Match::default();
    for _ in 0..random.between(1, 2) {
        match random.below(8) {
            0 => matching.user = some(random, &USERS),
            1 | 2 => matching.group = some(random, &GROUPS),
            3 => matching.service = some(random, &SERVICES),
            4 => matching.tty = some(random, &TTYS),
            5 => {
                let kinds = [
                    SessionType::Tty,
                    SessionType::Wayland,
                    SessionType::X11,
                    SessionType::Web,
                ];
                matching.session_type = Some(vec![random.pick(kinds[0], &kinds[1..])]);
            }
            6 => matching.reach = Some(random.pick(Reach::Remote, &[Reach::Local])),
            _ => matching.from = Some(vec![host(random)]),
        }
    }
    Rule {
        name: format!("r{number}"),
        matching,
        limits: limits(random),
    }
}

fn host(random: &mut Random) -> Host {
    let name = Host::Name(Pattern::new("*.example.org"));
    match "10.0.0.0/8".parse() {
        Ok(network) if random.percent(50) => Host::Network(network),
        _ => name,
    }
}

fn some(random: &mut Random, names: &[&str]) -> Option<Vec<Pattern>> {
    let mut chosen = Vec::new();
    for _ in 0..random.between(1, 2) {
        chosen.push(Pattern::new(random.pick("nobody", names)));
    }
    Some(chosen)
}

fn limits(random: &mut Random) -> Limits {
    let absolute = length(random, HOUR, DAY).min(ABSOLUTE_MAX);
    let inactivity = random
        .percent(75)
        .then(|| length(random, MINUTE * 5, absolute).min(absolute));
    let lock_after = random.percent(35).then(|| {
        let most = inactivity.unwrap_or(HOUR * 4);
        // The text form has a resolution of one microsecond.
        let half = most / 2;
        let half = half.saturating_sub(Duration::from_nanos((half.subsec_nanos() % 1000).into()));
        length(random, MINUTE * 4, most).min(half)
    });
    let mut activity = BTreeSet::from([ActivityKind::Input]);
    if random.percent(25) {
        activity.insert(ActivityKind::Output);
    }
    if random.percent(25) {
        activity.insert(ActivityKind::Inhibitor);
    }
    let times = if random.percent(60) {
        0
    } else {
        random.between(1, 4)
    };
    let drawn = random.secs(2, 300);
    Limits {
        absolute: Limit {
            length: absolute,
            leads: leads(random, absolute),
        },
        inactivity: inactivity.map(|length| Limit {
            length,
            leads: leads(random, length),
        }),
        lock_after,
        end_action: action(random),
        activity,
        unknown_idle: random.pick(UnknownIdle::Report, &[UnknownIdle::CountFromLogin]),
        grace: random.pick(
            Duration::from_secs(10),
            &[Duration::from_secs(1), Duration::from_secs(45), drawn],
        ),
        extensions: Extensions {
            times: u32::try_from(times).unwrap_or_default(),
            by: random.span(MINUTE, HOUR * 12),
        },
        message: None,
        bell: Bell::Silent,
        mesg: Mesg::Ignored,
    }
}

fn action(random: &mut Random) -> EndAction {
    random.pick(
        EndAction::Terminate,
        &[
            EndAction::Terminate,
            EndAction::HangUp,
            EndAction::HangUp,
            EndAction::Lock,
            EndAction::Lock,
            EndAction::Report,
        ],
    )
}

/// The length of a limit: mostly as the manual allows, sometimes as short as in a test setup.
fn length(random: &mut Random, least: Duration, most: Duration) -> Duration {
    if random.percent(10) {
        return random
            .span(Duration::from_secs(10), least)
            .max(Duration::from_secs(10));
    }
    let length = random.span(least, most.max(least));
    if random.percent(60) {
        // Whole minutes, as in real configurations.
        Duration::from_secs(length.as_secs().div_ceil(60) * 60)
    } else {
        length
    }
}

fn leads(random: &mut Random, length: Duration) -> Leads {
    let minutes = |leads: &[u32]| Leads::new(leads.iter().map(|lead| *lead * MINUTE));
    match random.below(10) {
        0 => Leads::default(),
        1..=3 => minutes(&[20, 5, 1]),
        4 | 5 => Leads::new([MINUTE * 2, Duration::from_secs(30)]),
        6 => minutes(&[5]),
        _ => {
            let count = random.between(1, 4);
            let most = length.max(MINUTE);
            Leads::new((0..count).map(|_| random.span(Duration::from_secs(1), most)))
        }
    }
}
