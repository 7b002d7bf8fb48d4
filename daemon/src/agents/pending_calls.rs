//! Calls of agents that have no reply yet.
//!
//! A bus limits the pending replies of a peer (`max_replies_per_connection`, 128), and a call stays
//! pending until its reply or until the agent leaves. So each agent has one pending call at most,
//! the agents of each user few, and concurrent callers with the same query share the reply.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{Hint, Uid};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use zbus::names::{OwnedUniqueName, UniqueName};

/// Maximum number of one user's agents with a pending query; the others are not queried.
const PENDING_PER_USER: usize = 8;

/// Receives the answer: `None` until there is one, `Some(None)` if the agent does not know.
pub(super) type AnswerReceiver = watch::Receiver<Option<Option<Hint>>>;

/// The pending calls, by the agent's name on the bus.
#[derive(Default)]
pub(super) struct PendingCalls(HashMap<OwnedUniqueName, PendingCall>);

struct PendingCall {
    user: Uid,
    watch: u64,
    at: Instant,
    answer: AnswerReceiver,
    /// The task that waits for the reply.
    task: Option<AbortHandle>,
}

/// Whether a call may be sent to an agent.
pub(super) enum Begin {
    /// The caller sends it, and the answer to this sender.
    Ask(watch::Sender<Option<Option<Hint>>>, AnswerReceiver),
    /// A call with this time to watch is pending, and its answer is shared.
    Asked(u64, AnswerReceiver),
    /// The pending call has timed out, or the user's agents have too many pending calls.
    Silent,
}

/// The result of waiting for an answer.
pub(super) enum Waited {
    Answered(Option<Hint>),
    /// The agent has left.
    Gone,
    /// There was no answer until the deadline.
    Late,
}

/// Waits for the answer, until the deadline.
pub(super) async fn wait(answer: &mut AnswerReceiver, until: Instant) -> Waited {
    match tokio::time::timeout_at(until, answer.wait_for(Option::is_some)).await {
        Ok(Ok(answer)) => Waited::Answered(answer.flatten()),
        Ok(Err(_)) => Waited::Gone,
        Err(_elapsed) => Waited::Late,
    }
}

impl PendingCalls {
    /// Registers a call of this agent if none is pending.
    pub(super) fn begin(
        &mut self,
        name: &OwnedUniqueName,
        user: Uid,
        watch: u64,
        timeout: Duration,
    ) -> Begin {
        if let Some(open) = self.0.get(name) {
            return if open.at.elapsed() < timeout {
                Begin::Asked(open.watch, open.answer.clone())
            } else {
                Begin::Silent
            };
        }
        let others = self.0.values().filter(|open| open.user == user);
        if others.count() >= PENDING_PER_USER {
            return Begin::Silent;
        }
        let (sender, answer) = watch::channel(None);
        let call = PendingCall {
            user,
            watch,
            at: Instant::now(),
            answer: answer.clone(),
            task: None,
        };
        self.0.insert(name.clone(), call);
        Begin::Ask(sender, answer)
    }

    /// Records the task that waits for this agent's reply.
    pub(super) fn awaited_by(&mut self, name: &OwnedUniqueName, task: AbortHandle) {
        if let Some(open) = self.0.get_mut(name) {
            open.task = Some(task);
        }
    }

    /// The reply has come, from the agent or from the bus.
    pub(super) fn answered(&mut self, name: &UniqueName<'_>) {
        self.0.remove(name.as_str());
    }

    /// The agent has left the bus, so the call is no longer pending there.
    pub(super) fn left(&mut self, name: &UniqueName<'_>) {
        let open = self.0.remove(name.as_str());
        if let Some(task) = open.and_then(|open| open.task) {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn name(number: usize) -> OwnedUniqueName {
        OwnedUniqueName::try_from(format!(":1.{number}")).unwrap()
    }

    fn may_ask(open: &mut PendingCalls, number: usize, user: u32) -> bool {
        let begin = open.begin(&name(number), Uid::new(user), 0, TIMEOUT);
        matches!(begin, Begin::Ask(..))
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_is_asked_one_thing_at_a_time_however_long_it_takes() {
        let mut open = PendingCalls::default();
        assert!(may_ask(&mut open, 1, 1000));
        let begin = open.begin(&name(1), Uid::new(1000), 7, TIMEOUT);
        assert!(matches!(begin, Begin::Asked(0, _)));
        tokio::time::advance(TIMEOUT).await;
        let begin = open.begin(&name(1), Uid::new(1000), 7, TIMEOUT);
        assert!(matches!(begin, Begin::Silent));
        open.answered(&name(1));
        assert!(may_ask(&mut open, 1, 1000));
        open.left(&name(1));
        assert!(may_ask(&mut open, 1, 1000));
    }

    #[test]
    fn many_agents_of_one_user_that_do_not_answer_leave_room_for_those_of_others() {
        let mut open = PendingCalls::default();
        let asked = (0..200).filter(|number| may_ask(&mut open, *number, 1000));
        assert_eq!(asked.count(), PENDING_PER_USER);
        assert!(may_ask(&mut open, 200, 1001));
    }
}
