//! The text form of scenarios, to be read, stored and replayed.
//!
//! ```text
//! until 2:00:00
//! lag 0s
//! policy uid-min=1000 absolute=1h:5min,1min action=terminate ...
//! rule name=card-data group=pci absolute=30min:1min action=lock ...
//! 0:00:10 s1 logs-in id=c1 user=alice uid=1000 class=user type=tty idle=terminals:1 dies=1s
//! 0:12:00 s1 types nth=0 every=40s lasts=10min
//! 0:30:00 daemon crashes lasts=5s memory=fresh
//! ```
//!
//! A line that begins with `#` is for people. The first policy is in force from the start.

mod ops;
mod person;
mod policy;
mod words;

pub(super) use ops::STRAYS;
pub use words::TextError;

use words::{Parsed, parse_span, parse_time, span, time};

use session_timeout_policy::{BootTime, Event, Output, Transition};

use super::input::{Input, Reply};
use super::plan::{Op, Plan};

pub(super) fn write(plan: &Plan) -> String {
    let mut text = format!("until {}\nlag {}\n", time(plan.until), span(plan.lag));
    for policy in &plan.policies {
        text += &policy::write(policy);
    }
    for one in &plan.ops {
        text += &op(one);
        text.push('\n');
    }
    text
}

pub(super) fn parse(text: &str) -> Result<Plan, TextError> {
    let mut plan = Plan {
        until: BootTime::default(),
        lag: std::time::Duration::ZERO,
        policies: Vec::new(),
        ops: Vec::new(),
    };
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        parse_line(&mut plan, line).map_err(|why| TextError { line: at + 1, why })?;
    }
    Ok(plan)
}

fn parse_line(plan: &mut Plan, line: &str) -> Parsed<()> {
    let (first, rest) = line
        .split_once(' ')
        .ok_or("a line has two words at least")?;
    match first {
        "until" => plan.until = parse_time(rest)?,
        "lag" => plan.lag = parse_span(rest)?,
        "policy" => plan.policies.push(policy::parse(rest)?),
        "rule" => {
            let last = plan.policies.last_mut().ok_or("a rule without a policy")?;
            last.rules.push(policy::parse_rule(rest)?);
        }
        _ => {
            let at = parse_time(first)?;
            let kind = ops::parse(rest)?;
            plan.ops.push(Op { at, kind });
        }
    }
    Ok(())
}

pub(super) fn op(op: &Op) -> String {
    format!("{} {}", time(op.at), ops::write(&op.kind))
}

/// An input of the engine, abbreviated.
pub(super) fn input(input: &Input) -> String {
    match input {
        Input::Event(event) => event_line(event),
        Input::Extend(key) => format!("Extend({})", key.id),
    }
}

fn event_line(event: &Event) -> String {
    match event {
        Event::PolicyReplaced(_) => "PolicyReplaced".to_owned(),
        Event::SessionSeen(facts) => format!("SessionSeen({})", facts.key.id),
        Event::SessionsListed(all) => {
            let ids: Vec<&str> = all.iter().map(|facts| facts.key.id.as_str()).collect();
            format!("SessionsListed({})", ids.join(", "))
        }
        other => short(&format!("{other:?}")),
    }
}

/// A line for each result of a call of the engine.
pub(super) fn reply(reply: &Reply) -> impl Iterator<Item = String> {
    let extension = reply
        .extension
        .iter()
        .map(|(_, result)| format!("{result:?}"));
    extension.chain(reply.outputs.iter().map(output))
}

fn output(output: &Output) -> String {
    match output {
        Output::Action(action) => short(&format!("{action:?}")),
        Output::Transition(Transition::Left(facts, reason)) => {
            format!("Left({}, {reason:?})", facts.key.id)
        }
        Output::Transition(transition) => short(&format!("{transition:?}")),
    }
}

/// Replaces keys of sessions by their ids.
fn short(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("SessionKey { id: \"") {
        out += before;
        let (id, after) = after.split_once('"').unwrap_or((after, ""));
        out += id;
        rest = after.split_once(" }").map_or("", |(_, after)| after);
    }
    out + rest
}
