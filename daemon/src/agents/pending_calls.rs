//! What agents have been asked and have not answered.
//!
//! The bus keeps a place for each answer until it comes or the agent leaves, and has few of them
//! for one peer (`max_replies_per_connection`, 128), so each agent is asked one thing at a time and
//! each user's agents together a few. Who asks the same meanwhile has the same answer.

use std::collections::HashMap;
use std::time::Duration;

use session_timeout_policy::{Hint, Uid};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use zbus::names::{OwnedUniqueName, UniqueName};

/// Maximum number of one user's agents with a pending query; the others are not queried.
const PENDING_PER_USER: usize = 8;

/// What an agent has answered, once it has: nothing, where it does not know.
pub(super) type AnswerReceiver = watch::Receiver<Option<Option<Hint>>>;

/// The questions to agents that are open, by the agent's name on the bus.
#[derive(Default)]
pub(super) struct PendingCalls(HashMap<OwnedUniqueName, PendingCall>);

struct PendingCall {
    user: Uid,
    watch: u64,
    at: Instant,
    answer: AnswerReceiver,
    /// Who waits for the answer.
    task: Option<AbortHandle>,
}

/// Whether an agent may be asked.
pub(super) enum Begin {
    /// It may, and the answer goes there.
    Ask(watch::Sender<Option<Option<Hint>>>, AnswerReceiver),
    /// It has been, with this watch, and may yet answer.
    Asked(u64, AnswerReceiver),
    /// It has been, long ago; or too much is open with its user's agents.
    Silent,
}

/// What came of waiting for an answer.
pub(super) enum Waited {
    Told(Option<Hint>),
    /// The agent has left.
    Gone,
    /// It has not answered until then.
    Late,
}

/// Waits for the answer.
pub(super) async fn wait(answer: &mut AnswerReceiver, until: Instant) -> Waited {
    match tokio::time::timeout_at(until, answer.wait_for(Option::is_some)).await {
        Ok(Ok(told)) => Waited::Told(told.flatten()),
        Ok(Err(_)) => Waited::Gone,
        Err(_elapsed) => Waited::Late,
    }
}

impl PendingCalls {
    /// Whose turn it is; an agent that may be asked is taken to be.
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
        let question = PendingCall {
            user,
            watch,
            at: Instant::now(),
            answer: answer.clone(),
            task: None,
        };
        self.0.insert(name.clone(), question);
        Begin::Ask(sender, answer)
    }

    /// This task waits for the answer of this agent.
    pub(super) fn awaited_by(&mut self, name: &OwnedUniqueName, task: AbortHandle) {
        if let Some(open) = self.0.get_mut(name) {
            open.task = Some(task);
        }
    }

    /// The agent has answered, or the bus has in its place.
    pub(super) fn answered(&mut self, name: &UniqueName<'_>) {
        self.0.remove(name.as_str());
    }

    /// The agent has left the bus: nothing comes any more, and the bus has its place again.
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
    fn many_agents_of_one_user_that_do_not_answer_leave_places_for_those_of_others() {
        let mut open = PendingCalls::default();
        let asked = (0..200).filter(|number| may_ask(&mut open, *number, 1000));
        assert_eq!(asked.count(), PENDING_PER_USER);
        assert!(may_ask(&mut open, 200, 1001));
    }
}
