//! Fake daemons for the module, most of them broken.

use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, Shutdown, SockFlag, SockType, UnixAddr, connect, listen, shutdown,
    socket,
};
use session_timeout_protocol::{HEADER_LEN, Header, Reply, Request};
use tempfile::TempDir;

/// The line of a working daemon for the user.
pub(crate) const ANNOUNCEMENT: &str =
    "This session ends after 24 h, or after 15 min without input.";

/// How a daemon behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Reads the request, and replies that it is recorded.
    Up,
    /// There is no socket.
    Absent,
    /// There is a socket, and no process listens on it any more.
    Stale,
    /// A file that is no socket is in its place.
    File,
    /// Accepts, and does nothing more.
    Hung,
    /// Listens, and does not accept: a daemon after SIGSTOP.
    Stopped,
    /// As before, with a full backlog.
    BacklogFull,
    /// As before for 50 ms, then a working daemon.
    BacklogFullAtFirst,
    /// Sends half of a reply.
    HalfReply,
    /// Sends a byte every 20 ms.
    Drip,
    /// Sends bytes that are not a frame.
    Garbage,
    /// Sends a frame of another version.
    OtherVersion,
    /// Sends a frame whose length ends inside a field.
    LengthTooShort,
    /// Sends a frame whose length is longer than the frame.
    LengthTooLong,
    /// Sends a header with a length of four gigabytes.
    Oversized,
    /// Replies with a request.
    OtherKind,
    /// Closes at once.
    Closed,
    /// Closes in the middle of the header.
    ClosedInHeader,
    /// Closes in the middle of the body.
    ClosedInBody,
}

/// A daemon; it ends when dropped.
pub(crate) struct Daemon {
    directory: TempDir,
    /// Dropped first, which ends a wait.
    stop: Option<Sender<()>>,
    listener: Option<UnixListener>,
    thread: Option<JoinHandle<()>>,
    requests: Receiver<Request>,
    /// The connections that fill the backlog permanently.
    waiting: Vec<OwnedFd>,
}

impl Daemon {
    pub(crate) fn start(manner: Manner) -> Self {
        let directory = TempDir::new().unwrap();
        let path = socket_in(&directory);
        let (stop, stopped) = channel();
        let (sender, requests) = channel();
        let mut daemon = Self {
            directory,
            stop: Some(stop),
            listener: None,
            thread: None,
            requests,
            waiting: Vec::new(),
        };
        match manner {
            Manner::Absent => return daemon,
            Manner::Stale => {
                drop(UnixListener::bind(&path).unwrap());
                return daemon;
            }
            Manner::File => {
                std::fs::write(&path, "").unwrap();
                return daemon;
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).unwrap();
        daemon.listener = Some(listener.try_clone().unwrap());
        if matches!(manner, Manner::BacklogFull | Manner::BacklogFullAtFirst) {
            listen(&listener, Backlog::new(0).unwrap()).unwrap();
            daemon.waiting = fill(&path);
        }
        if matches!(manner, Manner::Stopped | Manner::BacklogFull) {
            return daemon;
        }
        let mut server = Server {
            manner,
            stopped,
            requests: sender,
            waiting: mem::take(&mut daemon.waiting),
        };
        daemon.thread = Some(thread::spawn(move || server.run(&listener)));
        daemon
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(&self.directory)
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        self.listener.as_ref().unwrap()
    }

    /// The next request.
    pub(crate) fn request(&self) -> Option<Request> {
        self.requests.recv_timeout(Duration::from_secs(10)).ok()
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }

    /// The number of requests that were not read yet; discards them.
    pub(crate) fn forget_requests(&self) -> usize {
        self.requests.try_iter().count()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(listener) = &self.listener {
            // Wakes accept(2).
            let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn socket_in(directory: &TempDir) -> PathBuf {
    directory.path().join("login.sock")
}

/// Connects until the backlog is full.
fn fill(path: &Path) -> Vec<OwnedFd> {
    let address = UnixAddr::new(path).unwrap();
    let mut waiting = Vec::new();
    loop {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => waiting.push(socket),
            Err(Errno::EAGAIN) => return waiting,
            Err(errno) => panic!("{errno}"),
        }
    }
}

/// The daemon's thread.
struct Server {
    manner: Manner,
    stopped: Receiver<()>,
    requests: Sender<Request>,
    /// The connections that fill the backlog temporarily.
    waiting: Vec<OwnedFd>,
}

impl Server {
    fn run(&mut self, listener: &UnixListener) {
        if self.manner == Manner::BacklogFullAtFirst {
            self.pause(Duration::from_millis(50));
            self.waiting.clear();
        }
        while let Ok((mut stream, _)) = listener.accept() {
            // The client closes the connection after an invalid reply, which is no failure of the
            // test.
            let _ = self.serve(&mut stream);
        }
    }

    /// Waits, or returns early if the daemon is dropped.
    fn pause(&self, pause: Duration) {
        let _ = self.stopped.recv_timeout(pause);
    }

    fn serve(&self, stream: &mut UnixStream) -> io::Result<()> {
        match self.manner {
            Manner::Closed => return Ok(()),
            Manner::Hung => return hold(stream),
            _ => {}
        }
        let request = read_request(stream)?;
        let _ = self.requests.send(request.clone());
        let whole = recorded();
        let half = whole.len() / 2;
        let with = |at: usize, bytes: &[u8]| {
            let mut frame = whole.clone();
            frame[at..at + bytes.len()].copy_from_slice(bytes);
            frame
        };
        match self.manner {
            Manner::HalfReply => stream.write_all(&whole[..half])?,
            Manner::Drip => {
                for byte in &whole {
                    stream.write_all(&[*byte])?;
                    self.pause(Duration::from_millis(20));
                }
            }
            Manner::Garbage => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?,
            Manner::OtherVersion => stream.write_all(&with(4, &[9, 0]))?,
            Manner::LengthTooShort => stream.write_all(&with(8, &[whole[8] - 1]))?,
            Manner::LengthTooLong => stream.write_all(&with(8, &[whole[8] + 1]))?,
            Manner::Oversized => stream.write_all(&with(8, &[0xff; 4]))?,
            Manner::OtherKind => stream.write_all(&request.encode().unwrap())?,
            Manner::ClosedInHeader => return stream.write_all(&whole[..HEADER_LEN - 1]),
            Manner::ClosedInBody => return stream.write_all(&whole[..half]),
            _ => return stream.write_all(&whole),
        }
        hold(stream)
    }
}

/// The frame of a good reply.
fn recorded() -> Vec<u8> {
    let announcement = Some(ANNOUNCEMENT.to_owned());
    Reply::Recorded { announcement }.encode().unwrap()
}

/// Reads one request.
fn read_request(stream: &mut UnixStream) -> io::Result<Request> {
    let mut header = [0; HEADER_LEN];
    stream.read_exact(&mut header)?;
    let header = Header::decode(&header).map_err(io::Error::other)?;
    let mut body = vec![0; header.body_len()];
    stream.read_exact(&mut body)?;
    Request::decode(header, &body).map_err(io::Error::other)
}

/// Keeps a connection open until the peer closes it.
fn hold(stream: &mut UnixStream) -> io::Result<()> {
    stream.read_to_end(&mut Vec::new()).map(drop)
}
