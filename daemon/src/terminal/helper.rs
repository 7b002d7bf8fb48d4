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
    MAX_TERMINALS, Mesg, Operation, Outcome, Request, Response, SOCKET, Terminal, WriteResult,
    receive, send,
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
        match self
            .request(user, terminals, Operation::Watch, Some(instance))
            .await
        {
            Some(Response::Watched(watches)) => watches.into_iter().flatten().collect(),
            Some(Response::Written(_)) | None => Vec::new(),
        }
    }

    /// Has the helper write to these terminals; returns the result for each.
    pub(crate) async fn write<'a>(
        &self,
        user: Uid,
        terminals: &'a BTreeSet<Terminal>,
        text: &str,
        mesg: Mesg,
    ) -> Vec<(&'a Terminal, WriteResult)> {
        let text = text.to_owned();
        let response = self
            .request(user, terminals, Operation::Write { text, mesg }, None)
            .await;
        let results = match response {
            Some(Response::Written(results)) => results,
            Some(Response::Watched(_)) | None => Vec::new(),
        };
        let late = std::iter::repeat(WriteResult::only(Outcome::Late));
        let results = results.into_iter().chain(late);
        terminals.iter().zip(results).collect()
    }

    async fn request(
        &self,
        user: Uid,
        terminals: &BTreeSet<Terminal>,
        operation: Operation,
        instance: Option<&OwnedFd>,
    ) -> Option<Response> {
        if terminals.is_empty() || self.is_backing_off() {
            return None;
        }
        let request = Request {
            user: user.as_raw(),
            terminals: terminals.iter().take(MAX_TERMINALS).cloned().collect(),
            operation,
        };
        let response = timeout(TIMEOUT, self.call(&request, instance)).await;
        self.note(match response {
            Ok(response) => response,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        })
    }

    async fn call(&self, request: &Request, instance: Option<&OwnedFd>) -> io::Result<Response> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let instance = instance.map(|instance| instance.as_fd());
        send(&mut stream, request, instance).await?;
        let response = receive(&mut stream).await?;
        let (response, _) = response.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(response)
    }

    fn is_backing_off(&self) -> bool {
        let until = self.state().backoff_until;
        until.is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, response: io::Result<Response>) -> Option<Response> {
        let mut state = self.state();
        match response {
            Ok(response) => {
                *state = State::default();
                Some(response)
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
        let results = helper.write(Uid::new(1000), &terminals, "x", Mesg::Ignored);
        let results = results.await;
        results.iter().map(|(_, result)| result.outcome).collect()
    }

    #[tokio::test]
    async fn each_terminal_has_its_own_result_and_those_left_out_are_late() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (asked, _) = receive::<Request>(&mut stream).await.unwrap().unwrap();
            let response = Response::Written(vec![WriteResult::only(Outcome::Written)]);
            send(&mut stream, &response, None).await.unwrap();
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
