//! Probes that are in progress: one at a time for each session, and at most one more after it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_timeout_policy::{ActivityKind, Limits, SessionFacts, SessionKey, View};
use tokio::sync::watch;

/// A request to read the idle time of a session.
#[derive(Clone, Debug)]
pub(crate) struct ProbeRequest {
    pub(crate) session: SessionFacts,
    /// What counts as activity.
    pub(crate) counted: BTreeSet<ActivityKind>,
    /// The time without input after which the agent has to call back.
    pub(crate) watch: Option<Duration>,
}

impl ProbeRequest {
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

/// The probes in progress, each with the newest request that came meanwhile. Clones share them.
#[derive(Clone, Default)]
pub(super) struct PendingProbes(Arc<Mutex<HashMap<SessionKey, State>>>);

struct State {
    next: Option<ProbeRequest>,
    done: watch::Receiver<()>,
}

impl PendingProbes {
    /// Registers a request. The caller runs the returned probe; `None`: a probe of the session is
    /// in progress, and is repeated for this request.
    pub(super) fn begin(&self, request: ProbeRequest) -> (Option<PendingProbe>, ProbeDone) {
        let key = request.session.key.clone();
        let mut all = self.all();
        if let Some(state) = all.get_mut(&key) {
            state.next = Some(request);
            return (None, ProbeDone(state.done.clone()));
        }
        let (in_progress, done) = watch::channel(());
        let state = State {
            next: Some(request),
            done: done.clone(),
        };
        all.insert(key.clone(), state);
        let probe = PendingProbe {
            pending: self.clone(),
            key: Some(key),
            _in_progress: in_progress,
        };
        (Some(probe), ProbeDone(done))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<SessionKey, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The probe of one session, in progress until it is dropped.
pub(super) struct PendingProbe {
    pending: PendingProbes,
    /// `None` when it is done.
    key: Option<SessionKey>,
    _in_progress: watch::Sender<()>,
}

impl PendingProbe {
    /// Takes the newest request. `None`: there is no more, and the probe is done.
    pub(super) fn next(&mut self) -> Option<ProbeRequest> {
        let mut all = self.pending.all();
        let next = all.get_mut(self.key.as_ref()?)?.next.take();
        if next.is_none() {
            remove(&mut all, &self.key.take()?);
        }
        next
    }
}

impl Drop for PendingProbe {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            remove(&mut self.pending.all(), &key);
        }
    }
}

fn remove(all: &mut HashMap<SessionKey, State>, key: &SessionKey) {
    all.remove(key);
    if all.is_empty() {
        // Releases the memory of a burst.
        all.shrink_to_fit();
    }
}

/// The end of a probe, with the repetition of it that was requested.
pub(crate) struct ProbeDone(watch::Receiver<()>);

impl ProbeDone {
    /// Waits for it.
    pub(crate) async fn wait(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use session_timeout_policy::{BootTime, Pid};

    use super::*;

    /// The request with this number, for the session with this id.
    fn request(id: &str, number: u64) -> ProbeRequest {
        let mut session = crate::fixtures::own_session(Pid::new(1), BootTime::default());
        session.key.id = id.into();
        ProbeRequest::new(session, None, Some(Duration::from_secs(number)))
    }

    fn next(probe: &mut PendingProbe) -> Option<u64> {
        probe.next()?.watch.map(|watch| watch.as_secs())
    }

    #[test]
    fn a_hundred_requests_for_a_session_are_two_probes_and_other_sessions_do_not_wait() {
        let pending = PendingProbes::default();
        let (probe, _) = pending.begin(request("c1", 0));
        let mut probe = probe.unwrap();
        assert_eq!(next(&mut probe), Some(0));
        for number in 1..100 {
            assert!(pending.begin(request("c1", number)).0.is_none());
        }
        assert!(pending.begin(request("c2", 0)).0.is_some());
        assert_eq!(next(&mut probe), Some(99), "the last one is not lost");
        assert_eq!(next(&mut probe), None);
        // The drop of this one does not end the next one.
        let (second, _) = pending.begin(request("c1", 100));
        drop(probe);
        assert!(pending.begin(request("c1", 101)).0.is_none());
        drop(second);
        assert!(pending.all().is_empty(), "a probe that was aborted is done");
    }

    #[tokio::test]
    async fn who_shares_a_probe_waits_for_its_end() {
        let pending = PendingProbes::default();
        let (probe, _) = pending.begin(request("c1", 0));
        let (_, done) = pending.begin(request("c1", 1));
        let waiting = tokio::spawn(done.wait());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(probe);
        waiting.await.unwrap();
    }
}
