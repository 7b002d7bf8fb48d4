//! Users at terminals who type or are idle, and the check that only the idle ones are ended.

use std::time::Instant;

use session_timeout_tests::{Console, Machine, Outcome, Ssh, Transcript, Wanted, hold_for};

use super::{SOON, TTY_STEP, assert_between, assert_not_ended, secs};

/// The limits are long compared to the kernel's steps of eight seconds, for a user who types every
/// second.
pub(crate) const POLICY: &str = r#"[default]
    session-timeout = "10min"
    inactivity-timeout = "20s"
    inactivity-warnings = ["10s", "5s"]
    grace = "3s""#;

pub(crate) const WARNING: &str = "Session timeout: this session ends in 10 s, for lack of input. \
    Press a key to stay.";
pub(crate) const END: &str = "Session timeout: this session has ended, after 20 s without input.";

/// A terminal of a user.
pub(crate) trait Seat {
    fn send(&mut self, keys: &str) -> Outcome;
    fn terminal(&self) -> &Transcript;
    fn session(&self) -> &str;
}

impl Seat for Ssh {
    fn send(&mut self, keys: &str) -> Outcome {
        Self::send(self, keys)
    }
    fn terminal(&self) -> &Transcript {
        Self::terminal(self)
    }
    fn session(&self) -> &str {
        Self::session(self)
    }
}

impl Seat for Console {
    fn send(&mut self, keys: &str) -> Outcome {
        Self::send(self, keys)
    }
    fn terminal(&self) -> &Transcript {
        Self::terminal(self)
    }
    fn session(&self) -> &str {
        Self::session(self)
    }
}

/// A terminal without further input, with the bounds of the time of its last input.
pub(crate) struct Silent<'a> {
    pub(crate) seat: &'a dyn Seat,
    pub(crate) earliest: Instant,
    pub(crate) latest: Instant,
}

impl<'a> Silent<'a> {
    pub(crate) fn from_now_on(seat: &'a dyn Seat) -> Self {
        let now = Instant::now();
        Self {
            seat,
            earliest: now,
            latest: now,
        }
    }
}

/// Sends one key to each. On a busy host other logins may take longer than the limit of the users
/// who are logged in already.
pub(crate) fn type_once(typists: &mut [Ssh]) -> Outcome {
    typists.iter_mut().try_for_each(|typist| typist.send(" "))
}

/// As [`only_typists_stay`]; the last input of the idle ones is between their login and now.
pub(crate) fn all_typists_stay_and_no_twin(
    machine: &Machine,
    typists: &mut [Ssh],
    silent: &[Ssh],
) -> Outcome {
    let latest = Instant::now();
    let twins = silent.iter().map(|ssh| Silent {
        seat: ssh,
        earliest: ssh.opened(),
        latest,
    });
    let twins: Vec<_> = twins.collect();
    let mut typists: Vec<_> = typists.iter_mut().map(|ssh| ssh as &mut dyn Seat).collect();
    only_typists_stay(machine, &mut typists, &twins)?;
    silent
        .iter()
        .try_for_each(|ssh| ssh.wait_closed(SOON).map(drop))
}

/// Types once a second in the terminals of `typists`, for longer than the limit. Checks that the
/// idle sessions are warned and ended meanwhile, and no other.
pub(crate) fn only_typists_stay(
    machine: &Machine,
    typists: &mut [&mut dyn Seat],
    silent: &[Silent<'_>],
) -> Outcome {
    let started = Instant::now();
    while started.elapsed() < secs(20 + 3) + TTY_STEP {
        for typist in typists.iter_mut() {
            typist.send(" ")?;
        }
        hold_for(secs(1), "the typists to stay logged in", || {
            let gone = typists.iter().find(|typist| !typist.terminal().is_open());
            gone.map_or(Ok(()), |gone| Err(gone.terminal().text()))
        })?;
    }
    for twin in silent {
        for (text, after) in [(WARNING, 10), (END, 20)] {
            let seen = twin.seat.terminal().wait_for(text, SOON)?;
            let latest = twin.latest.saturating_duration_since(twin.earliest);
            let latest = latest + secs(after) + TTY_STEP;
            assert_between(twin.earliest, text, seen.at, secs(after), latest);
        }
        let end = Wanted::event("end").session(twin.seat.session());
        let end = end.with("LIMIT", "inactivity");
        machine.journal().wait_for(&end, SOON)?;
    }
    for typist in typists {
        let (id, terminal) = (typist.session(), typist.terminal());
        let status = machine.session_status(id)?;
        assert_eq!(status["phase"], "running", "{status}");
        assert_eq!(status["idle_source"], "terminals", "{status}");
        assert_eq!(terminal.count("Session timeout:"), 0, "{}", terminal.text());
        assert_not_ended(machine, id);
    }
    Ok(())
}
