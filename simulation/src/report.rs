//! Statistics of simulated scenarios: numbers of events, faults, actions and checks.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use session_timeout_policy::{Action, Event, Finding, LockCause, Output, Transition};

use crate::input::{Input, Reply};

/// Statistics of one or many scenarios.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of scenarios.
    pub seeds: u64,
    /// The sum of the durations of all sessions.
    pub session_time: Duration,
    /// The part of it during which a limit applied, that is, without exempt sessions and sessions
    /// that stay locked.
    pub limited_time: Duration,
    /// The number of events of each kind.
    pub events: BTreeMap<&'static str, u64>,
    /// The number of faults of each kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// The number of the engine's events of each kind.
    pub handled: Tally,
    /// The number of the engine's actions of each kind.
    pub actions: Tally,
    /// The number of checks of an invariant.
    pub checks: u64,
}

/// Counters for a small number of kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally([(&'static str, u64); 32]);

impl Tally {
    fn add(&mut self, at: usize, word: &'static str, count: u64) {
        if let Some(slot) = self.0.get_mut(at) {
            slot.0 = word;
            slot.1 += count;
        }
    }

    /// Each kind that occurred, and its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied().filter(|(_, count)| *count > 0)
    }
}

impl Report {
    /// The sum of the durations of all sessions, in days.
    #[must_use]
    pub fn session_days(&self) -> u64 {
        self.session_time.as_secs() / (24 * 60 * 60)
    }

    /// Adds other statistics.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.session_time += other.session_time;
        self.limited_time += other.limited_time;
        self.checks += other.checks;
        for (word, count) in &other.events {
            *self.events.entry(word).or_default() += count;
        }
        for (word, count) in &other.faults {
            *self.faults.entry(word).or_default() += count;
        }
        for (at, (word, count)) in other.handled.0.iter().enumerate() {
            if *count > 0 {
                self.handled.add(at, word, *count);
            }
        }
        for (at, (word, count)) in other.actions.0.iter().enumerate() {
            if *count > 0 {
                self.actions.add(at, word, *count);
            }
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        match &reply.extension {
            Some((_, Ok(_))) => self.actions.add(1, "extended", 1),
            Some((_, Err(_))) => self.actions.add(2, "extension-refused", 1),
            None => {}
        }
        for output in &reply.outputs {
            match output {
                Output::Action(action) => self.action(action),
                Output::Transition(transition) => self.transition(transition),
            }
        }
    }

    fn action(&mut self, action: &Action) {
        let (at, word) = match action {
            Action::HangUp(..) => (3, "hang-up"),
            Action::Kill(..) => (5, "kill"),
            Action::Lock(_, LockCause::Limit(_)) => (7, "lock"),
            Action::Lock(_, LockCause::Verify(_)) => (19, "lock-again"),
            Action::Lock(_, LockCause::LockAfter) => (8, "lock-first"),
            Action::Probe(_) => (10, "probe"),
            Action::ResolveGroups(_) => (15, "resolve-groups"),
            Action::Terminate(..) => (16, "terminate"),
            Action::Warn(..) => (17, "warn"),
            Action::Withdraw(..) => (18, "withdraw"),
            Action::Adopt(_) => (20, "adopt"),
            Action::AskLeader(..) => (21, "ask-leader"),
            Action::EndRemains(..) => (23, "end-remains"),
            Action::Verify(_) => (25, "verify"),
        };
        self.actions.add(at, word, 1);
    }

    fn transition(&mut self, transition: &Transition) {
        let (at, word) = match transition {
            Transition::Began(_) => (0, "began"),
            Transition::HungUp(..) => (4, "hung-up"),
            Transition::Left(..) => (6, "left"),
            Transition::Locked(..) => (9, "locked"),
            Transition::Found(_, Finding::GroupsUnavailable) => (11, "found-groups-unavailable"),
            Transition::Found(_, Finding::NotLocked) => (12, "found-not-locked"),
            Transition::Found(_, Finding::Passed(_)) => (13, "found-passed"),
            Transition::Found(_, Finding::UnknownIdle) => (14, "found-unknown-idle"),
            Transition::EndBegins(..) => (22, "end-begins"),
            Transition::Found(_, Finding::Survived(_)) => (24, "found-survived"),
        };
        self.actions.add(at, word, 1);
    }

    pub(super) fn input(&mut self, input: &Input) {
        match input {
            Input::Event(event) => self.event(event),
            Input::Extend(_) => self.handled.add(2, "extension-asked", 1),
        }
    }

    fn event(&mut self, event: &Event) {
        let (at, word) = match event {
            Event::ActivitySeen(_) => (0, "activity-seen"),
            Event::EndFailed(_) => (1, "end-failed"),
            Event::GroupsResolved(..) => (3, "groups-resolved"),
            Event::GroupsUnavailable(_) => (4, "groups-unavailable"),
            Event::HungUp(_) => (5, "hung-up"),
            Event::InhibitorsChanged => (6, "inhibitors-changed"),
            Event::Locked(_) => (7, "locked"),
            Event::LoginClosed(_) => (8, "login-closed"),
            Event::LoginRecorded(_) => (9, "login-recorded"),
            Event::PolicyReplaced(_) => (10, "policy-replaced"),
            Event::Probed(..) => (11, "probed"),
            Event::ProbeFailed(_) => (12, "probe-failed"),
            Event::SessionGone(_) => (13, "session-gone"),
            Event::SessionSeen(_) => (14, "session-seen"),
            Event::SessionsListed(_) => (15, "sessions-listed"),
            Event::Unlocked(_) => (16, "unlocked"),
            Event::Unreached(_) => (18, "unreached"),
            Event::BecameIdle(_) => (19, "became-idle"),
            Event::Reachable => (20, "reachable"),
            Event::Verified(..) => (21, "verified"),
        };
        self.handled.add(at, word, 1);
    }

    pub(super) fn timeout(&mut self) {
        self.handled.add(17, "timeout", 1);
    }

    /// The statistics as JSON (RFC 8259). Every key is a constant of this module, so nothing has to
    /// be escaped.
    #[must_use]
    pub fn json(&self) -> String {
        let list = |items: &mut dyn Iterator<Item = (&'static str, u64)>| {
            let items: Vec<String> = items.map(|(word, n)| format!("\"{word}\":{n}")).collect();
            format!("{{{}}}", items.join(","))
        };
        format!(
            "{{\"seeds\":{},\"session_days\":{},\"limited_days\":{},\"checks\":{},\
             \"events\":{},\"faults\":{},\"handled\":{},\"actions\":{}}}",
            self.seeds,
            self.session_days(),
            self.limited_time.as_secs() / (24 * 60 * 60),
            self.checks,
            list(&mut self.events.iter().map(|(word, n)| (*word, *n))),
            list(&mut self.faults.iter().map(|(word, n)| (*word, *n))),
            list(&mut self.handled.iter()),
            list(&mut self.actions.iter()),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>14} seeds", self.seeds)?;
        let limited = self.limited_time.as_secs() / (24 * 60 * 60);
        writeln!(
            f,
            "{:>14} session-days, {limited} of them under a limit",
            self.session_days()
        )?;
        writeln!(f, "{:>14} checks", self.checks)?;
        let mut part = |title: &str, items: Vec<(&'static str, u64)>| {
            writeln!(f, "{title}")?;
            let mut items = items.into_iter();
            items.try_for_each(|(word, count)| writeln!(f, "{count:>14} {word}"))
        };
        let events = self.events.iter().map(|(word, n)| (*word, *n));
        part("what happened", events.collect())?;
        let faults = self.faults.iter().map(|(word, n)| (*word, *n));
        part("what went wrong", faults.collect())?;
        part(
            "events that the engine handled",
            self.handled.iter().collect(),
        )?;
        part("actions of the engine", self.actions.iter().collect())
    }
}
