//! Generates faults. Each scenario has only a few kinds of faults, so that all pairs occur and no
//! kind hides the others.

use std::time::Duration;

use session_timeout_policy::BootTime;

use super::{DAY, FaultLevel, HOUR, MINUTE, Scenario};
use crate::plan::{CallFault, LoginId, OpKind, SavedState, SignalFault, Step};
use crate::random::Random;
use crate::text::STRAYS;

const SECOND: Duration = Duration::from_secs(1);

/// The number of kinds.
const KINDS: u64 = 14;

pub(super) fn all(random: &mut Random, scenario: &mut Scenario, level: FaultLevel, logins: u64) {
    let (kinds, times) = match level {
        FaultLevel::Calm => return,
        FaultLevel::Mild => (random.between(1, 2), 3),
        FaultLevel::Severe => (random.between(3, 8), 8),
    };
    for _ in 0..kinds {
        let kind = random.below(KINDS);
        for _ in 0..random.between(1, times) {
            let at = scenario.some_time(random);
            one(random, scenario, kind, at, logins);
        }
    }
}

fn one(random: &mut Random, scenario: &mut Scenario, kind: u64, at: BootTime, logins: u64) {
    let lasts = random.span(SECOND, HOUR * 2);
    let kind = match kind {
        0 => OpKind::Busy(random.span(Duration::from_millis(10), MINUTE * 10)),
        1 => OpKind::Crashes(down(random), SavedState::Fresh),
        2 => {
            let before = at.saturating_sub(random.span(SECOND, DAY));
            scenario.add(before, OpKind::Keeps);
            OpKind::Crashes(down(random), SavedState::Kept)
        }
        3 => OpKind::Crashes(down(random), SavedState::Lost),
        4 => OpKind::EndsFail(lasts),
        5 => OpKind::Groups(trouble(random), lasts * 4),
        6 => OpKind::Logind(random.span(Duration::from_millis(100), MINUTE * 10)),
        7 => OpKind::Probes(trouble(random), lasts),
        8 => OpKind::Signals(signals(random), lasts),
        9 => OpKind::Steps(step(random)),
        10 => {
            let who = LoginId(u16::try_from(random.below(logins)).unwrap_or_default());
            OpKind::Strays(who, random.pick(STRAYS[0], &STRAYS[1..]))
        }
        13 => OpKind::Verifies(trouble(random), lasts),
        11 => OpKind::Suspends(random.span(SECOND, HOUR * 12)),
        _ => OpKind::Unwatched(lasts * 8),
    };
    scenario.add(at, kind);
}

fn down(random: &mut Random) -> Duration {
    if random.percent(40) {
        return Duration::from_millis(1);
    }
    random.span(Duration::from_millis(10), MINUTE * 40)
}

fn trouble(random: &mut Random) -> CallFault {
    let late = CallFault::Late(random.span(Duration::from_millis(100), MINUTE));
    random.pick(CallFault::Fails, &[CallFault::Hangs, late])
}

fn signals(random: &mut Random) -> SignalFault {
    let late = SignalFault::Late(random.span(Duration::from_millis(10), MINUTE));
    random.pick(SignalFault::Doubled, &[late, SignalFault::Lost])
}

/// A step of the wall clock. Steps of less than two seconds look like drift, so none is that small.
fn step(random: &mut Random) -> Step {
    let by = random.span(SECOND * 3, DAY);
    random.pick(Step::Forward(by), &[Step::Back(by)])
}
