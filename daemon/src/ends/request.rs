//! Sends a request to end a session: to logind, with a timeout of one second, and then to PID 1.

use std::time::Duration;

use nix::sys::signal::Signal;
use session_timeout_policy::{Event, InvocationId, Keeper, SessionFacts};

use super::kill::SearchRange;
use super::units::{self, NewScope, StopMode, UnitState};
use super::{Ends, Extent, FLUSH_DELAY, Request, desktop, targets};
use crate::bus::Link;
use crate::logind::{self, EndMethod, EndReply, LockReply, Signalled};
use crate::process;
use crate::process::cgroup;

/// Timeout of one request to logind, for all its calls together.
const LOGIND_TIMEOUT: Duration = Duration::from_secs(1);

/// Timeout of a lock request, for which there is no second way.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Delays between the checks whether a leader that was sent SIGTERM has exited: sshd takes some 15
/// ms, a desktop up to some seconds. There is no signal to wait for: logind documents change
/// signals for `State`, and does not send them (systemd 252 to 257).
const LEADER_DELAYS: [Duration; 7] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// Delays between the checks whether a session that PID 1 ends is gone, while logind does not
/// report it.
const GONE_DELAYS: [Duration; 10] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The errors of both ways: logind's, and PID 1's.
struct Failures {
    logind: Option<zbus::Error>,
    pid1: zbus::Error,
}

impl Ends {
    /// Sends the request; returns what is known of the result at once.
    pub(super) async fn send(&self, session: &SessionFacts, request: Request) -> Option<Event> {
        let last_line = async {
            if request.has_last_line() {
                tokio::time::sleep(FLUSH_DELAY).await;
            }
        };
        let noting = async {
            if let Some(extent) = request.extent() {
                let (ends, noted) = (self.clone(), session.clone());
                let noting = tokio::spawn(async move { ends.note(&noted, extent).await });
                // The desktop's units are recorded in the background, so that the end does not wait
                // for all of it. Those that stop before the user's manager answers are not found.
                let time = if desktop::may_have_one(session) {
                    desktop::MANAGER_TIMEOUT
                } else {
                    FLUSH_DELAY * 2
                };
                let _ = tokio::time::timeout(time, noting).await;
            }
        };
        tokio::join!(last_line, noting);
        match request {
            Request::AskLeader | Request::HangUp => self.leave(session, request).await,
            Request::End(how) => self.end(session, how).await,
            Request::Lock => self.lock(session).await,
        }
    }

    async fn end(&self, session: &SessionFacts, how: EndMethod) -> Option<Event> {
        let scope = async {
            let _turn = self.turns.acquire().await;
            self.end_scope(session, how).await
        };
        let outside = async {
            // A kill waits neither for a permit nor for a reply.
            if how == EndMethod::Kill {
                self.kill(session, SearchRange::after_grace(session)).await;
            }
            let _turn = self.turns.acquire().await;
            self.end_outside(session, how).await
        };
        let (failed, outside) = tokio::join!(scope, outside);
        if let Err(error) = outside {
            self.failed(session, Request::End(how), &error);
        }
        let failures = failed.err()?;
        Some(self.failure(session, Request::End(how), &failures))
    }

    /// Ends the processes in the session's scope.
    async fn end_scope(&self, session: &SessionFacts, how: EndMethod) -> Result<(), Failures> {
        let logind = match session.keeper {
            Keeper::Daemon(_) => None,
            Keeper::Logind => {
                let asked = self.logind(async |link| {
                    logind::end(&link, &session.key, how, &self.screens).await
                });
                match asked.await {
                    Ok(EndReply::Asked) => return Ok(()),
                    Ok(EndReply::Before) => {
                        // logind's signal was lost, as during a reconnect.
                        self.await_gone(session);
                        return Ok(());
                    }
                    Err(error) => Some(error),
                }
            }
        };
        match self.end_by_pid1(session, how).await {
            Ok(_) => {
                if let Some(error) = logind {
                    let id = &session.key.id;
                    log::info!("PID 1 is asked to end session {id}: logind says: {error}");
                    self.await_gone(session);
                }
                Ok(())
            }
            Err(pid1) => Err(Failures { logind, pid1 }),
        }
    }

    pub(super) async fn end_by_pid1(
        &self,
        session: &SessionFacts,
        how: EndMethod,
    ) -> zbus::Result<UnitState> {
        let Some(scope) = self.scope_of(session).await? else {
            return Ok(UnitState::NotLoaded);
        };
        match how {
            // Without the SIGHUP that PID 1 sends to scopes, as in the request to logind.
            EndMethod::Terminate if session.seat.is_some() => {
                self.units.kill(scope, Signal::SIGTERM).await
            }
            EndMethod::Terminate => self.units.stop(scope).await,
            EndMethod::Kill => self.units.kill(scope, Signal::SIGKILL).await,
        }
    }

    /// The activation of the session's scope, if it is loaded.
    pub(super) async fn scope_of(
        &self,
        session: &SessionFacts,
    ) -> zbus::Result<Option<InvocationId>> {
        let Some(unit) = cgroup::unit_of(session) else {
            return Ok(None);
        };
        match (session.keeper, session.invocation) {
            (Keeper::Daemon(_), _) => self.units.invocation(&unit).await,
            (Keeper::Logind, Some(noted)) => Ok(Some(noted)),
            // The scope was not loaded yet when logind announced the session.
            (Keeper::Logind, None) => self.units.invocation_of(&unit, &session.key).await,
        }
    }

    /// Sends SIGTERM to the leader, and waits a short time for its exit.
    async fn leave(&self, session: &SessionFacts, request: Request) -> Option<Event> {
        let signalled = {
            let _turn = self.turns.acquire().await;
            self.ask_leader(session).await
        };
        let done = || Some(Event::HungUp(session.key.clone()));
        match (signalled, request) {
            (Ok(Signalled::None), _) | (Ok(Signalled::All), Request::AskLeader) => done(),
            (Ok(Signalled::All), _) => None,
            (Ok(Signalled::Leader), _) => {
                for pause in LEADER_DELAYS {
                    tokio::time::sleep(pause).await;
                    if self.has_left(session).await {
                        return done();
                    }
                }
                None
            }
            (Err(failures), _) => Some(self.failure(session, request, &failures)),
        }
    }

    async fn ask_leader(&self, session: &SessionFacts) -> Result<Signalled, Failures> {
        let logind = match session.keeper {
            Keeper::Daemon(_) => None,
            Keeper::Logind => {
                let asked = self.logind(async |link| {
                    logind::ask_leader(&link, &session.key, &self.screens).await
                });
                match asked.await {
                    Ok(signalled) => return Ok(signalled),
                    Err(error) => Some(error),
                }
            }
        };
        let asked = self.ask_leader_by_pid1(session).await;
        asked.map_err(|pid1| Failures { logind, pid1 })
    }

    /// PID 1 signals units, not single processes: the leader is moved into a scope of its own.
    async fn ask_leader_by_pid1(&self, session: &SessionFacts) -> zbus::Result<Signalled> {
        let Some(leader) = targets::leader(session) else {
            return Ok(match self.scope_of(session).await? {
                Some(scope) => {
                    self.units.kill(scope, Signal::SIGHUP).await?;
                    Signalled::All
                }
                None => Signalled::None,
            });
        };
        let (id, stamp) = (&session.key.id, crate::sys::clock::boot_now().as_micros());
        let scope = NewScope {
            name: &format!("session-timeout-leader-{id}-{stamp}.scope"),
            description: &format!("Leader of session {id}, which is asked to end"),
            user: session.uid,
            stop: StopMode::Ask,
        };
        match self.mover.move_into(&scope, &[leader].into()).await? {
            Some(unit) => {
                self.units.stop(unit).await?;
                self.await_gone(session);
                Ok(Signalled::Leader)
            }
            None => Ok(Signalled::None),
        }
    }

    /// Whether the user's login in the session is over.
    async fn has_left(&self, session: &SessionFacts) -> bool {
        if session.leader.is_some() && targets::leader(session).is_none() {
            return true;
        }
        if session.keeper != Keeper::Logind || self.logind_backoff.is_active() {
            return false;
        }
        let asked = self.logind(async |link| logind::is_open(&link, &session.key).await);
        matches!(asked.await, Ok(false))
    }

    async fn lock(&self, session: &SessionFacts) -> Option<Event> {
        let key = &session.key;
        let locking = self.asking(LOCK_TIMEOUT, async |link| logind::lock(&link, key).await);
        match locking.await {
            Ok(LockReply::Already) => Some(Event::Locked(key.clone())),
            Ok(LockReply::Asked) => None,
            Err(error) => {
                self.failed(session, Request::Lock, &error);
                Some(if logind::answered(&error) {
                    Event::EndFailed(key.clone())
                } else {
                    Event::Unreached(key.clone())
                })
            }
        }
    }

    /// Sends the request to logind, unless logind timed out a moment ago.
    async fn logind<T>(
        &self,
        asking: impl AsyncFnOnce(Link) -> zbus::Result<T>,
    ) -> zbus::Result<T> {
        if self.logind_backoff.is_active() {
            return Err(silent());
        }
        let answer = self.asking(LOGIND_TIMEOUT, asking).await;
        match &answer {
            Err(error) if !logind::answered(error) => self.logind_backoff.start(),
            _ => self.logind_backoff.stop(),
        }
        answer
    }

    /// Calls over the bus, with this timeout in all. An end that is due when the daemon starts
    /// comes before the connection, and a restarted bus is available again within milliseconds.
    async fn asking<T>(
        &self,
        time: Duration,
        asking: impl AsyncFnOnce(Link) -> zbus::Result<T>,
    ) -> zbus::Result<T> {
        let mut bus = self.bus.clone();
        let asked = async {
            let there = bus.wait_for(Option::is_some).await;
            match there.ok().and_then(|link| link.clone()) {
                Some(link) => asking(link).await,
                None => Err(silent()),
            }
        };
        let answer = tokio::time::timeout(time, asked).await;
        answer.unwrap_or_else(|_elapsed| Err(silent()))
    }

    /// Waits for the end of a session that logind does not report.
    fn await_gone(&self, session: &SessionFacts) {
        if !self.awaits(&session.key) {
            return;
        }
        self.spawn(session, async |ends, session| {
            let mut gone = false;
            for pause in GONE_DELAYS {
                tokio::time::sleep(pause).await;
                gone = ends.is_gone(&session);
                if gone {
                    break;
                }
            }
            ends.awaits_no_more(&session.key);
            gone.then_some(Event::SessionGone(session.key.id))
        });
    }

    /// Whether the session's leader and scope are gone.
    pub(super) fn is_gone(&self, session: &SessionFacts) -> bool {
        targets::leader(session).is_none() && has_empty_scope(session)
    }

    fn failure(&self, session: &SessionFacts, request: Request, failures: &Failures) -> Event {
        let Failures { logind, pid1 } = failures;
        let refused = units::answered(pid1) || logind.as_ref().is_some_and(logind::answered);
        let why = match logind {
            Some(logind) => format!("logind: {logind}; PID 1: {pid1}"),
            None => format!("PID 1: {pid1}"),
        };
        self.journal
            .request_failed(&session.key.id, request.verb(), &why);
        if refused {
            Event::EndFailed(session.key.clone())
        } else {
            Event::Unreached(session.key.clone())
        }
    }

    pub(super) fn failed(&self, session: &SessionFacts, request: Request, why: &zbus::Error) {
        let (id, why) = (&session.key.id, why.to_string());
        self.journal.request_failed(id, request.verb(), &why);
    }

    /// Adds the processes of the session to its record.
    pub(super) async fn note_again(&self, session: &SessionFacts) {
        let note = |processes| self.targets.note(&session.key, Extent::All, processes);
        let Some(leader) = targets::leader(session) else {
            // Not noted where they cannot be read: that is tried again at the next request.
            if let Some(processes) = self.in_audit_session(session).await {
                note(processes);
            }
            return;
        };
        // First without the processes of others, which may be too many to be read in time.
        let family = move || process::tree(leader);
        if let Some(family) = self.threads.of(session.uid, family).await {
            note(family);
        }
        if let Some(snapshot) = self.snapshots.take().await {
            note(snapshot.tree(leader));
        }
    }
}

/// Whether the scope that holds the session is empty.
pub(super) fn has_empty_scope(session: &SessionFacts) -> bool {
    cgroup::unit_of(session).is_none_or(|unit| cgroup::is_empty(&unit, session.uid))
}

fn silent() -> zbus::Error {
    zbus::Error::Failure("systemd-logind does not answer".to_owned())
}
