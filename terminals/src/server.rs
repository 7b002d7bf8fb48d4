//! The server of the socket: answers the daemon's requests.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use session_timeout_terminals::{
    MAX_TERMINALS, Mesg, Operation, Outcome, Request, Response, Terminal, WriteResult, receive,
    send,
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
        let (request, instance) = match receive::<Request>(&mut stream).await {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(error) => {
                eprintln!("session-timeout-terminals: not a request: {error}");
                return;
            }
        };
        let Request {
            user,
            mut terminals,
            operation,
        } = request;
        terminals.truncate(MAX_TERMINALS);
        let response = match (operation, instance) {
            (Operation::Write { text, mesg }, _) => {
                Response::Written(write(&pool, user, terminals, &text, mesg).await)
            }
            (Operation::Watch, Some(instance)) => {
                let watch = |terminal| device::watch(terminal, user, &instance).ok();
                Response::Watched(terminals.iter().map(watch).collect())
            }
            (Operation::Watch, None) => Response::Watched(vec![None; terminals.len()]),
        };
        if send(&mut stream, &response, None).await.is_err() {
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
) -> Vec<WriteResult> {
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
    let mut results = Vec::with_capacity(writing.len());
    for one in writing {
        results.push(one.await.unwrap_or(WriteResult::only(Outcome::Refused)));
    }
    results
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

    fn request(path: &str, operation: Operation) -> Request {
        Request {
            user: 0,
            terminals: vec![Terminal {
                path: path.into(),
                device: 1,
                owner: 0,
                witness: None,
            }],
            operation,
        }
    }

    async fn ask(stream: &mut UnixStream, request: &Request) -> Response {
        send(stream, request, None).await.unwrap();
        receive::<Response>(stream).await.unwrap().unwrap().0
    }

    fn write_to(path: &str) -> Request {
        let (text, mesg) = ("x".to_owned(), Mesg::Ignored);
        request(path, Operation::Write { text, mesg })
    }

    #[tokio::test]
    async fn each_request_has_its_response() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let pool = Arc::new(Pool::new("/bin/false", &[]));
        let _serving = tokio::spawn(serve(listener, pool, SOON));

        let mut stream = UnixStream::connect(&path).await.unwrap();
        let instance = inotify::init(inotify::CreateFlags::empty()).unwrap();
        let watch = request("/dev/pts/none", Operation::Watch);
        for instance in [None, Some(instance.as_fd())] {
            send(&mut stream, &watch, instance).await.unwrap();
            let response = receive::<Response>(&mut stream).await.unwrap().unwrap().0;
            assert_eq!(response, Response::Watched(vec![None]));
        }
        let response = ask(&mut stream, &write_to("/dev/pts/none")).await;
        let refused = WriteResult::only(Outcome::Refused);
        assert_eq!(response, Response::Written(vec![refused]));
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
            let response = ask(&mut stream, &write_to("/dev/pts/0")).await;
            let written = WriteResult::only(Outcome::Written);
            assert_eq!(response, Response::Written(vec![written]));
            let still = timeout(4 * IDLE_TIMEOUT, ended()).await;
            assert!(still.is_err(), "somebody is connected");
            drop(stream);
            timeout(SOON, ended()).await.unwrap();
        }
    }
}
