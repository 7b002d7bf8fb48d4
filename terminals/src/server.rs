//! The server of the socket: answers the daemon's requests.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use session_timeout_terminals::{
    Answer, Mesg, Outcome, Question, Shown, TERMINALS_MAX, Terminal, Wish, receive, send,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::device;
use crate::job::Job;
use crate::pool::Pool;

/// Maximum number of concurrent connections; further ones wait in the socket's backlog.
const MAX_CONNECTIONS: usize = 128;

/// Serves until the socket fails, and returns the error. The workers are ended when the
/// daemon has not been connected for this time; after that only the next connection wakes the
/// program.
pub(crate) async fn serve(listener: UnixListener, pool: Arc<Pool>, idle: Duration) -> io::Error {
    let mut connections = JoinSet::new();
    loop {
        let nobody = connections.is_empty();
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(attend(stream, Arc::clone(&pool)))),
                Err(error) => return error,
            },
            _ = connections.join_next(), if !nobody => {}
            () = tokio::time::sleep(idle), if nobody && pool.has_spare() => pool.end_spare().await,
        }
    }
}

/// Serves one connection until the peer closes it.
async fn attend(mut stream: UnixStream, pool: Arc<Pool>) {
    let me = rustix::process::geteuid().as_raw();
    let is_ours = |stream: &UnixStream| stream.peer_cred().is_ok_and(|peer| peer.uid() == me);
    if !is_ours(&stream) {
        return;
    }
    loop {
        let (question, instance) = match receive::<Question>(&mut stream).await {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(error) => {
                eprintln!("session-timeout-terminals: a question that is none: {error}");
                return;
            }
        };
        let Question {
            user,
            mut terminals,
            wish,
        } = question;
        terminals.truncate(TERMINALS_MAX);
        let answer = match (wish, instance) {
            (Wish::Write { text, mesg }, _) => {
                Answer::Written(write(&pool, user, terminals, &text, mesg).await)
            }
            (Wish::Watch, Some(instance)) => {
                let watch = |terminal| device::watch(terminal, user, &instance).ok();
                Answer::Watched(terminals.iter().map(watch).collect())
            }
            (Wish::Watch, None) => Answer::Watched(vec![None; terminals.len()]),
        };
        if send(&mut stream, &answer, None).await.is_err() {
            return;
        }
    }
}

/// Writes to all terminals concurrently, so that one that blocks does not delay the others.
async fn write(
    pool: &Arc<Pool>,
    user: u32,
    terminals: Vec<Terminal>,
    text: &str,
    mesg: Mesg,
) -> Vec<Shown> {
    let writing = terminals.into_iter().map(|terminal| {
        let (pool, text) = (Arc::clone(pool), text.to_owned());
        let job = Job {
            user,
            terminal,
            text,
            mesg,
        };
        tokio::spawn(async move { pool.write(&job).await })
    });
    let writing: Vec<_> = writing.collect();
    let mut shown = Vec::with_capacity(writing.len());
    for one in writing {
        shown.push(one.await.unwrap_or(Shown::only(Outcome::Refused)));
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::fs::inotify;
    use tokio::time::timeout;

    use super::*;
    use crate::pool::tests::FAKE;

    const IDLE_TIMEOUT: Duration = Duration::from_millis(50);
    const SOON: Duration = Duration::from_secs(10);

    fn question(path: &str, wish: Wish) -> Question {
        Question {
            user: 0,
            terminals: vec![Terminal {
                path: path.into(),
                device: 1,
                owner: 0,
                witness: None,
            }],
            wish,
        }
    }

    async fn ask(stream: &mut UnixStream, question: &Question) -> Answer {
        send(stream, question, None).await.unwrap();
        receive::<Answer>(stream).await.unwrap().unwrap().0
    }

    fn write_to(path: &str) -> Question {
        let (text, mesg) = ("x".to_owned(), Mesg::Ignored);
        question(path, Wish::Write { text, mesg })
    }

    #[tokio::test]
    async fn each_question_has_its_answer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let pool = Arc::new(Pool::new("/bin/false", &[]));
        let _serving = tokio::spawn(serve(listener, pool, SOON));

        let mut stream = UnixStream::connect(&path).await.unwrap();
        let instance = inotify::init(inotify::CreateFlags::empty()).unwrap();
        let watch = question("/dev/pts/none", Wish::Watch);
        for instance in [None, Some(instance.as_fd())] {
            send(&mut stream, &watch, instance).await.unwrap();
            let answer = receive::<Answer>(&mut stream).await.unwrap().unwrap().0;
            assert_eq!(answer, Answer::Watched(vec![None]));
        }
        let answer = ask(&mut stream, &write_to("/dev/pts/none")).await;
        let refused = Shown::only(Outcome::Refused);
        assert_eq!(answer, Answer::Written(vec![refused]));
    }

    #[tokio::test]
    async fn workers_are_ended_when_nobody_is_connected_and_the_next_one_is_served() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let pool = Arc::new(Pool::new("/bin/sh", FAKE));
        let _serving = tokio::spawn(serve(listener, Arc::clone(&pool), IDLE_TIMEOUT));
        let ended = async || {
            while pool.has_spare() {
                tokio::time::sleep(IDLE_TIMEOUT / 10).await;
            }
        };
        for _ in 0..2 {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            let answer = ask(&mut stream, &write_to("/dev/pts/0")).await;
            let written = Shown::only(Outcome::Written);
            assert_eq!(answer, Answer::Written(vec![written]));
            let still = timeout(4 * IDLE_TIMEOUT, ended()).await;
            assert!(still.is_err(), "somebody is connected");
            drop(stream);
            timeout(SOON, ended()).await.unwrap();
        }
    }
}
