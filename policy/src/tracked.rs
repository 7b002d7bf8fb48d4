//! One session: what is known of it, and what is due.

use std::time::Duration;

use crate::activity::{Activity, Reading};
use crate::countdown::{Countdown, Step};
use crate::ending::Ending;
use crate::{
    Action, BootTime, EndAction, Exemption, Finding, IdleSource, Limit, LimitKind, Limits, Login,
    Policy, SessionFacts, Subject, UnknownIdle, Verdict, Wake, Warning,
};

/// An answer to a probe that takes longer than this is taken as none. The probes of the daemon
/// give up sooner by themselves.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before a failed probe is tried again, doubled each time up to the longest.
const PROBE_PAUSE: Duration = Duration::from_secs(1);
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(30);
/// After so many failures in a row the idle time counts as unknown, until a probe succeeds.
const PROBE_FAILURES: u32 = 4;

/// One session.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) facts: SessionFacts,
    /// Whether PAM has told us of the login, too.
    pub(crate) recorded: bool,
    /// Whether PAM has told us of the logout: what runs on is no login any more.
    pub(crate) closed: bool,
    pub(crate) standing: Standing,
    pub(crate) activity: Activity,
    pub(crate) absolute: Countdown,
    pub(crate) inactivity: Countdown,
    /// Unknown idle time was reported, and is not again until the session is looked at in vain
    /// after having been known.
    unknown_reported: bool,
    probe: Probe,
    pub(crate) ending: Option<Ending>,
}

/// What the policy says of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its limits, with leads that fit.
    Limited(Limits),
    Exempt(Exemption),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Idle,
    Asked { since: BootTime, failures: u32 },
    Failed { retry_at: BootTime, failures: u32 },
}

impl Tracked {
    pub(crate) fn new(now: BootTime, facts: SessionFacts, policy: &Policy) -> Self {
        // A start in the future, which there is not, would hold the session for ever.
        let started = facts.started.min(now);
        let facts = SessionFacts { started, ..facts };
        let activity = Activity::since_login(facts.started);
        let standing = judge(policy, &facts);
        Self {
            facts,
            recorded: false,
            closed: false,
            standing,
            activity,
            absolute: Countdown::default(),
            inactivity: Countdown::default(),
            unknown_reported: false,
            probe: Probe::Idle,
            ending: None,
        }
    }

    /// The limits that hold now, if any.
    pub(crate) fn limits(&self) -> Option<&Limits> {
        match &self.standing {
            Standing::Limited(limits) if !self.closed => Some(limits),
            Standing::Limited(_) | Standing::Exempt(_) => None,
        }
    }

    /// Why no limit holds, if none does.
    pub(crate) fn exemption(&self) -> Option<Exemption> {
        match &self.standing {
            Standing::Exempt(why) => Some(*why),
            Standing::Limited(_) if self.closed => Some(Exemption::LoggedOut),
            Standing::Limited(_) => None,
        }
    }

    /// Looks at the session as soon as it has an inactivity limit, so that a step of the wall
    /// clock before its first deadline is noticed.
    pub(crate) fn take_baseline(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let limited = self
            .limits()
            .is_some_and(|limits| limits.inactivity.is_some());
        let looked = self.activity.clocks.is_some() || self.probe != Probe::Idle;
        if limited && !looked && self.ending.is_none() {
            self.ask(now, 0, out);
        }
    }

    /// logind describes the session anew.
    pub(crate) fn update(&mut self, facts: SessionFacts, policy: &Policy, out: &mut Vec<Action>) {
        let started = self.facts.started;
        let service = facts.service.or_else(|| self.facts.service.take());
        let remote_host = facts.remote_host.or_else(|| self.facts.remote_host.take());
        let terminal = facts.terminal.or_else(|| self.facts.terminal.take());
        let leader = facts.leader.or(self.facts.leader);
        // The start is what it was when the session was first seen: converting it again, after a
        // suspend or a step of the clock, could only give something worse.
        self.facts = SessionFacts {
            service,
            remote_host,
            terminal,
            leader,
            started,
            ..facts
        };
        self.rejudge(policy, out);
    }

    /// PAM describes the login.
    pub(crate) fn record(&mut self, login: Login) {
        self.recorded = true;
        self.facts.service.get_or_insert(login.service);
        self.facts.leader.get_or_insert(login.leader);
        if self.facts.remote_host.is_none() {
            self.facts.remote_host = login.remote_host;
        }
        if self.facts.terminal.is_none() {
            self.facts.terminal = login.terminal;
        }
    }

    /// The user has logged out. An end that was begun goes on.
    pub(crate) fn close(&mut self, out: &mut Vec<Action>) {
        if !self.closed {
            self.withdraw(LimitKind::Absolute, out);
            self.withdraw(LimitKind::Inactivity, out);
            self.closed = true;
        }
    }

    /// Another policy, or other facts: what was warned of under a limit that is no more is taken
    /// back, and the new limit starts with its warnings.
    pub(crate) fn rejudge(&mut self, policy: &Policy, out: &mut Vec<Action>) {
        let standing = judge(policy, &self.facts);
        if standing == self.standing {
            return;
        }
        for kind in [LimitKind::Absolute, LimitKind::Inactivity] {
            if terms(&self.standing, kind) != terms(&standing, kind) {
                self.withdraw(kind, out);
            }
        }
        self.standing = standing;
        self.unknown_reported = false;
    }

    /// Input was seen right now. What is being ended is not saved by it.
    pub(crate) fn saw_activity(&mut self, now: BootTime, out: &mut Vec<Action>) {
        if self.ending.is_some() {
            return;
        }
        let before = self.activity.last;
        self.activity.seen(now);
        self.after_activity(before, out);
    }

    pub(crate) fn probed(&mut self, now: BootTime, reading: Reading, out: &mut Vec<Action>) {
        self.probe = Probe::Idle;
        if self.ending.is_some() {
            return;
        }
        let before = self.activity.last;
        self.activity.observe(now, reading);
        self.after_activity(before, out);
        self.report_unknown(out);
    }

    pub(crate) fn probe_failed(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let failures = match self.probe {
            Probe::Asked { failures, .. } if self.ending.is_none() => failures + 1,
            // The failure of a probe that had been given up already, or that no longer matters.
            Probe::Asked { .. } | Probe::Failed { .. } | Probe::Idle => return,
        };
        let wanted = self.inactivity_due().is_some_and(|due| due <= now);
        if failures >= PROBE_FAILURES && wanted {
            self.activity.lose_track(now);
            self.report_unknown(out);
        }
        self.probe = if wanted {
            let pause = PROBE_PAUSE
                .saturating_mul(1 << failures.min(5))
                .min(PROBE_PAUSE_MAX);
            Probe::Failed {
                retry_at: now.saturating_add(pause),
                failures,
            }
        } else {
            Probe::Idle
        };
    }

    pub(crate) fn end_failed(&mut self, now: BootTime) {
        if let Some(ending) = &mut self.ending {
            ending.failed(now);
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: BootTime, out: &mut Vec<Action>) {
        if let Some(ending) = &mut self.ending {
            ending.tick(now, &self.facts.key, out);
            return;
        }
        self.tick_absolute(now, out);
        self.tick_inactivity(now, out);
    }

    /// When something will be due, and what.
    pub(crate) fn next_wake(&self) -> Option<(BootTime, Wake)> {
        if let Some(ending) = &self.ending {
            return Some((ending.next(), Wake::Escalate));
        }
        let limits = self.limits()?;
        let absolute = self
            .absolute
            .due(self.facts.started, &limits.absolute)
            .map(|due| (due, Wake::Limit(LimitKind::Absolute)));
        let inactivity = self.inactivity_due().map(|due| match self.probe {
            Probe::Idle => (due, Wake::Limit(LimitKind::Inactivity)),
            Probe::Asked { since, .. } => (since.saturating_add(PROBE_TIMEOUT), Wake::Probe),
            Probe::Failed { retry_at, .. } => (retry_at, Wake::Probe),
        });
        absolute
            .into_iter()
            .chain(inactivity)
            .min_by_key(|(due, _)| *due)
    }

    /// Which limit ends the session first as things stand, and when.
    pub(crate) fn next_end(&self) -> Option<(LimitKind, BootTime)> {
        let limits = self.limits()?;
        let absolute = (!self.absolute.reported).then(|| {
            (
                LimitKind::Absolute,
                self.absolute.ends_at(self.facts.started, &limits.absolute),
            )
        });
        let inactivity = limits
            .inactivity
            .as_ref()
            .filter(|_| !self.inactivity.reported && !self.is_unenforceable())
            .map(|limit| {
                (
                    LimitKind::Inactivity,
                    self.inactivity.ends_at(self.activity.last, limit),
                )
            });
        absolute
            .into_iter()
            .chain(inactivity)
            .min_by_key(|(_, end)| *end)
    }

    fn tick_absolute(&mut self, now: BootTime, out: &mut Vec<Action>) {
        let Standing::Limited(limits) = &self.standing else {
            return;
        };
        if self.closed {
            return;
        }
        let step = self
            .absolute
            .step(now, self.facts.started, &limits.absolute);
        self.perform(now, LimitKind::Absolute, step, out);
    }

    fn tick_inactivity(&mut self, now: BootTime, out: &mut Vec<Action>) {
        if self.ending.is_some() || self.inactivity_due().is_none() {
            return;
        }
        match self.probe {
            Probe::Asked { since, .. } if now >= since.saturating_add(PROBE_TIMEOUT) => {
                self.probe_failed(now, out);
            }
            Probe::Failed { retry_at, failures } if now >= retry_at => {
                self.ask(now, failures, out);
            }
            Probe::Idle | Probe::Asked { .. } | Probe::Failed { .. } => {}
        }
        let Some(due) = self.inactivity_due() else {
            return;
        };
        if now < due {
            return;
        }
        // An older look is no proof, even one after `due`: under a limit that a reload has made
        // shorter there may have been input since.
        if self.activity.sampled < now {
            if self.probe == Probe::Idle {
                self.ask(now, 0, out);
            }
            return;
        }
        let Standing::Limited(Limits {
            inactivity: Some(limit),
            ..
        }) = &self.standing
        else {
            return;
        };
        let step = self.inactivity.step(now, self.activity.last, limit);
        self.perform(now, LimitKind::Inactivity, step, out);
    }

    /// When the inactivity limit wants something done: a look first of all.
    fn inactivity_due(&self) -> Option<BootTime> {
        let limit = self.limits()?.inactivity.as_ref()?;
        let due = self.inactivity.due(self.activity.last, limit)?;
        if self.is_unenforceable() && self.activity.sampled >= due {
            // Looked, and nobody could tell. A desktop may yet report, so look again some time.
            Some(self.activity.sampled.saturating_add(limit.length))
        } else {
            Some(due)
        }
    }

    /// Whether the inactivity limit cannot be enforced for want of a source, by the policy.
    fn is_unenforceable(&self) -> bool {
        self.activity.source == IdleSource::Unknown
            && self
                .limits()
                .is_some_and(|limits| limits.unknown_idle == UnknownIdle::Report)
    }

    fn perform(
        &mut self,
        now: BootTime,
        kind: LimitKind,
        step: Option<Step>,
        out: &mut Vec<Action>,
    ) {
        let Standing::Limited(limits) = &self.standing else {
            return;
        };
        let (Some(step), Some(limit)) = (step, limits.get(kind)) else {
            return;
        };
        let key = self.facts.key.clone();
        match step {
            Step::Warn { lead, ends_at } => {
                let warning = Warning {
                    limit: kind,
                    length: limit.length,
                    lead,
                    ends_at,
                };
                out.push(Action::Warn(key, warning));
            }
            Step::End if limits.end_action == EndAction::Report => {
                self.countdown(kind).reported = true;
                out.push(Action::Report(key, Finding::Passed(kind)));
            }
            Step::End => {
                self.ending = Some(Ending::begin(now, kind, limits.grace, &key, out));
            }
        }
    }

    fn after_activity(&mut self, before: BootTime, out: &mut Vec<Action>) {
        if self.activity.last > before {
            self.withdraw(LimitKind::Inactivity, out);
        }
    }

    /// Starts a countdown afresh, and takes back what the user was warned of.
    fn withdraw(&mut self, kind: LimitKind, out: &mut Vec<Action>) {
        let countdown = std::mem::take(self.countdown(kind));
        if countdown.is_warned() && self.ending.is_none() {
            out.push(Action::Withdraw(self.facts.key.clone(), kind));
        }
    }

    fn report_unknown(&mut self, out: &mut Vec<Action>) {
        let Some(limit) = self.limits().and_then(|limits| limits.inactivity.as_ref()) else {
            return;
        };
        let due = self.inactivity.due(self.activity.last, limit);
        if !self.is_unenforceable() {
            self.unknown_reported = false;
        } else if !self.unknown_reported && due.is_some_and(|due| self.activity.sampled >= due) {
            self.unknown_reported = true;
            self.withdraw(LimitKind::Inactivity, out);
            out.push(Action::Report(self.facts.key.clone(), Finding::UnknownIdle));
        }
    }

    fn ask(&mut self, now: BootTime, failures: u32, out: &mut Vec<Action>) {
        self.probe = Probe::Asked {
            since: now,
            failures,
        };
        out.push(Action::Probe(self.facts.key.clone()));
    }

    fn countdown(&mut self, kind: LimitKind) -> &mut Countdown {
        match kind {
            LimitKind::Absolute => &mut self.absolute,
            LimitKind::Inactivity => &mut self.inactivity,
        }
    }
}

/// What the policy says of this session, with leads that fit into their limits.
fn judge(policy: &Policy, facts: &SessionFacts) -> Standing {
    let subject = Subject {
        uid: facts.uid,
        class: facts.class.clone(),
        session_type: facts.session_type,
    };
    match policy.judge(&subject) {
        Verdict::Exempt(why) => Standing::Exempt(why),
        Verdict::Limited(limits) => {
            // A report is no threat, so nobody is warned of one.
            let fit = |limit: &Limit| match limits.end_action {
                EndAction::Terminate => limit.fitted(),
                EndAction::Report => limit.silent(),
            };
            Standing::Limited(Limits {
                absolute: fit(&limits.absolute),
                inactivity: limits.inactivity.as_ref().map(fit),
                ..limits.clone()
            })
        }
    }
}

/// What a countdown of this kind runs under: other terms start it afresh.
pub(crate) fn terms(standing: &Standing, kind: LimitKind) -> Option<(&Limit, EndAction)> {
    match standing {
        Standing::Limited(limits) => limits.get(kind).map(|limit| (limit, limits.end_action)),
        Standing::Exempt(_) => None,
    }
}
