//! One exchange with the daemon: connect, send a request, receive the reply, close.
//!
//! One deadline on CLOCK_MONOTONIC (which is what [`Instant`] reads) bounds all of it together,
//! so that a daemon that sends a byte at a time does not extend it. The socket is non-blocking; the
//! module waits only in poll(2), and between attempts to connect to a full backlog.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt, recv, send, socket,
};
use nix::unistd::{Uid, geteuid};
use session_timeout_protocol::{FrameError, HEADER_LEN, Header, Reply, Request};

/// The delay before another attempt to connect to a full backlog: the kernel reports a free place
/// only to a connect(2) that blocks. A running daemon empties its backlog faster than this.
const BACKLOG_DELAY: Duration = Duration::from_millis(2);

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No process listens: there is no socket, or an unused one.
    Absent(Errno),
    /// The backlog stayed full until the deadline.
    Busy,
    /// The listener is neither root nor the user that this process runs as.
    Stranger(Uid),
    /// The deadline came before the end of the reply.
    Late,
    /// The connection was closed before the end of the reply.
    Closed,
    /// A system call failed.
    System(Errno),
    /// The received bytes are not a reply.
    Frame(FrameError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(errno) | Self::System(errno) => f.write_str(errno.desc()),
            Self::Busy => f.write_str("too many connections are waiting"),
            Self::Stranger(uid) => write!(f, "the socket is served by uid {uid}"),
            Self::Late => f.write_str("no reply in time"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// Sends a request to the daemon at `path` and returns its reply, all within `timeout`.
pub(crate) fn exchange(
    path: &Path,
    timeout: Duration,
    request: &Request,
) -> Result<Reply, Failure> {
    let deadline = Deadline::after(timeout);
    let frame = request.encode()?;
    let connection = Connection::open(path, deadline)?;
    connection.check_peer()?;
    connection.send(&frame)?;
    let mut header = [0; HEADER_LEN];
    connection.receive(&mut header)?;
    let header = Header::decode(&header)?;
    let mut body = vec![0; header.body_len()];
    connection.receive(&mut body)?;
    Ok(Reply::decode(header, &body)?)
}

/// A connection to the daemon, and its deadline.
struct Connection {
    socket: OwnedFd,
    deadline: Deadline,
}

impl Connection {
    fn open(path: &Path, deadline: Deadline) -> Result<Self, Failure> {
        let address = UnixAddr::new(path)?;
        let socket = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        )?;
        loop {
            match connect(socket.as_raw_fd(), &address) {
                Ok(()) => return Ok(Self { socket, deadline }),
                // A full backlog; see connect(2) on AF_UNIX.
                Err(Errno::EAGAIN | Errno::EINTR) => deadline.pause(BACKLOG_DELAY)?,
                Err(errno @ (Errno::ENOENT | Errno::ECONNREFUSED)) => {
                    return Err(Failure::Absent(errno));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Does not send the login to another user's process. The kernel has the credentials of the
    /// process that called listen(2), which with socket activation is PID 1 (unix(7),
    /// `SO_PEERCRED`).
    fn check_peer(&self) -> Result<(), Failure> {
        let peer = Uid::from_raw(getsockopt(&self.socket, PeerCredentials)?.uid());
        if is_trusted(peer, geteuid()) {
            Ok(())
        } else {
            Err(Failure::Stranger(peer))
        }
    }

    fn send(&self, mut rest: &[u8]) -> Result<(), Failure> {
        while !rest.is_empty() {
            // Without the flag a closed connection raises SIGPIPE, which terminates a process
            // that does not ignore it.
            match send(self.socket.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::EAGAIN) => self.wait_for(PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(Failure::Closed),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Fills `rest`.
    fn receive(&self, mut rest: &mut [u8]) -> Result<(), Failure> {
        while !rest.is_empty() {
            match recv(self.socket.as_raw_fd(), rest, MsgFlags::empty()) {
                Ok(0) | Err(Errno::ECONNRESET) => return Err(Failure::Closed),
                Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
                Err(Errno::EAGAIN) => self.wait_for(PollFlags::POLLIN)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Waits until the socket is ready. The events of poll(2) are not evaluated: the next call on
    /// the socket returns the error.
    fn wait_for(&self, events: PollFlags) -> Result<(), Failure> {
        loop {
            let timeout = self.deadline.left().ok_or(Failure::Late)?;
            let mut sockets = [PollFd::new(self.socket.as_fd(), events)];
            match poll(&mut sockets, timeout) {
                Ok(0) => return Err(Failure::Late),
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Whether a process that runs as `peer` may be the daemon.
fn is_trusted(peer: Uid, own: Uid) -> bool {
    peer.is_root() || peer == own
}

/// The deadline of an exchange.
#[derive(Clone, Copy)]
struct Deadline(Instant);

impl Deadline {
    fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// The remaining time in whole milliseconds, rounded down.
    fn left(self) -> Option<PollTimeout> {
        let left = self.0.checked_duration_since(Instant::now())?;
        PollTimeout::try_from(left).ok()
    }

    /// Waits for `pause`, or for the remaining time if that is shorter.
    fn pause(self, pause: Duration) -> Result<(), Failure> {
        let left = self.left().ok_or(Failure::Busy)?;
        let pause = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [], left.min(pause)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::mpsc;
    use std::thread;

    use session_timeout_protocol::{Closed, MAX_FRAME, Opened};
    use tempfile::TempDir;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(250);

    /// Tolerance for the scheduler of a busy machine.
    const SLACK: Duration = Duration::from_millis(100);

    fn login() -> Request {
        Request::Opened(Opened {
            user: "alice".into(),
            service: "sshd".into(),
            ..Opened::default()
        })
    }

    fn recorded() -> Reply {
        Reply::Recorded {
            announcement: Some("This session ends after 24 h.".into()),
        }
    }

    /// One exchange with a listener that accepts one connection and calls `serve` with it.
    fn with_daemon(
        timeout: Duration,
        request: &Request,
        serve: impl FnOnce(UnixStream) + Send + 'static,
    ) -> (Result<Reply, Failure>, Duration) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("login.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = thread::spawn(move || serve(listener.accept().unwrap().0));
        let start = Instant::now();
        let result = exchange(&path, timeout, request);
        let elapsed = start.elapsed();
        daemon.join().unwrap();
        (result, elapsed)
    }

    fn read_request(stream: &mut UnixStream) -> Request {
        let mut header = [0; HEADER_LEN];
        stream.read_exact(&mut header).unwrap();
        let header = Header::decode(&header).unwrap();
        let mut body = vec![0; header.body_len()];
        stream.read_exact(&mut body).unwrap();
        Request::decode(header, &body).unwrap()
    }

    /// Holds a connection open until the peer closes it.
    fn hold(mut stream: UnixStream) {
        let _ = stream.read_to_end(&mut Vec::new());
    }

    #[test]
    fn a_request_arrives_and_its_reply_comes_back() {
        for request in [login(), Request::Closed(Closed::default())] {
            let (sender, receiver) = mpsc::channel();
            let (result, _) = with_daemon(TIMEOUT, &request, move |mut stream| {
                sender.send(read_request(&mut stream)).unwrap();
                stream.write_all(&recorded().encode().unwrap()).unwrap();
            });
            assert_eq!(result, Ok(recorded()));
            assert_eq!(receiver.recv(), Ok(request));
        }
    }

    #[test]
    fn a_reply_may_come_in_pieces() {
        let (result, _) = with_daemon(TIMEOUT, &login(), |mut stream| {
            read_request(&mut stream);
            for byte in recorded().encode().unwrap() {
                stream.write_all(&[byte]).unwrap();
            }
        });
        assert_eq!(result, Ok(recorded()));
    }

    #[test]
    fn nobody_there_is_found_out_at_once() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("login.sock");
        let absent = |errno| Err(Failure::Absent(errno));
        assert_eq!(exchange(&path, TIMEOUT, &login()), absent(Errno::ENOENT));
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(
            exchange(&path, TIMEOUT, &login()),
            absent(Errno::ECONNREFUSED)
        );
        let path = dir.path().join("x".repeat(200));
        assert_eq!(
            exchange(&path, TIMEOUT, &login()),
            Err(Failure::System(Errno::ENAMETOOLONG))
        );
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        for timeout in [20, 120].map(Duration::from_millis) {
            let (result, elapsed) = with_daemon(timeout, &login(), hold);
            assert_eq!(result, Err(Failure::Late));
            let early = timeout - Duration::from_millis(2);
            assert!(elapsed > early, "{elapsed:?} of {timeout:?}");
            assert!(elapsed < timeout + SLACK, "{elapsed:?} of {timeout:?}");
        }
    }

    #[test]
    fn the_deadline_is_for_the_whole_and_not_for_each_byte() {
        let (result, elapsed) = with_daemon(Duration::from_millis(100), &login(), |mut stream| {
            read_request(&mut stream);
            // Each read waits until the client has closed the connection, with the delay between
            // two bytes as timeout.
            let pause = Duration::from_millis(10);
            stream.set_read_timeout(Some(pause)).unwrap();
            for byte in recorded().encode().unwrap() {
                let gone = stream.write_all(&[byte]).is_err();
                if gone || matches!(stream.read(&mut [0]), Ok(0)) {
                    return;
                }
            }
        });
        assert_eq!(result, Err(Failure::Late));
        assert!(elapsed < Duration::from_millis(100) + SLACK, "{elapsed:?}");
    }

    #[test]
    fn the_end_of_a_connection_is_an_error_at_once() {
        let whole = recorded().encode().unwrap();
        for count in [0, 1, HEADER_LEN - 1, HEADER_LEN, whole.len() - 1] {
            let part = whole.get(..count).unwrap().to_vec();
            let (result, elapsed) = with_daemon(TIMEOUT, &login(), move |mut stream| {
                read_request(&mut stream);
                stream.write_all(&part).unwrap();
            });
            assert_eq!(result, Err(Failure::Closed), "{count} bytes");
            assert!(elapsed < SLACK, "{count} bytes: {elapsed:?}");
        }
    }

    #[test]
    fn a_daemon_that_closes_without_reading_has_closed() {
        let (result, _) = with_daemon(TIMEOUT, &login(), drop);
        assert_eq!(result, Err(Failure::Closed));
    }

    #[test]
    fn what_is_not_a_reply_is_refused_at_its_header() {
        let good = recorded().encode().unwrap();
        let with = |at: usize, byte: u8| {
            let mut frame = good.clone();
            *frame.get_mut(at).unwrap() = byte;
            frame
        };
        for (frame, error) in [
            (
                b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
                FrameError::BadMagic,
            ),
            (with(4, 9), FrameError::Version(9)),
            (with(6, 9), FrameError::Malformed),
            (with(8, good.get(8).unwrap() - 1), FrameError::Truncated),
            (with(10, 1), FrameError::TooLong),
        ] {
            let (result, elapsed) = with_daemon(TIMEOUT, &login(), move |mut stream| {
                read_request(&mut stream);
                stream.write_all(&frame).unwrap();
                hold(stream);
            });
            assert_eq!(result, Err(Failure::Frame(error)));
            assert!(elapsed < SLACK, "{error}: {elapsed:?}");
        }
    }

    #[test]
    fn a_request_that_does_not_fit_is_not_sent() {
        let request = Request::Closed(Closed {
            user: "x".repeat(MAX_FRAME),
            ..Closed::default()
        });
        assert_eq!(
            exchange(Path::new("/nonexistent"), TIMEOUT, &request),
            Err(Failure::Frame(FrameError::TooLong))
        );
    }

    #[test]
    fn a_stranger_is_not_trusted() {
        let [root, own, other] = [0, 1000, 1001].map(Uid::from_raw);
        assert!(is_trusted(root, own));
        assert!(is_trusted(own, own));
        assert!(!is_trusted(other, own));
        assert!(!is_trusted(other, root));
    }
}
