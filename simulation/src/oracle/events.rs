//! Records events in the histories before the engine handles them. Arrival and departure of
//! sessions are in `sessions.rs`.

use session_timeout_policy::{
    BootTime, Event, Groups, Login, Reading, SessionFacts, SessionId, SessionKey, SessionType,
};

use super::groups::ANSWER;
use super::locks::Held;
use super::{Cause, CheckedSession, EventContext, EventKind, Oracle};
use crate::history::{
    EndFact, GroupsRequest, History, LockFact, PROBE_TIMEOUT, Probe, ProbeOutcome, Request, Seen,
};
use crate::input::Input;
use crate::limits::{EffectiveLimits, RuleLimits};

use std::time::Duration;

/// A login that logind does not report within this time is dropped.
pub(super) const LOGIN_KEPT: Duration = Duration::from_secs(60);

impl Oracle<'_> {
    /// Records an input that the engine receives at `now`.
    pub(crate) fn record_input(
        &mut self,
        now: BootTime,
        input: &Input,
        context: &EventContext<'_>,
    ) {
        match input {
            Input::Event(event) => self.record_event(now, event, context),
            Input::Extend(key) => {
                let kind = EventKind::ExtensionAsked(key.stamp);
                self.open_call(now, Cause::Event(kind));
                self.about(key, |_, _| {});
                self.time_passed();
            }
        }
    }

    fn record_event(&mut self, now: BootTime, event: &Event, said: &EventContext<'_>) {
        self.open_call(now, Cause::Event(what(event)));
        match event {
            Event::ActivitySeen(key) => self.about(key, History::knows),
            Event::BecameIdle(key) => self.about(key, |history, now| {
                history.afresh = Some(now);
                // The pending probe has timed out.
                if history.gives_up_probe(now.at) {
                    history.drops_probe();
                }
            }),
            Event::EndFailed(key) => self.about(key, |history, now| {
                history.ends.push((now, EndFact::Failed));
                history.locks.push((now, LockFact::Failed));
            }),
            Event::GroupsResolved(key, groups) => self.about(key, |history, now| {
                history.groups = Groups::Known(groups.clone());
                check_groups(history, now);
            }),
            Event::GroupsUnavailable(key) => self.about(key, |history, now| {
                history.groups_unavailable(now);
            }),
            Event::HungUp(key) => self.about(key, |history, now| {
                if history.removal.is_some() {
                    return;
                }
                history.ends.push((now, EndFact::LeaderEnded));
                if let Some(end) = history.end().filter(|end| end.stage == Request::HangUp) {
                    history.hung_up = Some((now, end.kind));
                    history.ends.push((now, EndFact::Checked));
                }
            }),
            Event::InhibitorsChanged | Event::PolicyReplaced(_) => self.about_all(event),
            Event::Locked(key) => self.about(key, |history, now| {
                if history.removal.is_some() && history.end().is_some() {
                    return;
                }
                history.locks.push((now, LockFact::Seen));
            }),
            Event::LoginClosed(id) => self.closes(id),
            Event::LoginRecorded(login) => self.records(login),
            Event::Probed(key, reading) => self.probed(key, reading, said),
            Event::ProbeFailed(key) => self.about(key, |history, now| {
                if let Some(probe) = history
                    .probes
                    .last_mut()
                    .filter(|probe| probe.came.is_none())
                {
                    probe.came = Some((now, ProbeOutcome::Failed));
                }
            }),
            Event::Reachable => {
                let now = self.moment();
                for session in &mut self.sessions {
                    session.touched = true;
                    session.history.ends.push((now, EndFact::Reachable));
                    session.history.locks.push((now, LockFact::Reachable));
                }
            }
            Event::Verified(key, remains) => self.verified(key, *remains),
            Event::SessionGone(id) => self.goes(id),
            Event::SessionSeen(facts) => self.sees(facts),
            Event::SessionsListed(listed) => self.lists(listed),
            Event::Unreached(key) => self.about(key, |history, now| {
                history.ends.push((now, EndFact::Unreached));
                history.locks.push((now, LockFact::Unreached));
            }),
            Event::Unlocked(key) => self.about(key, |history, now| {
                history.locks.push((now, LockFact::Unlocked));
                history.knows(now);
            }),
        }
        self.evaluate_all();
        // An inhibitor only causes probes, and events after a logout have no effect on the session.
        if !matches!(event, Event::InhibitorsChanged | Event::LoginClosed(_)) {
            self.time_passed();
        }
    }

    /// Gives up requests whose timeout has passed.
    pub(super) fn time_passed(&mut self) {
        let now = self.moment();
        let held = |session: &CheckedSession| self.held(&session.history) == Held::Yes;
        let held: Vec<bool> = self.sessions.iter().map(held).collect();
        let sessions = self.sessions.iter_mut().zip(held);
        let touched = sessions.filter(|(session, _)| session.touched);
        let mut unavailable = false;
        for (CheckedSession { history, .. }, held) in touched {
            if history.gives_up_probe(now.at) {
                let limits = match history.effective() {
                    EffectiveLimits::Limited(id) => self.tables.get(id),
                    EffectiveLimits::Undecided | EffectiveLimits::Exempt => None,
                };
                // If no limit counts from the last activity, a failed probe has no effect.
                let counts =
                    |limits: &RuleLimits| !held && limits.counts_activity(history.is_graphical());
                if limits.is_some_and(counts)
                    && let Some(probe) = history.probes.last_mut()
                {
                    probe.came = Some((now, ProbeOutcome::Failed));
                }
            }
            if history.gives_up_lock(now.at) {
                history.drops_lock(now);
            }
            if history.gives_up_groups(now.at) {
                history.groups_unavailable(now);
                unavailable = true;
            }
        }
        if unavailable {
            self.evaluate_all();
        }
    }

    fn about(&mut self, key: &SessionKey, check_action: impl FnOnce(&mut History, super::Moment)) {
        let now = self.moment();
        self.reported = 1;
        if let Some(at) = self.index(key)
            && let Some(session) = self.sessions.get_mut(at)
        {
            session.touched = true;
            check_action(&mut session.history, now);
        }
    }

    fn about_all(&mut self, event: &Event) {
        if let Event::PolicyReplaced(policy) = event {
            let number = self.policies.iter().position(|other| other == policy);
            self.policy = number.unwrap_or(self.policy);
        }
        let now = self.moment();
        for session in &mut self.sessions {
            session.touched = true;
            if *event == Event::InhibitorsChanged {
                session.history.afresh = Some(now);
                let counts = match session.history.effective() {
                    EffectiveLimits::Limited(id) => {
                        self.tables.get(id).is_some_and(|t| t.inhibitor)
                    }
                    EffectiveLimits::Undecided | EffectiveLimits::Exempt => false,
                };
                if counts && session.history.gives_up_probe(now.at) {
                    // The probe has no effect any more.
                    session.history.probes.pop();
                }
            }
        }
    }

    fn closes(&mut self, id: &SessionId) {
        let now = self.moment();
        self.logins.retain(|(_, login)| login.id != *id);
        let there = self.sessions.iter_mut().filter(|session| !session.gone);
        for session in there.filter(|session| session.history.facts.key.id == *id) {
            session.touched = true;
            let history = &mut session.history;
            let is_left = history.removal.is_some() && history.end().is_some();
            if session.displaced || is_left {
                continue;
            }
            let stage = history.end().map(|end| end.stage);
            if stage == Some(Request::AskLeader) {
                history.ends.push((now, EndFact::LeaderEnded));
            } else if matches!(stage, Some(Request::Terminate | Request::Kill)) {
                // Processes that remain are ended nevertheless.
            } else if let Some(end) = history.end().filter(|end| end.stage == Request::HangUp) {
                history.hung_up = history.hung_up.or(Some((now, end.kind)));
                history.ends.push((now, EndFact::Checked));
            } else if history.hung_up.is_none() {
                if history.end().is_some_and(|end| end.stage == Request::Lock) {
                    // Without a user there is no screen to lock.
                    history.ends.push((now, EndFact::Checked));
                }
                history.closed = history.closed.or(Some(now));
            }
            // The departure of a session whose user has logged out is not verified.
            session.gone |= session.history.removal.is_some()
                && session.history.ended_for().is_none()
                && !session.history.is_open();
        }
    }

    fn records(&mut self, login: &Login) {
        let now = self.now;
        self.reported = 1;
        let there = self.sessions.iter_mut().rev().find(|session| {
            !session.gone
                && session.history.facts.key.id == login.id
                && session
                    .history
                    .facts
                    .leader
                    .is_none_or(|leader| leader == login.leader)
        });
        match there {
            Some(session) => {
                session.touched = true;
                joined(&mut session.history.facts, login);
            }
            None => {
                self.logins.retain(|(_, other)| other.id != login.id);
                self.logins.push((now, login.clone()));
            }
        }
    }

    fn probed(&mut self, key: &SessionKey, reading: &Reading, said: &EventContext<'_>) {
        let limits = self
            .index(key)
            .and_then(|at| self.limits(&self.sessions.get(at)?.history).cloned());
        let seen = Seen {
            reading,
            truth: said.truth,
            steps: said.steps,
            output: limits.as_ref().is_some_and(|limits| limits.output),
            inhibitor: limits.as_ref().is_some_and(|limits| limits.inhibitor),
        };
        self.about(key, |history, now| {
            // Activity does not stop an end.
            let ends = history
                .end()
                .filter(|end| end.stage != Request::Lock || reading.locked != Some(true));
            let saves = ends.is_none();
            if saves {
                history.reads(now, &seen);
            }
            // The absence of input in the terminals of a web console proves nothing.
            let in_terminals = history.facts.session_type != SessionType::Web;
            let stamped = in_terminals && !reading.stamps.is_empty();
            let has_source = stamped || reading.hint.is_some() || reading.agent.is_some();
            let outcome = if has_source {
                ProbeOutcome::Known
            } else {
                ProbeOutcome::Unknown
            };
            let came = Some((now, outcome));
            match history
                .probes
                .last_mut()
                .filter(|probe| probe.came.is_none())
            {
                _ if !saves => history.drops_probe(),
                Some(probe) => probe.came = came,
                None => history.probes.push(Probe {
                    asked: None,
                    new_reason: false,
                    came,
                }),
            }
            match reading.locked {
                Some(true) if history.removal.is_some() && history.end().is_some() => {}
                Some(true) => history.locks.push((now, LockFact::Seen)),
                Some(false) if history.is_locked() && saves => {
                    history.locks.push((now, LockFact::FoundOpen));
                }
                Some(false) | None => {}
            }
        });
    }
}

impl History {
    /// Whether a request has timed out.
    pub(super) fn gives_up(&self, now: BootTime) -> bool {
        self.gives_up_probe(now) || self.gives_up_groups(now) || self.gives_up_lock(now)
    }

    fn gives_up_probe(&self, now: BootTime) -> bool {
        let open = self.probes.last().filter(|probe| probe.came.is_none());
        let asked = open.and_then(|probe| probe.asked);
        asked.is_some_and(|asked| now >= asked.at.saturating_add(PROBE_TIMEOUT))
    }

    /// Whether the request for groups has timed out. It does not time out during an end or a lock.
    pub(super) fn gives_up_groups(&self, now: BootTime) -> bool {
        let open = self
            .groups_requests
            .last()
            .filter(|ask| ask.settled.is_none());
        let locks = self.hold().is_some_and(|hold| hold.again.is_some());
        open.is_some_and(|ask| now >= ask.asked.at.saturating_add(ANSWER))
            && self.end().is_none()
            && !locks
    }

    pub(super) fn groups_unavailable(&mut self, now: super::Moment) {
        if check_groups(self, now) && !matches!(self.groups, Groups::Known(_)) {
            self.groups = Groups::Unavailable;
        }
    }
}

fn check_groups(history: &mut History, now: super::Moment) -> bool {
    match history.groups_requests.last_mut() {
        Some(GroupsRequest { settled, .. }) if settled.is_none() => {
            *settled = Some(now);
            true
        }
        _ => false,
    }
}

/// Merges the properties that PAM reports into those of logind; PAM has precedence.
pub(super) fn joined(facts: &mut SessionFacts, login: &Login) {
    facts.service = Some(login.service.clone());
    facts.remote_host = login.remote_host.clone().or(facts.remote_host.take());
    facts.terminal = facts.terminal.take().or(login.terminal.clone());
}

/// Keeps known properties that logind does not report any more.
pub(super) fn updated(facts: &mut SessionFacts, newer: &SessionFacts) {
    let old = std::mem::replace(facts, newer.clone());
    facts.started = old.started;
    facts.leader = facts.leader.or(old.leader);
    facts.service = old.service.or(facts.service.take());
    facts.remote_host = old.remote_host.or(facts.remote_host.take());
    facts.terminal = facts.terminal.take().or(old.terminal);
}

fn what(event: &Event) -> EventKind {
    match event {
        Event::BecameIdle(key) => EventKind::BecameIdle(key.stamp),
        Event::InhibitorsChanged => EventKind::Inhibitors,
        Event::PolicyReplaced(_) => EventKind::Policy,
        _ => EventKind::Other,
    }
}
