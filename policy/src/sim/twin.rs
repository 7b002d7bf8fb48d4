//! Compares a story without faults with the same story with crashes of the daemon: all sessions
//! have to end as before.

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
        let is_late = other.is_none_or(|(_, other)| other.since(*at) > slack);
        let is_early = other.is_some_and(|(_, other)| at.since(*other) > slack);
        let may_move = *limit == LimitKind::Inactivity && is_dated_by_probes(plan, session);
        let is_cut_off = plan.until.since(*at) <= slack;
        if !may_move && (is_early || (is_late && !is_cut_off)) {
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

/// Removes events by which a small delay becomes a large one, which is not an error of the daemon:
/// users who react to warnings and locks do so at another time if these come at another time; a
/// terminal that is closed takes along input that no probe has found; and if a session has no
/// source of idle time, only input during a warning is known.
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

/// Whether the last input is known only as "before this probe", as with an agent that only reports
/// the absence of input: each probe that finds input dates it, and restarts the agent's timer. A
/// crash adds probes, so that the date is later or earlier, and the end with it. The oracle, which
/// knows the input itself, still finds ends that come too early or too late in both runs.
fn is_dated_by_probes(plan: &Plan, session: &SessionKey) -> bool {
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
