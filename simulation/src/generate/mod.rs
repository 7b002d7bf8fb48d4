//! Generates a scenario from a seed: the logins, their input, the policies and the faults. The
//! number of faults varies: in scenarios without faults, every invariant about time has to hold to
//! the second; others have very many faults.

mod faults;
mod people;
mod policies;

use std::time::Duration;

use session_timeout_policy::{BootTime, Limits, Policy};

use super::plan::{LoginId, Op, OpKind, Plan};
use super::random::Random;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The number of faults in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultLevel {
    /// None.
    Calm,
    /// Few.
    Mild,
    /// Many.
    Severe,
}

/// Generates the scenario of a seed.
pub(super) fn plan(seed: u64) -> Plan {
    let mut random = Random::new(seed);
    let level = random.pick(
        FaultLevel::Calm,
        &[FaultLevel::Mild, FaultLevel::Mild, FaultLevel::Severe],
    );
    let policies = policies::all(&mut random);
    let lasts = random.span(HOUR * 12, DAY * 8);
    let mut scenario = Scenario {
        until: BootTime::default().saturating_add(lasts.min(longest(&policies))),
        ops: Vec::new(),
    };
    if policies.len() > 1 {
        scenario.reloads(&mut random, policies.len());
    }
    let logins = random.between(2, 14);
    for number in 0..u16::try_from(logins).unwrap_or_default() {
        people::one(&mut random, &mut scenario, LoginId(number), level);
    }
    faults::all(&mut random, &mut scenario, level, logins);
    let slow = level != FaultLevel::Calm && random.percent(50);
    let lag = if slow { 200_000 } else { 3_000 };
    let Scenario { until, mut ops } = scenario;
    ops.retain(|op| op.at <= until);
    ops.sort_by_key(|op| op.at);
    Plan {
        until,
        lag: Duration::from_micros(random.below(lag)),
        policies,
        ops,
    }
}

/// The maximal length of the scenario: with short limits, a short time contains many events.
fn longest(policies: &[Policy]) -> Duration {
    const TURNS: u32 = 250;
    let of = |limits: &Limits| {
        let inactivity = limits.inactivity.as_ref().map(|limit| limit.length);
        [Some(limits.absolute.length), inactivity, limits.lock_after]
            .into_iter()
            .flatten()
            .min()
    };
    let rules = policies.iter().flat_map(|policy| &policy.rules);
    let all = policies.iter().filter_map(|policy| policy.default.as_ref());
    let shortest = rules
        .map(|rule| &rule.limits)
        .chain(all)
        .filter_map(of)
        .min();
    shortest.map_or(DAY, |shortest| shortest.saturating_mul(TURNS))
}

struct Scenario {
    until: BootTime,
    ops: Vec<Op>,
}

impl Scenario {
    fn add(&mut self, at: BootTime, kind: OpKind) {
        self.ops.push(Op { at, kind });
    }

    /// A random time within the scenario, in microseconds.
    fn some_time(&self, random: &mut Random) -> BootTime {
        BootTime::from_micros(random.below(self.until.as_micros()))
    }

    fn reloads(&mut self, random: &mut Random, policies: usize) {
        for _ in 0..random.between(1, 4) {
            let at = self.some_time(random);
            let number = usize::try_from(random.below(policies as u64)).unwrap_or_default();
            self.add(at, OpKind::Reloads(number));
        }
    }
}
