//! Probes: reads a session's idle time from logind, the desktop's agent, and the terminals.

use std::collections::BTreeMap;

use session_timeout_policy::{ActivityKind, Event, Hint, Reading, StampSource};
use tokio::sync::mpsc;

use super::pending::{PendingProbe, PendingProbes, ProbeDone, ProbeRequest};
use crate::agents::{Agents, BecameSilent};
use crate::bus::PrivateBus;
use crate::input::Input;
use crate::logind;
use crate::process::cgroup;
use crate::sys::blocking_pool::BlockingPool;
use crate::sys::clock::Clocks;
use crate::sys::job_queue::{JobQueue, Permit};
use crate::terminal::own_writes::OwnWrites;
use crate::terminal::{self, controlling};

/// Maximum number of concurrent probes, so that the probe before an end does not wait for all those
/// after a restart.
const MAX_CONCURRENT: usize = 16;
/// The same for each user, so that a user with a thousand sessions does not delay others.
const MAX_CONCURRENT_PER_USER: usize = 4;

/// Reads the idle time of sessions.
#[derive(Clone)]
pub(crate) struct Prober {
    bus: PrivateBus,
    inputs: mpsc::Sender<Input>,
    agents: Agents,
    writes: OwnWrites,
    pool: BlockingPool,
    pending: PendingProbes,
    queue: JobQueue<PendingProbe>,
}

impl Prober {
    pub(crate) fn new(
        bus: PrivateBus,
        inputs: mpsc::Sender<Input>,
        agents: Agents,
        writes: OwnWrites,
        pool: BlockingPool,
    ) -> Self {
        Self {
            bus,
            inputs,
            agents,
            writes,
            pool,
            pending: PendingProbes::default(),
            queue: JobQueue::new(MAX_CONCURRENT, MAX_CONCURRENT_PER_USER),
        }
    }

    /// Starts a probe of a session; its result is sent as an input. If a probe of this session is
    /// in progress, it is repeated.
    pub(crate) fn start(&self, request: ProbeRequest) -> ProbeDone {
        let user = request.session.uid;
        let (probe, done) = self.pending.begin(request);
        if let Some((permit, probe)) = probe.and_then(|probe| self.queue.submit(user, probe)) {
            tokio::spawn(self.clone().work(permit, probe));
        }
        done
    }

    /// Runs this probe, and then queued ones.
    async fn work(self, mut permit: Permit<PendingProbe>, probe: PendingProbe) {
        let mut next = Some(probe);
        while let Some(mut probe) = next {
            while let Some(request) = probe.next() {
                let result = self.probe(request).await;
                let _ = self.inputs.send(Input::Event(result)).await;
            }
            next = permit.next();
        }
    }

    /// Probes once.
    async fn probe(&self, request: ProbeRequest) -> Event {
        let link = self.bus.borrow().clone();
        let Some(link) = link else {
            let agent = self.ask_agent(&request).await;
            return self.without_logind(request, agent).await;
        };
        let key = request.session.key.clone();
        let properties = match logind::properties(&link, &key).await {
            Ok(Some(properties)) => properties,
            // The session is gone, and logind's signal about that follows.
            Ok(None) => return Event::ProbeFailed(key),
            Err(error) => {
                log::debug!("logind does not return session {}: {error}", key.id);
                let agent = self.ask_agent(&request).await;
                return self.without_logind(request, agent).await;
            }
        };
        let mut inhibitor = None;
        if request.counted.contains(&ActivityKind::Inhibitor) {
            match logind::idle_inhibitor(&link, request.session.uid).await {
                Ok(found) => inhibitor = found,
                Err(error) => {
                    log::debug!("cannot list inhibitor locks: {error}");
                    return Event::ProbeFailed(key);
                }
            }
        }
        let agent = self.ask_agent(&request).await;
        match self.read(request, Some(properties)).await {
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

    async fn ask_agent(&self, request: &ProbeRequest) -> Option<Hint> {
        let key = &request.session.key;
        match self.agents.ask(key, request.watch).await {
            Ok(hint) => hint,
            Err(BecameSilent) => {
                let _ = self.inputs.send(Input::AgentSilent(key.clone())).await;
                None
            }
        }
    }

    /// Reads terminals only; the probe fails if there is neither a terminal nor an agent's answer.
    async fn without_logind(&self, request: ProbeRequest, agent: Option<Hint>) -> Event {
        let key = request.session.key.clone();
        match self.read(request, None).await {
            Some(reading) if agent.is_some() || !reading.stamps.is_empty() => {
                Event::Probed(key, Reading { agent, ..reading })
            }
            Some(_) | None => Event::ProbeFailed(key),
        }
    }

    /// Reads `/proc` and the terminals on another thread: a session may have thousands of
    /// processes.
    async fn read(
        &self,
        request: ProbeRequest,
        properties: Option<logind::Properties>,
    ) -> Option<Reading> {
        let (prober, user) = (self.clone(), request.session.uid);
        let read = move || prober.read_now(&request, properties.as_ref());
        self.pool.of(user, read).await
    }

    fn read_now(&self, request: &ProbeRequest, properties: Option<&logind::Properties>) -> Reading {
        let session = &request.session;
        let counts_output = request.counted.contains(&ActivityKind::Output);
        // The controlling terminal of a desktop is the console that it runs on (GDM and SDDM set
        // it), and receives no input: the keys go to the desktop.
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
                let used = || cgroup::processor_time(session);
                let measured = terminals.is_empty() || session.session_type.has_unreported_input();
                work = measured.then(used).flatten();
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
            cpu_time: work,
            inhibitor: None,
            locked: properties.and_then(logind::Properties::locked),
        }
    }
}
