//! The true state of one simulated session. The readings that the engine receives are computed from
//! it, and may be late, rounded or missing.

use std::collections::BTreeMap;
use std::time::Duration;

use session_timeout_policy::{
    BootTime, Hint, Keeper, Login, NoSession, Pid, Reading, SessionFacts, SessionKey, StampSource,
};

use crate::plan::{
    Agent, InputSource, LogindSession, Pam, Pattern, Person, Presence, Screen, TerminalIndex,
};
use crate::world::activity::PeriodicActivity;
use crate::world::clock::Clock;

/// A session of the machine.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) person: Person,
    /// The properties in logind.
    pub(crate) facts: SessionFacts,
    pub(crate) state: State,
    pub(crate) keeper: KeptBy,
    /// Its leader has left the scope.
    pub(crate) escaped: bool,
    /// The number of further ends that its processes survive.
    pub(crate) survives: u32,
    pub(crate) screen: Lock,
    pub(crate) inhibited: bool,
    /// The number of reactions of the user so far.
    pub(crate) responded: u32,
    pub(crate) asked: u32,
    /// The daemon has requested to be notified of input.
    pub(crate) watched: bool,
    terminals: Vec<Option<Terminal>>,
    desktop: Option<Desktop>,
    agent: Option<Watch>,
}

/// The state of the agent in a desktop.
#[derive(Clone, Copy, Debug)]
struct Watch {
    how: Agent,
    presence: Presence,
    /// The requested watch time, and when the watch began.
    length: Option<Duration>,
    since: BootTime,
    /// The number of requests: the agent reports at most once for each.
    request: u32,
}

/// A report that the agent will send: its time, and its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) at: BootTime,
    pub(crate) request: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// The user has logged out; a process continues to run.
    LoggedOut,
}

/// The component that knows the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeptBy {
    Logind,
    /// The daemon, which reports when the session is gone.
    Daemon,
    /// None: logind has dropped the session, and its leader continues to run.
    Nobody,
}

/// The screen, and logind's hints about it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lock {
    pub(crate) locked: bool,
    pub(crate) hint: bool,
}

#[derive(Clone, Debug)]
struct Terminal {
    device: u64,
    input: PeriodicActivity,
    output: PeriodicActivity,
}

#[derive(Clone, Debug)]
struct Desktop {
    input: PeriodicActivity,
    /// The time without input after which the desktop sets the hint; `None` if it never does.
    hint_after: Option<Duration>,
    /// logind has lost the hint.
    forgotten: Option<ForgottenHint>,
}

#[derive(Clone, Copy, Debug)]
struct ForgottenHint {
    at: BootTime,
    was_idle: bool,
}

/// The actual time of the last input or output behind each stamp of a reading.
pub(crate) type GroundTruth = Vec<(StampSource, BootTime)>;

impl Session {
    pub(super) fn begin(now: BootTime, person: &Person, key: SessionKey) -> Self {
        let from_pam = !matches!(person.pam, Pam::Second(_));
        let facts = SessionFacts {
            key,
            user: person.user.clone(),
            uid: person.uid,
            class: person.class.clone(),
            session_type: person.session_type,
            leader: Some(Pid::new(1000 + u32::from(person.who.0))),
            service: person.service.clone().filter(|_| from_pam),
            remote_host: person.host.clone().filter(|_| from_pam),
            terminal: person.tty.clone(),
            seat: person.seat.clone(),
            started: now,
            keeper: match person.known {
                LogindSession::Always => Keeper::Logind,
                LogindSession::Late(_) => Keeper::Daemon(NoSession::Silent),
                LogindSession::Never => Keeper::Daemon(NoSession::Full),
            },
            invocation: None,
            audit: None,
        };
        let hint_after = match person.idle {
            InputSource::Hint(after) => Some(after),
            InputSource::Agent(_, after) => after,
            InputSource::Terminals(_) | InputSource::Console | InputSource::Nobody => None,
        };
        let agent = match person.idle {
            InputSource::Agent(how, _) => Some(Watch {
                how,
                presence: Presence::There,
                length: None,
                since: now,
                request: 0,
            }),
            InputSource::Hint(_)
            | InputSource::Terminals(_)
            | InputSource::Console
            | InputSource::Nobody => None,
        };
        let has_desktop =
            person.screen != Screen::Missing || hint_after.is_some() || agent.is_some();
        Self {
            person: person.clone(),
            facts,
            state: State::Open,
            keeper: match person.known {
                LogindSession::Always => KeptBy::Logind,
                LogindSession::Late(_) | LogindSession::Never => KeptBy::Daemon,
            },
            escaped: false,
            survives: person.end.survives,
            screen: Lock::default(),
            inhibited: false,
            responded: 0,
            asked: 0,
            watched: false,
            terminals: Vec::new(),
            desktop: has_desktop.then(|| Desktop {
                input: PeriodicActivity::opened(now, &Clock::new()),
                hint_after,
                forgotten: None,
            }),
            agent,
        }
    }

    pub(crate) fn key(&self) -> &SessionKey {
        &self.facts.key
    }

    /// The login as PAM reports it, if it does.
    pub(crate) fn login(&self) -> Option<Login> {
        (self.person.pam != Pam::Silent).then(|| Login {
            id: self.facts.key.id.clone(),
            leader: Pid::new(1000 + u32::from(self.person.who.0)),
            service: self.person.service.clone().unwrap_or_default(),
            remote_host: self.person.host.clone(),
            terminal: self.person.tty.clone(),
        })
    }

    pub(super) fn open(&mut self, now: BootTime, device: u64, clock: &Clock) {
        self.terminals.push(Some(Terminal {
            device,
            input: PeriodicActivity::opened(now, clock),
            output: PeriodicActivity::opened(now, clock),
        }));
    }

    /// Closes a terminal and returns its device number.
    pub(super) fn close(&mut self, nth: TerminalIndex) -> Option<u64> {
        let terminal = self.terminals.get_mut(nth.0)?.take()?;
        Some(terminal.device)
    }

    pub(super) fn devices(&self) -> impl Iterator<Item = u64> + '_ {
        self.terminals.iter().flatten().map(|one| one.device)
    }

    pub(crate) fn types(
        &mut self,
        now: BootTime,
        nth: TerminalIndex,
        keys: Pattern,
        clock: &Clock,
    ) {
        if let Some(desktop) = &mut self.desktop {
            desktop.input.continues(now, keys, clock);
        } else if let Some(Some(terminal)) = self.terminals.get_mut(nth.0) {
            terminal.input.continues(now, keys, clock);
        }
    }

    pub(crate) fn prints(
        &mut self,
        now: BootTime,
        nth: TerminalIndex,
        out: Pattern,
        clock: &Clock,
    ) {
        if let Some(Some(terminal)) = self.terminals.get_mut(nth.0) {
            terminal.output.continues(now, out, clock);
        }
    }

    /// Makes one input, on a terminal or on the desktop.
    pub(crate) fn presses_a_key(&mut self, now: BootTime, clock: &Clock) {
        let once = Pattern {
            every: Duration::from_secs(1),
            lasts: Duration::ZERO,
        };
        let open = self.terminals.iter().position(Option::is_some);
        self.types(now, TerminalIndex(open.unwrap_or_default()), once, clock);
    }

    /// The time of the next input.
    pub(crate) fn next_input(&self, now: BootTime) -> Option<BootTime> {
        let terminals = self.terminals.iter().flatten().map(|one| &one.input);
        let desktop = self.desktop.iter().map(|desktop| &desktop.input);
        terminals
            .chain(desktop)
            .filter_map(|track| track.next(now))
            .min()
    }

    /// The time of the last input.
    pub(crate) fn last_input(&mut self, now: BootTime, clock: &Clock) -> Option<BootTime> {
        self.each_track(|track| track.catch_up(now, clock));
        let terminals = self.terminals.iter().flatten().map(|one| &one.input);
        let desktop = self.desktop.iter().map(|desktop| &desktop.input);
        terminals
            .chain(desktop)
            .filter_map(PeriodicActivity::last)
            .max()
    }

    pub(super) fn slept(&mut self, from: BootTime, to: BootTime, clock: &Clock) {
        self.each_track(|track| track.slept(from, to, clock));
    }

    /// Computes the activity up to `now`; required before a step of the wall clock.
    pub(super) fn catch_up(&mut self, now: BootTime, clock: &Clock) {
        self.each_track(|track| track.catch_up(now, clock));
    }

    /// Clears logind's hints.
    pub(super) fn forget_hints(&mut self, now: BootTime, clock: &Clock) {
        self.screen.hint = false;
        if let Some(desktop) = &mut self.desktop {
            desktop.input.catch_up(now, clock);
            desktop.forgotten = Some(ForgottenHint {
                at: now,
                was_idle: desktop.idle_since(now).is_some(),
            });
        }
    }

    /// Stops the agent or starts another one, which has no state of the previous one.
    pub(crate) fn agent_becomes(&mut self, now: BootTime, presence: Presence) {
        if let Some(agent) = &mut self.agent {
            agent.presence = presence;
            agent.length = None;
            agent.since = now;
            agent.request += 1;
        }
    }

    /// Sends a request to the agent, which watches for the absence of input from now on.
    fn ask_agent(&mut self, now: BootTime, length: Option<Duration>) -> Option<Hint> {
        let input = self.desktop.as_ref()?.input.last()?;
        let agent = self.agent.as_mut()?;
        agent.request += 1;
        if agent.length != length {
            (agent.length, agent.since) = (length, now);
        }
        let hint = match (agent.presence, agent.how) {
            (Presence::Gone, _) => return None,
            (Presence::There, Agent::Asked) => Hint::IdleSince(input),
            (Presence::There, Agent::Called) => {
                let since = input.max(agent.since);
                let idle = length.is_some_and(|length| now >= since.saturating_add(length));
                if idle {
                    Hint::IdleSince(since)
                } else {
                    Hint::Active
                }
            }
        };
        Some(hint)
    }

    /// When the agent would report, if there were no more input.
    pub(crate) fn next_call(&mut self, now: BootTime, clock: &Clock) -> Option<Call> {
        self.each_track(|track| track.catch_up(now, clock));
        let agent = self
            .agent
            .filter(|agent| agent.presence == Presence::There)?;
        let input = self.desktop.as_ref()?.input.last()?;
        let since = match agent.how {
            Agent::Asked => input,
            Agent::Called => input.max(agent.since),
        };
        Some(Call {
            at: since.saturating_add(agent.length?),
            request: agent.request,
        })
    }

    /// Probes the session: returns the reading and the actual activity behind it. Its agent begins
    /// to watch for this time without input.
    pub(crate) fn probe(
        &mut self,
        now: BootTime,
        clock: &Clock,
        watch: Option<Duration>,
    ) -> (Reading, GroundTruth) {
        self.each_track(|track| track.catch_up(now, clock));
        let mut stamps = BTreeMap::new();
        let mut truth = GroundTruth::new();
        let mut add = |source, track: &PeriodicActivity| {
            if let Some(last) = track.last() {
                stamps.insert(source, track.stamp_now());
                truth.push((source, last));
            }
        };
        for terminal in self.terminals.iter().flatten() {
            add(StampSource::Terminal(terminal.device), &terminal.input);
            add(StampSource::Output(terminal.device), &terminal.output);
        }
        if self.person.idle == InputSource::Console
            && let Some(Some(console)) = self.terminals.first()
        {
            add(StampSource::Logind, &console.input);
        }
        let hint = self.desktop.as_mut().and_then(|desktop| desktop.hint(now));
        let agent = self.ask_agent(now, watch);
        let reading = Reading {
            wall: clock.wall(now),
            stamps,
            hint,
            agent,
            cpu_time: None,
            inhibitor: self.inhibited.then(|| "player".to_owned()),
            locked: matches!(self.person.screen, Screen::Locks(_) | Screen::Stubborn)
                .then_some(self.screen.hint),
        };
        (reading, truth)
    }

    fn each_track(&mut self, mut check_action: impl FnMut(&mut PeriodicActivity)) {
        for terminal in self.terminals.iter_mut().flatten() {
            check_action(&mut terminal.input);
            check_action(&mut terminal.output);
        }
        if let Some(desktop) = &mut self.desktop {
            check_action(&mut desktop.input);
        }
    }
}

impl Desktop {
    fn idle_since(&self, now: BootTime) -> Option<BootTime> {
        let since = self.input.last()?.saturating_add(self.hint_after?);
        (since <= now).then_some(since)
    }

    fn hint(&mut self, now: BootTime) -> Option<Hint> {
        self.hint_after?;
        let idle = self.idle_since(now);
        if let Some(forgotten) = self.forgotten {
            let hinted_since = if forgotten.was_idle {
                self.input.last().is_some_and(|last| last > forgotten.at)
            } else {
                idle.is_some()
            };
            if !hinted_since {
                return None;
            }
            self.forgotten = None;
        }
        Some(match idle {
            None => Hint::Active,
            Some(since) => Hint::IdleSince(jittered(since, now).min(now)),
        })
    }
}

/// The time of a hint, which each probe converts from another clock, to within half a second.
fn jittered(since: BootTime, now: BootTime) -> BootTime {
    const MOST: u64 = 400_000;
    let by = Duration::from_micros(now.as_micros() / 7 % (2 * MOST));
    since
        .saturating_add(by)
        .saturating_sub(Duration::from_micros(MOST))
}
