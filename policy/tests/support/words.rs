//! Describes the engine's outputs and sessions in words, for scenarios.

use std::time::Duration;

use session_timeout_policy::{
    Action, BootTime, EndAction, EndReason, Extended, Finding, LimitKind, LockCause, Output, Phase,
    Refusal, Transition, View,
};

use crate::support::sim::Entry;

/// The session of an entry, and a description of the entry.
pub(crate) fn of_entry(
    now: BootTime,
    entry: &Entry,
    length_of: impl Fn(LimitKind) -> Option<Duration>,
) -> (String, String) {
    let what = match entry {
        Entry::Extension(_, result) => of_extension(now, result),
        Entry::Output(Output::Action(action)) => of_action(now, action),
        Entry::Output(Output::Transition(transition)) => of_transition(transition, length_of),
    };
    (entry.key().id.to_string(), what)
}

fn of_extension(now: BootTime, result: &Result<Extended, Refusal>) -> String {
    match result {
        Ok(extended) => format!(
            "is given {} more: ends in {}, {} left to ask",
            span(extended.by),
            span(extended.until.since(now)),
            extended.left
        ),
        Err(why) => format!("is given no more time: {why}"),
    }
}

fn of_action(now: BootTime, action: &Action) -> String {
    match action {
        Action::Adopt(_) => "is to be kept together".into(),
        Action::AskLeader(..) => "has its leader asked to end".into(),
        Action::EndRemains(..) => "has its remains ended".into(),
        Action::Verify(_) => "is verified".into(),
        Action::HangUp(..) => "is asked to hang up".into(),
        Action::Lock(_, LockCause::Verify(_)) => "is asked whether it is still locked".into(),
        Action::Lock(_, LockCause::Limit(_)) => "is asked to lock".into(),
        Action::Lock(_, LockCause::LockAfter) => "is to be locked, as a first stage".into(),
        Action::ResolveGroups(_) => "has its groups asked for".into(),
        Action::Kill(..) => "is killed".into(),
        Action::Probe(_) => "is probed".into(),
        Action::Terminate(..) => "is asked to end".into(),
        Action::Warn(_, warning) => {
            let left = span(warning.ends_at.since(now));
            let why = match warning.limit {
                LimitKind::Absolute => format!("{} after the login", span(warning.length)),
                LimitKind::Inactivity => "for lack of input".into(),
            };
            format!("warning: ends in {left}, {why}")
        }
        Action::Withdraw(_, kind) => format!("{kind} warning withdrawn"),
    }
}

fn of_transition(
    transition: &Transition,
    length_of: impl Fn(LimitKind) -> Option<Duration>,
) -> String {
    let passed = |kind| {
        let length = length_of(kind).map_or_else(|| "?".into(), span);
        match kind {
            LimitKind::Absolute => format!("{length} after the login"),
            LimitKind::Inactivity => format!("after {length} without input"),
        }
    };
    match transition {
        Transition::EndBegins(_, kind, how) => {
            let what = match how {
                EndAction::HangUp => "is to be hung up",
                EndAction::Lock => "is to be locked",
                EndAction::Terminate | EndAction::Report => "is to end",
            };
            format!("{what}, {}", passed(*kind))
        }
        Transition::Began(_) => "begins".into(),
        Transition::HungUp(_, kind) => format!("is hung up, by the {kind} limit"),
        Transition::Locked(_, LockCause::Verify(kind) | LockCause::Limit(kind)) => {
            format!("is locked, by the {kind} limit")
        }
        Transition::Locked(_, LockCause::LockAfter) => "is locked, as a first stage".into(),
        Transition::Left(_, EndReason::Limit(kind)) => format!("is gone, by the {kind} limit"),
        Transition::Left(_, EndReason::Other) => "is gone, by itself".into(),
        Transition::Found(_, Finding::GroupsUnavailable) => {
            "report: nobody can tell its groups".into()
        }
        Transition::Found(_, Finding::NotLocked) => "report: it was not locked".into(),
        Transition::Found(_, Finding::Passed(kind)) => {
            format!("report: would have been ended, {}", passed(*kind))
        }
        Transition::Found(_, Finding::Survived(kind)) => {
            format!("report: something of it lives on, past the {kind} limit")
        }
        Transition::Found(_, Finding::UnknownIdle) => {
            "report: nobody can tell for how long it has been idle".into()
        }
    }
}

/// A description of the state of a session.
pub(crate) fn of_view(now: BootTime, view: &View<'_>) -> String {
    let phase = match view.phase {
        Phase::Running => "running".into(),
        Phase::Warned => "warned".into(),
        Phase::Ending(kind) => format!("ending for the {kind} limit"),
        Phase::Survived(kind) => format!("alive past the {kind} limit"),
        Phase::Held(kind) => format!("locked for the {kind} limit"),
        Phase::Undecided => "undecided".into(),
        Phase::Reported => "reported".into(),
        Phase::Exempt(why) => format!("exempt ({why})"),
    };
    let end = view
        .next_end
        .map(|(kind, at)| format!("ends in {} by the {kind} limit", span(at.since(now))));
    let (last, source) = (view.activity.latest(), view.activity.source);
    let idle = format!("idle {} by {}", span(now.since(last)), source.as_str());
    let service = view.facts.service.as_ref().map(|service| {
        let from = view
            .facts
            .remote_host
            .as_ref()
            .map(|from| format!(" from {from}"));
        format!("{service}{}", from.unwrap_or_default())
    });
    let rule = view.rule.map(|rule| format!("by rule {rule}"));
    let earlier = view.overriding.map(|earlier| {
        let rule = earlier.rule.unwrap_or("[default]");
        format!("absolute limit by {rule}")
    });
    let parts = [
        Some(format!("is {phase}")),
        rule,
        earlier,
        end,
        Some(idle),
        service,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// A duration in words: `1 h 30 min`, `2 min`, `30 s`.
pub(crate) fn span(span: Duration) -> String {
    let secs = span.as_secs();
    let parts = [
        (secs / 3600, "h"),
        (secs / 60 % 60, "min"),
        (secs % 60, "s"),
    ];
    let mut words: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number != 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    if span.subsec_micros() != 0 {
        words.push(format!("{} us", span.subsec_micros()));
    }
    if words.is_empty() {
        "0 s".into()
    } else {
        words.join(" ")
    }
}
