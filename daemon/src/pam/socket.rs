//! The login socket: receives the messages of the PAM module.
//!
//! Only root can connect (mode 0600), and the peer's credentials are checked as well. A connection
//! carries one message, is closed after one second at most, and does not affect other connections.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use session_timeout_policy::Pid;
use session_timeout_protocol::{FrameError, HEADER_LEN, Header, LOGIN_SOCKET, Reply, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::input::Input;

/// Maximum number of connections that are served concurrently; others wait in the socket's backlog.
const CONNECTIONS_MAX: usize = 64;
/// Timeout of a connection. The module's timeout is 250 ms.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Timeout of the reply. It is shorter than the module's, so that a login that logind announces
/// late is still recorded.
const REPLY_TIMEOUT: Duration = Duration::from_millis(150);
/// Delay after a failed accept, as when there are no free file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The login socket: systemd's, or one that the daemon binds when it is run by hand.
pub(crate) fn listener() -> io::Result<UnixListener> {
    let listener = match ListenFd::from_env().take_unix_listener(0)? {
        Some(inherited) => inherited,
        None => bind(Path::new(LOGIN_SOCKET))?,
    };
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Serves the login socket for ever.
pub(crate) async fn serve(listener: UnixListener, inputs: mpsc::Sender<Input>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let inputs = inputs.clone();
                tokio::spawn(async move {
                    // In both cases the connection is closed here.
                    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, attend(stream, &inputs)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                log::warn!("cannot accept a login connection: {error}");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Handles one connection.
async fn attend(mut stream: UnixStream, inputs: &mpsc::Sender<Input>) {
    let Some(peer) = Peer::of(&stream) else {
        return;
    };
    let request = match read(&mut stream).await {
        Ok(Some(request)) => request,
        // The peer closed the connection without a message.
        Ok(None) => return,
        Err(error) => {
            let _ = inputs.send(Input::FrameRejected(error)).await;
            return;
        }
    };
    let announcement = match request {
        Request::Opened(opened) => {
            // If the process has ended, its login is over, and its process id may be reused.
            if peer.has_ended() {
                return;
            }
            let (answer, answered) = oneshot::channel();
            if inputs
                .send(Input::Opened(opened, peer.pid, answer))
                .await
                .is_err()
            {
                return;
            }
            tokio::time::timeout(REPLY_TIMEOUT, answered)
                .await
                .ok()
                .and_then(Result::ok)
                .flatten()
        }
        Request::Closed(closed) => {
            if inputs.send(Input::Closed(closed, peer.pid)).await.is_err() {
                return;
            }
            None
        }
    };
    if let Ok(frame) = (Reply::Recorded { announcement }).encode() {
        // The module may have timed out by now.
        let _ = stream.write_all(&frame).await;
    }
}

/// The peer process, as the kernel reports it.
struct Peer {
    pid: Pid,
    /// Identifies the process even if its process id is reused. Linux 6.5 and later.
    pidfd: Option<OwnedFd>,
}

impl Peer {
    /// The peer, if it runs as root.
    fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = stream.peer_cred().ok()?;
        if credentials.uid() != 0 {
            log::warn!(
                "a process of uid {} reached the login socket",
                credentials.uid()
            );
            return None;
        }
        let pid = credentials
            .pid()
            .and_then(|pid| u32::try_from(pid).ok())
            .map(Pid::new)?;
        Some(Self {
            pid,
            pidfd: getsockopt(stream, sockopt::PeerPidfd).ok(),
        })
    }

    /// Whether the process is known to have ended. Without a pidfd the result is `false`: the
    /// module waits for the reply, so its process still runs.
    fn has_ended(&self) -> bool {
        // pidfd_open(2): a pidfd becomes readable when its process ends.
        self.pidfd.as_ref().is_some_and(|pidfd| {
            let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
            poll(&mut ended, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
        })
    }
}

async fn read(stream: &mut UnixStream) -> Result<Option<Request>, FrameError> {
    let mut header = [0; HEADER_LEN];
    let mut filled = 0;
    while let Some(rest) = header.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest).await {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) | Err(_) => return Err(FrameError::Truncated),
            Ok(more) => filled += more,
        }
    }
    let header = Header::decode(&header)?;
    let mut body = vec![0; header.body_len()];
    stream
        .read_exact(&mut body)
        .await
        .map_err(|_| FrameError::Truncated)?;
    Request::decode(header, &body).map(Some)
}

/// Binds a socket of the daemon's own. Its mode is set from the start, so only root can ever
/// connect.
fn bind(path: &Path) -> io::Result<StdListener> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::symlink_metadata(path) {
        Ok(_) => fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let listener = StdListener::bind(path);
    nix::sys::stat::umask(before);
    listener
}

#[cfg(test)]
mod tests {
    use session_timeout_protocol::Opened;

    use super::*;

    fn login() -> Vec<u8> {
        let opened = Opened {
            user: "alice".into(),
            service: "sshd".into(),
            ..Opened::default()
        };
        Request::Opened(opened).encode().unwrap()
    }

    /// The result of reading these bytes from a peer that then closes the connection.
    async fn received(bytes: &[u8]) -> Result<Option<Request>, FrameError> {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).await.unwrap();
        drop(theirs);
        read(&mut ours).await
    }

    #[tokio::test]
    async fn a_login_is_read_and_every_cut_of_it_refused() {
        let frame = login();
        assert!(matches!(
            received(&frame).await,
            Ok(Some(Request::Opened(_)))
        ));
        assert_eq!(received(&[]).await, Ok(None));
        for cut in 1..frame.len() {
            assert_eq!(
                received(&frame[..cut]).await,
                Err(FrameError::Truncated),
                "{cut}"
            );
        }
    }

    #[tokio::test]
    async fn garbage_is_refused_by_its_header() {
        assert_eq!(received(&[0x41; 4096]).await, Err(FrameError::BadMagic));
        let mut long = login();
        long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(received(&long).await, Err(FrameError::TooLong));
    }
}
