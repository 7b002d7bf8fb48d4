//! What the engine's actions mean in the world.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use session_timeout_policy::{
    Action, Engine, Event, LimitKind, SessionFacts, SessionKey, View, Warning,
};
use tokio::sync::mpsc;

use crate::clock::boot_now;
use crate::input::Input;
use crate::logind::{self, Bus, End};
use crate::probe::probe;
use crate::tell::Teller;
use crate::ttys::Terminal;
use crate::watch::Watcher;
use crate::{text, ttys};

/// How long a last line has to reach its reader. Whoever carries it, such as sshd, is ended
/// together with the session, and what it has not passed on by then nobody sees.
const PARTING: Duration = Duration::from_millis(250);

/// Does what the engine says.
pub(crate) struct Hands {
    inputs: mpsc::Sender<Input>,
    bus: Bus,
    watcher: Watcher,
    teller: Teller,
}

impl Hands {
    pub(crate) const fn new(
        inputs: mpsc::Sender<Input>,
        bus: Bus,
        watcher: Watcher,
        teller: Teller,
    ) -> Self {
        Self {
            inputs,
            bus,
            watcher,
            teller,
        }
    }

    /// Does these actions, or sets them going.
    pub(crate) fn perform(&mut self, engine: &Engine, actions: Vec<Action>) {
        for action in actions {
            self.perform_one(engine, &action);
        }
    }

    /// Waits for input in a session whose user was warned. Cancel safe.
    pub(crate) async fn activity(&mut self) -> io::Result<BTreeSet<SessionKey>> {
        self.watcher.next().await
    }

    fn perform_one(&mut self, engine: &Engine, action: &Action) {
        let key = action.key();
        if let Action::Left(facts, departure) = action {
            self.watcher.remove(key);
            self.teller.left(facts, *departure);
        }
        // A later action of the same batch may have been the session's end.
        let Some(session) = engine
            .session(&key.id)
            .filter(|session| session.facts.key == *key)
        else {
            return;
        };
        let facts = session.facts;
        match action {
            Action::Began(_) => self.teller.began(&session),
            Action::Kill(_, limit) => {
                self.teller.killing(facts, *limit);
                self.end(key.clone(), End::Kill);
            }
            Action::Left(..) => {}
            Action::Probe(_) => self.probe(facts.clone()),
            Action::Report(_, finding) => self.teller.found(facts, *finding),
            Action::Terminate(_, limit) => {
                let length = session.limits.and_then(|limits| limits.get(*limit));
                let length = length.map(|limit| limit.length).unwrap_or_default();
                self.watcher.remove(key);
                self.teller.ending(facts, *limit, length);
                write(facts, &ttys::of_session(facts), &text::end(*limit, length));
                self.end(key.clone(), End::Terminate);
            }
            Action::Warn(_, warning) => self.warn(&session, warning),
            Action::Withdraw(_, limit) => {
                self.watcher.remove(key);
                self.teller.withdrawn(facts, *limit);
            }
        }
    }

    /// Looks at a session; what is found is an input.
    fn probe(&self, session: SessionFacts) {
        let (connection, inputs) = (self.bus.borrow().clone(), self.inputs.clone());
        tokio::spawn(async move {
            let reading = probe(connection, session).await;
            let _ = inputs.send(Input::Event(reading)).await;
        });
    }

    fn warn(&mut self, session: &View<'_>, warning: &Warning) {
        let Some(limits) = session.limits else { return };
        let left = warning.ends_at.since(boot_now());
        let terminals = ttys::of_session(session.facts);
        // Input from now on withdraws the warning, so watch before the user is told.
        if warning.limit == LimitKind::Inactivity {
            self.watcher.add(&session.facts.key, &terminals);
        }
        let text = text::warning(session.facts, limits, warning, left);
        write(session.facts, &terminals, &text);
        self.teller.warned(session.facts, warning, left);
    }

    /// Has logind end the session; what comes of it is an input.
    fn end(&self, key: SessionKey, how: End) {
        let (connection, inputs) = (self.bus.borrow().clone(), self.inputs.clone());
        let teller = self.teller.clone();
        tokio::spawn(async move {
            if how == End::Terminate {
                tokio::time::sleep(PARTING).await;
            }
            let failure = match connection {
                None => "there is no connection to the system bus".to_owned(),
                Some(connection) => match logind::end(&connection, &key, how).await {
                    Ok(()) => return,
                    Err(error) => error.to_string(),
                },
            };
            teller.end_failed(&key.id, &failure);
            let _ = inputs.send(Input::Event(Event::EndFailed(key))).await;
        });
    }
}

/// Writes to every one of these terminals that takes it.
fn write(session: &SessionFacts, terminals: &BTreeSet<Terminal>, text: &str) {
    for terminal in terminals {
        if let Err(error) = ttys::write(terminal, session.uid, text) {
            log::debug!("cannot write to {}: {error}", terminal.path.display());
        }
    }
}
