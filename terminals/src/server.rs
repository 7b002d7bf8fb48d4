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
use crate::pool::Pool;
use crate::worker::Job;

/// Maximum number of concurrent connections; further ones wait in the socket's backlog.
const CONNECTIONS: usize = 128;

/// Serves until nobody has been connected for this time, and no worker is stuck.
///
/// # Errors
/// The socket failed.
pub(crate) async fn serve(
    listener: UnixListener,
    pool: Arc<Pool>,
    idle: Duration,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let nobody = connections.is_empty();
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => {
                let (stream, _) = accepted?;
                connections.spawn(attend(stream, Arc::clone(&pool)));
            }
            _ = connections.join_next(), if !nobody => {}
            () = pool.freed() => {}
            // A stuck worker would remain in the unit's control group, and prevent its next start.
            () = tokio::time::sleep(idle), if nobody && pool.stuck() == 0 => return Ok(()),
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

    const IDLE: Duration = Duration::from_millis(50);
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

    #[tokio::test]
    async fn it_answers_and_ends_when_nobody_is_connected() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let pool = Arc::new(Pool::new("/bin/false", &[]));
        let mut serving = tokio::spawn(serve(listener, pool, IDLE));

        let mut stream = UnixStream::connect(&path).await.unwrap();
        let instance = inotify::init(inotify::CreateFlags::empty()).unwrap();
        let watch = question("/dev/pts/none", Wish::Watch);
        for instance in [None, Some(instance.as_fd())] {
            send(&mut stream, &watch, instance).await.unwrap();
            let answer = receive::<Answer>(&mut stream).await.unwrap().unwrap().0;
            assert_eq!(answer, Answer::Watched(vec![None]));
        }
        let text = "x".to_owned();
        let mesg = Mesg::Ignored;
        let write = question("/dev/pts/none", Wish::Write { text, mesg });
        send(&mut stream, &write, None).await.unwrap();
        let answer = receive::<Answer>(&mut stream).await.unwrap().unwrap().0;
        let refused = Shown::only(Outcome::Refused);
        assert_eq!(answer, Answer::Written(vec![refused]));

        let still = timeout(4 * IDLE, &mut serving).await;
        assert!(still.is_err(), "somebody is connected");
        drop(stream);
        timeout(SOON, serving).await.unwrap().unwrap().unwrap();
    }
}
