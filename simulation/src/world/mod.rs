//! The simulated machine: its clock, its sessions, and the faults in force.

mod activity;
mod clock;
mod session;

use std::time::Duration;

pub(super) use clock::Clock;
pub(super) use session::{Call, GroundTruth, KeptBy, Lock, Session, State};

use session_timeout_policy::{BootTime, SessionFacts, SessionId, SessionKey};

use super::plan::{
    CallFault, InputSource, LoginId, LogindSession, Person, SignalFault, Step, TerminalIndex,
};

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) clock: Clock,
    sessions: Vec<Session>,
    pub(super) troubles: CallFaults,
    /// The device numbers of the open terminals.
    devices: Vec<u64>,
    /// The stamp of the newest session.
    stamp: u64,
}

/// The faults in force, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallFaults {
    pub(super) probes: Option<(CallFault, BootTime)>,
    pub(super) groups: Option<(CallFault, BootTime)>,
    pub(super) verifies: Option<(CallFault, BootTime)>,
    pub(super) signals: Option<(SignalFault, BootTime)>,
    pub(super) ends: BootTime,
    /// logind is unavailable until this time.
    pub(super) away: BootTime,
    pub(super) watch: BootTime,
}

/// The fault, if it is in force now.
pub(super) fn still<T: Copy>(trouble: Option<(T, BootTime)>, now: BootTime) -> Option<T> {
    trouble.and_then(|(kind, until)| (now < until).then_some(kind))
}

impl World {
    pub(super) const fn new() -> Self {
        Self {
            clock: Clock::new(),
            sessions: Vec::new(),
            troubles: CallFaults {
                probes: None,
                groups: None,
                verifies: None,
                signals: None,
                ends: BootTime::from_micros(0),
                away: BootTime::from_micros(0),
                watch: BootTime::from_micros(0),
            },
            devices: Vec::new(),
            stamp: 0,
        }
    }

    /// Adds a session. If another session has its id, that one is removed.
    pub(super) fn begin(&mut self, now: BootTime, person: &Person) {
        self.sessions.retain(|other| other.person.who != person.who);
        let evicted = self
            .sessions
            .iter()
            .position(|s| s.facts.key.id.as_str() == person.id && s.keeper == KeptBy::Logind);
        if let Some(evicted) = evicted {
            let gone = self.sessions.remove(evicted);
            self.devices
                .retain(|device| gone.devices().all(|own| own != *device));
        }
        let key = SessionKey {
            id: match person.known {
                LogindSession::Always => SessionId::new(&person.id),
                LogindSession::Late(_) | LogindSession::Never => {
                    SessionId::new(format!("login-{}", person.id))
                }
            },
            stamp: self.stamp(now),
        };
        let mut session = Session::begin(now, person, key);
        let terminals = match person.idle {
            InputSource::Terminals(count) => count,
            InputSource::Console => 1,
            InputSource::Agent(..) | InputSource::Hint(_) | InputSource::Nobody => 0,
        };
        for _ in 0..terminals {
            session.open(now, self.free_device(), &self.clock);
        }
        self.sessions.push(session);
    }

    pub(super) fn open_terminal(&mut self, now: BootTime, who: LoginId) {
        let device = self.free_device();
        let clock = self.clock.clone();
        if let Some(session) = self.who(who) {
            session.open(now, device, &clock);
        }
    }

    pub(super) fn close_terminal(&mut self, who: LoginId, nth: TerminalIndex) {
        if let Some(device) = self.who(who).and_then(|session| session.close(nth)) {
            self.devices.retain(|other| *other != device);
        }
    }

    /// The session of this login, while logind has it.
    pub(super) fn who(&mut self, who: LoginId) -> Option<&mut Session> {
        self.sessions
            .iter_mut()
            .find(|session| session.person.who == who)
    }

    /// This session, while logind has it.
    pub(super) fn find(&mut self, key: &SessionKey) -> Option<&mut Session> {
        self.sessions
            .iter_mut()
            .find(|session| session.facts.key == *key)
    }

    /// Removes a session from logind.
    pub(super) fn remove(&mut self, who: LoginId) -> Option<Session> {
        let at = self.sessions.iter().position(|s| s.person.who == who)?;
        let gone = self.sessions.remove(at);
        self.devices
            .retain(|device| gone.devices().all(|own| own != *device));
        Some(gone)
    }

    /// The sessions that logind lists.
    pub(super) fn listed(&self) -> Vec<SessionFacts> {
        self.kept_by(KeptBy::Logind)
    }

    /// The properties of the sessions that logind, or the daemon, keeps.
    pub(super) fn kept_by(&self, keeper: KeptBy) -> Vec<SessionFacts> {
        let kept = self.sessions.iter();
        let kept = kept.filter(|session| session.keeper == keeper);
        kept.map(|session| session.facts.clone()).collect()
    }

    /// The stamp of a session that logind creates now: unique and increasing.
    pub(super) fn stamp(&mut self, now: BootTime) -> u64 {
        self.stamp = (now.as_micros() * 64).max(self.stamp + 1);
        self.stamp
    }

    pub(super) fn step(&mut self, now: BootTime, step: Step) {
        for session in &mut self.sessions {
            session.catch_up(now, &self.clock);
        }
        self.clock.step(step);
    }

    pub(super) fn sleep(&mut self, from: BootTime, lasts: Duration) {
        let to = from.saturating_add(lasts);
        for session in &mut self.sessions {
            session.slept(from, to, &self.clock);
        }
    }

    /// Stops watching for input in all sessions.
    pub(super) fn unwatch(&mut self) {
        for session in &mut self.sessions {
            session.watched = false;
        }
    }

    pub(super) fn forget_hints(&mut self, now: BootTime) {
        for session in &mut self.sessions {
            session.forget_hints(now, &self.clock);
        }
    }

    fn free_device(&mut self) -> u64 {
        /// `/dev/pts/0`: major number 136.
        const FIRST: u64 = 0x8800;
        let free = (FIRST..).find(|device| !self.devices.contains(device));
        let device = free.unwrap_or(FIRST);
        self.devices.push(device);
        device
    }
}
