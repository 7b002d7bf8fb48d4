//! The client of `session-timeout-terminals`, which opens terminals for the daemon.
//!
//! If the helper does not start or does not reply, terminals are neither written to nor watched,
//! and it is not called again until the end of a backoff. Nothing else depends on it.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_timeout_policy::Uid;
use session_timeout_terminals::{
    Answer, Mesg, Outcome, Question, SOCKET, Shown, TERMINALS_MAX, Terminal, Wish, receive, send,
};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

/// Timeout of one reply. The helper has a timeout of two seconds for each terminal, and many
/// terminals queue.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Backoff after a timeout.
const BACKOFF: Duration = Duration::from_secs(10);

/// The client. Clones share the state.
#[derive(Clone)]
pub(crate) struct Helper {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The end of the backoff after a timeout.
    backoff_until: Option<Instant>,
    /// Whether the last request failed: only the first failure in a row is logged.
    failing: bool,
}

impl Helper {
    pub(crate) fn new() -> Self {
        Self::at(PathBuf::from(SOCKET))
    }

    pub(crate) fn at(socket: PathBuf) -> Self {
        Self {
            socket,
            state: Arc::default(),
        }
    }

    /// Has the helper watch these terminals for input through this inotify instance; returns the
    /// watch descriptors.
    pub(crate) async fn watch(
        &self,
        user: Uid,
        terminals: &BTreeSet<Terminal>,
        instance: &OwnedFd,
    ) -> Vec<i32> {
        match self.ask(user, terminals, Wish::Watch, Some(instance)).await {
            Some(Answer::Watched(watches)) => watches.into_iter().flatten().collect(),
            Some(Answer::Written(_)) | None => Vec::new(),
        }
    }

    /// Has the helper write to these terminals; returns the result for each.
    pub(crate) async fn write<'a>(
        &self,
        user: Uid,
        terminals: &'a BTreeSet<Terminal>,
        text: &str,
        mesg: Mesg,
    ) -> Vec<(&'a Terminal, Shown)> {
        let text = text.to_owned();
        let answer = self
            .ask(user, terminals, Wish::Write { text, mesg }, None)
            .await;
        let shown = match answer {
            Some(Answer::Written(shown)) => shown,
            Some(Answer::Watched(_)) | None => Vec::new(),
        };
        let late = std::iter::repeat(Shown::only(Outcome::Late));
        let shown = shown.into_iter().chain(late);
        terminals.iter().zip(shown).collect()
    }

    async fn ask(
        &self,
        user: Uid,
        terminals: &BTreeSet<Terminal>,
        wish: Wish,
        instance: Option<&OwnedFd>,
    ) -> Option<Answer> {
        if terminals.is_empty() || self.is_backing_off() {
            return None;
        }
        let question = Question {
            user: user.as_raw(),
            terminals: terminals.iter().take(TERMINALS_MAX).cloned().collect(),
            wish,
        };
        let asked = timeout(TIMEOUT, self.asked(&question, instance)).await;
        self.note(match asked {
            Ok(answer) => answer,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        })
    }

    async fn asked(&self, question: &Question, instance: Option<&OwnedFd>) -> io::Result<Answer> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let instance = instance.map(|instance| instance.as_fd());
        send(&mut stream, question, instance).await?;
        let answer = receive(&mut stream).await?;
        let (answer, _) = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(answer)
    }

    fn is_backing_off(&self) -> bool {
        let until = self.state().backoff_until;
        until.is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, answer: io::Result<Answer>) -> Option<Answer> {
        let mut state = self.state();
        match answer {
            Ok(answer) => {
                *state = State::default();
                Some(answer)
            }
            Err(error) => {
                state.backoff_until = Some(Instant::now() + BACKOFF);
                if !std::mem::replace(&mut state.failing, true) {
                    log::warn!(
                        "session-timeout-terminals does not answer, so that no terminal shows \
                         warnings: {error}"
                    );
                }
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    fn terminals() -> BTreeSet<Terminal> {
        let terminal = |device: u64| Terminal {
            path: format!("/dev/pts/{device}").into(),
            device,
            owner: 1000,
            witness: None,
        };
        (1..=2).map(terminal).collect()
    }

    async fn write(helper: &Helper) -> Vec<Outcome> {
        let terminals = terminals();
        let shown = helper.write(Uid::new(1000), &terminals, "x", Mesg::Ignored);
        let shown = shown.await;
        shown.iter().map(|(_, shown)| shown.outcome).collect()
    }

    #[tokio::test]
    async fn each_terminal_has_its_own_result_and_those_left_out_are_late() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (asked, _) = receive::<Question>(&mut stream).await.unwrap().unwrap();
            let answer = Answer::Written(vec![Shown::only(Outcome::Written)]);
            send(&mut stream, &answer, None).await.unwrap();
            asked
        });
        let helper = Helper::at(path);
        assert_eq!(write(&helper).await, [Outcome::Written, Outcome::Late]);
        let asked = answering.await.unwrap();
        assert_eq!((asked.user, asked.terminals.len()), (1000, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_is_waited_for_once_in_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let _hung = UnixListener::bind(&path).unwrap();
        let helper = Helper::at(path);
        let late = [Outcome::Late, Outcome::Late];
        let began = Instant::now();
        assert_eq!(write(&helper).await, late);
        assert_eq!(began.elapsed(), TIMEOUT);
        for _ in 0..100 {
            assert_eq!(write(&helper).await, late);
        }
        assert_eq!(began.elapsed(), TIMEOUT, "nothing waits meanwhile");
        tokio::time::advance(BACKOFF).await;
        assert_eq!(write(&helper).await, late);
        assert_eq!(began.elapsed(), TIMEOUT + BACKOFF + TIMEOUT);
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_not_waited_for() {
        let helper = Helper::at(PathBuf::from("/nonexistent/socket"));
        assert_eq!(write(&helper).await, [Outcome::Late, Outcome::Late]);
    }
}
