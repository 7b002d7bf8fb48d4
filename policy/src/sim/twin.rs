//! A story in which nothing goes wrong, told twice: the second time the daemon crashes now and
//! then, and is there again at once. Everybody ends as before.

use std::collections::BTreeMap;
use std::time::Duration;

use super::driver::{Driver, Ends};
use super::plan::{Agent, Habits, Idle, Memory, Op, Plan, What};
use super::promise::{Promise, Violation};
use super::report::Report;
use crate::{BootTime, LimitKind, SessionKey};

/// How far an end for the absolute limit may move.
const ABSOLUTE: Duration = Duration::from_secs(1);
/// The same for inactivity: a daemon that has just started watches no terminal of a session that
/// was warned before, and finds its input only by the kernel's stamp, to the window of 8 s.
const INACTIVITY: Duration = Duration::from_secs(9);
/// The crashes, as parts of the story.
const CRASHES: [u64; 5] = [3, 7, 11, 12, 15];
const PARTS: u64 = 17;

/// Tells the story with and without crashes.
///
/// # Errors
/// An end moved, or there is none any more.
pub(super) fn compare(plan: &Plan, report: &mut Report) -> Result<(), Violation> {
    let plan = &simplified(plan);
    let calm = first_ends(plan, report)?;
    let twin = with_crashes(plan);
    let crashed = first_ends(&twin, report)?;
    for (session, (limit, at)) in &calm {
        let other = crashed.get(session);
        let slack = match limit {
            LimitKind::Absolute => ABSOLUTE,
            LimitKind::Inactivity => INACTIVITY,
        };
        let late = other.is_none_or(|(_, other)| other.since(*at) > slack);
        let early = other.is_some_and(|(_, other)| at.since(*other) > slack);
        let may_be_late = plan.until.since(*at) <= slack
            || (*limit == LimitKind::Inactivity && is_dated_by_looks(plan, session));
        if early || (late && !may_be_late) {
            return Err(Violation {
                promise: Promise::CrashProof,
                at: *at,
                seen: format!("{session:?} ends for {limit}, and with crashes: {other:?}"),
            });
        }
    }
    report.checks += calm.len() as u64;
    Ok(())
}

/// Without all by which a small delay becomes a great one, which is not the daemon's doing: who
/// answers to warnings and locks does so at another time when those come at another; a terminal
/// that is closed takes along what no look has found; and of a session that tells nothing only
/// that input is known which comes while it is watched.
fn simplified(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.ops.retain(|op| match &op.what {
        What::Closes(..) => false,
        What::LogsIn(person) => person.idle != Idle::Nobody,
        _ => true,
    });
    for op in &mut plan.ops {
        if let What::LogsIn(person) = &mut op.what {
            person.habits = Habits {
                asks: person.habits.asks,
                ..Habits::default()
            };
        }
    }
    plan
}

/// Whether nobody knows when input was that came before the last look, as with an agent that is
/// only called: each look begins anew to wait, and after a crash there are others. An end that comes
/// too late for that is found by the oracle all the same.
fn is_dated_by_looks(plan: &Plan, session: &SessionKey) -> bool {
    plan.ops.iter().any(|op| match &op.what {
        What::LogsIn(person) => {
            person.id == session.id && matches!(person.idle, Idle::Agent(Agent::Called, _))
        }
        _ => false,
    })
}

fn with_crashes(plan: &Plan) -> Plan {
    let mut twin = plan.clone();
    let part = plan.until.as_micros() / PARTS;
    twin.ops.extend(CRASHES.map(|number| Op {
        at: BootTime::from_micros(part.saturating_mul(number)),
        what: What::Crashes(Duration::ZERO, Memory::Fresh),
    }));
    twin.ops.sort_by_key(|op| op.at);
    twin
}

/// When each session was asked to end for the first time.
fn first_ends(
    plan: &Plan,
    report: &mut Report,
) -> Result<BTreeMap<SessionKey, (LimitKind, BootTime)>, Violation> {
    let mut driver = Driver::new(plan, report);
    driver.play()?;
    let ends: Ends = driver.into_ends();
    let mut first = BTreeMap::new();
    for (session, limit, at) in ends {
        first.entry(session).or_insert((limit, at));
    }
    Ok(first)
}
