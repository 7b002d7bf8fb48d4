//! Handles each input of the driver.

use session_timeout_policy::{
    BootTime, Event, Extended, Keeper, Login, Pid, Refusal, SessionFacts, SessionId, SessionKey,
    View,
};
use session_timeout_protocol::Opened;

use super::{Driver, LogindState};
use crate::agents;
use crate::input::{ExtendRequest, Input, LockHint, PamLogin, Return, Viewer};
use crate::pam::replies::ReplySender;
use crate::process::Process;
use crate::process::cgroup;
use crate::report::{SessionReport, explain};
use crate::sys::clock::boot_now;

impl Driver {
    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::AgentAttached(key, source, arrival) => {
                self.agent_attached(&key, source, arrival);
            }
            Input::AgentGone(key) => self.agent_gone(&key),
            Input::AgentSilent(key) => {
                if let Some(session) = self.engine.session_of(&key) {
                    self.journal.agent_silent(&session);
                }
            }
            Input::Event(event) => self.handle(event),
            Input::Explain(id, answer) => {
                let settings = self.settings.as_ref();
                let explained = explain(
                    &self.engine,
                    settings,
                    &id,
                    boot_now(),
                    &self.agents,
                    self.actions.unwarned(),
                );
                // The caller may have left.
                drop(answer.send(explained));
            }
            Input::Extend(request, answer) => drop(answer.send(self.extend(&request))),
            Input::FrameRejected(error) => {
                self.rejected_frames = self.rejected_frames.saturating_add(1);
                self.journal.frame_rejected(error, self.rejected_frames);
            }
            Input::LockHint(id, hint) => self.lock_hint(&id, hint),
            Input::LogindConnected => {
                if self.logind == LogindState::Lost {
                    self.journal.logind_connected();
                }
                self.logind = LogindState::Connected;
                self.handle(Event::Reachable);
            }
            Input::LogindLost(why) => {
                // Once, and not at every attempt.
                if self.logind != LogindState::Lost {
                    self.journal.logind_lost(&why);
                }
                self.logind = LogindState::Lost;
            }
            Input::Opened(opened, leader, answer) => self.opened(opened, leader, answer),
            Input::Returned(id, how) => self.returned(&id, how),
            Input::Unconfirmed(login) => self.unconfirmed(login),
            Input::Closed(closed, process) => {
                self.closed(closed.session_id.map(SessionId::new), process);
            }
            Input::Session(id, answer) => {
                let (now, session) = (boot_now(), self.engine.session(&id));
                let report = session.map(|session| self.report(&session, now));
                drop(answer.send(report));
            }
            Input::Watched(key, watches, done) => {
                self.actions.watched(&self.engine, &key, &watches);
                // The receiver may have been dropped.
                let _ = done.send(());
            }
            Input::Sessions(viewer, answer) => drop(answer.send(self.seen_by(viewer))),
        }
    }

    fn seen_by(&self, viewer: Viewer) -> Vec<SessionReport> {
        let now = boot_now();
        let sessions = self.engine.sessions();
        let seen = sessions.filter(|session| viewer.may_see(session.facts));
        seen.map(|session| self.report(&session, now)).collect()
    }

    fn report(&self, session: &View<'_>, now: BootTime) -> SessionReport {
        SessionReport::of(session, now, &self.agents, self.actions.unwarned())
    }

    /// Tells the engine, and does what it says.
    pub(super) fn handle(&mut self, event: Event) {
        let listed = matches!(event, Event::SessionsListed(_));
        let outputs = self.engine.handle(boot_now(), event);
        self.perform(outputs);
        self.replies.answer(&self.engine);
        if listed {
            self.probe_held_sessions();
        }
    }

    /// Probes the sessions that are locked instead of ended: one may have been unlocked while the
    /// daemon did not receive signals, and has its limits again.
    fn probe_held_sessions(&self) {
        let sessions = self.engine.sessions();
        for session in sessions.filter(|session| session.locking.hold.is_some()) {
            self.actions.probe(&session);
        }
    }

    /// Sends the agent the current notices, and queries it at once, so that it watches from now on.
    fn agent_attached(&self, key: &SessionKey, source: agents::Source, arrival: agents::Arrival) {
        if let Some(session) = self.engine.session_of(key) {
            if arrival == agents::Arrival::New {
                self.journal.agent_attached(session.facts, source);
            }
            self.actions.brief(&self.engine, &session);
            self.probe(&session);
        }
    }

    fn agent_gone(&self, key: &SessionKey) {
        if let Some(session) = self.engine.session_of(key) {
            self.journal.agent_gone(&session);
            self.probe(&session);
        }
    }

    /// Probes a session at once, if a limit counts from its input.
    pub(super) fn probe(&self, session: &View<'_>) {
        if session.watch.is_some() {
            self.actions.probe(session);
        }
    }

    fn extend(&mut self, request: &ExtendRequest) -> Result<Extended, Refusal> {
        let (result, outputs) = self.engine.extend(boot_now(), &request.session);
        self.report_extension(request, &result);
        self.perform(outputs);
        result
    }

    /// Reports the result here, where it is known who asked.
    fn report_extension(&self, request: &ExtendRequest, result: &Result<Extended, Refusal>) {
        let Some(session) = self.engine.session_of(&request.session) else {
            return;
        };
        let facts = session.facts;
        match result {
            Ok(extended) => {
                self.journal.extended(facts, extended, request.by);
                self.actions.extended(facts, extended);
            }
            Err(refusal) => {
                let id = &facts.key.id;
                self.journal
                    .extension_refused(id, Some(facts), request.by, refusal);
            }
        }
    }

    /// PAM closed a session. Without an id it was a nested session, such as `su -`, or one that the
    /// daemon keeps.
    ///
    /// The id is from the PAM environment, into which users may write on some machines (pam_env
    /// with `user_readenv=1`, as in Debian 12's sshd): only the process that opened a session can
    /// close it.
    fn closed(&mut self, id: Option<SessionId>, process: Pid) {
        let ids = [id, Some(cgroup::kept_id(process))];
        let own = |id: &SessionId| {
            let session = self.engine.session(id);
            session.is_some_and(|session| session.facts.leader == Some(process))
        };
        if let Some(id) = ids.into_iter().flatten().find(own) {
            self.handle(Event::LoginClosed(id));
        }
    }

    fn lock_hint(&mut self, id: &SessionId, hint: LockHint) {
        let Some(session) = self.engine.session(id) else {
            return;
        };
        let key = session.facts.key.clone();
        self.handle(match hint {
            LockHint::Locked => Event::Locked(key),
            LockHint::Unlocked => Event::Unlocked(key),
        });
    }

    /// Somebody has come back to a session. That is activity of it, like input.
    fn returned(&mut self, id: &SessionId, how: Return) {
        let Some(session) = self.engine.session(id) else {
            return;
        };
        let key = session.facts.key.clone();
        if how == Return::Shown && self.actions.has_shown_again(&key) {
            return;
        }
        self.handle(Event::ActivitySeen(key));
    }

    /// PAM opened a session.
    fn opened(&mut self, opened: Opened, leader: Pid, answer: ReplySender) {
        let Some(leader) = Process::of(leader) else {
            return;
        };
        let login = PamLogin {
            opened,
            leader,
            began: boot_now(),
        };
        match login.opened.session_id.clone().map(SessionId::new) {
            Some(id) => self.opened_as(&id, login, answer),
            None => self.opened_without(login, Some(answer)),
        }
    }

    /// PAM opened a session that is logind's according to PAM.
    fn opened_as(&mut self, id: &SessionId, login: PamLogin, answer: ReplySender) {
        let (opened, leader) = (login.opened.clone(), login.leader.pid);
        self.handle(Event::LoginRecorded(Login {
            id: id.clone(),
            leader,
            service: opened.service,
            remote_host: opened.remote_host.filter(|host| !host.is_empty()),
            terminal: opened.tty.filter(|tty| !tty.is_empty()),
        }));
        let known = self.engine.session(id).is_some();
        self.replies.wait(id.clone(), leader, answer);
        self.replies.answer(&self.engine);
        // logind's signal is on its way, or was missed: ask, and keep the login waiting a little.
        // Where too many are asked for already, the login goes on without its line.
        if !known && self.wanted.try_send(id.clone()).is_err() {
            self.replies.give_up(id);
        }
        self.unregistered.confirm(login);
    }

    /// logind has had time to announce this login. The session id that PAM reports may have been
    /// set by the user, so only the leader is compared.
    fn unconfirmed(&mut self, login: PamLogin) {
        let leader = login.leader;
        let is_its = |session: View<'_>| session.facts.leader == Some(leader.pid);
        let is_known = self.engine.sessions().any(is_its);
        if !is_known && leader.lives() {
            self.opened_without(login, None);
        }
    }

    /// PAM opened a session that logind has none for, or a nested one.
    fn opened_without(&mut self, login: PamLogin, answer: Option<ReplySender>) {
        if let Some(outer) = self.outer(&login) {
            if answer.is_some() {
                self.journal
                    .login_without_session(&login.opened, Some(&outer));
            }
            return;
        }
        // The login does not wait for the line about its limits: resolving the user takes a process
        // and some milliseconds.
        drop(answer);
        self.unregistered.keep(login);
    }

    /// The outer session of a nested login: the login runs in that session's scope, or descends
    /// from its leader. It ends with that session.
    ///
    /// Only files of the login and of its ancestors are read, however many sessions there are.
    fn outer(&self, login: &PamLogin) -> Option<SessionId> {
        let scope = cgroup::scope_of(login.leader.pid);
        if let Some(id) = scope.as_ref().and_then(cgroup::UserScope::session)
            && self.engine.session(&id).is_some()
        {
            return Some(id);
        }
        let above = login.leader.ancestors();
        let mut sessions = self.engine.sessions();
        let outer = sessions.find(|session| {
            let facts = session.facts;
            let kept = facts.keeper != Keeper::Logind
                && scope.as_ref().is_some_and(|scope| scope.is_kept(facts));
            kept || descends(&above, facts)
        });
        outer.map(|session| session.facts.key.id.clone())
    }
}

/// Whether one of these processes is the leader of the session, and not one that has reused its id.
fn descends(ancestors: &[Process], session: &SessionFacts) -> bool {
    let is_leader = |process: &Process| {
        session.leader == Some(process.pid) && process.began_before(session.started)
    };
    ancestors.iter().any(is_leader)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_login_below_the_leader_of_a_session_is_nested_in_it() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let leader = Process::of(Pid::new(std::process::id())).unwrap();
        let login = Process::of(Pid::new(child.id())).unwrap();
        let above = login.ancestors();
        let session = |leader: Process, started| crate::fixtures::own_session(leader.pid, started);
        let started = leader.started();
        assert!(descends(&above, &session(leader, started)));
        let earlier = started.saturating_sub(Duration::from_secs(5));
        assert!(!descends(&above, &session(leader, earlier)));
        assert!(!descends(&above, &session(login, login.started())));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
