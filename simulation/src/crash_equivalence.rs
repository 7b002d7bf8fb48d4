//! Compares a scenario without faults with the same scenario with crashes of the daemon: all
//! sessions have to end at the same times.

use std::collections::BTreeMap;
use std::time::Duration;

use session_timeout_policy::{BootTime, LimitKind, SessionKey};

use super::driver::{Driver, Ends};
use super::invariant::{Invariant, Violation};
use super::plan::{Agent, Habits, InputSource, Op, OpKind, Plan, SavedState};
use super::report::Report;

/// The tolerance for an end at the absolute limit.
const ABSOLUTE: Duration = Duration::from_secs(1);
/// The tolerance for an end at the inactivity limit: after a restart, the daemon does not watch the
/// terminals of a session that was warned before, and learns of its input only from the kernel's
/// stamp, which is accurate to the window of 8 s.
const INACTIVITY: Duration = Duration::from_secs(9);
/// The times of the crashes, as parts of the scenario.
const CRASHES: [u64; 5] = [3, 7, 11, 12, 15];
const PARTS: u64 = 17;

/// Runs the scenario with and without crashes.
///
/// # Errors An end moved or is missing.
pub(super) fn compare(plan: &Plan, report: &mut Report) -> Result<(), Violation> {
    let plan = &simplified(plan);
    let calm = first_ends(plan, report)?;
    let twin = with_crashes(plan);
    let crashed = first_ends(&twin, report)?;
    for (session, (limit, at)) in &calm {
        let other = crashed.get(session);
        let tolerance = match limit {
            LimitKind::Absolute => ABSOLUTE,
            LimitKind::Inactivity => INACTIVITY,
        };
        let is_late = other.is_none_or(|(_, other)| other.since(*at) > tolerance);
        let is_early = other.is_some_and(|(_, other)| at.since(*other) > tolerance);
        let may_move = *limit == LimitKind::Inactivity && is_dated_by_probes(plan, session);
        let is_cut_off = plan.until.since(*at) <= tolerance;
        if !may_move && (is_early || (is_late && !is_cut_off)) {
            return Err(Violation {
                invariant: Invariant::CrashProof,
                at: *at,
                seen: format!("{session:?} ends for {limit}, and with crashes: {other:?}"),
            });
        }
    }
    report.checks += calm.len() as u64;
    Ok(())
}

/// Removes events that turn a small delay into a large one without an error of the daemon: users
/// who react to warnings and locks do so at another time if these come at another time; when a
/// terminal is closed, input on it that no probe has found is lost; and if a session has no source
/// of idle time, only input during a warning is known.
fn simplified(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.ops.retain(|op| match &op.kind {
        OpKind::Closes(..) => false,
        OpKind::LogsIn(person) => person.idle != InputSource::Nobody,
        _ => true,
    });
    for op in &mut plan.ops {
        if let OpKind::LogsIn(person) = &mut op.kind {
            person.habits = Habits {
                asks: person.habits.asks,
                ..Habits::default()
            };
        }
    }
    plan
}

/// Whether the time of the last input is known only as "before this probe", as with an agent that
/// only reports the absence of input: each probe that finds input sets the time, and restarts the
/// agent's timer. A crash adds probes, which move that time and therefore the end. The oracle,
/// which knows the actual input, still finds ends that are too early or too late in both runs.
fn is_dated_by_probes(plan: &Plan, session: &SessionKey) -> bool {
    plan.ops.iter().any(|op| match &op.kind {
        OpKind::LogsIn(person) => {
            person.id == session.id.as_str()
                && matches!(person.idle, InputSource::Agent(Agent::Called, _))
        }
        _ => false,
    })
}

fn with_crashes(plan: &Plan) -> Plan {
    let mut twin = plan.clone();
    let part = plan.until.as_micros() / PARTS;
    twin.ops.extend(CRASHES.map(|number| Op {
        at: BootTime::from_micros(part.saturating_mul(number)),
        kind: OpKind::Crashes(Duration::ZERO, SavedState::Fresh),
    }));
    twin.ops.sort_by_key(|op| op.at);
    twin
}

/// The time of the first request to end, for each session.
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
