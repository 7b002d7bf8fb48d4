//! A fresh reading of a session's idle time, from everybody who may know it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use session_timeout_policy::{
    ActivityKind, Event, Hint, Limits, Reading, SessionFacts, StampSource, Uid, View,
};
use tokio::sync::mpsc;

use super::pending::{Look, Looks, Over};
use crate::agents::{Agents, BecameSilent};
use crate::bus::PrivateBus;
use crate::input::Input;
use crate::logind;
use crate::process::cgroup;
use crate::sys::blocking_pool::Walks;
use crate::sys::clock::Clocks;
use crate::sys::job_queue::{Line, Place};
use crate::terminal::own_writes::Writes;
use crate::terminal::{self, controlling};

/// Sessions that are looked at at once, however many there are: what ends one is not to wait behind
/// all looks that a restart calls for.
const MAX_CONCURRENT: usize = 16;
/// Concurrency limit of one user, so that a user with a thousand sessions does not delay others.
const MAX_CONCURRENT_PER_USER: usize = 4;

/// What is wanted of a reading.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) session: SessionFacts,
    /// What counts as activity.
    pub(crate) counted: BTreeSet<ActivityKind>,
    /// For how long without input the agent is to watch.
    pub(crate) watch: Option<Duration>,
}

impl Question {
    pub(crate) fn about(session: &View<'_>) -> Self {
        Self::new(session.facts.clone(), session.limits, session.watch)
    }

    pub(crate) fn new(
        session: SessionFacts,
        limits: Option<&Limits>,
        watch: Option<Duration>,
    ) -> Self {
        let counted = limits.map(|limits| limits.activity.clone());
        Self {
            session,
            counted: counted.unwrap_or_default(),
            watch,
        }
    }
}

/// Reads the idle time of sessions.
#[derive(Clone)]
pub(crate) struct Prober {
    bus: PrivateBus,
    inputs: mpsc::Sender<Input>,
    agents: Agents,
    writes: Writes,
    walks: Walks,
    looks: Looks<Question>,
    line: Line<Uid, Look<Question>>,
}

impl Prober {
    pub(crate) fn new(
        bus: PrivateBus,
        inputs: mpsc::Sender<Input>,
        agents: Agents,
        writes: Writes,
        walks: Walks,
    ) -> Self {
        Self {
            bus,
            inputs,
            agents,
            writes,
            walks,
            looks: Looks::default(),
            line: Line::new(MAX_CONCURRENT, MAX_CONCURRENT_PER_USER),
        }
    }

    /// Looks at a session; what is found is an input. While it is looked at already, that is done
    /// once more. What is given back is the end of it.
    pub(crate) fn look(&self, question: Question) -> Over {
        let (key, user) = (question.session.key.clone(), question.session.uid);
        let (look, over) = self.looks.begin(&key, question);
        if let Some((place, look)) = look.and_then(|look| self.line.enter(user, look)) {
            tokio::spawn(self.clone().work(place, look));
        }
        over
    }

    /// Takes this look, and those that stand in line.
    async fn work(self, mut place: Place<Uid, Look<Question>>, look: Look<Question>) {
        let mut one = Some(look);
        while let Some(mut look) = one {
            while let Some(question) = look.next() {
                let reading = self.probe(question).await;
                let _ = self.inputs.send(Input::Event(reading)).await;
            }
            one = place.next();
        }
    }

    /// Reads the session's idle time and says what came of it.
    async fn probe(&self, question: Question) -> Event {
        let link = self.bus.borrow().clone();
        let Some(link) = link else {
            let agent = self.ask_agent(&question).await;
            return self.without_logind(question, agent).await;
        };
        let key = question.session.key.clone();
        let properties = match logind::properties(&link, &key).await {
            Ok(Some(properties)) => properties,
            // It is gone, and its removal is on the way.
            Ok(None) => return Event::ProbeFailed(key),
            Err(error) => {
                log::debug!("logind does not tell of session {}: {error}", key.id);
                let agent = self.ask_agent(&question).await;
                return self.without_logind(question, agent).await;
            }
        };
        let mut inhibitor = None;
        if question.counted.contains(&ActivityKind::Inhibitor) {
            match logind::idle_inhibitor(&link, question.session.uid).await {
                Ok(found) => inhibitor = found,
                Err(error) => {
                    log::debug!("cannot list inhibitor locks: {error}");
                    return Event::ProbeFailed(key);
                }
            }
        }
        let agent = self.ask_agent(&question).await;
        match self.read(question, Some(properties)).await {
            Some(reading) => Event::Probed(
                key,
                Reading {
                    agent,
                    inhibitor,
                    ..reading
                },
            ),
            None => Event::ProbeFailed(key),
        }
    }

    async fn ask_agent(&self, question: &Question) -> Option<Hint> {
        let key = &question.session.key;
        match self.agents.ask(key, question.watch).await {
            Ok(hint) => hint,
            Err(BecameSilent) => {
                let _ = self.inputs.send(Input::AgentSilent(key.clone())).await;
                None
            }
        }
    }

    /// Without logind the terminals and the agent may still tell; where they do not, nobody does.
    async fn without_logind(&self, question: Question, agent: Option<Hint>) -> Event {
        let key = question.session.key.clone();
        match self.read(question, None).await {
            Some(reading) if agent.is_some() || !reading.stamps.is_empty() => {
                Event::Probed(key, Reading { agent, ..reading })
            }
            Some(_) | None => Event::ProbeFailed(key),
        }
    }

    /// Reads what there is to read, on another thread: a session may have thousands of processes,
    /// and nothing else is to wait for them.
    async fn read(
        &self,
        question: Question,
        properties: Option<logind::Properties>,
    ) -> Option<Reading> {
        let (prober, user) = (self.clone(), question.session.uid);
        let read = move || prober.read_now(&question, properties.as_ref());
        self.walks.of(user, read).await
    }

    fn read_now(&self, question: &Question, properties: Option<&logind::Properties>) -> Reading {
        let session = &question.session;
        let counts_output = question.counted.contains(&ActivityKind::Output);
        // The terminal of a desktop is the console that it runs on (GDM and SDDM make it the
        // controlling one), and nobody types there: the keys go to the desktop.
        let graphical = properties.map_or(session.session_type.is_graphical(), |now| {
            now.is_graphical()
        }) || (session.seat.is_some() && controlling::has_x_server(session));
        let (mut stamps, mut work) = (BTreeMap::new(), None);
        if !graphical {
            let found = terminal::of_session(session);
            let terminals = found.counted();
            stamps = terminal::input_stamps(terminals);
            if counts_output {
                stamps.extend(terminal::output_stamps(terminals, &self.writes));
                let moves = || cgroup::processor_time(session);
                work = terminals.is_empty().then(moves).flatten();
            }
        }
        let now = Clocks::now();
        let known = properties.filter(|_| !graphical);
        let known = known.and_then(logind::Properties::terminal_stamp);
        stamps.extend(known.map(|stamp| (StampSource::Logind, stamp)));
        Reading {
            wall: now.wall,
            stamps,
            hint: properties.and_then(|known| known.hint(now)),
            agent: None,
            work,
            inhibitor: None,
            locked: properties.and_then(logind::Properties::locked),
        }
    }
}
