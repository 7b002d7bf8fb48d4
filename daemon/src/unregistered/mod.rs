//! Creates sessions for logins that logind has no session for.
//!
//! PAM announces such a login with its leader. The other facts are gathered in the background while
//! the login continues.

mod reason;

use std::time::Duration;

use session_timeout_policy::{
    Event, Keeper, Login, SessionClass, SessionFacts, SessionKey, SessionType,
};
use tokio::sync::mpsc;

use crate::bus::PrivateBus;
use crate::groups::NameService;
use crate::input::{Input, PamLogin};
use crate::journal::Journal;

/// Services that open PAM sessions without a person: logind gives jobs of cron(8) the class
/// `background`, too.
const BACKGROUND_SERVICES: [&str; 5] = ["atd", "cron", "crond", "anacron", "systemd-user"];

/// Time for logind to announce a session that it has created.
const CONFIRM_DELAY: Duration = Duration::from_secs(5);

/// Creates the sessions of such logins.
#[derive(Clone)]
pub(crate) struct Unregistered {
    inputs: mpsc::Sender<Input>,
    bus: PrivateBus,
    names: NameService,
    journal: Journal,
}

impl Unregistered {
    pub(crate) fn new(inputs: mpsc::Sender<Input>, bus: PrivateBus, journal: Journal) -> Self {
        Self {
            inputs,
            bus,
            names: NameService::new(),
            journal,
        }
    }

    /// Gathers the facts of the login. Sends two inputs to the driver: the session, and the login.
    pub(crate) fn keep(&self, login: PamLogin) {
        let one = self.clone();
        tokio::spawn(async move {
            let Some(facts) = one.facts(&login).await else {
                return;
            };
            let recorded = Login {
                id: facts.key.id.clone(),
                leader: login.leader.pid,
                service: login.opened.service.clone(),
                remote_host: facts.remote_host.clone(),
                terminal: facts.terminal.clone(),
            };
            for event in [Event::SessionSeen(facts), Event::LoginRecorded(recorded)] {
                // The driver outlives this task unless the daemon is stopping.
                let _ = one.inputs.send(Input::Event(event)).await;
            }
        });
    }

    /// Asks the driver, after [`CONFIRM_DELAY`], whether logind has announced the login.
    pub(crate) fn confirm(&self, login: PamLogin) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            tokio::time::sleep(CONFIRM_DELAY).await;
            let _ = inputs.send(Input::Unconfirmed(login)).await;
        });
    }

    async fn facts(&self, login: &PamLogin) -> Option<SessionFacts> {
        let opened = &login.opened;
        let reason = reason::of(opened, &self.bus);
        let (uid, why) = tokio::join!(self.names.uid_of(&opened.user), reason);
        let uid = match uid {
            Ok(uid) => uid,
            Err(error) => {
                log::warn!("cannot ask for the uid of {:?}: {error}", opened.user);
                self.journal.login_without_session(opened, None);
                return None;
            }
        };
        let tty = opened.tty.as_deref().unwrap_or_default();
        let terminal = terminal(tty).map(str::to_owned);
        let facts = SessionFacts {
            key: SessionKey {
                id: login.id(),
                stamp: login.leader.started().as_micros(),
            },
            user: opened.user.clone(),
            uid,
            class: class(&opened.service),
            session_type: session_type(tty),
            leader: Some(login.leader.pid),
            service: Some(opened.service.clone()).filter(|service| !service.is_empty()),
            remote_host: opened.remote_host.clone().filter(|host| !host.is_empty()),
            terminal,
            seat: None,
            started: login.began,
            keeper: Keeper::Daemon(why),
            invocation: None,
            audit: login.leader.audit_of_login(),
        };
        if facts.class.is_login_of_a_person() {
            self.journal.kept(&facts, why);
        }
        Some(facts)
    }
}

fn class(service: &str) -> SessionClass {
    if BACKGROUND_SERVICES.contains(&service) {
        SessionClass::Background
    } else {
        SessionClass::User
    }
}

/// The terminal name in logind's form: sshd reports `ssh` before it has a terminal, and a display
/// is no terminal.
fn terminal(tty: &str) -> Option<&str> {
    let name = tty.strip_prefix("/dev/").unwrap_or(tty);
    let is_device = name.starts_with("tty") || name.starts_with("pts/") || name == "console";
    is_device.then_some(name)
}

/// The session type that pam_systemd derives from `PAM_TTY` if no type is set: displays have a
/// colon.
fn session_type(tty: &str) -> SessionType {
    match tty {
        _ if tty.contains(':') => SessionType::X11,
        "ssh" => SessionType::Tty,
        _ if terminal(tty).is_some() => SessionType::Tty,
        _ => SessionType::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_read_from_what_pam_calls_the_terminal() {
        assert_eq!(session_type(":0"), SessionType::X11);
        assert_eq!(session_type("ssh"), SessionType::Tty);
        assert_eq!(session_type("/dev/tty1"), SessionType::Tty);
        assert_eq!(session_type("pts/3"), SessionType::Tty);
        assert_eq!(session_type(""), SessionType::Unspecified);
        assert_eq!(session_type("cron"), SessionType::Unspecified);
    }

    #[test]
    fn a_terminal_is_named_as_logind_names_it() {
        assert_eq!(terminal("/dev/pts/3"), Some("pts/3"));
        assert_eq!(terminal("tty1"), Some("tty1"));
        assert_eq!(terminal("ssh"), None);
        assert_eq!(terminal(":0"), None);
    }

    #[test]
    fn what_runs_without_anybody_is_nobodys_login() {
        assert!(!class("cron").is_login_of_a_person());
        assert!(class("sshd").is_login_of_a_person());
    }
}
